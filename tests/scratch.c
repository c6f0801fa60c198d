/* scratch.c - see scratch.h. Outside of a test, as in main(), there is nobody to fail: it aborts. */
#include "scratch.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static void name_it(char path[SCRATCH], const char *name)
{
    const char *place = getenv("TMPDIR");
    int n = snprintf(path, SCRATCH, "%s/%s-XXXXXX", place && *place ? place : "/tmp", name);
    if (n < 0 || n >= SCRATCH) {
        (void)fprintf(stderr, "TMPDIR is too long for tests: %s\n", path);
        abort();
    }
}

static void made(bool good, const char *path)
{
    if (good)
        return;
    perror(path);
    abort();
}

void scratch_folder(char path[SCRATCH], const char *name)
{
    name_it(path, name);
    made(mkdtemp(path) != NULL, path);
}

int scratch_file(char path[SCRATCH], const char *name)
{
    name_it(path, name);
    int fd = mkstemp(path);
    made(fd >= 0, path);
    return fd;
}
