/* search_path.c - see search_path.h. */
#include "search_path.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "folder.h"

static int add_below(search_path *s, const char *below, error *err)
{
    for (int i = 1; i < SEARCH_PLACES; i++) {
        char *at = string_format(err, "%s/%s", s->folders[i], below);
        if (!at)
            return -1;
        free(s->folders[i]);
        s->folders[i] = at;
    }
    return 0;
}

int search_path_open(search_path *s, const char *own, const char *below, error *err)
{
    *s = (search_path){{NULL}};
    if ((own && paths_own(PATHS_CONFIG, own, &s->folders[0], err)) ||
        paths_shipped(s->folders + 1, err) || (below && add_below(s, below, err))) {
        search_path_close(s);
        return -1;
    }
    return 0;
}

void search_path_close(search_path *s)
{
    for (int i = 0; i < SEARCH_PLACES; i++)
        free(s->folders[i]);
    *s = (search_path){{NULL}};
}

int search_path_find(const search_path *s, const char *name, char **path, error *err)
{
    *path = NULL;
    for (int i = 0; i < SEARCH_PLACES && !*path; i++) {
        if (!s->folders[i])
            continue;
        char *file = string_format(err, "%s/%s", s->folders[i], name);
        if (!file)
            return -1;
        if (is_file(file))
            *path = file;
        else
            free(file);
    }
    return 0;
}

int shipped_file(const char *name, char **path, error *err)
{
    search_path s;
    *path = NULL;
    if (search_path_open(&s, NULL, NULL, err))
        return -1;
    int result = search_path_find(&s, name, path, err);
    search_path_close(&s);
    return result;
}

bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}
