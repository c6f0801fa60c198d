/* fuzz_markdown.c - any bytes as Markdown: lines, blocks and rows are the same however they come.
 *
 * What is said of the beginning of a line must be true of the line, blocks must follow one another
 * within the text, and the screen must show the same rows for a text in pieces as for the whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/markdown_blocks.h"
#include "../repl/screen/column_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void check_line(const markdown *before, const char *text, size_t n)
{
    markdown whole = *before;
    markdown_line want, line;
    insist(markdown_read(&whole, text, n, true, &want));
    insist(want.text <= n && want.begin <= n && want.text + want.info <= n &&
           want.begin + want.mark <= n && whole.depth <= MARKDOWN_DEEPEST);
    for (size_t part = 0; part < n; part += 1 + part / 8) {
        markdown m = *before;
        if (!markdown_read(&m, text, part, false, &line)) {
            insist(part < MARKDOWN_AHEAD);
            continue;
        }
        insist(memcmp(&m, &whole, sizeof m) == 0 && line.kind == want.kind &&
               line.begin == want.begin && line.mark == want.mark && line.text == want.text);
    }
}

/* Returns how many blocks of code begin. */
static int check_lines(const char *text, size_t size)
{
    markdown m = {0};
    markdown_line line;
    int blocks = 0;
    for (size_t at = 0, n; at < size; at += n + 1) {
        for (n = 0; at + n < size && text[at + n] != '\n';)
            n++;
        check_line(&m, text + at, n);
        insist(markdown_read(&m, text + at, n, true, &line));
        blocks += line.kind == MARKDOWN_OPEN;
    }
    return blocks;
}

static void check_blocks(const char *text, size_t size, int blocks)
{
    markdown_reader r = {.at = text, .end = text + size};
    markdown_block b;
    const char *last = text;
    buf code = {0};
    while (markdown_next(&r, &b)) {
        insist(b.text >= last && b.text + b.len <= text + size);
        last = b.text;
        if (b.kind != MARKDOWN_OPEN)
            continue;
        buf_clear(&code);
        insist(markdown_code(&b, &code, NULL) == 0);
        blocks--;
    }
    insist(blocks == 0);
    buf_release(&code);
}

static void show(const char *text, size_t size, size_t piece, buf *out)
{
    column_text f;
    column_text_open(&f, (light_style){.color = true, .utf8 = true});
    column_text_set_width(&f, 20, NULL);
    for (size_t at = 0; at < size; at += piece) {
        column_text_add(&f, text + at, size - at < piece ? size - at : piece, NULL);
        column_text_update(&f, NULL);
    }
    column_text_end(&f, NULL, NULL);
    column_text_update(&f, NULL);
    for (size_t i = 0; i < column_text_rows(&f); i++)
        buf_format(out, NULL, "%s\n", column_text_row(&f, i)->text);
    column_text_release(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    buf whole = {0}, pieces = {0};
    if (!memchr(data, '\r',
                size)) /* which ends lines of blocks, but is no matter for the scanner */
        check_blocks(text, size, check_lines(text, size));
    show(text, size, size + 1, &whole);
    show(text, size, 1 + size / 50, &pieces);
    insist(whole.len == pieces.len && (!whole.len || memcmp(whole.v, pieces.v, whole.len) == 0));
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
