/* export_html_text.c - answers as HTML: escaping, blocks, emphasis, code, links.
 *
 * Emphasis is looked for forwards: a mark opens when its partner is found, else it is text. What
 * has no partner from here to the end has none further on either, so that is remembered and long
 * texts full of lonely marks stay linear; nesting ends at INLINE_DEPTH.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/markdown_blocks.h"
#include "../../engine/base/utf8.h"
#include "../links.h"
#include "export_html.h"
#include "export_text.h"

enum { INLINE_DEPTH = 6, LABEL_MOST = 600, LISTS_MOST = 6 };

/* ---- writing ----------------------------------------------------------------------------------- */

void html_name(html *p, const char *text)
{
    buf clean = {0};
    p->w.failed = p->w.failed || clean_line(&clean, text, p->w.err);
    text_put(&p->w, "<bdi>");
    if (clean.len)
        html_put_text(&p->w, clean.v, clean.len);
    text_put(&p->w, "</bdi>");
    buf_release(&clean);
}

/* ---- emphasis, code, links --------------------------------------------------------------------- */

typedef struct inline_text {
    const char *at, *end;
    const char *begin;
    int depth;
    bool in_link;
    bool no_strong[2], no_weak[2]; /* of '*' and '_': no partner from here on */
    uint64_t no_code;              /* of markdown_code_span() */
    bool no_link;
} inline_text;

static void render(html *p, const char *text, size_t n, int depth, bool in_link);

static bool blank(char c)
{
    return markdown_blank(c) || c == '\n';
}

static bool punctuation(char c)
{
    return c > ' ' && c < 0x7F && !markdown_word(c);
}

static size_t run_of(const char *at, const char *end)
{
    return markdown_run(at, (size_t)(end - at));
}

static bool take_code(html *p, inline_text *t)
{
    markdown_span span;
    if (!markdown_code_span(t->at, (size_t)(t->end - t->at), &t->no_code, &span)) {
        size_t marks = run_of(t->at, t->end);
        html_put_text(&p->w, t->at, marks);
        t->at += marks;
        return true;
    }
    text_put(&p->w, "<code>");
    html_put_text(&p->w, t->at + span.begin, span.end - span.begin);
    text_put(&p->w, "</code>");
    t->at += span.length;
    return true;
}

/* The partner of the mark (n times c) that stands before `from`, or NULL. */
static const char *partner(const inline_text *t, const char *from, char c, size_t n)
{
    uint64_t dead = 0;
    markdown_span span;
    for (const char *q = from; q < t->end; q++) {
        if (*q == '\\' && q + 1 < t->end) {
            q++;
            continue;
        }
        if (*q == '`') { /* a mark within code is none */
            q += markdown_code_span(q, (size_t)(t->end - q), &dead, &span) ? span.length - 1
                                                                           : run_of(q, t->end) - 1;
            continue;
        }
        if (*q != c)
            continue;
        size_t run = run_of(q, t->end);
        bool fits = run == n || run > 2;
        bool closes =
            q > from && !blank(q[-1]) && (c == '*' || q + run == t->end || !markdown_word(q[run]));
        if (fits && closes)
            return q + run - n; /* of a longer run the inner marks belong to what is inside */
        q += run - 1;
    }
    return NULL;
}

static bool take_emphasis(html *p, inline_text *t)
{
    char c = *t->at;
    size_t run = run_of(t->at, t->end), n = run >= 2 ? 2 : 1;
    const char *from = t->at + n;
    bool opens = from < t->end && !blank(*from) &&
                 (c == '*' || t->at == t->begin || !markdown_word(t->at[-1])) &&
                 t->depth < INLINE_DEPTH;
    bool *none = n == 2 ? &t->no_strong[c == '_'] : &t->no_weak[c == '_'];
    const char *to = opens && !*none ? partner(t, from, c, n) : NULL;
    if (!to) {
        *none |= opens;
        return false;
    }
    text_put(&p->w, n == 2 ? "<strong>" : "<em>");
    render(p, from, (size_t)(to - from), t->depth + 1, t->in_link);
    text_put(&p->w, n == 2 ? "</strong>" : "</em>");
    t->at = to + n;
    return true;
}

static void put_link(html *p, const char *address, size_t n, const char *label, size_t label_len,
                     int depth)
{
    text_put(&p->w, "<a rel=\"noopener noreferrer nofollow\" href=\"");
    html_put_text(&p->w, address, n);
    text_put(&p->w, "\">");
    render(p, label, label_len, depth + 1, true);
    text_put(&p->w, "</a>");
}

/* Bytes of an address that its sentence ends with, not itself: "(see http://a.b/c)." */
static size_t trimmed(const char *address, size_t n)
{
    while (n && strchr(".,;:!?*_~", address[n - 1]))
        n--;
    size_t open = 0, closed = 0;
    for (size_t i = 0; i < n; i++) {
        open += address[i] == '(';
        closed += address[i] == ')';
    }
    while (n && closed > open && (address[n - 1] == ')' || strchr(".,;:!?", address[n - 1]))) {
        closed -= address[n - 1] == ')';
        n--;
    }
    return n;
}

static bool take_address(html *p, inline_text *t)
{
    if (t->in_link || (t->at > t->begin && markdown_word(t->at[-1])))
        return false;
    size_t n = links_address(t->at, (size_t)(t->end - t->at));
    n = trimmed(t->at, n);
    if (n < sizeof "http://x" - 1)
        return false;
    text_put(&p->w, "<a rel=\"noopener noreferrer nofollow\" href=\"");
    html_put_text(&p->w, t->at, n);
    text_put(&p->w, "\">");
    html_put_text(&p->w, t->at, n);
    text_put(&p->w, "</a>");
    t->at += n;
    return true;
}

/* The end of an address in brackets: ')' of its own do not count. */
static size_t bracketed(const char *address, size_t n)
{
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (address[i] == '(')
            depth++;
        if (address[i] == ')' && depth-- == 0)
            return i;
    }
    return n;
}

/* [label](address) */
static bool take_link(html *p, inline_text *t)
{
    if (t->in_link || t->no_link || t->depth >= INLINE_DEPTH)
        return false;
    size_t left = (size_t)(t->end - t->at);
    const char *middle = memmem(t->at, left < LABEL_MOST ? left : LABEL_MOST, "](", 2);
    if (!middle) {
        t->no_link = left < LABEL_MOST;
        return false;
    }
    const char *address = middle + 2;
    size_t most = links_address(address, (size_t)(t->end - address)), n = bracketed(address, most);
    if (!n || address + n >= t->end || address[n] != ')' || middle == t->at + 1)
        return false;
    put_link(p, address, n, t->at + 1, (size_t)(middle - t->at - 1), t->depth);
    t->at = address + n + 1;
    return true;
}

static bool take_mark(html *p, inline_text *t)
{
    switch (*t->at) {
    case '\\':
        if (t->at + 1 == t->end || !punctuation(t->at[1]))
            return false;
        html_put_text(&p->w, t->at + 1, 1);
        t->at += 2;
        return true;
    case '`':
        return take_code(p, t);
    case '*':
    case '_':
        return take_emphasis(p, t);
    case '[':
        return take_link(p, t);
    case 'h':
    case 'H':
    case 'm':
    case 'M':
        return take_address(p, t);
    case '\n':
        text_put(&p->w, "<br>\n");
        t->at++;
        return true;
    default:
        return false;
    }
}

static void render(html *p, const char *text, size_t n, int depth, bool in_link)
{
    inline_text t = {
        .at = text, .end = text + n, .begin = text, .depth = depth, .in_link = in_link};
    while (t.at < t.end && !p->w.failed) {
        size_t plain = 0;
        while (t.at + plain < t.end && !strchr("\\`*_[hHmM\n", t.at[plain]))
            plain++;
        html_put_text(&p->w, t.at, plain);
        t.at += plain;
        if (t.at < t.end && !take_mark(p, &t)) {
            size_t run = *t.at == '*' || *t.at == '_' ? run_of(t.at, t.end) : 1;
            html_put_text(&p->w, t.at, run);
            t.at += run;
        }
    }
}

void html_inline(html *p, const char *clean, size_t n)
{
    render(p, clean, n, 0, false);
}

/* ---- blocks ------------------------------------------------------------------------------------ */

/* The lists that are open, outermost first. */
typedef struct lists {
    size_t indent[LISTS_MOST];
    bool ordered[LISTS_MOST];
    int depth;
} lists;

static void close_lists(html *p, lists *l, int depth)
{
    while (l->depth > depth)
        text_put(&p->w, l->ordered[--l->depth] ? "</li></ol>\n" : "</li></ul>\n");
}

static void open_list(html *p, lists *l, const markdown_block *b, bool ordered)
{
    l->indent[l->depth] = b->indent;
    l->ordered[l->depth++] = ordered;
    if (ordered && b->number != 1)
        text_format(&p->w, "<ol start=\"%ld\">", b->number);
    else
        text_put(&p->w, ordered ? "<ol>" : "<ul>");
}

static void put_item(html *p, lists *l, const markdown_block *b)
{
    bool ordered = b->number >= 0;
    while (l->depth > 1 && b->indent < l->indent[l->depth - 1])
        close_lists(p, l, l->depth - 1);
    bool opens =
        l->depth == 0 || (b->indent > l->indent[l->depth - 1] + 1 && l->depth < LISTS_MOST);
    if (!opens && l->ordered[l->depth - 1] != ordered) {
        close_lists(p, l, l->depth - 1);
        opens = true;
    }
    if (opens)
        open_list(p, l, b, ordered);
    else
        text_put(&p->w, "</li>\n");
    text_put(&p->w, "<li dir=\"auto\">");
    html_inline(p, b->text, b->len);
}

static void put_code(html *p, const markdown_block *b)
{
    buf code = {0};
    p->w.failed = p->w.failed || markdown_code(b, &code, p->w.err);
    text_put(&p->w, b->quoted ? "<blockquote dir=\"auto\"><pre>" : "<pre>");
    if (b->info_len && b->info_len <= 24) {
        text_put(&p->w, "<span class=\"lang\">");
        html_put_text(&p->w, b->info, b->info_len);
        text_put(&p->w, "</span>");
    }
    text_put(&p->w, "<code dir=\"ltr\">");
    if (code.len)
        html_put_text(&p->w, code.v, code.len);
    text_put(&p->w, b->quoted ? "</code></pre></blockquote>\n" : "</code></pre>\n");
    buf_release(&code);
}

static void put_wrapped(html *p, const char *tag, const markdown_block *b)
{
    text_format(&p->w, "<%s dir=\"auto\">", tag);
    html_inline(p, b->text, b->len);
    text_format(&p->w, "</%s>\n", tag);
}

static void put_block(html *p, const markdown_block *b, lists *l)
{
    if (b->kind == MARKDOWN_ITEM) {
        put_item(p, l, b);
        return;
    }
    if (b->kind == MARKDOWN_OPEN && l->depth && b->indent > l->indent[l->depth - 1]) {
        put_code(p, b); /* it belongs to the item */
        return;
    }
    close_lists(p, l, 0);
    switch (b->kind) {
    case MARKDOWN_HEADING:
        put_wrapped(p, b->level <= 2 ? "h4" : "h5", b);
        break;
    case MARKDOWN_QUOTE:
        put_wrapped(p, "blockquote", b);
        break;
    case MARKDOWN_OPEN:
        put_code(p, b);
        break;
    case MARKDOWN_RULE:
        text_put(&p->w, "<hr>\n");
        break;
    default:
        put_wrapped(p, "p", b);
        break;
    }
}

void html_answer(html *p, turn_text text)
{
    buf clean = {0};
    if (!p->w.failed && text.v && clean_text(&clean, text.v, text.len, p->w.err))
        p->w.failed = true;
    markdown_reader r = {.at = clean.v, .end = clean.v ? clean.v + clean.len : NULL};
    markdown_block b;
    lists l = {.depth = 0};
    bool any = false;
    while (!p->w.failed && clean.len && markdown_next(&r, &b)) {
        put_block(p, &b, &l);
        any = true;
    }
    close_lists(p, &l, 0);
    if (!any)
        text_put(&p->w, "<p class=\"none\">no text</p>\n");
    buf_release(&clean);
}
