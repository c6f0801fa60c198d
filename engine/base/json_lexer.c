/* json_lexer.c - see json_lexer.h.
 *
 * json_lex() skips blanks and looks at one byte to know what the token must be; a function of
 * that kind then goes over it to its end. Strings are only measured and checked: the few that
 * hold escapes are unescaped when somebody asks for their bytes (json_lexer_string). So a
 * header of 100 MB is read without a copy.
 */
#include "json_lexer.h"

#include <string.h>

#include "printable.h"

static int fail(const json_lexer *x, size_t at, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset %zu: %s", x->where, at, what);
}

static unsigned char byte_at(const json_lexer *x, size_t at)
{
    return (unsigned char)x->text[at];
}

/* Unicode 15, table 3-7: the second byte's range depends on the lead byte. */
size_t json_lexer_character(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xbf;
    if (c[0] < 0x80)
        return 1;
    size_t n = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4 || len < n)
        return 0;
    if (c[0] == 0xe0)
        low = 0xa0;
    else if (c[0] == 0xed)
        high = 0x9f;
    else if (c[0] == 0xf0)
        low = 0x90;
    else if (c[0] == 0xf4)
        high = 0x8f;
    if (c[1] < low || c[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Four hex digits at `at` into *unit; false when they are none. */
static bool hex4(const json_lexer *x, size_t at, unsigned *unit)
{
    unsigned value = 0;
    if (at > x->len || x->len - at < 4)
        return false;
    for (size_t i = at; i < at + 4; i++) {
        unsigned char c = byte_at(x, i);
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)(c | 0x20) - 'a' + 10;
        else
            return false;
        value = value * 16 + digit;
    }
    *unit = value;
    return true;
}

/* The character of the \u escape (or pair of them) whose backslash is at `at`. Returns the bytes of
 * text it takes, 0 when it forms no character. */
static size_t unicode_escape(const json_lexer *x, size_t at, unsigned *code)
{
    unsigned low;
    if (!hex4(x, at + 2, code) || *code == 0 || (*code >= 0xdc00 && *code <= 0xdfff))
        return 0;
    if (*code < 0xd800 || *code > 0xdbff)
        return 6;
    if (x->len - at < 12 || x->text[at + 6] != '\\' || x->text[at + 7] != 'u' ||
        !hex4(x, at + 8, &low) || low < 0xdc00 || low > 0xdfff)
        return 0;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

/* Length of the escape at `at` (a backslash), 0 when it is none. */
static size_t escape(const json_lexer *x, size_t at)
{
    unsigned code;
    if (x->len - at < 2)
        return 0;
    if (x->text[at + 1] == 'u')
        return unicode_escape(x, at, &code);
    return x->text[at + 1] && strchr("\"\\/bfnrt", x->text[at + 1]) ? 2 : 0;
}

static int lex_string(json_lexer *x, json_token *t, error *err)
{
    size_t open = x->at, at = open + 1;
    t->kind = JSON_TOKEN_STRING;
    t->escaped = false;
    for (;;) {
        if (at >= x->len)
            return fail(x, open, "a string that does not end", err);
        unsigned char c = byte_at(x, at);
        size_t n = 1;
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(x, at, "a control character in a string", err);
        if (c == '\\') {
            t->escaped = true;
            if (!(n = escape(x, at)))
                return fail(x, at, "an escape that stands for no character", err);
        } else if (c >= 0x80 && !(n = json_lexer_character(x->text + at, x->len - at))) {
            return fail(x, at, "invalid UTF-8", err);
        }
        at += n;
    }
    t->start = open + 1;
    t->len = at - t->start;
    x->at = at + 1;
    return 0;
}

static size_t digits(const json_lexer *x, size_t at)
{
    size_t n = 0;
    while (at + n < x->len && x->text[at + n] >= '0' && x->text[at + n] <= '9')
        n++;
    return n;
}

static int lex_number(json_lexer *x, json_token *t, error *err)
{
    size_t start = x->at, at = start, n;
    if (x->text[at] == '-')
        at++;
    n = digits(x, at);
    if (n == 0 || (n > 1 && x->text[at] == '0'))
        return fail(x, start, "a number that is not written as JSON asks", err);
    at += n;
    if (at < x->len && x->text[at] == '.') {
        n = digits(x, at + 1);
        if (n == 0)
            return fail(x, start, "a number without digits after its point", err);
        at += 1 + n;
    }
    if (at < x->len && (x->text[at] | 0x20) == 'e') {
        at++;
        if (at < x->len && (x->text[at] == '+' || x->text[at] == '-'))
            at++;
        n = digits(x, at);
        if (n == 0)
            return fail(x, start, "a number without digits in its exponent", err);
        at += n;
    }
    *t = (json_token){.kind = JSON_TOKEN_NUMBER, .start = start, .len = at - start};
    x->at = at;
    return 0;
}

static int lex_word(json_lexer *x, json_token *t, error *err)
{
    static const struct {
        const char *word;
        json_token_kind kind;
    } words[] = {{"true", JSON_TOKEN_TRUE}, {"false", JSON_TOKEN_FALSE}, {"null", JSON_TOKEN_NULL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (x->len - x->at >= n && memcmp(x->text + x->at, words[i].word, n) == 0) {
            *t = (json_token){.kind = words[i].kind, .start = x->at, .len = n};
            x->at += n;
            return 0;
        }
    }
    return error_set(err, ERROR_LOAD, "%s: offset %zu: no JSON value begins with \"%s\"", x->where,
                     x->at, printable_of(x->text + x->at, 1).text);
}

int json_lex(json_lexer *x, json_token *t, error *err)
{
    static const char marks[] = "{}[]:,";
    while (x->at < x->len && x->text[x->at] && strchr(" \t\n\r", x->text[x->at]))
        x->at++;
    *t = (json_token){.kind = JSON_TOKEN_END, .start = x->at};
    if (x->at >= x->len)
        return 0;
    char c = x->text[x->at];
    const char *mark = c ? strchr(marks, c) : NULL;
    if (mark) {
        t->kind = (json_token_kind)(JSON_TOKEN_OPEN_OBJECT + (mark - marks));
        t->len = 1;
        x->at++;
        return 0;
    }
    if (c == '"')
        return lex_string(x, t, err);
    if (c == '-' || (c >= '0' && c <= '9'))
        return lex_number(x, t, err);
    return lex_word(x, t, err);
}

static size_t put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[n] | code);
    return n;
}

const char *json_lexer_string(const json_lexer *x, const json_token *t, char *out, size_t *len)
{
    static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
    const char *text = x->text + t->start;
    *len = t->len;
    if (!t->escaped)
        return text;
    size_t used = 0;
    for (size_t i = 0; i < t->len;) {
        if (text[i] != '\\') {
            out[used++] = text[i++];
        } else if (text[i + 1] == 'u') {
            unsigned code = 0;
            i += unicode_escape(x, t->start + i, &code);
            used += put_utf8(out + used, code);
        } else {
            const char *letter = strchr(letters, text[i + 1]);
            out[used++] = letter ? controls[letter - letters] : text[i + 1];
            i += 2;
        }
    }
    *len = used;
    return out;
}
