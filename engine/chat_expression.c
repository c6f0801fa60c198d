/* chat_expression.c - the inside of {{ }} and of {% if %}; see chat_template.h.
 *
 * Two small recursive descents over one token stream. The first knows one operator, joining with +
 * or ~, and one kind of operand, a path such as message['content'].strip() or content | trim; all
 * else is CHAT_OTHER. The second reads and, or, not and parentheses with three truth values; a
 * comparison in between is false when it mentions what is never passed (or true, when it says that
 * it is absent), and otherwise open.
 */
#include <stdbool.h>
#include <string.h>

#include "chat_template.h"

enum { MAX_DEPTH = 32 };

typedef enum token_kind { END, NAME, NUMBER, STRING, PUNCTUATION } token_kind;

typedef struct token {
    token_kind kind;
    const char *text; /* of a STRING: between the quotes, escapes unresolved */
    size_t len;
} token;

typedef struct reader {
    const char *at, *end;
    token now;
    bool field; /* the token before was a dot */
    int depth;
} reader;

/* ---- tokens -------------------------------------------------------------------------------- */

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void advance(reader *r)
{
    r->field = r->now.kind == PUNCTUATION && r->now.len == 1 && *r->now.text == '.';
    while (r->at < r->end && strchr(" \t\r\n", *r->at))
        r->at++;
    r->now = (token){END, r->at, 0};
    if (r->at == r->end)
        return;
    char first = *r->at;
    if (first == '\'' || first == '"') {
        r->now = (token){STRING, ++r->at, 0};
        while (r->at < r->end && *r->at != first)
            r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
        r->now.len = (size_t)(r->at - r->now.text);
        r->at += r->at < r->end;
        return;
    }
    r->now.kind = PUNCTUATION;
    if (name_byte(first))
        r->now.kind = first >= '0' && first <= '9' ? NUMBER : NAME;
    do
        r->at++;
    while (r->now.kind != PUNCTUATION && r->at < r->end && name_byte(*r->at));
    bool pair = r->at < r->end && *r->at == '=' && strchr("=!<>", first);
    r->at += r->now.kind == PUNCTUATION && pair;
    r->now.len = (size_t)(r->at - r->now.text);
}

static bool is(const reader *r, const char *word)
{
    return r->now.kind != STRING && r->now.len == strlen(word) &&
           memcmp(r->now.text, word, r->now.len) == 0;
}

static bool text_is(token t, const char *word)
{
    return t.len == strlen(word) && memcmp(t.text, word, t.len) == 0;
}

static reader open_reader(const char *e, size_t n)
{
    reader r = {.at = e, .end = e + n, .now = {END, e, 0}};
    advance(&r);
    return r;
}

/* Skips from an opening bracket past its closing one. */
static void skip_brackets(reader *r)
{
    int depth = 0;
    do {
        if (is(r, "(") || is(r, "[") || is(r, "{"))
            depth++;
        if (is(r, ")") || is(r, "]") || is(r, "}"))
            depth--;
        advance(r);
    } while (depth > 0 && r->now.kind != END);
}

/* ---- what an expression prints ------------------------------------------------------------- */

/* A string literal's text. Jinja's escapes are Python's; those that templates use are known. */
static int add_literal(token t, buf *out, error *err)
{
    for (size_t i = 0; i < t.len; i++) {
        char c = t.text[i];
        if (c == '\\' && i + 1 < t.len) {
            c = t.text[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
            if (!strchr("\n\t\\'\"", c) && buf_text(out, CHAT_OTHER, err))
                return -1;
        }
        bool plain = (unsigned char)c >= 0x20 || c == '\n' || c == '\t';
        if (buf_add(out, plain ? &c : CHAT_OTHER, 1, err))
            return -1;
    }
    return 0;
}

/* What a variable of this name holds in the templates there are. chat_template.c reports when one
 * of them is given another value. */
static const char *root_value(token name)
{
    static const struct {
        const char *name, *value;
    } known[] = {
        {"bos_token", CHAT_BOS},          {"eos_token", CHAT_EOS},
        {"content", CHAT_TEXT},           {"role", CHAT_ROLE},
        {"system_message", CHAT_SYSTEM_}, {"reasoning_content", CHAT_THOUGHT},
        {"date_string", CHAT_DATE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_is(name, known[i].name))
            return known[i].value;
    return CHAT_OTHER;
}

/* A field of a message, "role" or "content"; other fields are other things. */
static const char *field_value(token field)
{
    if (text_is(field, "role"))
        return CHAT_ROLE;
    return text_is(field, "content") ? CHAT_TEXT : CHAT_OTHER;
}

static const char *trimmed(const char *value)
{
    return value[0] == CHAT_TEXT[0] ? CHAT_TRIMMED : CHAT_OTHER;
}

/* A method's call on `value`, at its bracket. Cutting newlines off either end and cutting at
 * "</think>" are what thinking models' templates do to a thought. */
static const char *method_value(reader *r, token method, const char *value)
{
    reader inside = *r;
    advance(&inside);
    bool bare = is(&inside, ")");
    bool newline = inside.now.kind == STRING && text_is(inside.now, "\\n");
    bool at_thought = inside.now.kind == STRING &&
                      (text_is(inside.now, "</think>") || text_is(inside.now, "<think>"));
    skip_brackets(r);
    if (text_is(method, "strip") && bare)
        return trimmed(value);
    if (text_is(method, "split") && at_thought)
        return CHAT_SPLIT;
    bool strips =
        text_is(method, "strip") || text_is(method, "lstrip") || text_is(method, "rstrip");
    return strips && newline ? value : CHAT_OTHER;
}

/* .name  ['name']  [0]  .method(...) after a name; `value` so far. */
static const char *postfix(reader *r, const char *value)
{
    while (is(r, ".") || is(r, "[")) {
        bool dot = is(r, ".");
        reader inside = *r;
        advance(&inside);
        token field = inside.now;
        if (dot) {
            advance(r);
            advance(r);
            value = is(r, "(") ? method_value(r, field, value) : field_value(field);
        } else {
            skip_brackets(r);
            if (field.kind == STRING)
                value = field_value(field);
            /* an index or a slice leaves a list of messages or a cut text what it is */
        }
    }
    return value;
}

static const char *filters(reader *r, const char *value)
{
    while (is(r, "|")) {
        advance(r);
        value = is(r, "trim") ? trimmed(value) : CHAT_OTHER;
        advance(r);
        if (is(r, "("))
            skip_brackets(r);
    }
    return value;
}

/* strftime_now('FORMAT') */
static int add_now(reader *r, buf *out, error *err)
{
    advance(r);
    token format = r->now;
    advance(r);
    bool ok = format.kind == STRING && is(r, ")");
    advance(r);
    if (!ok)
        return buf_text(out, CHAT_OTHER, err);
    return buf_text(out, CHAT_NOW, err) || add_literal(format, out, err) ||
                   buf_text(out, CHAT_NOW, err)
               ? -1
               : 0;
}

static int add_joined(reader *r, buf *out, error *err);

static int add_operand(reader *r, buf *out, error *err)
{
    token first = r->now;
    if (first.kind == STRING) {
        advance(r);
        if (is(r, "|") || is(r, ".") || is(r, "["))
            return buf_text(out, filters(r, postfix(r, CHAT_OTHER)), err);
        return add_literal(first, out, err);
    }
    if (is(r, "(") && r->depth < MAX_DEPTH) {
        r->depth++;
        advance(r);
        int result = add_joined(r, out, err);
        r->depth--;
        bool closed = is(r, ")");
        advance(r);
        bool more = is(r, "|") || is(r, ".") || is(r, "[");
        if (result == 0 && (!closed || more))
            result = buf_text(out, filters(r, postfix(r, CHAT_OTHER)), err);
        return result;
    }
    advance(r);
    if (first.kind == NAME && text_is(first, "strftime_now") && is(r, "("))
        return add_now(r, out, err);
    const char *value = first.kind == NAME ? root_value(first) : CHAT_OTHER;
    if (is(r, "(")) {
        skip_brackets(r);
        value = CHAT_OTHER;
    }
    return buf_text(out, filters(r, postfix(r, value)), err);
}

static int add_joined(reader *r, buf *out, error *err)
{
    if (add_operand(r, out, err))
        return -1;
    while (is(r, "+") || is(r, "~") || r->now.kind == STRING) {
        if (r->now.kind != STRING)
            advance(r);
        if (add_operand(r, out, err))
            return -1;
    }
    return 0;
}

int chat_expression_knows(const char *name, size_t len)
{
    return root_value((token){NAME, name, len})[0] != CHAT_OTHER[0];
}

int chat_expression(const char *e, size_t n, buf *out, error *err)
{
    reader r = open_reader(e, n);
    if (is(&r, "raise_exception"))
        return 1;
    if (add_joined(&r, out, err))
        return -1;
    return r.now.kind == END ? 0 : buf_text(out, CHAT_OTHER, err);
}

/* ---- conditions ---------------------------------------------------------------------------- */

static bool contains(token t, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= t.len; i++)
        if (memcmp(t.text + i, word, n) == 0)
            return true;
    return false;
}

/* What no message and no call of ours has. A variable reasoning_content is cut from the text, but a
 * message has no such field. */
static bool absent(const reader *r)
{
    static const char *const names[] = {"documents", "controls", "thinking",
                                        "citations", "ipython",  "functions"};
    token t = r->now;
    if (t.kind != NAME && t.kind != STRING)
        return false;
    if (text_is(t, "reasoning_content"))
        return r->field || t.kind == STRING;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_is(t, names[i]))
            return true;
    return contains(t, "tool");
}

int chat_mentions_absent(const char *e, size_t n)
{
    for (reader r = open_reader(e, n); r.now.kind != END; advance(&r))
        if (absent(&r))
            return 1;
    return 0;
}

static chat_truth either(reader *r);

/* One comparison or test: everything up to the next and, or, closing bracket. "not" inside it
 * belongs to "is not" or "not in". */
static chat_truth comparison(reader *r)
{
    bool mentions = false, negated = false, none = false;
    while (r->now.kind != END && !is(r, "and") && !is(r, "or") && !is(r, ")")) {
        mentions = mentions || absent(r);
        negated = negated != (is(r, "not") || is(r, "!="));
        none = none || is(r, "none") || is(r, "None") || is(r, "undefined");
        reader inside = *r;
        if (is(r, "(") || is(r, "[") || is(r, "{")) {
            skip_brackets(r);
            if (r->now.text > inside.now.text)
                mentions =
                    mentions ||
                    chat_mentions_absent(inside.now.text, (size_t)(r->now.text - inside.now.text));
        } else {
            advance(r);
        }
    }
    if (!mentions)
        return CHAT_MAYBE;
    return negated != none ? CHAT_TRUE : CHAT_FALSE;
}

static chat_truth negation(reader *r)
{
    chat_truth t;
    if (r->depth >= MAX_DEPTH)
        return comparison(r);
    if (is(r, "not")) {
        advance(r);
        r->depth++;
        t = negation(r);
        r->depth--;
        return t == CHAT_MAYBE ? t : t == CHAT_TRUE ? CHAT_FALSE : CHAT_TRUE;
    }
    if (!is(r, "("))
        return comparison(r);
    reader start = *r;
    advance(r);
    r->depth++;
    t = either(r);
    r->depth--;
    bool closed = is(r, ")");
    advance(r);
    if (closed && (r->now.kind == END || is(r, "and") || is(r, "or") || is(r, ")")))
        return t;
    *r = start; /* (x == y) != (z): a comparison that starts with a bracket */
    return comparison(r);
}

static chat_truth both(reader *r)
{
    chat_truth t = negation(r);
    while (is(r, "and")) {
        advance(r);
        chat_truth next = negation(r);
        t = next < t ? next : t;
    }
    return t;
}

static chat_truth either(reader *r)
{
    chat_truth t = both(r);
    while (is(r, "or")) {
        advance(r);
        chat_truth next = both(r);
        t = next > t ? next : t;
    }
    return t;
}

chat_truth chat_condition(const char *e, size_t n)
{
    reader r = open_reader(e, n);
    chat_truth t = either(&r);
    return r.now.kind == END ? t : CHAT_MAYBE;
}
