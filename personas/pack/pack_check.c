/* pack_check.c - every file of a pack by the reader that will read it later; see pack.h.
 *
 * Readers of personas and adapters open files, so each gets its bytes as a file in memory that has
 * no name; where its sentence begins with that file's path, the pack and the name inside stand
 * instead. What a file is follows from the persona, which says what it names, or from its own name;
 * what neither tells is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/utf8.h"
#include "../../engine/routing/adapter.h"
#include "../lessons/lessons.h"
#include "pack_internal.h"

enum { NAME_BYTES = 200, PATH_BYTES = 40 };

/* ---- files in memory --------------------------------------------------------------------------- */

/* Caller closes the descriptor. */
static int open_bytes(const pack_file *f, char path[PATH_BYTES], error *err)
{
    int fd = memfd_create("pack", MFD_CLOEXEC);
    if (fd >= 0 && file_write_all(fd, f->bytes, f->len) == 0) {
        (void)snprintf(path, PATH_BYTES, "/proc/self/fd/%d", fd);
        return fd;
    }
    (void)error_set(err, ERROR_RUN, "no memory for %s: %s", f->name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int refuse(const pack *p, const pack_file *f, const char *why, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: %s: %s", p->where, f->name, why);
}

/* A reader's sentence, about the file in the pack. */
static int say_where(const pack *p, const pack_file *f, const char *path, error *err)
{
    if (!err)
        return -1;
    error old = *err;
    size_t n = strlen(path);
    bool begins = strncmp(old.text, path, n) == 0;
    return error_set(err, old.code, "%s: %s%s%s", p->where, f->name, begins ? "" : ": ",
                     old.text + (begins ? n : 0));
}

/* ---- one file of each kind --------------------------------------------------------------------- */

static int check_persona(const pack *p, const pack_file *f, error *err)
{
    char path[PATH_BYTES];
    int fd = open_bytes(f, path, err);
    if (fd < 0)
        return -1;
    persona *read = persona_load(path, err);
    int result = read ? 0 : say_where(p, f, path, err);
    if (read && strcmp(read->name, p->name) != 0)
        result = error_set(err, ERROR_LOAD, "%s: %s: its name is %s; file and name must agree",
                           p->where, f->name, read->name);
    persona_close(read);
    (void)close(fd);
    return result;
}

/* What a file says of the model that it is for, against what its name says. */
static int check_model(const pack *p, pack_file *f, const char *said, error *err)
{
    if (said && *said && !f->model[0])
        (void)snprintf(f->model, sizeof f->model, "%.*s", PACK_FINGERPRINT, said);
    if (said && *said && strncmp(said, f->model, PACK_FINGERPRINT) != 0)
        return refuse(p, f, "its name and its content name different models", err);
    return 0;
}

static int check_adapter(const pack *p, pack_file *f, error *err)
{
    char path[PATH_BYTES];
    int fd = open_bytes(f, path, err);
    if (fd < 0)
        return -1;
    adapter *a = adapter_open_within(path, PACK_BYTES, err);
    int result = a ? check_model(p, f, a->fingerprint, err) : say_where(p, f, path, err);
    adapter_close(a);
    (void)close(fd);
    return result;
}

static int check_mask(const pack *p, pack_file *f, error *err)
{
    mask *m = mask_read(f->name, f->bytes, f->len, err);
    json_document *d = m ? json_parse(f->name, f->bytes, f->len, err) : NULL;
    int result = d ? check_model(p, f, json_text_at(json_root(d), "model"), err)
                   : error_prefix(err, "%s: ", p->where);
    json_close(d);
    mask_close(m);
    return result;
}

static int check_lessons(const pack *p, pack_file *f, error *err)
{
    lessons l = {0};
    int result =
        f->len > LESSONS_BYTES ? refuse(p, f, "more than a file of lessons may have", err) : 0;
    if (!result && lessons_read(f->name, f->bytes, f->len, &l, err))
        result = error_prefix(err, "%s: ", p->where);
    f->lessons = l.len;
    lessons_release(&l);
    return result;
}

/* ---- what each is ------------------------------------------------------------------------------ */

static int mark_named(void *user, pack_kind kind, const char *file, error *err)
{
    pack *p = user;
    for (size_t i = 1; i < p->len; i++)
        if (strcmp(p->files[i].name, file) == 0) {
            p->files[i].kind = kind;
            return 0;
        }
    return error_set(err, ERROR_LOAD, "%s: %s names \"%.80s\", which is not in it", p->where,
                     p->files[0].name, file);
}

static int mark_other(const pack *p, pack_file *f, bool lessons_named, error *err)
{
    size_t n = strlen(p->name);
    const char *rest = f->name + n + 1;
    if (strncmp(f->name, p->name, n) != 0 || f->name[n] != '.' || !*rest)
        return error_set(err, ERROR_LOAD, "%s: %.80s: its name does not begin with \"%s.\"",
                         p->where, f->name, p->name);
    bool of_mask = pack_is_made(rest, PACK_MASK_END);
    bool of_adapter = pack_is_made(rest, PACK_ADAPTER_END);
    if (of_mask || of_adapter)
        memcpy(f->model, rest, PACK_FINGERPRINT);
    if (of_mask)
        f->kind = PACK_MASK;
    else if (of_adapter)
        f->kind = PACK_ADAPTER;
    else if (f->kind == PACK_OTHER && !lessons_named && strcmp(rest, "lessons.jsonl") == 0)
        f->kind = PACK_LESSONS;
    return f->kind == PACK_OTHER ? refuse(p, f, "no part of this persona", err) : 0;
}

/* Before it stands in any sentence. */
static int check_name(const pack *p, const pack_file *f, error *err)
{
    size_t n = strlen(f->name);
    if (folder_name_ok(f->name, n) && f->name[0] != '.' && n <= NAME_BYTES &&
        utf8_check(f->name, n, NULL))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: a file's name in it is no plain one", p->where);
}

static int mark_all(pack *p, error *err)
{
    for (size_t i = 0; i < p->len; i++) {
        p->files[i].kind = i ? PACK_OTHER : PACK_PERSONA;
        p->files[i].model[0] = '\0';
    }
    json_document *d = json_parse(p->files[0].name, p->files[0].bytes, p->files[0].len, err);
    if (!d)
        return error_prefix(err, "%s: ", p->where);
    bool lessons_named = json_member(json_root(d), "lessons") != NULL;
    int result = pack_each_name(json_root(d), mark_named, p, err);
    for (size_t i = 1; i < p->len && !result; i++)
        result = mark_other(p, &p->files[i], lessons_named, err);
    json_close(d);
    return result;
}

int pack_check(pack *p, error *err)
{
    for (size_t i = 0; i < p->len; i++)
        if (check_name(p, &p->files[i], err))
            return -1;
    if (check_persona(p, &p->files[0], err) || mark_all(p, err))
        return -1;
    for (size_t i = 1; i < p->len; i++) {
        pack_file *f = &p->files[i];
        if (f->kind == PACK_LESSONS ? check_lessons(p, f, err)
            : f->kind == PACK_MASK  ? check_mask(p, f, err)
                                    : check_adapter(p, f, err))
            return -1;
    }
    return 0;
}
