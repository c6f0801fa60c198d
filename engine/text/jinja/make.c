/* make.c - texts that grow, and where characters stand in them.
 *
 * Adding to a text copies the new bytes behind the end of its buffer and says in a run whose
 * they are; a run that goes on where the last one ended only gets longer. A buffer of which
 * another text is already the longer reader is copied first, with half as much room again, so
 * that adding n times costs n in the end and no text ever sees another grow. Everything copied
 * is paid for in steps.
 *
 * Searching is the C library's memmem, which is linear. Searching from the end compares place
 * by place, which is not: it pays for what it reads. Characters are counted only where a text
 * is not ASCII.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "machine.h"

/* ---- growing ------------------------------------------------------------------------------------ */

/* Adds a run that begins at the buffer's end, or lets the last one go on. */
static bool add_run(machine *m, text_buf *b, uint32_t origin, uint32_t offset)
{
    if (b->n_runs > 0) {
        const text_run *last = &b->runs[b->n_runs - 1];
        uint32_t next = last->offset == NOWHERE ? NOWHERE : last->offset + (b->used - last->start);
        if (last->origin == origin && next == offset)
            return true;
    }
    if (b->n_runs == b->cap_runs) {
        uint32_t cap = b->cap_runs < 2 ? 4 : 2 * b->cap_runs;
        text_run *grown = take(m, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        memcpy(grown, b->runs, b->n_runs * sizeof *grown);
        b->runs = grown;
        b->cap_runs = cap;
    }
    b->runs[b->n_runs++] = (text_run){b->used, origin, offset};
    return spend(m, 1);
}

static bool ascii_only(const char *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)v[i] >= 0x80)
            return false;
    return true;
}

/* Puts n bytes of one run behind the buffer's end, which has room. */
static bool append(machine *m, text_buf *b, const char *bytes, size_t n, uint32_t origin,
                   uint32_t offset)
{
    if (!add_run(m, b, origin, offset))
        return false;
    memcpy(b->v + b->used, bytes, n);
    b->ascii = b->ascii && ascii_only(bytes, n);
    b->used += (uint32_t)n;
    return true;
}

static bool append_all(machine *m, text_buf *b, text piece)
{
    size_t covers;
    for (size_t at = 0; at < piece.len; at += covers) {
        text_run r = text_run_at(piece, at, &covers);
        if (!append(m, b, text_bytes(piece) + at, covers, r.origin, r.offset))
            return false;
    }
    return true;
}

/* The buffer of t, which then ends where the buffer does and has `more` bytes of room behind it;
 * NULL after fail(). */
static text_buf *reserve(machine *m, text *t, size_t more)
{
    text_buf *b = t->buf;
    size_t need = t->len + more;
    if (t->len > 0 && t->off + t->len == b->used && b->cap - b->used >= more)
        return b;
    if (need >= UINT32_MAX / 4) {
        fail(m, "a text is too long");
        return NULL;
    }
    struct {
        text_buf buf;
        text_run runs[2];
    } *new = take(m, sizeof *new);
    uint32_t cap = (uint32_t)(need + need / 2 + 16);
    char *v = new ? take(m, cap) : NULL;
    if (v == NULL || !spend_bytes(m, t->len))
        return NULL;
    new->buf = (text_buf){.v = v, .cap = cap, .runs = new->runs, .cap_runs = 2, .ascii = true};
    if (!append_all(m, &new->buf, *t))
        return NULL;
    t->buf = &new->buf;
    t->off = 0;
    return &new->buf;
}

static text_buf *grow(machine *m, text *t, size_t more)
{
    if (t == m->out && t->len + more > m->output_max) {
        fail(m, "the text grows beyond %zu MiB", m->output_max >> 20);
        return NULL;
    }
    return spend_bytes(m, more) ? reserve(m, t, more) : NULL;
}

bool add_text(machine *m, text *t, text more)
{
    if (more.len == 0)
        return true;
    if (t->len == 0 && t != m->out) { /* the same view will do */
        *t = more;
        return true;
    }
    text_buf *b = grow(m, t, more.len);
    if (b == NULL || !append_all(m, b, more))
        return false;
    t->len += more.len;
    return true;
}

bool add_bytes(machine *m, text *t, const char *bytes, size_t n, uint32_t origin)
{
    if (n == 0)
        return true;
    text_buf *b = grow(m, t, n);
    if (b == NULL || !append(m, b, bytes, n, origin, NOWHERE))
        return false;
    t->len += (uint32_t)n;
    return true;
}

bool add_word(machine *m, text *t, const char *word, uint32_t origin)
{
    return add_bytes(m, t, word, strlen(word), origin);
}

bool add_char(machine *m, text *t, uint32_t c, uint32_t origin)
{
    char bytes[4];
    return add_bytes(m, t, bytes, utf8_put(c, bytes), origin);
}

bool add_repeated(machine *m, text *t, text piece, size_t times)
{
    if (piece.len > 0 && times > UINT32_MAX / 8 / piece.len)
        return fail(m, "a text is too long");
    for (size_t i = 0; i < times && piece.len > 0; i++)
        if (!spend(m, 1) || !add_text(m, t, piece))
            return false;
    return true;
}

bool word_value(machine *m, const char *word, value *out)
{
    text t = TEXT_EMPTY;
    *out = value_none();
    if (!add_word(m, &t, word, JINJA_TEMPLATE))
        return false;
    *out = value_text(t);
    return true;
}

/* ---- places ------------------------------------------------------------------------------------- */

size_t text_chars(machine *m, text t)
{
    if (t.len == 0 || t.buf->ascii)
        return t.len;
    if (!spend_bytes(m, t.len))
        return SIZE_MAX;
    size_t n = 0;
    for (size_t i = 0; i < t.len; i++)
        n += ((unsigned char)text_bytes(t)[i] & 0xc0) != 0x80;
    return n;
}

bool text_slice(machine *m, text t, size_t from, size_t to, text *out)
{
    if (t.len == 0 || t.buf->ascii) {
        *out = text_part(t, from, to - from);
        return true;
    }
    const char *v = text_bytes(t);
    size_t at = 0, start, n = 0;
    for (; n < from && at < t.len; n++)
        utf8_next(v, &at);
    for (start = at; n < to && at < t.len; n++)
        utf8_next(v, &at);
    *out = text_part(t, start, at - start);
    return spend_bytes(m, at);
}

size_t text_find(text t, text needle, size_t from)
{
    if (from > t.len)
        return SIZE_MAX;
    const char *found = memmem(text_bytes(t) + from, t.len - from, text_bytes(needle), needle.len);
    return found ? (size_t)(found - text_bytes(t)) : SIZE_MAX;
}

bool text_rfind(machine *m, text t, text needle, size_t *out)
{
    const char *v = text_bytes(t), *n = text_bytes(needle);
    *out = SIZE_MAX;
    size_t read = 0;
    for (size_t at = t.len + 1; at-- > 0 && *out == SIZE_MAX;) {
        if (t.len - at < needle.len)
            continue;
        if (!spend_bytes(m, read)) /* where they nearly agree, each place costs its bytes */
            return false;
        for (read = 0; read < needle.len && v[at + read] == n[read];)
            read++;
        if (read == needle.len)
            *out = at;
    }
    return spend_bytes(m, read);
}
