/* paths.c - see paths.h. */
#include "paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atomic_file.h"
#include "folder.h"

static const struct {
    const char *variable, *below_home;
} kinds[PATHS_KINDS] = {
    [PATHS_CONFIG] = {"XDG_CONFIG_HOME", ".config"},
    [PATHS_DATA] = {"XDG_DATA_HOME", ".local/share"},
    [PATHS_STATE] = {"XDG_STATE_HOME", ".local/state"},
    [PATHS_CACHE] = {"XDG_CACHE_HOME", ".cache"},
};

/* ---- the user's -------------------------------------------------------------------------------- */

static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

const char *paths_home(void)
{
    return absolute("HOME");
}

const char *paths_account_home(void)
{
    if (paths_home())
        return paths_home();
    const struct passwd *user = getpwuid(getuid());
    return user && user->pw_dir ? user->pw_dir : "/";
}

int paths_of(paths_kind kind, const char *below, char **path, error *err)
{
    const char *base = absolute(kinds[kind].variable), *home = paths_home();
    const char *slash = below ? "/" : "";
    *path = NULL;
    if (!base && !home)
        return 0;
    below = below ? below : "";
    *path = base ? string_format(err, "%s%s%s", base, slash, below)
                 : string_format(err, "%s/%s%s%s", home, kinds[kind].below_home, slash, below);
    return *path ? 0 : -1;
}

int paths_own(paths_kind kind, const char *below, char **path, error *err)
{
    char *own = string_format(err, "consilium%s%s", below ? "/" : "", below ? below : "");
    *path = NULL;
    int result = own ? paths_of(kind, own, path, err) : -1;
    free(own);
    return result;
}

int paths_missing(paths_kind kind, const char *prefix, error *err)
{
    return error_set(err, ERROR_RUN, "%sneither %s nor HOME is set", prefix, kinds[kind].variable);
}

/* ---- the program's ----------------------------------------------------------------------------- */

/* Cuts the last part off; "" above everything. */
static void go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
}

void paths_program(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    go_up(out);
}

int paths_shipped(char *out[PATHS_SHIPPED], error *err)
{
    char parent[PATH_MAX];
    paths_program(parent);
    go_up(parent);
    out[0] = string_format(err, "%s/share/consilium/personas", parent);
    out[1] = string_format(err, "%s/personas/shipped", parent);
    go_up(parent);
    out[2] = string_format(err, "%s/personas/shipped", parent);
    if (out[0] && out[1] && out[2])
        return 0;
    paths_shipped_release(out);
    return -1;
}

void paths_shipped_release(char *paths[PATHS_SHIPPED])
{
    for (int i = 0; i < PATHS_SHIPPED; i++) {
        free(paths[i]);
        paths[i] = NULL;
    }
}

/* ---- making ------------------------------------------------------------------------------------ */

int paths_make(const char *path, size_t n, error *err)
{
    char *copy = strndup(path, n);
    if (!copy)
        return error_memory(err, "a path");
    int result = 0;
    for (char *at = copy; *at && !result;) {
        at += 1 + strcspn(at + 1, "/");
        char c = *at;
        *at = '\0';
        if (mkdir(copy, 0700) == 0)
            file_flush_name(copy);
        else if (errno != EEXIST)
            result = error_set(err, ERROR_RUN, "cannot make %s: %s", copy, strerror(errno));
        *at = c;
    }
    free(copy);
    return result;
}

const char *paths_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}
