/* shipped_set.c - see shipped_set.h. */
#include "shipped_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/search_path.h"

int shipped_set(const char *word, const char *prefix, char **path, error *err)
{
    *path = NULL;
    if (access(word, F_OK) && !strpbrk(word, "/.")) {
        char *file = string_format(err, "%s%s.jsonl", prefix, word);
        int result = file ? shipped_file(file, path, err) : -1;
        free(file);
        if (result || *path)
            return result;
    }
    *path = strdup(word);
    return *path ? 0 : error_memory(err, "the set");
}
