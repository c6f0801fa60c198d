/* lex.c - data, tags and what stands in tags; literals are in lex_literal.c.
 *
 * The lexer is in one of two places: outside tags, where everything up to the next "{{", "{%"
 * or "{#" is one piece of data, or inside one, where it reads names, operators and literals up
 * to the tag's end. White space at the seam belongs to the tag: "-" takes all of it away,
 * trim_blocks takes one newline behind a block, lstrip_blocks the blanks before a block on its
 * own line, "+" leaves them. Comments and raw sections are settled here and never seen by the
 * parser.
 *
 * Lines and columns are counted as the lexer moves on, so that each token knows its place
 * without anybody going through the text again.
 */
#include "lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../base/utf8.h"
#include "lex_literal.h"
#include "unicode.h"

int template_error(error *err, uint32_t line, uint32_t column, const char *format, ...)
{
    char sentence[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return error_set(err, ERROR_LOAD, "chat template, line %u, column %u: %s", line, column,
                     sentence);
}

char *lex_normalise(arena *a, const char *source, size_t len, size_t *out_len)
{
    char *v = arena_take(a, len + 1);
    if (v == NULL)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        v[n++] = source[i] == '\r' ? '\n' : source[i];
        if (source[i] == '\r' && i + 1 < len && source[i + 1] == '\n')
            i++;
    }
    n -= n > 0 && v[n - 1] == '\n';
    v[n] = '\0';
    *out_len = n;
    return v;
}

/* Counts lines and columns up to a place, which never moves back. */
static void locate(lexer *x, size_t place, token *t)
{
    for (; x->seen < place; x->seen++) {
        if (x->text[x->seen] == '\n') {
            x->line++;
            x->column = 1;
        } else if (((unsigned char)x->text[x->seen] & 0xc0) != 0x80) {
            x->column++;
        }
    }
    t->line = x->line;
    t->column = x->column;
}

static bool stands(const lexer *x, size_t at, const char *word)
{
    size_t n = strlen(word);
    return x->len - at >= n && memcmp(x->text + at, word, n) == 0;
}

static size_t skip_space(const lexer *x, size_t at)
{
    while (at < x->len) {
        size_t next = at;
        if (!is_space(utf8_next(x->text, &next)))
            break;
        at = next;
    }
    return at;
}

/* Moves behind a tag's end; the last character passed says whether a line begins there. */
static void pass(lexer *x, size_t to)
{
    x->line_starting = to > 0 && x->text[to - 1] == '\n';
    x->at = to;
}

/* The length of a tag's end ("-%}" with the space behind it, "+%}", "%}" with one newline) at `at`,
 * or 0. `plus`: a "+" may stand before it. */
static size_t end_at(const lexer *x, size_t at, const char *end, bool plus, bool newline)
{
    if (plus && x->text[at] == '+' && stands(x, at + 1, end))
        return 3;
    if (x->text[at] == '-' && stands(x, at + 1, end))
        return skip_space(x, at + 3) - at;
    if (!stands(x, at, end))
        return 0;
    return newline && stands(x, at + 2, "\n") ? 3 : 2;
}

/* ---- data ------------------------------------------------------------------------------------- */

/* Data [from, to) before a tag: without its last white space for "-", without the blanks before a
 * block on its own line for none. Returns the new end. */
static size_t strip_before(const lexer *x, size_t from, size_t to, char sign, bool output)
{
    size_t end = to;
    while (end > from) { /* white space is at most 3 bytes long */
        size_t start = end - 1;
        while (start > from && ((unsigned char)x->text[start] & 0xc0) == 0x80)
            start--;
        size_t next = start;
        if (!is_space(utf8_next(x->text, &next)) || (sign != '-' && x->text[start] == '\n'))
            break;
        end = start;
    }
    if (sign == '-')
        return end;
    if (sign == '+' || output)
        return to;
    bool at_line = end > from ? x->text[end - 1] == '\n' : x->line_starting;
    return at_line ? end : to;
}

/* The place behind "{%- raw %}" at `at`, or 0. */
static size_t raw_begin(const lexer *x, size_t at)
{
    size_t i = at + 2;
    if (!stands(x, at, "{%"))
        return 0;
    if (stands(x, i, "-") || stands(x, i, "+"))
        i++;
    i = skip_space(x, i);
    if (!stands(x, i, "raw"))
        return 0;
    i = skip_space(x, i + 3);
    if (stands(x, i, "-%}"))
        return skip_space(x, i + 3);
    return stands(x, i, "%}") ? i + 2 : 0;
}

static void make_data(lexer *x, size_t from, size_t to, token *t)
{
    *t = (token){.kind = T_DATA, .at = x->text + from, .len = to - from};
    locate(x, from, t);
}

/* What begins at `begin` and whose inside begins at `from` is never closed. Where the template ends
 * right there jinja2 takes it for one that holds nothing. */
static int without_end(lexer *x, size_t begin, size_t from, const char *sentence)
{
    token t;
    locate(x, begin, &t);
    if (from != x->len)
        return template_error(x->err, t.line, t.column, "%s", sentence);
    x->at = x->len;
    return 0;
}

/* From behind "raw" to "endraw": all of it is data. */
static int lex_raw(lexer *x, size_t begin, size_t from, token *out)
{
    for (size_t at = from; at < x->len; at++) {
        if (!stands(x, at, "{%"))
            continue;
        char sign = at + 2 < x->len ? x->text[at + 2] : ' ';
        size_t i = skip_space(x, at + 2 + (sign == '-' || sign == '+'));
        if (!stands(x, i, "endraw"))
            continue;
        i = skip_space(x, i + 6);
        size_t n = i < x->len ? end_at(x, i, "%}", true, true) : 0;
        if (n == 0)
            continue;
        x->line_starting = x->text[from - 1] == '\n';
        make_data(x, from, strip_before(x, from, at, sign, false), out);
        pass(x, i + n);
        return 0;
    }
    if (without_end(x, begin, from, "this raw block has no {% endraw %}"))
        return -1;
    make_data(x, from, from, out);
    return 0;
}

static int skip_comment(lexer *x, size_t begin)
{
    size_t at = begin + 2;
    at += at < x->len && (x->text[at] == '-' || x->text[at] == '+');
    const size_t from = at;
    for (; at < x->len; at++) {
        size_t n = end_at(x, at, "#}", true, true);
        if (n > 0) {
            pass(x, at + n);
            return 0;
        }
    }
    return without_end(x, begin, from, "this comment has no end");
}

/* Text up to the next tag. Comes back with T_DATA (perhaps empty), the tag's begin in ready. */
static int lex_data(lexer *x, token *out)
{
    size_t from = x->at, at = from;
    while (at < x->len && !(x->text[at] == '{' && at + 1 < x->len &&
                            strchr("%{#", x->text[at + 1]) && x->text[at + 1] != '\0'))
        at++;
    if (at == x->len) {
        make_data(x, from, at, out);
        x->at = at;
        return 0;
    }
    size_t raw = raw_begin(x, at);
    char kind = x->text[at + 1], sign = at + 2 < x->len ? x->text[at + 2] : ' ';
    make_data(x, from, strip_before(x, from, at, sign, kind == '{'), out);
    if (raw > 0) {
        token *inner = &x->ready;
        x->has_ready = true;
        return lex_raw(x, at, raw, inner);
    }
    if (kind == '#')
        return skip_comment(x, at);
    x->ready = (token){.kind = kind == '{' ? T_OUTPUT_BEGIN : T_BLOCK_BEGIN};
    locate(x, at, &x->ready);
    x->has_ready = true;
    x->state = kind == '{' ? IN_OUTPUT : IN_BLOCK;
    pass(x, at + 2 + (sign == '-' || sign == '+'));
    return 0;
}

/* ---- in tags ------------------------------------------------------------------------------------ */

static int unexpected(lexer *x, token *t)
{
    char c[5] = "";
    size_t next = x->at;
    utf8_put(utf8_next(x->text, &next), c);
    return template_error(x->err, t->line, t->column, "unexpected character '%s'", c);
}

static int lex_brackets(lexer *x, token *t)
{
    char c = t->op[0];
    if (strchr("([{", c)) {
        if (x->depth == sizeof x->closers)
            return template_error(x->err, t->line, t->column, "brackets are nested too deep");
        x->closers[x->depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c)) {
        if (x->depth == 0 || x->closers[x->depth - 1] != c)
            return template_error(x->err, t->line, t->column, "unexpected '%c'", c);
        x->depth--;
    }
    return 0;
}

static int lex_operator(lexer *x, token *t)
{
    static const char *const two[] = {"**", "//", "==", "!=", ">=", "<="};
    t->kind = T_OPERATOR;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (stands(x, x->at, two[i])) {
            memcpy(t->op, two[i], 3);
            pass(x, x->at + 2);
            return 0;
        }
    char c = x->text[x->at];
    if (c == '\0' || !strchr("+-/*%~[](){}><=.:|,;", c))
        return unexpected(x, t);
    t->op[0] = c;
    pass(x, x->at + 1);
    return lex_brackets(x, t);
}

/* A name: [\w]+ that begins with a letter or underscore. */
static int lex_name(lexer *x, token *t)
{
    size_t at = x->at;
    while (at < x->len) {
        size_t next = at;
        if (!is_word(utf8_next(x->text, &next)))
            break;
        at = next;
    }
    if (at == x->at)
        return lex_operator(x, t);
    size_t first = x->at;
    if (is_word_digit(utf8_next(x->text, &first)))
        return template_error(x->err, t->line, t->column, "invalid character in a name");
    t->kind = T_NAME;
    t->at = x->text + x->at;
    t->len = at - x->at;
    pass(x, at);
    return 0;
}

static int lex_tag(lexer *x, token *t)
{
    size_t n = 0;
    if (x->at < x->len && x->depth == 0)
        n = x->state == IN_BLOCK ? end_at(x, x->at, "%}", true, true)
                                 : end_at(x, x->at, "}}", false, false);
    if (n == 0) {
        size_t at = skip_space(x, x->at);
        if (at > x->at) {
            pass(x, at);
            return lex_tag(x, t);
        }
    }
    *t = (token){.kind = T_EOF};
    locate(x, x->at, t);
    if (x->at == x->len)
        return 0;
    if (n > 0) {
        t->kind = x->state == IN_BLOCK ? T_BLOCK_END : T_OUTPUT_END;
        pass(x, x->at + n);
        x->state = IN_DATA;
        return 0;
    }
    size_t used = 0;
    if (lex_literal(x, t, &used))
        return -1;
    if (used > 0) {
        pass(x, x->at + used);
        return 0;
    }
    return lex_name(x, t);
}

int lex_next(lexer *x, token *out)
{
    for (;;) {
        if (x->has_ready) {
            x->has_ready = false;
            *out = x->ready;
        } else if (x->state != IN_DATA) {
            return lex_tag(x, out);
        } else if (x->at == x->len) {
            *out = (token){.kind = T_EOF};
            locate(x, x->at, out);
            return 0;
        } else if (lex_data(x, out)) {
            return -1;
        }
        if (out->kind != T_DATA || out->len > 0)
            return 0;
    }
}
