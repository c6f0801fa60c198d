/* report_md.c - the exchange as Markdown, ready to be kept or sent.
 *
 * The prompt is quoted line by line, so that whatever it holds cannot end the quotation; answers are
 * Markdown already.
 */
#include <string.h>

#include "../screen/safe_text.h"
#include "report.h"

static int add_quoted(buf *out, const char *text, size_t len, error *err)
{
    size_t at = 0;
    do {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t end = newline ? (size_t)(newline - text) : len;
        if (buf_text(out, "> ", err) ||
            safe_text_copy(out, SAFE_PROSE, false, text + at, end - at, err) ||
            buf_text(out, "\n", err))
            return -1;
        at = end + 1;
    } while (at < len);
    return 0;
}

static int add_answer(const report *r, int i, buf *out, error *err)
{
    const turn_answer *k = r->answers[i];
    if (buf_format(out, err, "\n## %s\n\n", k->name))
        return -1;
    const char *there = report_taken_from(k);
    int result = k->stop == STOP_ERROR ? buf_format(out, err, "*failed: %s*", k->failure)
                 : there               ? buf_format(out, err, "The answer of %s, above.", there)
                         : safe_text_copy(out, SAFE_PROSE, false, k->text.v, k->text.len, err);
    if (result || buf_text(out, "\n\n*", err) || report_figures(r, i, out, err))
        return -1;
    return buf_text(out, "*\n", err);
}

int report_markdown(const report *r, buf *out, error *err)
{
    if (add_quoted(out, r->prompt, r->prompt_len, err))
        return -1;
    for (int i = 0; i < r->count; i++)
        if (add_answer(r, i, out, err))
            return -1;
    if (!r->merge && r->unmerged)
        return buf_text(out, "\n*merge ", err) || report_unmerged_line(r, out, err) ||
                       buf_text(out, "*\n", err)
                   ? -1
                   : 0;
    if (!r->merge)
        return 0;
    int result = buf_text(out, "\n## Merged\n\n", err);
    if (!result && report_stands_there(r))
        result = buf_format(out, err, "The answer of %s, above.", r->merge->by);
    else if (!result)
        result = safe_text_copy(out, SAFE_PROSE, false, r->merge->text.v, r->merge->text.len, err);
    if (result || buf_text(out, "\n\n*", err) || report_merge_line(r, out, err) ||
        report_merge_seconds(r, out, err))
        return -1;
    return buf_text(out, "*\n", err);
}
