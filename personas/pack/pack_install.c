/* pack_install.c - a checked pack into a folder, all of it or nothing; see pack.h. The files are one set
 * (file_set.h), so a process that is killed meanwhile leaves what was there. */
#include <stdlib.h>
#include <sys/stat.h>

#include "../../engine/base/file_set.h"
#include "../../engine/base/folder.h"
#include "pack_internal.h"

static int check_place(const char *where, const pack_file *f, bool over, error *err)
{
    struct stat st;
    char *path = string_format(err, "%s/%s", where, f->name);
    int result = path ? 0 : -1;
    bool there = path && lstat(path, &st) == 0;
    if (there && !over)
        result = error_set(err, ERROR_RUN,
                           "%s is there already and was left alone (--force writes over it, --as "
                           "NAME takes another name)",
                           path);
    else if (there && !S_ISREG(st.st_mode))
        result = error_set(err, ERROR_RUN, "%s is no file that is written over", path);
    free(path);
    return result;
}

int pack_install(const pack *p, const char *where, bool over, error *err)
{
    file_set *s = file_set_open(where, err);
    int result = s ? 0 : -1;
    for (size_t i = 0; i < p->len && !result; i++)
        result = check_place(where, &p->files[i], over, err);
    for (size_t i = 0; i < p->len && !result; i++)
        result = file_set_put(s, p->files[i].name, p->files[i].bytes, p->files[i].len, err);
    if (!result)
        result = file_set_commit(s, err);
    file_set_close(s);
    return result;
}
