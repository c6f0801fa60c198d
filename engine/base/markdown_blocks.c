/* markdown_blocks.c - see markdown_blocks.h. */
#include "markdown_blocks.h"

#include <string.h>

/* The bytes of the line that [at, end) begins with, and where the next begins. LF, CR LF or CR
 * ends it. */
static size_t line_at(const char *at, const char *end, const char **next)
{
    const char *stop = at;
    while (stop < end && *stop != '\n' && *stop != '\r')
        stop++;
    bool both = end - stop > 1 && stop[0] == '\r' && stop[1] == '\n';
    *next = stop + both + (stop < end);
    return (size_t)(stop - at);
}

/* out->text begins in the line before r->at and goes on to `end`; plain lines below belong to it. */
static void read_on(markdown_reader *r, const char *end, markdown_block *out)
{
    markdown state = r->state;
    markdown_line line;
    const char *next;
    while (r->at < r->end) {
        size_t n = line_at(r->at, r->end, &next);
        (void)markdown_read(&state, r->at, n, true, &line);
        if (line.kind != MARKDOWN_TEXT)
            break;
        end = r->at + n;
        r->at = next;
        r->state = state;
    }
    out->len = (size_t)(end - out->text);
}

static void read_code(markdown_reader *r, markdown_block *out)
{
    markdown state = r->state;
    markdown_line line = {.kind = MARKDOWN_CODE};
    const char *next;
    out->text = r->at;
    out->within = state;
    while (r->at < r->end) {
        size_t n = line_at(r->at, r->end, &next);
        (void)markdown_read(&state, r->at, n, true, &line);
        if (line.kind != MARKDOWN_CODE)
            break;
        r->at = next;
        r->state = state;
    }
    out->len = (size_t)(r->at - out->text);
    if (line.kind == MARKDOWN_CLOSE) {
        r->at = next;
        r->state = state;
    }
}

bool markdown_next(markdown_reader *r, markdown_block *out)
{
    const char *next;
    for (; r->at < r->end; r->at = next) {
        markdown before = r->state;
        markdown_line line;
        size_t n = line_at(r->at, r->end, &next);
        (void)markdown_read(&r->state, r->at, n, true, &line);
        if (line.kind == MARKDOWN_BLANK)
            continue;
        bool quote = line.begin < n && r->at[line.begin] == '>';
        *out = (markdown_block){.kind = line.kind,
                                .text = r->at + line.text,
                                .len = n - line.text,
                                .indent = line.indent,
                                .level = line.level,
                                .number = line.number};
        if (line.kind == MARKDOWN_OPEN && line.mark && !quote && !r->behind_item) {
            *out = (markdown_block){
                .kind = MARKDOWN_ITEM, .indent = line.indent, .number = line.number};
            out->text = r->at + line.begin;
            r->state = before; /* the line is read again for its fence */
            r->behind_item = true;
            return true;
        }
        const char *end = r->at + n;
        r->at = next;
        r->behind_item = false;
        if (line.kind == MARKDOWN_OPEN) {
            out->info = out->text;
            out->info_len = line.info;
            out->quoted = quote;
            if (!quote)
                out->indent = r->state.fence_column;
            read_code(r, out);
        } else if (line.kind == MARKDOWN_TEXT || line.kind == MARKDOWN_ITEM) {
            read_on(r, end, out);
        }
        return true;
    }
    return false;
}

bool markdown_code_block(const char *text, size_t n, int number, markdown_block *out)
{
    markdown_reader r = {.at = text, .end = text + n};
    while (number > 0 && markdown_next(&r, out))
        if (out->kind == MARKDOWN_OPEN && --number == 0)
            return true;
    return false;
}

int markdown_code(const markdown_block *b, buf *out, error *err)
{
    markdown state = b->within;
    markdown_line line;
    const char *end = b->text + b->len, *next;
    for (const char *at = b->text; at < end; at = next) {
        size_t n = line_at(at, end, &next);
        (void)markdown_read(&state, at, n, true, &line);
        for (size_t i = 0; i < line.pad; i++)
            if (buf_text(out, " ", err))
                return -1;
        if (buf_add(out, at + line.text, n - line.text, err) || buf_text(out, "\n", err))
            return -1;
    }
    return 0;
}
