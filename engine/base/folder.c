/* folder.c - see folder.h. */
#include "folder.h"
#include "array.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names and paths ----------------------------------------------------------------------- */

bool folder_name_ok(const char *name, size_t len)
{
    if (len == 0 || len > 255 || (len <= 2 && memcmp(name, "..", len) == 0))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7F || c == '/' || c == '\\')
            return false;
    }
    return true;
}

char *string_format(error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        error_memory(err, "a path");
        return NULL;
    }
    return text;
}

/* ---- listing ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(folder *f, const char *name, error *err)
{
    char **v = array_room(f->v, f->len, &f->cap, sizeof *v, "a folder", err);
    if (!v)
        return -1;
    f->v = v;
    if (!(f->v[f->len] = strdup(name)))
        return error_memory(err, "a folder");
    f->len++;
    return 0;
}

int folder_read(const char *path, folder *out, error *err)
{
    *out = (folder){0};
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    int result = 0;
    for (struct dirent *e; result == 0 && out->len < FOLDER_MAX && (e = readdir(dir));)
        if (folder_name_ok(e->d_name, strlen(e->d_name)))
            result = add_name(out, e->d_name, err);
    closedir(dir);
    if (result)
        folder_release(out);
    else if (out->len)
        qsort(out->v, out->len, sizeof *out->v, compare_names);
    return result;
}

void folder_release(folder *f)
{
    for (size_t i = 0; i < f->len; i++)
        free(f->v[i]);
    free(f->v);
    *f = (folder){0};
}
