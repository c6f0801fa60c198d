/* chat_values.c - what a template is given: messages, the variables of apply_chat_template, those
 * that mean thinking, and the user's own.
 *
 * The reference passes None for tools and documents, drops members of a message that are null, and
 * copies a message's reasoning to each of the names that templates know it by; so it is here. A
 * role is one of a fixed list and therefore the program's own word ('<|' + role + '|>' is a special
 * token of some models); what else a message or a variable says is not.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/json.h"
#include "../base/printable.h"
#include "chat_state.h"

/* ---- variables ----------------------------------------------------------------------------- */

static bool is_name(const char *text, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    size_t first = strspn(text, letters);
    size_t all = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
    return first > 0 && all >= len;
}

int chat_variable_check(const char *variable, error *err)
{
    static const char *const taken[] = {"messages",     "add_generation_prompt",
                                        "bos_token",    "eos_token",
                                        "unk_token",    "sep_token",
                                        "pad_token",    "cls_token",
                                        "mask_token",   "raise_exception",
                                        "strftime_now", "namespace",
                                        "range",        "dict",
                                        "lipsum",       "cycler",
                                        "joiner",       "loop"};
    size_t n = strcspn(variable, "=");
    if (!variable[n] || !is_name(variable, n))
        return error_set(err, ERROR_USAGE,
                         "--template: \"%s\" is not KEY=VALUE with a KEY of letters, digits and _",
                         printable_text(variable).text);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strlen(taken[i]) == n && memcmp(taken[i], variable, n) == 0)
            return error_set(err, ERROR_USAGE,
                             "--template: %s is the program's own and cannot be set", taken[i]);
    return 0;
}

/* VALUE as JSON when it is some, else as it stands. */
static void set_variable(jinja_data *d, const char *variable)
{
    size_t n = strcspn(variable, "=");
    const char *text = variable + n + 1;
    error none;
    jinja_value *value = jinja_json(d, "", text, strlen(text), CHAT_SETTING, &none);
    if (!value)
        value = jinja_text(d, text, strlen(text), CHAT_SETTING);
    jinja_put_text(d, jinja_root(d), jinja_text(d, variable, n, JINJA_TEMPLATE), value);
}

static void set_word(jinja_data *d, const char *name, const char *word)
{
    jinja_set(d, name, jinja_text(d, word, strlen(word), CHAT_SETTING));
}

/* The words for effort go by the tokens that a thought may have. */
static const char *effort_of(const chat_format *f, int think)
{
    enum { SHORT = 1024, MIDDLE = 4096 };
    if (think == 0)
        return f->effort_off;
    return f->effort[think < 0 || think > MIDDLE ? 2 : think > SHORT];
}

/* Each template has its own name for it; the first is the common one. Those that read several take
 * the first over the others themselves. */
static void set_thinking(const chat_format *f, jinja_data *d, int think)
{
    const jinja_template *t = f->program;
    bool common = jinja_reads(t, "enable_thinking");
    jinja_set(d, "enable_thinking", jinja_bool(d, think != 0));
    if (!common && jinja_reads(t, "thinking"))
        jinja_set(d, "thinking", jinja_bool(d, think != 0));
    if (!common && jinja_reads(t, "thinking_option"))
        set_word(d, "thinking_option", think ? "on" : "off");
    if (think >= 0 && jinja_reads(t, "thinking_budget"))
        jinja_set(d, "thinking_budget", jinja_int(d, think, CHAT_SETTING));
    if (effort_of(f, think))
        set_word(d, "reasoning_effort", effort_of(f, think));
}

void chat_set_variables(const chat_format *f, jinja_data *d, bool generation_prompt, int think)
{
    const char *name, *content;
    for (size_t i = 0; content = tokenizer_named(f->tokenizer, i, &name), name; i++)
        if (content)
            jinja_set(d, name, jinja_text(d, content, strlen(content), JINJA_TEMPLATE));
    /* A vocabulary may put a token in front of texts without giving it a name. */
    size_t len = 0;
    int bos = tokenizer_bos(f->tokenizer);
    if (f->builtin && bos >= 0 && !tokenizer_named(f->tokenizer, 0, &name)) {
        content = tokenizer_content(f->tokenizer, bos, &len);
        jinja_set(d, "bos_token", jinja_text(d, content, len, JINJA_TEMPLATE));
    }
    jinja_set(d, "tools", jinja_none(d));
    jinja_set(d, "documents", jinja_none(d));
    jinja_set(d, "add_generation_prompt", jinja_bool(d, generation_prompt));
    set_thinking(f, d, think);
    for (int i = 0; i < f->variable_count; i++)
        set_variable(d, f->variables[i]);
}

/* ---- messages ------------------------------------------------------------------------------ */

static jinja_value *as_parts(jinja_data *d, jinja_value *text)
{
    jinja_value *list = jinja_list(d), *part = jinja_dict(d);
    jinja_put(d, part, "type", jinja_text(d, "text", 4, JINJA_TEMPLATE));
    jinja_put(d, part, "text", text);
    jinja_push(d, list, part);
    return list;
}

void chat_set_messages(jinja_data *d, const chat_message *messages, size_t n, bool lists)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    jinja_value *list = jinja_list(d);
    for (size_t i = 0; i < n; i++) {
        const char *role = roles[messages[i].role];
        jinja_value *m = jinja_dict(d);
        jinja_value *text =
            jinja_text(d, messages[i].text, messages[i].len, CHAT_MESSAGE + (uint32_t)i);
        jinja_put(d, m, "role", jinja_text(d, role, strlen(role), JINJA_TEMPLATE));
        jinja_put(d, m, "content", lists ? as_parts(d, text) : text);
        jinja_push(d, list, m);
    }
    jinja_set(d, "messages", list);
}

/* ---- messages from a file ------------------------------------------------------------------ */

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Behind the string that begins at p; the text is known to be JSON. */
static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

/* Behind the value that begins at p. */
static const char *skip_value(const char *p)
{
    size_t depth = 0;
    do {
        depth += *p == '[' || *p == '{';
        depth -= *p == ']' || *p == '}';
        p = *p == '"' ? skip_string(p) : p + 1;
    } while (depth || !strchr(",]} \t\r\n", *p));
    return p;
}

typedef struct given {
    jinja_data *d;
    const char *where, *at; /* at: in the JSON text */
    size_t i;               /* number of the message */
    error *err;
} given;

static int refuse(const given *g, const char *what, const char *word)
{
    return error_set(g->err, ERROR_USAGE, "%s: message %zu: %s%s", g->where, g->i + 1, what, word);
}

static int check_message(const given *g, const json *m)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool", "developer"};
    if (json_type(m) != JSON_OBJECT)
        return refuse(g, "is no object with \"role\" and \"content\"", "");
    const json *role = json_member(m, "role"), *content = json_member(m, "content");
    if (!role || json_type(role) != JSON_STRING)
        return refuse(g, role ? "\"role\" is no string" : "\"role\" is missing", "");
    bool known = false;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        known = known || strcmp(json_string(role), roles[i]) == 0;
    if (!known)
        return error_set(g->err, ERROR_USAGE,
                         "%s: message %zu: role \"%s\" is none of system, user, assistant, tool, "
                         "developer",
                         g->where, g->i + 1, printable_text(json_string(role)).text);
    json_kind kind = content ? json_type(content) : JSON_NULL;
    if (kind == JSON_NULL && !json_member(m, "tool_calls"))
        return refuse(g, content ? "\"content\" is null" : "\"content\" is missing", "");
    if (kind != JSON_NULL && kind != JSON_STRING && kind != JSON_ARRAY)
        return refuse(g, "\"content\" is neither a string nor a list of parts", "");
    return 0;
}

static jinja_value *text_of(const given *g, const char *text, uint32_t origin)
{
    return jinja_text(g->d, text, strlen(text), origin);
}

/* One member, whose value begins at g->at; null ones are left out. */
static int put_member(given *g, const json *v, jinja_value *message)
{
    const char *from = g->at;
    bool role = strcmp(json_key(v), "role") == 0;
    uint32_t origin = role ? JINJA_TEMPLATE : CHAT_MESSAGE + (uint32_t)g->i;
    g->at = skip_value(from);
    jinja_value *value;
    if (json_type(v) == JSON_NULL)
        return 0;
    if (json_type(v) == JSON_STRING)
        value = text_of(g, json_string(v), origin);
    else if (!(value = jinja_json(g->d, g->where, from, (size_t)(g->at - from), origin, g->err)))
        return -1;
    uint32_t theirs = CHAT_MESSAGE + (uint32_t)g->i;
    jinja_put_text(g->d, message, text_of(g, json_key(v), theirs), value);
    return 0;
}

/* The name under which message m has its reasoning, or NULL. */
static const char *reasoning_in(const json *m)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    for (size_t i = 0; i < 3; i++) {
        const json *v = json_member(m, names[i]);
        if (v && json_type(v) != JSON_NULL)
            return names[i];
    }
    return NULL;
}

/* The value of member `name` of the message that begins at `at`. */
static const char *find_member(const char *at, const json *m, const char *name)
{
    at = skip_space(at + 1);
    for (const json *v = json_first(m); v; v = json_next(v)) {
        const char *value = skip_space(skip_space(skip_string(at)) + 1);
        if (strcmp(json_key(v), name) == 0)
            return value;
        at = skip_space(skip_value(value));
        at = skip_space(at + (*at == ','));
    }
    return NULL;
}

/* In the reference's order: "thinking" first unless it is there, "reasoning_content" where it stood
 * or last. */
static int put_reasoning(given *g, const char *start, const json *m, jinja_value *message,
                         const char *key)
{
    const char *name = reasoning_in(m), *own = g->at;
    if (!name)
        return 0;
    const json *v = json_member(m, name);
    g->at = find_member(start, m, name);
    jinja_value *value =
        json_type(v) == JSON_STRING
            ? text_of(g, json_string(v), CHAT_MESSAGE + (uint32_t)g->i)
            : jinja_json(g->d, g->where, g->at, (size_t)(skip_value(g->at) - g->at),
                         CHAT_MESSAGE + (uint32_t)g->i, g->err);
    g->at = own;
    if (!value)
        return -1;
    jinja_put(g->d, message, key, value);
    return 0;
}

/* The message that begins at g->at. */
static int put_message(given *g, const json *m, jinja_value *list)
{
    const char *start = g->at;
    jinja_value *message = jinja_dict(g->d);
    if (check_message(g, m) || put_reasoning(g, start, m, message, "thinking"))
        return -1;
    g->at = skip_space(g->at + 1);
    for (const json *v = json_first(m); v; v = json_next(v)) {
        g->at = skip_space(skip_space(skip_string(g->at)) + 1);
        if (put_member(g, v, message))
            return -1;
        g->at = skip_space(g->at);
        g->at = skip_space(g->at + (*g->at == ','));
    }
    if (put_reasoning(g, start, m, message, "reasoning_content"))
        return -1;
    g->at = skip_space(g->at + 1);
    jinja_push(g->d, list, message);
    return 0;
}

int chat_set_json(jinja_data *d, const json *messages, const char *text, const char *where,
                  error *err)
{
    given g = {d, where, skip_space(text), 0, err};
    if (json_type(messages) != JSON_ARRAY)
        return error_set(err, ERROR_USAGE, "%s: not a list of messages", where);
    if (!json_first(messages))
        return error_set(err, ERROR_USAGE, "%s: the list of messages is empty", where);
    jinja_value *list = jinja_list(d);
    g.at = skip_space(g.at + 1);
    for (const json *m = json_first(messages); m; m = json_next(m), g.i++) {
        if (put_message(&g, m, list))
            return -1;
        g.at = skip_space(g.at + (*g.at == ','));
    }
    jinja_set(d, "messages", list);
    return 0;
}
