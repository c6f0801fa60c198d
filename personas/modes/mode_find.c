/* mode_find.c - the search path of modes: the user's own, then those that came with the program
 * (paths_shipped). The first file of a name wins.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/search_path.h"
#include "../roster/persona.h"
#include "mode.h"

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
    if (search_path_open(&s, "modes", "modes", err))
        return NULL;
    char *file = string_format(err, "%s.json", name), *path = NULL;
    int result = file ? search_path_find(&s, file, &path, err) : -1;
    mode_file *m = path ? load_named(path, name, err) : NULL;
    if (!result && !path)
        not_found(name, err);
    free(path);
    free(file);
    search_path_close(&s);
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
    char name[SIGN_TEXT_MOST + 1];
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
    if (search_path_open(&s, "modes", "modes", err))
        return -1;
    listing w = {out, broken, user, err};
    int result = 0;
    for (int i = 0; i < SEARCH_PLACES && !result; i++)
        if (s.folders[i])
            result = list_folder(&w, s.folders[i]);
    search_path_close(&s);
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
