/* shipped_set.c - see shipped_set.h. */
#include "shipped_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"

int shipped_set(const char *word, const char *within, char **path, error *err)
{
    char *places[PATHS_SHIPPED], *found = NULL;
    if (access(word, F_OK) && !strpbrk(word, "/.")) {
        if (paths_shipped(places, err))
            return -1;
        for (int i = 0; i < PATHS_SHIPPED && !found; i++) {
            char *at = string_format(err, "%s/%s/%s.jsonl", places[i], within, word);
            if (at && access(at, R_OK) == 0)
                found = at;
            else
                free(at);
        }
        paths_shipped_release(places);
    }
    *path = found ? found : strdup(word);
    return *path ? 0 : error_memory(err, "the set");
}
