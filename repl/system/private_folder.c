/* private_folder.c - see private_folder.h. */
#include "private_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"

static char *make_in(const char *place, error *err)
{
    char *path = string_format(err, "%s/consilium-XXXXXX", place);
    if (path && mkdtemp(path))
        return path;
    if (path)
        (void)error_set(err, ERROR_RUN, "cannot make a folder in %s: %s", place, strerror(errno));
    free(path);
    return NULL;
}

char *private_folder_make(bool in_memory, error *err)
{
    const char *place = getenv("TMPDIR"), *memory[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm"};
    for (int i = 0; in_memory && i < 2; i++) {
        char *path = memory[i] && memory[i][0] == '/' ? make_in(memory[i], NULL) : NULL;
        if (path)
            return path;
    }
    return make_in(place && place[0] == '/' ? place : "/tmp", err);
}

void private_folder_clear(const char *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *at; d && (at = readdir(d)) != NULL;)
        (void)unlinkat(dirfd(d), at->d_name, 0);
    if (d)
        (void)closedir(d);
}

void private_folder_remove(char *path)
{
    if (!path)
        return;
    private_folder_clear(path);
    (void)rmdir(path);
    free(path);
}
