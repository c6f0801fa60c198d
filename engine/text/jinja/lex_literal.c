/* lex_literal.c - Python's numbers and string escapes.
 *
 * Numbers are measured first and read then: which bytes belong to one (underscores between
 * digits, a prefix of the base, a fraction or exponent), and what they are worth, without the
 * locale's decimal point. A string is copied with its escapes replaced; it can only get
 * shorter, so its buffer is as long as its source.
 */
#include "lex_literal.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/utf8.h"
#include "jinja.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return 99;
}

bool parse_digits(const char *s, size_t n, int base, int64_t *out)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] != '_' && (__builtin_mul_overflow(sum, base, &sum) ||
                            __builtin_add_overflow(sum, digit_of(s[i]), &sum)))
            return false;
    *out = sum;
    return true;
}

bool parse_double(const char *s, size_t n, double *out)
{
    char digits[400];
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] != '_' && kept + 1 < sizeof digits)
            digits[kept++] = s[i];
    digits[kept] = '\0';
    char *end;
    *out = strtod_l(digits, &end, newlocale(LC_ALL_MASK, "C", (locale_t)0));
    return kept > 0 && *end == '\0';
}

/* Digits with single underscores between them at at[0..n): how many bytes. */
static size_t run_of(const char *s, size_t n, int base)
{
    size_t i = 0;
    while (i < n && (digit_of(s[i]) < base ||
                     (s[i] == '_' && i > 0 && i + 1 < n && digit_of(s[i + 1]) < base)))
        i++;
    return i;
}

/* digits [. digits] [e [+-] digits], with a fraction or an exponent; 0 for anything else. */
static size_t float_length(const char *s, size_t n)
{
    size_t i = run_of(s, n, 10), whole = i;
    if (i == 0)
        return 0;
    if (i + 1 < n && s[i] == '.' && run_of(s + i + 1, n - i - 1, 10) > 0)
        i += 1 + run_of(s + i + 1, n - i - 1, 10);
    if (i < n && (s[i] | 32) == 'e') {
        size_t sign = i + 1 < n && (s[i + 1] == '+' || s[i + 1] == '-');
        size_t e = i + 1 + sign < n ? run_of(s + i + 1 + sign, n - i - 1 - sign, 10) : 0;
        if (e > 0)
            i += 1 + sign + e;
    }
    return i > whole ? i : 0;
}

/* 0x1f, 0b1, 0o7, 12, 0: how many bytes; the base and the prefix. */
static size_t int_length(const char *s, size_t n, int *base, size_t *prefix)
{
    static const struct {
        char letter;
        int base;
    } kinds[] = {{'b', 2}, {'o', 8}, {'x', 16}};
    *prefix = 0;
    *base = 10;
    for (size_t k = 0; n > 2 && s[0] == '0' && k < 3; k++) {
        if ((s[1] | 32) != kinds[k].letter)
            continue;
        size_t skip = 2 + (s[2] == '_'), run = run_of(s + skip, n - skip, kinds[k].base);
        if (run > 0) {
            *base = kinds[k].base;
            *prefix = skip;
            return skip + run;
        }
    }
    size_t i = run_of(s, n, 10);
    if (s[0] == '0') /* only zeros may follow */
        for (i = 1; i < n && (s[i] == '0' || (s[i] == '_' && i + 1 < n && s[i + 1] == '0')); i++)
            continue;
    return i;
}

static int lex_number(lexer *x, token *t, size_t *used)
{
    const char *s = x->text + x->at;
    size_t n = x->len - x->at, prefix;
    int base;
    *used = x->at > 0 && s[-1] == '.' ? 0 : float_length(s, n);
    if (*used > 0) {
        double f;
        if (*used >= 390 || !parse_double(s, *used, &f))
            return template_error(x->err, t->line, t->column, "this number is too long");
        t->kind = T_FLOAT;
        t->v = value_float(f, JINJA_TEMPLATE);
        return 0;
    }
    *used = int_length(s, n, &base, &prefix);
    int64_t i;
    if (!parse_digits(s + prefix, *used - prefix, base, &i))
        return template_error(x->err, t->line, t->column,
                              "integers beyond 64 bits are not supported");
    t->kind = T_INT;
    t->v = value_int(i, JINJA_TEMPLATE);
    return 0;
}

/* ---- strings ------------------------------------------------------------------------------------ */

typedef struct unescape {
    lexer *x;
    const token *t;
    const char *s; /* between the quotes */
    size_t n, at;
    char *out;
    size_t len;
} unescape;

static int escape_number(unescape *u, char letter, size_t digits)
{
    int64_t c = 0;
    size_t run = 0;
    while (run < digits && u->at + run < u->n && digit_of(u->s[u->at + run]) < 16)
        run++;
    if (run < digits)
        return template_error(u->x->err, u->t->line, u->t->column,
                              "a \\%c escape needs %zu hexadecimal digits", letter, digits);
    parse_digits(u->s + u->at, digits, 16, &c);
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return template_error(u->x->err, u->t->line, u->t->column,
                              "a \\%c escape is no character (surrogates are not supported)",
                              letter);
    u->at += digits;
    u->len += utf8_put((uint32_t)c, u->out + u->len);
    return 0;
}

static void escape_octal(unescape *u, char first)
{
    uint32_t c = (uint32_t)(first - '0');
    for (int i = 0; i < 2 && u->at < u->n && u->s[u->at] >= '0' && u->s[u->at] <= '7'; i++)
        c = 8 * c + (uint32_t)(u->s[u->at++] - '0');
    u->len += utf8_put(c, u->out + u->len);
}

/* What follows a backslash. */
static int escape_one(unescape *u)
{
    static const char letters[] = "abfnrtv\\'\"", means[] = "\a\b\f\n\r\t\v\\'\"";
    char c = u->s[u->at++];
    const char *known = strchr(letters, c);
    if (c == '\n')
        return 0;
    if (c != '\0' && known) {
        u->out[u->len++] = means[known - letters];
        return 0;
    }
    if (c >= '0' && c <= '7') {
        escape_octal(u, c);
        return 0;
    }
    if (c == 'x' || c == 'u' || c == 'U')
        return escape_number(u, c, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (c == 'N' || (unsigned char)c >= 0x80)
        return template_error(u->x->err, u->t->line, u->t->column,
                              c == 'N'
                                  ? "\\N escapes are not supported"
                                  : "a backslash before a non-ASCII character is not supported");
    u->out[u->len++] = '\\';
    u->out[u->len++] = c;
    return 0;
}

static int lex_string(lexer *x, token *t, size_t *used)
{
    const char *s = x->text + x->at + 1;
    size_t n = x->len - x->at - 1, end = 0;
    char quote = s[-1];
    while (end < n && s[end] != quote)
        end += s[end] == '\\' ? 2 : 1;
    if (end >= n)
        return template_error(x->err, t->line, t->column, "this string has no end");
    unescape u = {x, t, s, end, 0, arena_take(x->mem, end + 4), 0};
    if (u.out == NULL)
        return error_memory(x->err, "a template");
    while (u.at < u.n) {
        char c = u.s[u.at++];
        if (c != '\\')
            u.out[u.len++] = c;
        else if (escape_one(&u))
            return -1;
    }
    text kept;
    if (!text_keep(x->mem, u.out, u.len, JINJA_TEMPLATE, 0, &kept))
        return error_memory(x->err, "a template");
    t->kind = T_STRING;
    t->v = value_text(kept);
    *used = end + 2;
    return 0;
}

int lex_literal(lexer *x, token *t, size_t *used)
{
    char c = x->text[x->at];
    *used = 0;
    if (c >= '0' && c <= '9')
        return lex_number(x, t, used);
    if (c == '\'' || c == '"')
        return lex_string(x, t, used);
    return 0;
}
