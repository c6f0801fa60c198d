/* export_markdown.c - the conversation as Markdown. See export.h.
 *
 * Answers are Markdown already, but nobody checked it: a fence that is never closed would swallow
 * the next persona, a heading would pass for ours, a tag would be obeyed. So each answer is read
 * into blocks and written again: code between fences of our own, one mark longer than any run of
 * marks inside; headings below ours; and in the lines between, what could open a tag, an image, a
 * definition or a span that does not end on its line is escaped.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/markdown_blocks.h"
#include "../links.h"
#include "export.h"
#include "export_text.h"

enum { ANSWER_LEVEL = 3, DEEPEST = 6, FENCE_LEAST = 3, NESTING_MOST = 16 };

/* ---- within a line ----------------------------------------------------------------------------- */

static bool punctuation(char c)
{
    return c > ' ' && c < 0x7F && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c);
}

/* Foreign words where no Markdown is wanted: every mark is escaped. */
static int add_plain(buf *out, const char *text, error *err)
{
    buf clean = {0};
    int result = clean_line(&clean, text, err);
    for (size_t i = 0; i < clean.len && !result; i++)
        result = (strchr("\\`*_[]<>#&!|~+", clean.v[i]) && buf_text(out, "\\", err)) ||
                 buf_add(out, clean.v + i, 1, err);
    buf_release(&clean);
    return result ? -1 : 0;
}

static size_t run_of(const char *at, const char *end)
{
    return markdown_run(at, (size_t)(end - at));
}

static int escape_run(buf *out, const char *at, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (buf_text(out, "\\", err) || buf_add(out, at + i, 1, err))
            return -1;
    return 0;
}

static bool blanks_behind(const char *at, const char *end)
{
    while (at < end && markdown_blank(*at))
        at++;
    return at == end;
}

/* Whether the character at `at` begins something that must not be obeyed. */
static bool escapes(const char *line, const char *at, const char *end)
{
    char next = at + 1 < end ? at[1] : '\0';
    switch (*at) {
    case '<':
        return true;
    case '!': /* an image is fetched when the document is opened */
        return next == '[';
    case '&': /* an entity may spell any of the others */
        return next == '#' || (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z');
    case ']': {
        const char *to = at + 2;
        while (to < end && (*to == ' ' || *to == '<'))
            to++;
        /* a definition ("[name]: ...") reaches beyond its answer */
        return next == ':' || (next == '(' && !links_safe(to, (size_t)(end - to)));
    }
    case '=':
    case '-': /* a line of these makes the one above a heading */
        return at == line && blanks_behind(at + run_of(at, end), end);
    case '~': /* a fence, where nothing but marks stands in front */
        return (at == line || at[-1] != '~') && run_of(at, end) >= FENCE_LEAST &&
               at - line < MARKDOWN_AHEAD && line + strspn(line, " \t-+*>.)0123456789") >= at;
    default:
        return false;
    }
}

/* One line of an answer outside of code. */
static int add_line(buf *out, const char *line, const char *end, error *err)
{
    uint64_t dead = 0;
    markdown_span span;
    for (const char *at = line; at < end;) {
        size_t used = 1;
        int result;
        if (*at == '`') {
            bool code = markdown_code_span(at, (size_t)(end - at), &dead, &span);
            used = code ? span.length : run_of(at, end);
            result = code ? buf_add(out, at, used, err) : escape_run(out, at, used, err);
        } else if (*at == '\\' && at + 1 < end && punctuation(at[1])) {
            used = 2;
            result = buf_add(out, at, used, err);
        } else if (escapes(line, at, end)) {
            result = escape_run(out, at, 1, err);
        } else {
            result = buf_add(out, at, 1, err);
        }
        if (result)
            return -1;
        at += used;
    }
    return 0;
}

/* Lines of a block, each with `lead` in front of it. */
static int add_lines(buf *out, const markdown_block *b, const char *lead, error *err)
{
    const char *at = b->text, *end = b->text + b->len;
    do {
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        const char *stop = newline ? newline : end;
        while (at < stop && markdown_blank(*at))
            at++;
        if (buf_text(out, lead, err) || add_line(out, at, stop, err) || buf_text(out, "\n", err))
            return -1;
        at = newline ? newline + 1 : end;
    } while (at < end);
    return 0;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

static int add_fence(buf *out, size_t length, error *err)
{
    for (size_t i = 0; i < length; i++)
        if (buf_text(out, "`", err))
            return -1;
    return 0;
}

/* The language behind a fence, so far as it looks like one. */
static size_t language(const markdown_block *b)
{
    size_t n = 0;
    while (
        n < b->info_len && n < 32 &&
        strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#._-", b->info[n]))
        n++;
    return n;
}

/* Between fences of our own, each line with `lead` in front of it. */
static int fence_lines(buf *out, const markdown_block *b, const buf *code, const char *lead,
                       error *err)
{
    size_t longest = FENCE_LEAST - 1;
    for (size_t i = 0, n; i < code->len; i += n) {
        n = markdown_run(code->v + i, code->len - i);
        longest = code->v[i] == '`' && n > longest ? n : longest;
    }
    if (buf_text(out, lead, err) || add_fence(out, longest + 1, err) ||
        buf_add(out, b->info, language(b), err) || buf_text(out, "\n", err))
        return -1;
    for (size_t i = 0, n; i < code->len; i += n) {
        n = strcspn(code->v + i, "\n") + 1;
        if (buf_text(out, lead, err) || buf_add(out, code->v + i, n, err))
            return -1;
    }
    return buf_text(out, lead, err) || add_fence(out, longest + 1, err) || buf_text(out, "\n", err)
               ? -1
               : 0;
}

static int add_code(buf *out, const markdown_block *b, error *err)
{
    buf code = {0};
    int result =
        markdown_code(b, &code, err) || fence_lines(out, b, &code, b->quoted ? "> " : "", err);
    buf_release(&code);
    return result ? -1 : 0;
}

static int add_item(buf *out, const markdown_block *b, error *err)
{
    char lead[NESTING_MOST + 1] = "";
    size_t depth = b->indent < NESTING_MOST ? b->indent : NESTING_MOST;
    memset(lead, ' ', depth);
    lead[depth] = '\0';
    int result = b->number >= 0 ? buf_format(out, err, "%s%ld. ", lead, b->number)
                                : buf_format(out, err, "%s- ", lead);
    if (result)
        return -1;
    /* lines below belong to the item by lazy continuation */
    return b->len ? add_lines(out, b, "", err) : buf_text(out, "\n", err);
}

static int add_heading(buf *out, const markdown_block *b, error *err)
{
    int level = ANSWER_LEVEL + b->level < DEEPEST ? ANSWER_LEVEL + b->level : DEEPEST;
    return buf_format(out, err, "%.*s ", level, "######") || add_lines(out, b, "", err) ? -1 : 0;
}

/* Items and quoted lines stand together, all else has a blank line between. */
static bool together(markdown_kind before, markdown_kind now)
{
    return before == now && (now == MARKDOWN_ITEM || now == MARKDOWN_QUOTE);
}

static int add_block(buf *out, const markdown_block *b, error *err)
{
    switch (b->kind) {
    case MARKDOWN_HEADING:
        return add_heading(out, b, err);
    case MARKDOWN_ITEM:
        return add_item(out, b, err);
    case MARKDOWN_QUOTE:
        return add_lines(out, b, "> ", err);
    case MARKDOWN_OPEN:
        return add_code(out, b, err);
    case MARKDOWN_RULE:
        return buf_text(out, "* * *\n", err);
    default:
        return add_lines(out, b, "", err);
    }
}

static int add_answer_text(buf *out, turn_text text, error *err)
{
    buf clean = {0};
    int result = clean_text(&clean, text.v, text.len, err);
    markdown_reader r = {.at = clean.v, .end = clean.v ? clean.v + clean.len : NULL};
    markdown_block b;
    markdown_kind before = MARKDOWN_TEXT;
    bool first = true;
    while (!result && clean.len && markdown_next(&r, &b)) {
        if (!first && !together(before, b.kind))
            result = buf_text(out, "\n", err);
        if (!result)
            result = add_block(out, &b, err);
        before = b.kind;
        first = false;
    }
    if (!result && first)
        result = buf_text(out, "*(no text)*\n", err);
    buf_release(&clean);
    return result ? -1 : 0;
}

/* Where a line has a mark that would begin a block: "-", "=", "+", or the dot of "1."; n if nowhere. */
static size_t block_mark(const char *line, size_t n)
{
    size_t front = strspn(line, " \t"), digits = strspn(line + front, "0123456789");
    size_t at = front + digits;
    return at < n && strchr(digits ? ".)" : "-=+", line[at]) ? at : n;
}

/* Prompts are not Markdown: they are quoted line by line, each mark escaped. */
static int add_prompt_line(buf *out, const char *line, size_t n, error *err)
{
    size_t block = block_mark(line, n);
    for (size_t i = 0; i < n; i++) {
        bool mark = i == block || strchr("\\`*_[]<>#&!|~", line[i]);
        if ((mark && buf_text(out, "\\", err)) || buf_add(out, line + i, 1, err))
            return -1;
    }
    return 0;
}

static int add_prompt(buf *out, turn_text prompt, error *err)
{
    buf clean = {0};
    int result = clean_text(&clean, prompt.v, prompt.len, err);
    for (size_t at = 0; !result && at <= clean.len;) {
        const char *line = clean.v ? clean.v + at : "";
        size_t n = strcspn(line, "\n");
        at += n + 1;
        /* two blanks keep the line's end */
        result = buf_text(out, "> ", err) || add_prompt_line(out, line, n, err) ||
                 buf_text(out, at <= clean.len && n ? "  \n" : "\n", err);
    }
    buf_release(&clean);
    return result ? -1 : 0;
}

/* ---- turns ------------------------------------------------------------------------------------- */

/* A line in italics, of words that are clean. */
static int add_note(buf *out, const buf *words, error *err)
{
    if (!words->len)
        return 0;
    return buf_text(out, "\n*", err) || add_plain(out, words->v, err) || buf_text(out, "*\n", err)
               ? -1
               : 0;
}

static int answer_note(buf *out, const turn_answer *a, error *err)
{
    buf words = {0};
    int result = clean_line(&words, a->acts_by, err) ||
                 (a->acts_by && buf_text(&words, ", ", err)) || export_figures(&words, a, err) ||
                 add_note(out, &words, err);
    buf_release(&words);
    return result ? -1 : 0;
}

static int add_answer(buf *out, const struct turn *t, const turn_answer *a, error *err)
{
    bool picked = t->picked && strcmp(t->picked, a->name) == 0;
    if (buf_text(out, "\n### ", err) || add_plain(out, a->name, err) ||
        buf_text(out, picked ? " (picked)\n\n" : "\n\n", err))
        return -1;
    if (a->failure)
        return buf_text(out, "*failed: ", err) || add_plain(out, a->failure, err) ||
                       buf_text(out, "*\n", err)
                   ? -1
                   : 0;
    return add_answer_text(out, a->text, err) || answer_note(out, a, err) ? -1 : 0;
}

static int add_merge(buf *out, const struct turn *t, const turn_merge *m, error *err)
{
    bool picked = t->picked && strcmp(t->picked, "merge") == 0;
    if (buf_format(out, err, "\n### Merged%s\n\n", picked ? " (picked)" : ""))
        return -1;
    if (m->failure)
        return buf_text(out, "*failed: ", err) || add_plain(out, m->failure, err) ||
                       buf_text(out, "*\n", err)
                   ? -1
                   : 0;
    buf words = {0};
    const turn_answer *winner = turn_winner(t, m);
    int result = winner ? buf_text(out, "The answer of **", err) ||
                              add_plain(out, winner->name, err) ||
                              buf_text(out, "**, as it stands above.\n", err)
                        : add_answer_text(out, m->text, err);
    if (!result)
        result = export_merge_line(&words, m, err) || add_note(out, &words, err);
    buf_release(&words);
    return result ? -1 : 0;
}

static int add_turn(buf *out, const history *h, int turn, error *err)
{
    const struct turn *t = &h->turns[turn];
    buf words = {0};
    int result = buf_format(out, err, "\n## Turn %d\n\n", t->number) ||
                 add_prompt(out, t->prompt, err) || export_memory_line(&words, h, turn, err) ||
                 add_note(out, &words, err);
    for (int i = 0; i < t->answer_count && !result; i++)
        if (export_column(t, i))
            result = add_answer(out, t, export_column(t, i), err);
    const turn_merge *m = turn_last_merge(t);
    if (!result && m)
        result = add_merge(out, t, m, err);
    buf_release(&words);
    return result ? -1 : 0;
}

static int add_head(buf *out, const history *h, error *err)
{
    buf title = {0}, words = {0};
    int result =
        history_title(h, &title, err) || buf_text(out, "# ", err) ||
        add_plain(out, title.len ? title.v : "A conversation", err) || buf_text(out, "\n", err) ||
        buf_format(&words, err, "consilium transcript %s", h->id) ||
        (h->created && (buf_text(&words, ", ", err) || clean_line(&words, h->created, err))) ||
        (h->model.path &&
         (buf_text(&words, ", ", err) || clean_line(&words, h->model.path, err))) ||
        add_note(out, &words, err);
    buf_clear(&words);
    int undone = export_undone(h);
    if (!result && undone)
        result = buf_format(&words, err, "%d turn%s undone and %s left out. ", undone,
                            undone == 1 ? " was" : "s were", undone == 1 ? "is" : "are");
    if (!result)
        result = export_damage(&words, h, err) || add_note(out, &words, err);
    buf_release(&title);
    buf_release(&words);
    return result ? -1 : 0;
}

int export_markdown(const history *h, buf *out, error *err)
{
    if (add_head(out, h, err))
        return -1;
    for (int i = 0; i < h->turn_count; i++)
        if (!h->turns[i].undone && add_turn(out, h, i, err))
            return -1;
    return 0;
}
