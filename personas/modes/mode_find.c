/* mode_find.c - the search path of modes: the user's own, then those that came with the program
 * (paths_shipped). The first file of a name wins.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../roster/persona.h"
#include "mode.h"

enum { PLACES = 1 + PATHS_SHIPPED };

typedef struct search_path {
    char *folders[PLACES]; /* NULL = not to be had */
} search_path;

static void search_release(search_path *s)
{
    for (int i = 0; i < PLACES; i++)
        free(s->folders[i]);
}

static int search_open(search_path *s, error *err)
{
    char *shipped[PATHS_SHIPPED];
    *s = (search_path){{NULL}};
    if (paths_own(PATHS_CONFIG, "modes", &s->folders[0], err) || paths_shipped(shipped, err)) {
        search_release(s);
        return -1;
    }
    int result = 0;
    for (int i = 0; i < PATHS_SHIPPED; i++)
        if (!(s->folders[1 + i] = string_format(err, "%s/modes", shipped[i])))
            result = -1;
    paths_shipped_release(shipped);
    if (result)
        search_release(s);
    return result;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static mode_file *load_named(const char *path, const char *name, error *err)
{
    mode_file *m = mode_load(path, err);
    if (!m || strcmp(m->name, name) == 0)
        return m;
    error_set(err, ERROR_LOAD, "%s: its name is %s; file and name must agree", path, m->name);
    mode_close(m);
    return NULL;
}

/* ---- one --------------------------------------------------------------------------------------- */

static void pass_over(void *user, const error *why)
{
    (void)user;
    (void)why;
}

static int not_found(const char *name, error *err)
{
    mode_list all = {0};
    char known[256] = "";
    if (mode_list_load(&all, pass_over, NULL, NULL) == 0)
        for (int i = 0; i < all.n && strlen(known) + strlen(all.v[i]->name) + 3 < sizeof known;
             i++) {
            strcat(known, i ? ", " : "");
            strcat(known, all.v[i]->name);
        }
    mode_list_release(&all);
    return error_set(err, ERROR_LOAD, "no mode is called %.64s; there are: %s", name,
                     known[0] ? known : "none");
}

mode_file *mode_find(const char *name, error *err)
{
    if (!persona_name_ok(name)) {
        error_set(err, ERROR_USAGE, "\"%.64s\" is no mode's name", name);
        return NULL;
    }
    search_path s;
    mode_file *m = NULL;
    bool found = false;
    if (search_open(&s, err))
        return NULL;
    for (int i = 0; i < PLACES && !found; i++) {
        char *path = s.folders[i] ? string_format(err, "%s/%s.json", s.folders[i], name) : NULL;
        found = path && is_file(path);
        if (found)
            m = load_named(path, name, err);
        free(path);
    }
    if (!found)
        not_found(name, err);
    search_release(&s);
    return m;
}

/* ---- all --------------------------------------------------------------------------------------- */

typedef struct listing {
    mode_list *out;
    void (*broken)(void *user, const error *why);
    void *user;
    error *err;
} listing;

static bool is_listed(const mode_list *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->v[i]->name, name) == 0)
            return true;
    return false;
}

/* In order of the names. */
static int insert(mode_list *l, mode_file *m, error *err)
{
    mode_file **grown = realloc(l->v, ((size_t)l->n + 1) * sizeof(mode_file *));
    if (!grown) {
        mode_close(m);
        return error_memory(err, "the modes");
    }
    l->v = grown;
    int at = l->n++;
    for (; at > 0 && strcmp(l->v[at - 1]->name, m->name) > 0; at--)
        l->v[at] = l->v[at - 1];
    l->v[at] = m;
    return 0;
}

static int add_file(listing *w, const char *place, const char *file)
{
    char name[MODE_TEXT_MOST + 1];
    const char *dot = strrchr(file, '.');
    size_t n = dot ? (size_t)(dot - file) : 0;
    if (!dot || strcmp(dot, ".json") != 0 || n >= sizeof name)
        return 0;
    memcpy(name, file, n);
    name[n] = '\0';
    if (!persona_name_ok(name) || is_listed(w->out, name))
        return 0;
    char *path = string_format(w->err, "%s/%s", place, file);
    if (!path)
        return -1;
    error why = {0};
    mode_file *m = is_file(path) ? load_named(path, name, &why) : NULL;
    free(path);
    if (m)
        return insert(w->out, m, w->err);
    if (why.code == ERROR_NONE)
        return 0;
    if (w->broken) {
        w->broken(w->user, &why);
        return 0;
    }
    if (w->err)
        *w->err = why;
    return -1;
}

static int list_folder(listing *w, const char *place)
{
    folder f = {0};
    int result = folder_read(place, &f, w->err);
    for (size_t i = 0; i < f.len && !result; i++)
        result = add_file(w, place, f.v[i]);
    folder_release(&f);
    return result;
}

int mode_list_load(mode_list *out, void (*broken)(void *user, const error *why), void *user,
                   error *err)
{
    search_path s;
    *out = (mode_list){0};
    if (search_open(&s, err))
        return -1;
    listing w = {out, broken, user, err};
    int result = 0;
    for (int i = 0; i < PLACES && !result; i++)
        if (s.folders[i])
            result = list_folder(&w, s.folders[i]);
    search_release(&s);
    if (result)
        mode_list_release(out);
    return result;
}

void mode_list_release(mode_list *l)
{
    for (int i = 0; i < l->n; i++)
        mode_close(l->v[i]);
    free(l->v);
    *l = (mode_list){0};
}
