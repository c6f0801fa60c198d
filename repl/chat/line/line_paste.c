/* line_paste.c - what was pasted: taken in whole, shown as it is or as a note. See line_state.h.
 *
 * Readline redraws its line for every key, so a line of ten megabytes could not be edited. A paste
 * that is longer than a few lines is kept aside, and the line holds a note in brackets that can be
 * moved and deleted like any text; whatever note is still there at Enter becomes its text again.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../engine/base/array.h"
#include "../../../engine/base/folder.h"
#include "../../screen/human.h"
#include "line_state.h"

enum { SHORT_BYTES = 2048, SHORT_LINES = 12 };

static const char END[] = "\033[201~";
enum { END_BYTES = sizeof END - 1 };

/* Terminals send a carriage return for a newline. What readline cannot hold, a NUL, is left out. */
static int add_plain(buf *out, const char *raw, size_t n, error *err)
{
    for (size_t at = 0; at < n;) {
        size_t run = 0;
        while (at + run < n && raw[at + run] != '\r' && raw[at + run] != '\0')
            run++;
        if (run && buf_add(out, raw + at, run, err))
            return -1;
        at += run;
        if (at < n && raw[at] == '\r') {
            if (buf_text(out, "\n", err))
                return -1;
            at += at + 1 < n && raw[at + 1] == '\n';
        }
        at += at < n;
    }
    return 0;
}

/* Where the end mark begins in raw, from `from` on, or raw->len. */
static size_t find_end(const buf *raw, size_t from)
{
    const char *found = memmem(raw->v + from, raw->len - from, END, END_BYTES);
    return found ? (size_t)(found - raw->v) : raw->len;
}

int line_paste_take(line_editor *l, buf *out, error *err)
{
    buf raw = {0};
    size_t end = 0;
    int result = 0;
    while (!result && end == raw.len && line_fill(l, -1)) {
        size_t before = raw.len, from = before < END_BYTES ? 0 : before - END_BYTES;
        result = buf_add(&raw, l->bytes + l->at, l->end - l->at, err);
        if (result)
            break;
        end = find_end(&raw, from);
        /* what follows the mark was typed */
        size_t taken = end == raw.len ? raw.len - before : end + END_BYTES - before;
        l->at += taken;
    }
    if (!result)
        result = add_plain(out, raw.v, end, err);
    buf_release(&raw);
    return result;
}

static size_t count_lines(const buf *text)
{
    size_t lines = 1;
    for (const char *at = text->v; (at = memchr(at, '\n', text->len - (size_t)(at - text->v)));
         at++)
        lines++;
    return lines;
}

static paste *new_paste(line_editor *l, error *err)
{
    paste *grown =
        array_room(l->pastes, l->paste_count, &l->paste_cap, sizeof *grown, "a paste", err);
    if (!grown)
        return NULL;
    l->pastes = grown;
    return &l->pastes[l->paste_count];
}

const char *line_paste_note(line_editor *l, buf *text, error *err)
{
    char size[HUMAN_TEXT];
    if (!text->len)
        return "";
    size_t lines = count_lines(text);
    if (text->len <= SHORT_BYTES && lines <= SHORT_LINES)
        return text->v;
    paste *p = new_paste(l, err);
    char *note = p ? string_format(err, "[pasted text %zu: %s, %zu line%s]", l->paste_count + 1,
                                   human_bytes(size, text->len), lines, lines == 1 ? "" : "s")
                   : NULL;
    if (!note)
        return NULL;
    *p = (paste){note, *text};
    *text = (buf){0};
    l->paste_count++;
    return note;
}

int line_paste_expand(const line_editor *l, const char *typed, buf *out, error *err)
{
    while (*typed) {
        const char *first = NULL;
        const paste *which = NULL;
        for (size_t i = 0; i < l->paste_count; i++) {
            const char *found = strstr(typed, l->pastes[i].note);
            if (found && (!first || found < first)) {
                first = found;
                which = &l->pastes[i];
            }
        }
        if (!which)
            return buf_text(out, typed, err);
        if (buf_add(out, typed, (size_t)(first - typed), err) ||
            buf_add(out, which->text.v, which->text.len, err))
            return -1;
        typed = first + strlen(which->note);
    }
    return 0;
}

void line_paste_forget(line_editor *l)
{
    for (size_t i = 0; i < l->paste_count; i++) {
        free(l->pastes[i].note);
        buf_release(&l->pastes[i].text);
    }
    l->paste_count = 0;
}
