/* search_path.h - where files of one kind are looked for: the user's own, then those that came with the
 * program (paths_shipped()). The first file of a name wins.
 */
#ifndef ENGINE_SEARCH_PATH_H
#define ENGINE_SEARCH_PATH_H

#include <stdbool.h>

#include "paths.h"

enum { SEARCH_PLACES = 1 + PATHS_SHIPPED };

typedef struct search_path {
    char *folders[SEARCH_PLACES]; /* the user's own first; NULL = not to be had */
} search_path;

/* own: a folder below our part of the user's configuration, NULL = only what came with the program;
 * below: a folder below the places of that, or NULL. search_path_close(); nothing is kept on failure. */
int search_path_open(search_path *s, const char *own, const char *below, error *err);
void search_path_close(search_path *s);
/* *path: the first regular file of that name, the caller's to free; NULL = there is none. */
int search_path_find(const search_path *s, const char *name, char **path, error *err);

/* The same among what came with the program; name may have folders in it. */
int shipped_file(const char *name, char **path, error *err);

bool is_file(const char *path); /* a regular file, or a link to one */

#endif
