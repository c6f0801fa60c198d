/* paths.h - where the user's files lie, and those that came with the program.
 *
 * Each kind of file has a folder (XDG Base Directory Specification 0.8): a variable names it,
 * else it lies below HOME. A value that is empty or not absolute counts as unset, as the
 * specification says of its variables; HOME is held to the same. Where neither says anything
 * there is no place, which is no error here: who can do without says nothing, and who cannot has
 * paths_missing() for the sentence. Nothing is made but by paths_make().
 */
#ifndef ENGINE_PATHS_H
#define ENGINE_PATHS_H

#include <limits.h>
#include <stddef.h>

#include "../../kernels/error.h"

typedef enum paths_kind {
    PATHS_CONFIG, /* $XDG_CONFIG_HOME, else ~/.config: what the user wrote */
    PATHS_DATA,   /* $XDG_DATA_HOME, else ~/.local/share: what the program must not lose */
    PATHS_STATE,  /* $XDG_STATE_HOME, else ~/.local/state */
    PATHS_CACHE,  /* $XDG_CACHE_HOME, else ~/.cache: what can be made anew */
    PATHS_KINDS,
} paths_kind;

/* $HOME, or NULL. Borrowed from the environment. */
const char *paths_home(void);
/* $HOME, else what the password file says, else "/": a service may run without an environment.
 * Borrowed until the next call. */
const char *paths_account_home(void);

/* The folder of a kind, with "/" and `below` behind it when below is not NULL. *path = NULL
 * and 0 when there is no such place; -1 when memory is out. Caller frees. */
int paths_of(paths_kind kind, const char *below, char **path, error *err);
/* The same below our own part of it: .../consilium/below. */
int paths_own(paths_kind kind, const char *below, char **path, error *err);
/* "PREFIXneither XDG_DATA_HOME nor HOME is set", ERROR_RUN; returns -1. */
int paths_missing(paths_kind kind, const char *prefix, error *err);

/* The folder of the running program, without a slash at the end; "" when it cannot be told. */
void paths_program(char out[PATH_MAX]);
/* Where the personas, masks and experts that came with the program may lie, best first: as it
 * was installed (share/consilium/personas beside bin), as it was built (personas/shipped
 * beside build/), as one of several builds below one folder. Owned: paths_shipped_release().
 * -1 when memory is out. */
enum { PATHS_SHIPPED = 3 };
int paths_shipped(char *out[PATHS_SHIPPED], error *err);
void paths_shipped_release(char *paths[PATHS_SHIPPED]);

/* mkdir -p of the first n bytes of path; what is missing becomes the user's alone (mode 0700),
 * as the specification asks, and is flushed. ERROR_RUN. */
int paths_make(const char *path, size_t n, error *err);

/* The last part of a path, without the folders before it. */
const char *paths_name(const char *path);

#endif
