/* chat_template.c - the outside of {{ }} and {% %}; see chat_template.h.
 *
 * One pass with a stack of open blocks. A piece ends where a branch that is really open begins or
 * ends, or a loop; branches that are crossed out, or that are always taken, leave no seam, so that
 * {{ a }}{% if tools %}...{% endif %}{{ b }} is the piece "ab". White space around tags is cut as
 * transformers sets Jinja up: trim_blocks, lstrip_blocks, and the minus signs.
 */
#include "chat_template.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTING = 64 };

typedef struct block {
    bool loop;    /* a for; otherwise an if */
    bool outside; /* what is around it may be printed */
    bool live;    /* its current branch may be printed */
    bool decided; /* a branch that is always taken has been seen */
    bool open;    /* some branch could not be decided */
} block;

typedef struct cutter {
    const char *text, *at, *end;
    chat_pieces *out;
    buf piece;
    block blocks[MAX_NESTING];
    int depth;
    bool cut_left; /* the last tag ended with a minus sign */
    bool cut_line; /* the last tag was a block or comment: cut one newline */
    error *err;
} cutter;

/* One tag, the text before it already cut. */
typedef struct tag {
    char kind; /* '{' expression, '%' block, '#' comment */
    const char *inside;
    size_t len;
} tag;

static int broken(const cutter *c, const char *what)
{
    return error_set(c->err, ERROR_LOAD, "chat template: offset %zu: %s", (size_t)(c->at - c->text),
                     what);
}

static bool live(const cutter *c)
{
    return c->depth == 0 || c->blocks[c->depth - 1].live;
}

/* ---- pieces -------------------------------------------------------------------------------- */

static int add_piece(cutter *c, const buf *piece)
{
    if (piece->len == 0)
        return 0;
    for (size_t i = 0; i < c->out->len; i++)
        if (strcmp(c->out->v[i], piece->v) == 0)
            return 0;
    if (c->out->len == CHAT_PIECES_MAX)
        return broken(c, "too many parts");
    char *copy = strdup(piece->v);
    if (!copy)
        return error_memory(c->err, "the chat template");
    c->out->v[c->out->len++] = copy;
    return 0;
}

static int end_piece(cutter *c)
{
    int result = add_piece(c, &c->piece);
    buf_clear(&c->piece);
    return result;
}

void chat_pieces_release(chat_pieces *p)
{
    for (size_t i = 0; i < p->len; i++)
        free(p->v[i]);
    *p = (chat_pieces){0};
}

/* ---- text and tags ------------------------------------------------------------------------- */

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Text between two tags; `stop` is where the next one, or the end, begins. */
static int add_text(cutter *c, const char *stop)
{
    const char *from = c->at, *to = stop;
    bool tag_follows = stop < c->end;
    char kind = tag_follows ? stop[1] : '\0', sign = tag_follows && stop + 2 < c->end ? stop[2] : 0;
    if (!tag_follows && to > from && to[-1] == '\n')
        to--; /* Jinja drops a template's last newline */
    if (c->cut_left)
        while (from < to && space(*from))
            from++;
    else if (c->cut_line && from < to && *from == '\n')
        from++;
    if (sign == '-')
        while (to > from && space(to[-1]))
            to--;
    else if (kind == '%' || kind == '#') {
        const char *line = to;
        while (line > from && (line[-1] == ' ' || line[-1] == '\t'))
            line--;
        if (line == c->text || line[-1] == '\n')
            to = line;
    }
    if (!live(c))
        return 0;
    for (const char *p = from; p < to; p++)
        if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t')
            return buf_text(&c->piece, CHAT_OTHER, c->err);
    return buf_add(&c->piece, from, (size_t)(to - from), c->err);
}

/* The next "{{", "{%" or "{#", or the end. */
static const char *find_tag(const cutter *c)
{
    const char *p = c->at;
    while (p + 1 < c->end && !(*p == '{' && (p[1] == '{' || p[1] == '%' || p[1] == '#')))
        p++;
    return p + 1 < c->end ? p : c->end;
}

/* Where the tag that opens at c->at closes; quoted text is stepped over, but not in comments. */
static const char *find_close(const cutter *c, char kind)
{
    char quote = 0, close = kind == '{' ? '}' : kind;
    for (const char *p = c->at + 2; p + 1 < c->end; p++) {
        if (quote && *p == '\\')
            p++;
        else if (quote)
            quote = *p == quote ? 0 : quote;
        else if (kind != '#' && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (*p == close && p[1] == '}')
            return p;
    }
    return NULL;
}

/* Reads the tag at c->at and moves behind it. */
static int read_tag(cutter *c, tag *t)
{
    t->kind = c->at[1];
    const char *close = find_close(c, t->kind);
    if (!close)
        return broken(c, "a tag that is not closed");
    t->inside = c->at + 2;
    const char *last = close;
    if (t->inside < last && (*t->inside == '-' || *t->inside == '+'))
        t->inside++;
    c->cut_left = last > t->inside && last[-1] == '-';
    c->cut_line = t->kind != '{';
    last -= c->cut_left || (last > t->inside && last[-1] == '+');
    while (t->inside < last && space(*t->inside))
        t->inside++;
    while (t->inside < last && space(last[-1]))
        last--;
    t->len = (size_t)(last - t->inside);
    c->at = close + 2;
    return 0;
}

/* ---- blocks -------------------------------------------------------------------------------- */

/* The rest of the tag behind `word`, when that is its first word. */
static bool starts(const tag *t, const char *word, tag *rest)
{
    size_t n = strlen(word);
    if (t->len < n || memcmp(t->inside, word, n) != 0)
        return false;
    if (t->len > n && !space(t->inside[n]) && t->inside[n] != '(')
        return false;
    *rest = (tag){t->kind, t->inside + n, t->len - n};
    return true;
}

/* Chooses the branch that begins here: condition t of an if or elif. */
static void branch(block *b, chat_truth t)
{
    b->live = b->outside && !b->decided && t != CHAT_FALSE;
    b->decided = b->decided || t == CHAT_TRUE;
    b->open = b->open || (b->live && t == CHAT_MAYBE);
}

static int enter(cutter *c, bool loop, chat_truth t)
{
    if (c->depth == MAX_NESTING)
        return broken(c, "blocks nested too deeply");
    block b = {.loop = loop, .outside = live(c)};
    branch(&b, t);
    if (b.open && end_piece(c))
        return -1;
    c->blocks[c->depth++] = b;
    return 0;
}

static int turn(cutter *c, chat_truth t)
{
    if (c->depth == 0 || c->blocks[c->depth - 1].loop)
        return broken(c, "an elif or else without its if");
    block *b = &c->blocks[c->depth - 1];
    bool was_live = b->live;
    branch(b, t);
    return b->open && (was_live || b->live) ? end_piece(c) : 0;
}

static int leave(cutter *c, bool loop)
{
    if (c->depth == 0 || c->blocks[c->depth - 1].loop != loop)
        return broken(c, "an end without its beginning");
    return c->blocks[--c->depth].open ? end_piece(c) : 0;
}

/* {% set NAME = VALUE %}: only of interest when NAME is one that pieces are made of, and when the
 * value is not simply what the name says. */
static int assign(cutter *c, const tag *t)
{
    const char *equals = memchr(t->inside, '=', t->len);
    if (!equals)
        return buf_text(&c->piece, CHAT_OTHER, c->err); /* {% set x %}...{% endset %} */
    const char *name = t->inside, *name_end = equals;
    while (name < name_end && space(*name))
        name++;
    while (name_end > name && space(name_end[-1]))
        name_end--;
    size_t n = (size_t)(name_end - name);
    if (!chat_expression_knows(name, n))
        return 0;
    buf value = {0}, piece = {0};
    const char *rest = equals + 1;
    int result = chat_expression(rest, (size_t)(t->inside + t->len - rest), &value, c->err);
    bool plain = value.len == 0 || strcmp(value.v, CHAT_TEXT) == 0 ||
                 strcmp(value.v, CHAT_ROLE) == 0 || strcmp(value.v, CHAT_THOUGHT) == 0;
    if (result == 0 && !plain) {
        if (buf_add(&piece, name, n, c->err) || buf_text(&piece, CHAT_SET, c->err) ||
            buf_add(&piece, value.v, value.len, c->err))
            result = -1;
        else
            result = add_piece(c, &piece);
    }
    buf_release(&value);
    buf_release(&piece);
    return result < 0 ? -1 : 0;
}

/* Some conditions decide what becomes of a thought, so they are pieces too. */
static int note_condition(cutter *c, const tag *condition)
{
    static const char thought[] = "'</think>'";
    const char *text = condition->inside, *name = NULL;
    size_t n = condition->len;
    while (n && space(*text)) {
        text++;
        n--;
    }
    if (memmem(text, n, thought, strlen(thought)))
        name = CHAT_IF_THOUGHT;
    else if (n == strlen("not loop.last") && memcmp(text, "not loop.last", n) == 0)
        name = CHAT_IF_NOT_LAST;
    else if (n == strlen("reasoning_content") && memcmp(text, "reasoning_content", n) == 0)
        name = CHAT_IF_KEPT;
    if (!live(c) || !name)
        return 0;
    buf piece = {0};
    int result = buf_text(&piece, name, c->err) || add_piece(c, &piece) ? -1 : 0;
    buf_release(&piece);
    return result;
}

static int read_block(cutter *c, const tag *t)
{
    tag rest;
    if (starts(t, "if", &rest))
        return note_condition(c, &rest) ? -1
                                        : enter(c, false, chat_condition(rest.inside, rest.len));
    if (starts(t, "elif", &rest))
        return turn(c, chat_condition(rest.inside, rest.len));
    if (starts(t, "else", &rest))
        return c->depth && c->blocks[c->depth - 1].loop ? broken(c, "an else of a loop")
                                                        : turn(c, CHAT_TRUE);
    if (starts(t, "endif", &rest))
        return leave(c, false);
    if (starts(t, "for", &rest))
        return enter(c, true,
                     chat_mentions_absent(rest.inside, rest.len) ? CHAT_FALSE : CHAT_MAYBE);
    if (starts(t, "endfor", &rest))
        return leave(c, true);
    if (starts(t, "macro", &rest)) /* what a macro prints shows where it is called */
        return enter(c, true, CHAT_FALSE);
    if (starts(t, "endmacro", &rest))
        return leave(c, true);
    if (starts(t, "generation", &rest) || starts(t, "endgeneration", &rest) || !live(c))
        return 0;
    if (starts(t, "set", &rest))
        return assign(c, &rest);
    return buf_text(&c->piece, CHAT_OTHER, c->err);
}

int chat_pieces_read(const char *text, size_t len, chat_pieces *out, error *err)
{
    *out = (chat_pieces){0};
    cutter c = {.text = text, .at = text, .end = text + len, .out = out, .err = err};
    int result = len > CHAT_TEMPLATE_MAX ? broken(&c, "too large") : 0;
    while (result == 0 && c.at < c.end) {
        const char *stop = find_tag(&c);
        tag t = {0};
        result = add_text(&c, stop);
        c.at = stop;
        if (result || stop == c.end)
            break;
        result = read_tag(&c, &t);
        if (result == 0 && t.kind == '%')
            result = read_block(&c, &t);
        else if (result == 0 && t.kind == '{' && live(&c))
            result = chat_expression(t.inside, t.len, &c.piece, err) < 0 ? -1 : 0;
    }
    if (result == 0 && c.depth)
        result = broken(&c, "a block that is not closed");
    if (result == 0)
        result = end_piece(&c);
    buf_release(&c.piece);
    if (result)
        chat_pieces_release(out);
    return result;
}
