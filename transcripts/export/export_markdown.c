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
#include "../../engine/base/text_writer.h"
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
static void add_plain(text_writer *w, const char *text)
{
    buf clean = {0};
    w->failed = w->failed || clean_line(&clean, text, w->err);
    for (size_t i = 0; i < clean.len; i++) {
        if (strchr("\\`*_[]<>#&!|~+", clean.v[i]))
            text_put(w, "\\");
        text_put_bytes(w, clean.v + i, 1);
    }
    buf_release(&clean);
}

static size_t run_of(const char *at, const char *end)
{
    return markdown_run(at, (size_t)(end - at));
}

static void escape_run(text_writer *w, const char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text_format(w, "\\%c", at[i]);
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
static void add_line(text_writer *w, const char *line, const char *end)
{
    uint64_t dead = 0;
    markdown_span span;
    for (const char *at = line; at < end;) {
        size_t used = 1;
        bool escaped = false;
        if (*at == '`') {
            bool code = markdown_code_span(at, (size_t)(end - at), &dead, &span);
            used = code ? span.length : run_of(at, end);
            escaped = !code;
        } else if (*at == '\\' && at + 1 < end && punctuation(at[1])) {
            used = 2;
        } else {
            escaped = escapes(line, at, end);
        }
        if (escaped)
            escape_run(w, at, used);
        else
            text_put_bytes(w, at, used);
        at += used;
    }
}

/* Lines of a block, each with `lead` in front of it. */
static void add_lines(text_writer *w, const markdown_block *b, const char *lead)
{
    const char *at = b->text, *end = b->text + b->len;
    do {
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        const char *stop = newline ? newline : end;
        while (at < stop && markdown_blank(*at))
            at++;
        text_put(w, lead);
        add_line(w, at, stop);
        text_put(w, "\n");
        at = newline ? newline + 1 : end;
    } while (at < end);
}

/* ---- blocks ------------------------------------------------------------------------------------ */

static void add_fence(text_writer *w, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text_put(w, "`");
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
static void fence_lines(text_writer *w, const markdown_block *b, const buf *code, const char *lead)
{
    size_t longest = FENCE_LEAST - 1;
    for (size_t i = 0, n; i < code->len; i += n) {
        n = markdown_run(code->v + i, code->len - i);
        longest = code->v[i] == '`' && n > longest ? n : longest;
    }
    text_put(w, lead);
    add_fence(w, longest + 1);
    text_put_bytes(w, b->info, language(b));
    text_put(w, "\n");
    for (size_t i = 0, n; i < code->len; i += n) {
        n = strcspn(code->v + i, "\n") + 1;
        text_put(w, lead);
        text_put_bytes(w, code->v + i, n);
    }
    text_put(w, lead);
    add_fence(w, longest + 1);
    text_put(w, "\n");
}

static void add_code(text_writer *w, const markdown_block *b)
{
    buf code = {0};
    w->failed = w->failed || markdown_code(b, &code, w->err);
    fence_lines(w, b, &code, b->quoted ? "> " : "");
    buf_release(&code);
}

static void add_item(text_writer *w, const markdown_block *b)
{
    char lead[NESTING_MOST + 1] = "";
    size_t depth = b->indent < NESTING_MOST ? b->indent : NESTING_MOST;
    memset(lead, ' ', depth);
    lead[depth] = '\0';
    text_put(w, lead);
    if (b->number >= 0)
        text_format(w, "%ld. ", b->number);
    else
        text_put(w, "- ");
    add_lines(w, b, ""); /* lines below belong to the item by lazy continuation */
}

static void add_heading(text_writer *w, const markdown_block *b)
{
    int level = ANSWER_LEVEL + b->level < DEEPEST ? ANSWER_LEVEL + b->level : DEEPEST;
    text_format(w, "%.*s ", level, "######");
    add_lines(w, b, "");
}

/* Items and quoted lines stand together, all else has a blank line between. */
static bool together(markdown_kind before, markdown_kind now)
{
    return before == now && (now == MARKDOWN_ITEM || now == MARKDOWN_QUOTE);
}

static void add_block(text_writer *w, const markdown_block *b)
{
    if (b->kind == MARKDOWN_HEADING)
        add_heading(w, b);
    else if (b->kind == MARKDOWN_ITEM)
        add_item(w, b);
    else if (b->kind == MARKDOWN_OPEN)
        add_code(w, b);
    else if (b->kind == MARKDOWN_RULE)
        text_put(w, "* * *\n");
    else
        add_lines(w, b, b->kind == MARKDOWN_QUOTE ? "> " : "");
}

static void add_answer_text(text_writer *w, turn_text text)
{
    buf clean = {0};
    w->failed = w->failed || clean_text(&clean, text.v, text.len, w->err);
    markdown_reader r = {.at = clean.v, .end = clean.v ? clean.v + clean.len : NULL};
    markdown_block b;
    markdown_kind before = MARKDOWN_TEXT;
    bool first = true;
    while (!w->failed && clean.len && markdown_next(&r, &b)) {
        if (!first && !together(before, b.kind))
            text_put(w, "\n");
        add_block(w, &b);
        before = b.kind;
        first = false;
    }
    if (first)
        text_put(w, "*(no text)*\n");
    buf_release(&clean);
}

/* Where a line has a mark that would begin a block: "-", "=", "+", or the dot of "1."; n if nowhere. */
static size_t block_mark(const char *line, size_t n)
{
    size_t front = strspn(line, " \t"), digits = strspn(line + front, "0123456789");
    size_t at = front + digits;
    return at < n && strchr(digits ? ".)" : "-=+", line[at]) ? at : n;
}

/* Prompts are not Markdown: they are quoted line by line, each mark escaped. */
static void add_prompt_line(text_writer *w, const char *line, size_t n)
{
    size_t block = block_mark(line, n);
    for (size_t i = 0; i < n; i++) {
        if (i == block || strchr("\\`*_[]<>#&!|~", line[i]))
            text_put(w, "\\");
        text_put_bytes(w, line + i, 1);
    }
}

static void add_prompt(text_writer *w, turn_text prompt)
{
    buf clean = {0};
    w->failed = w->failed || clean_text(&clean, prompt.v, prompt.len, w->err);
    for (size_t at = 0; at <= clean.len;) {
        const char *line = clean.v ? clean.v + at : "";
        size_t n = strcspn(line, "\n");
        at += n + 1;
        text_put(w, "> ");
        add_prompt_line(w, line, n);
        text_put(w, at <= clean.len && n ? "  \n" : "\n"); /* two blanks keep the line's end */
    }
    buf_release(&clean);
}

/* ---- turns ------------------------------------------------------------------------------------- */

/* A line in italics, of words that are clean; they are used up. */
static void add_note(text_writer *w, buf *words)
{
    if (words->len) {
        text_put(w, "\n*");
        add_plain(w, words->v);
        text_put(w, "*\n");
    }
    buf_release(words);
}

static void add_failure(text_writer *w, const char *failure)
{
    text_put(w, "*failed: ");
    add_plain(w, failure);
    text_put(w, "*\n");
}

/* ", TEXT", clean, where there is one. */
static int more(buf *words, const char *text, error *err)
{
    return text && (buf_text(words, ", ", err) || clean_line(words, text, err));
}

static void add_answer(text_writer *w, const struct turn *t, const turn_answer *a)
{
    buf words = {0};
    bool picked = t->picked && strcmp(t->picked, a->name) == 0;
    text_put(w, "\n### ");
    add_plain(w, a->name);
    text_put(w, picked ? " (picked)\n\n" : "\n\n");
    if (a->failure) {
        add_failure(w, a->failure);
        return;
    }
    add_answer_text(w, a->text);
    w->failed = w->failed || clean_line(&words, a->acts_by, w->err) ||
                (a->acts_by && buf_text(&words, ", ", w->err)) || export_figures(&words, a, w->err);
    add_note(w, &words);
}

static void add_merge(text_writer *w, const struct turn *t, const turn_merge *m)
{
    buf words = {0};
    const turn_answer *winner = turn_winner(t, m);
    bool picked = t->picked && strcmp(t->picked, "merge") == 0;
    text_format(w, "\n### Merged%s\n\n", picked ? " (picked)" : "");
    if (m->failure) {
        add_failure(w, m->failure);
        return;
    }
    if (winner) {
        text_put(w, "The answer of **");
        add_plain(w, winner->name);
        text_put(w, "**, as it stands above.\n");
    } else {
        add_answer_text(w, m->text);
    }
    w->failed = w->failed || export_merge_line(&words, m, w->err);
    add_note(w, &words);
}

static void add_turn(text_writer *w, const history *h, int turn)
{
    const struct turn *t = &h->turns[turn];
    const turn_merge *m = turn_last_merge(t);
    buf words = {0};
    text_format(w, "\n## Turn %d\n\n", t->number);
    add_prompt(w, t->prompt);
    w->failed = w->failed || export_memory_line(&words, h, turn, w->err);
    add_note(w, &words);
    for (int i = 0; i < t->answer_count; i++)
        if (export_column(t, i))
            add_answer(w, t, export_column(t, i));
    if (m)
        add_merge(w, t, m);
}

static void add_head(text_writer *w, const history *h)
{
    buf title = {0}, words = {0};
    w->failed = w->failed || history_title(h, &title, w->err);
    text_put(w, "# ");
    add_plain(w, title.len ? title.v : "A conversation");
    text_put(w, "\n");
    w->failed = w->failed || buf_format(&words, w->err, "consilium transcript %s", h->id) ||
                more(&words, h->created, w->err) || more(&words, h->model.path, w->err);
    add_note(w, &words);
    int undone = export_undone(h);
    if (undone)
        w->failed =
            w->failed || buf_format(&words, w->err, "%d turn%s undone and %s left out. ", undone,
                                    undone == 1 ? " was" : "s were", undone == 1 ? "is" : "are");
    w->failed = w->failed || export_damage(&words, h, w->err);
    add_note(w, &words);
    buf_release(&title);
}

int export_markdown(const history *h, buf *out, error *err)
{
    text_writer w = {.out = out, .err = err};
    add_head(&w, h);
    for (int i = 0; i < h->turn_count; i++)
        if (!h->turns[i].undone)
            add_turn(&w, h, i);
    return w.failed ? -1 : 0;
}
