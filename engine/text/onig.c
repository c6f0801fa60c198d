/* onig.c - see onig.h.
 *
 * One pass, no recursion: an array remembers where each open group began in the output, because a
 * quantifier may need to wrap what it repeats.
 */
#include "onig.h"

#include <stdbool.h>
#include <string.h>

#include "../base/utf8.h"

/* White_Space of the Unicode standard, and everything else; for use inside [ ]. */
#define SPACE                                                                                      \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"
#define NO_SPACE                                                                                   \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{"     \
    "1fff}"                                                                                        \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{10ffff}"

typedef struct scanner {
    const char *in;
    size_t len, at;
    buf *out;
    size_t group[ONIG_MAX_DEPTH]; /* output offsets of open groups */
    size_t depth;
    size_t ahead; /* the depth inside the outermost open lookahead, 0 = none is open */
    size_t atom;  /* output offset of what a quantifier would repeat */
    bool repeatable;
    error *err;
} scanner;

static int refuse(scanner *s, size_t at, const char *what)
{
    return error_set(s->err, ERROR_LOAD, "split pattern: offset %zu: %s", at, what);
}

static int put(scanner *s, const char *text)
{
    return buf_text(s->out, text, s->err);
}

/* The next byte, or NUL at the end (a NUL in the pattern is refused as an unknown literal). */
static char peek(const scanner *s, size_t ahead)
{
    return ahead < s->len - s->at ? s->in[s->at + ahead] : '\0';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_punctuation(char c)
{
    return c > ' ' && c < 0x7F && !is_letter(c) && !(c >= '0' && c <= '9');
}

/* \p{Name}, \p{^Name}, \P{Name}; at the letter p. */
static int property(scanner *s)
{
    size_t start = s->at - 1;
    bool negated = s->in[s->at] == 'P';
    s->at++;
    if (peek(s, 0) != '{')
        return refuse(s, start, "\\p needs a name in braces");
    s->at++;
    if (peek(s, 0) == '^') {
        negated = !negated;
        s->at++;
    }
    size_t n = 0;
    while (is_letter(peek(s, n)) || peek(s, n) == '_')
        n++;
    if (n == 0 || n > 32 || peek(s, n) != '}')
        return refuse(s, start, "this property is not supported");
    /* One or two letters are a general category, longer names a script. */
    if (n <= 2 && !strchr("CLMNPSZ", s->in[s->at]))
        return refuse(s, start, "this property is not supported");
    if (buf_format(s->out, s->err, "\\%c{%s%.*s}", negated ? 'P' : 'p', n > 2 ? "sc:" : "", (int)n,
                   s->in + s->at))
        return -1;
    s->at += n + 1;
    return 0;
}

/* \xHH, \x{H...}, \uHHHH; at the letter. */
static int code_point(scanner *s)
{
    size_t start = s->at - 1, n = 0;
    bool braces = s->in[s->at] == 'x' && peek(s, 1) == '{';
    size_t most = s->in[s->at] == 'u' ? 4 : braces ? 6 : 2;
    s->at += braces ? 2 : 1;
    while (n < most && is_hex(peek(s, n)))
        n++;
    if (n == 0 || (!braces && n < most) || (braces && peek(s, n) != '}'))
        return refuse(s, start, "a code point is \\xHH, \\x{H} or \\uHHHH");
    if (!braces && most == 2 && s->in[s->at] > '7')
        return refuse(s, start, "\\x80 to \\xFF are bytes, not code points");
    if (buf_format(s->out, s->err, "\\x{%.*s}", (int)n, s->in + s->at))
        return -1;
    s->at += n + (braces ? 1 : 0);
    return 0;
}

/* A backslash and what follows, inside a class or outside. */
static int escape(scanner *s, bool in_class)
{
    size_t start = s->at++;
    char c = peek(s, 0);
    switch (c) {
    case 'p':
    case 'P':
        return property(s);
    case 'x':
    case 'u':
        return code_point(s);
    case 's':
        s->at++;
        return put(s, in_class ? SPACE : "[" SPACE "]");
    case 'S':
        s->at++;
        return put(s, in_class ? NO_SPACE : "[^" SPACE "]");
    case 'r':
    case 'n':
    case 't':
    case 'f':
    case 'd':
    case 'D':
        break;
    default:
        if (!is_punctuation(c))
            return refuse(s, start, "this escape is not supported");
    }
    s->at++;
    return buf_format(s->out, s->err, "\\%c", c);
}

/* One literal character; those that are special to PCRE2 have been handled before. */
static int literal(scanner *s)
{
    size_t n = utf8_character(s->in + s->at, s->len - s->at);
    if (n == 0 || s->in[s->at] == '\0')
        return refuse(s, s->at, "NUL or broken UTF-8");
    if (buf_add(s->out, s->in + s->at, n, s->err))
        return -1;
    s->at += n;
    return 0;
}

/* True at an escape that stands for many characters: it cannot be an end of a range. */
static bool is_set(const scanner *s)
{
    return peek(s, 0) == '\\' && peek(s, 1) && strchr("sSdDpP", peek(s, 1));
}

/* One member of a class, or one end of a range; PCRE2 checks the order of ranges. */
static int member(scanner *s, size_t first)
{
    char c = s->in[s->at];
    if (c == '[')
        return refuse(s, s->at, "a class inside a class (write \\[ for the character)");
    if (c == '&' && peek(s, 1) == '&')
        return refuse(s, s->at, "an intersection of classes");
    bool set = is_set(s);
    if (set && s->at >= first + 2 && s->in[s->at - 1] == '-' && s->in[s->at - 2] != '\\')
        return refuse(s, s->at, "a range that ends in a set");
    if (c == '\\' ? escape(s, true) : literal(s))
        return -1;
    if (set && peek(s, 0) == '-' && peek(s, 1) != ']')
        return refuse(s, s->at, "a range that starts with a set");
    return 0;
}

/* [...] from the bracket. */
static int class(scanner *s)
{
    size_t start = s->at++;
    if (put(s, "["))
        return -1;
    if (peek(s, 0) == '^') {
        s->at++;
        if (put(s, "^"))
            return -1;
    }
    if (peek(s, 0) == ']')
        return refuse(s, start, "an empty class");
    size_t first = s->at;
    while (s->at < s->len && s->in[s->at] != ']')
        if (member(s, first))
            return -1;
    if (s->at == s->len)
        return refuse(s, start, "the class has no end");
    s->at++;
    return put(s, "]");
}

static int open_group(scanner *s)
{
    static const char *const kinds[] = {"(?:", "(?i:", "(?=", "(?!"};
    size_t start = s->at;
    const char *kind = "(";
    if (peek(s, 1) == '?') {
        kind = NULL;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (s->len - start >= strlen(kinds[i]) &&
                strncmp(s->in + start, kinds[i], strlen(kinds[i])) == 0)
                kind = kinds[i];
        if (!kind)
            return refuse(s, start, "this kind of group is not supported");
    }
    if (s->depth == ONIG_MAX_DEPTH)
        return refuse(s, start, "groups nested too deep");
    s->group[s->depth++] = s->out->len;
    if (!s->ahead && (strcmp(kind, "(?=") == 0 || strcmp(kind, "(?!") == 0))
        s->ahead = s->depth;
    s->at += strlen(kind);
    s->repeatable = false;
    return put(s, kind);
}

static int close_group(scanner *s)
{
    if (s->depth == 0)
        return refuse(s, s->at, "a ) without its (");
    s->at++;
    if (s->ahead == s->depth)
        s->ahead = 0;
    s->atom = s->group[--s->depth];
    s->repeatable = true;
    return put(s, ")");
}

/* Reads {n}, {n,} or {n,m} at s->at; 0 when it is not one. Its length otherwise. */
static size_t interval(const scanner *s)
{
    size_t n = 1, digits = n;
    while (peek(s, n) >= '0' && peek(s, n) <= '9')
        n++;
    if (n == digits || n - digits > 4)
        return 0;
    if (peek(s, n) == ',') {
        digits = ++n;
        while (peek(s, n) >= '0' && peek(s, n) <= '9')
            n++;
        if (n - digits > 4)
            return 0;
    }
    return peek(s, n) == '}' ? n + 1 : 0;
}

/* True for * and +, {n,} and {n,m} with m above 16, at s->at, of length n. */
static bool is_long(const scanner *s, size_t n)
{
    int most = 0;
    for (size_t i = 1; i + 1 < n; i++)
        most = s->in[s->at + i] == ',' ? 0 : most * 10 + s->in[s->at + i] - '0';
    bool open = n > 1 && s->in[s->at + n - 2] == ',';
    return open || most > 16 || s->in[s->at] == '*' || s->in[s->at] == '+';
}

/* Puts (?: ) around what was repeated so far, from s->atom to the end of the output. */
static int wrap(scanner *s)
{
    static const char open[] = {'(', '?', ':'};
    if (put(s, "(?:)"))
        return -1;
    char *atom = s->out->v + s->atom;
    memmove(atom + 3, atom, s->out->len - 4 - s->atom);
    memcpy(atom, open, sizeof open);
    s->out->v[s->out->len - 1] = ')';
    return 0;
}

static int quantifier(scanner *s)
{
    size_t start = s->at;
    if (!s->repeatable)
        return refuse(s, start, "nothing to repeat");
    size_t n = s->in[s->at] == '{' ? interval(s) : 1;
    if (n == 0)
        return refuse(s, start, "a { that is no {n}, {n,} or {n,m}");
    if (s->ahead && is_long(s, n))
        return refuse(s, start, "a long repeat inside a lookahead");
    if (buf_add(s->out, s->in + s->at, n, s->err))
        return -1;
    s->at += n;
    s->repeatable = false;
    char next = peek(s, 0);
    if (n == 1 && (next == '?' || next == '+')) {
        s->at++;
        return put(s, next == '?' ? "?" : "+");
    }
    if (next == '*' || next == '?' || (next == '{' && n == 1))
        return refuse(s, s->at, "a repeat of a repeat");
    if (next == '+') { /* in Ruby syntax {n,m}+ is one or more times {n,m} */
        s->at++;
        return wrap(s) || put(s, "+") ? -1 : 0;
    }
    return 0;
}

static int element(scanner *s)
{
    char c = s->in[s->at];
    if (c == '*' || c == '+' || c == '?' || c == '{')
        return quantifier(s);
    if (c == '(')
        return open_group(s);
    if (c == ')')
        return close_group(s);
    if (c == ']')
        return refuse(s, s->at, "a ] without its [");
    s->atom = s->out->len;
    s->repeatable = c != '|' && c != '^' && c != '$';
    if (c == '[')
        return class(s);
    return c == '\\' ? escape(s, false) : literal(s);
}

int onig_translate(const char *pattern, size_t len, buf *out, error *err)
{
    scanner s = {.in = pattern, .len = len, .out = out, .err = err};
    if (len > ONIG_MAX_PATTERN)
        return error_set(err, ERROR_LOAD, "split pattern: %zu bytes; at most %d are supported", len,
                         ONIG_MAX_PATTERN);
    while (s.at < len)
        if (element(&s))
            return -1;
    if (s.depth)
        return refuse(&s, len, "a ( without its )");
    /* An empty pattern needs storage too. */
    return put(&s, "");
}

int onig_escape(const char *text, size_t len, buf *out, error *err)
{
    for (size_t i = 0; i < len; i++) {
        if (is_punctuation(text[i]) && buf_text(out, "\\", err))
            return -1;
        if (buf_add(out, text + i, 1, err))
            return -1;
    }
    return buf_text(out, "", err);
}
