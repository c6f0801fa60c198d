/* available_memory.c - see available_memory.h. */
#include "available_memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the two versions call the same things. */
typedef struct group_names {
    const char *mount, *limit, *usage, *files;
} group_names;

static const group_names v1 = {"sys/fs/cgroup/memory", "memory.limit_in_bytes",
                               "memory.usage_in_bytes", "total_cache"};
static const group_names v2 = {"sys/fs/cgroup", "memory.max", "memory.current", "file"};

/* The number in the line "KEY NUMBER" of a file, or in its only line when key is NULL. */
static bool read_number(const char *path, const char *key, uint64_t *out)
{
    char line[256];
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *at = line, *end;
        size_t n = key ? strlen(key) : 0;
        if (key && (strncmp(line, key, n) != 0 || (line[n] != ' ' && line[n] != ':')))
            continue;
        at += key ? n + 1 : 0;
        *out = strtoull(at, &end, 10);
        found = end != at; /* "max" is no number: no limit */
    }
    if (f)
        (void)fclose(f);
    return found;
}

static bool number_in(const char *root, const group_names *g, const char *group, const char *file,
                      const char *key, uint64_t *out)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s%s/%s", root, g->mount, group, file);
    return n > 0 && (size_t)n < sizeof path && read_number(path, key, out);
}

/* What one group leaves. */
static uint64_t left_in(const char *root, const group_names *g, const char *group)
{
    uint64_t limit, usage = 0, files = 0;
    if (!number_in(root, g, group, g->limit, NULL, &limit) || limit >= INT64_MAX / 2)
        return UINT64_MAX;
    (void)number_in(root, g, group, g->usage, NULL, &usage);
    (void)number_in(root, g, group, "memory.stat", g->files, &files);
    uint64_t taken = usage > files ? usage - files : 0;
    return limit > taken ? limit - taken : 0;
}

/* The least that a group and those above it leave. A container may see its own group as the mount's top,
 * which is looked at in any case. */
static uint64_t left_above(const char *root, const group_names *g, char *group)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t left = left_in(root, g, group);
        least = left < least ? left : least;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

uint64_t available_in_groups(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    uint64_t least = UINT64_MAX;
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *kind = strchr(line, ':'), *group = kind ? strchr(kind + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        bool two = kind[1] == '\0', one = strcmp(kind + 1, "memory") == 0;
        uint64_t left = two || one ? left_above(root, one ? &v1 : &v2, group) : UINT64_MAX;
        least = left < least ? left : least;
    }
    if (f)
        (void)fclose(f);
    return least;
}

uint64_t available_memory(const char *root)
{
    char path[PATH_MAX];
    uint64_t kib, groups = available_in_groups(root);
    (void)snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (!read_number(path, "MemAvailable", &kib))
        return groups;
    return kib * 1024 < groups ? kib * 1024 : groups;
}
