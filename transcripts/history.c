/* history.c - reading a transcript back: the file, and the way through the turns.
 *
 * The file is read line by line: the header, then records, each handed to history_record() and
 * freed unless the history has to keep it. A line that is damaged is counted and left out; the
 * first is remembered by its number. When all are read, each turn links the versions of its
 * answers. The way to the last turn is walked backwards from the last that was not undone, by
 * what each turn followed, and turned round.
 */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_memory.h"
#include "jsonl.h"
#include "records.h"

static void release(history *h)
{
    history_memory *m = h->memory;
    for (int i = 0; i < h->turn_count; i++)
        turn_release(&h->turns[i]);
    for (int i = 0; i < m->document_count; i++)
        json_close(m->documents[i]);
    history_index_release(&m->by_record);
    history_index_release(&m->by_number);
    region_release(&m->texts);
}

static int keep_document(history_memory *m, json_document *d, error *err)
{
    json_document **place =
        region_add(&m->texts, &m->documents, &m->document_count, 1, sizeof(json_document *), err);
    if (!place)
        return -1;
    *place = d;
    return 0;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_header(history *h, jsonl_reader *l, const char *path, error *err)
{
    jsonl_line first;
    int got = jsonl_next(l, &first, err);
    if (got < 0)
        return error_prefix(err, "%s: ", path);
    json_document *d =
        records_header(path, got && first.v ? first.v : "", got && first.v ? first.len : 0, err);
    if (!d)
        return -1;
    if (keep_document(h->memory, d, err)) {
        json_close(d);
        return -1;
    }
    const json *root = json_root(d);
    h->id = records_word(root, "id");
    h->created = records_word(root, "created");
    h->version = records_word(root, "version");
    h->isa = records_word(root, "isa");
    h->model = records_read_model(root, "model");
    return 0;
}

static void note_damage(history *h, const jsonl_line *l, bool damaged)
{
    if (damaged && h->damaged++ == 0)
        h->first_damaged = l->number;
}

static int read_line(history *h, const jsonl_line *l, error *err)
{
    json_document *d = NULL;
    bool damaged = !l->v, keep = false, odd = false;
    if (l->v && records_parse(l->v, l->len, &d, &damaged, err))
        return -1;
    if (!l->whole && !d) {
        h->torn = l->len;
        return 0;
    }
    if (!d) {
        note_damage(h, l, damaged);
        return 0;
    }
    h->records++;
    int result = history_record(h, json_root(d), &keep, &odd, err);
    note_damage(h, l, damaged || odd);
    if (!result && keep && keep_document(h->memory, d, err) == 0)
        return 0;
    json_close(d);
    return result || keep ? -1 : 0;
}

static int read_file(history *h, int fd, const char *path, error *err)
{
    jsonl_reader l = {.fd = fd};
    jsonl_line at;
    int got = read_header(h, &l, path, err);
    while (!got && (got = jsonl_next(&l, &at, err)) == 1)
        got = read_line(h, &at, err);
    jsonl_release(&l);
    for (int i = 0; i < h->turn_count && !got; i++)
        got = turn_link(&h->turns[i], err);
    return got;
}

history *history_load(const char *path, error *err)
{
    struct stat s;
    history *h = calloc(1, sizeof *h);
    if (h && !(h->memory = calloc(1, sizeof *h->memory))) {
        free(h);
        h = NULL;
    }
    if (!h) {
        (void)error_memory(err, "a transcript");
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result = 0;
    if (fd < 0 || fstat(fd, &s))
        result = error_set(err, ERROR_RUN, "cannot read %s: %s", path, strerror(errno));
    else if (!S_ISREG(s.st_mode))
        result = error_set(err, ERROR_LOAD, "%s: no regular file", path);
    else
        result = read_file(h, fd, path, err);
    if (fd >= 0)
        (void)close(fd);
    if (!result)
        return h;
    history_close(h);
    return NULL;
}

void history_close(history *h)
{
    if (!h)
        return;
    release(h);
    free(h->memory);
    free(h);
}

/* ---- asking it --------------------------------------------------------------------------------- */

const json *history_setting(const history *h, int setting)
{
    return setting > 0 && setting <= h->setting_count ? h->settings[setting - 1] : NULL;
}

int history_path(const history *h, const struct turn ***path, size_t *count, error *err)
{
    size_t n = 0, cap = (size_t)h->turn_count + 1;
    const struct turn **way = calloc(cap, sizeof(struct turn *));
    *path = NULL;
    *count = 0;
    if (!way)
        return error_memory(err, "a transcript");
    int last = h->turn_count - 1;
    while (last >= 0 && h->turns[last].undone)
        last--;
    for (const struct turn *t = last >= 0 ? &h->turns[last] : NULL; t;
         t = t->follows >= 0 ? &h->turns[t->follows] : NULL)
        way[n++] = t;
    for (size_t i = 0; i < n / 2; i++) {
        const struct turn *swap = way[i];
        way[i] = way[n - 1 - i];
        way[n - 1 - i] = swap;
    }
    *path = way;
    *count = n;
    return 0;
}
