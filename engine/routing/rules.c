/* rules.c - reading rules from a persona file; rules_step.c makes them act.
 *
 * A rule is read member by member into plain data: when (token ids, a tag, a pattern, a role, a
 * prompt, an adapter), in which layers, what (experts forced, kept, banned or biased; k) and for
 * how many tokens. A member that nobody knows is an error, because a rule that is half understood
 * would act and look right. Patterns are compiled here, once, with the limits that bound what they
 * cost while they run.
 */
#include "rules.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/json.h"
#include "../base/ranges.h"
#include "rules_internal.h"

/* A pattern that needs more than this on 256 bytes is a mistake or an attack. */
enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, HEAP_KIB = 1024, PATTERN_BYTES = 4096 };
enum { PROMPT_DIGITS = 6 };

static int refuse(error *err, const char *field, const char *what)
{
    return error_set(err, ERROR_LOAD, "%s: %s", field, what);
}

/* ---- when -------------------------------------------------------------------------------------- */

static int read_ids(rule *r, const json *v, error *err)
{
    for (const json *e = json_first(v); e; e = json_next(e)) {
        double id = json_type(e) == JSON_NUMBER ? json_number(e) : -1;
        if (!(id >= 0 && id < 1e9 && id == floor(id)))
            return refuse(err, "when.token", "must be a list of token ids");
        if (tokens_push(&r->ids, (int)id, err))
            return -1;
    }
    return r->ids.len ? 0 : refuse(err, "when.token", "must be a list of token ids");
}

static int read_pattern(rule_list *list, rule *r, const char *text, error *err)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    if (strlen(text) > PATTERN_BYTES)
        return refuse(err, "when.pattern", "longer than 4096 bytes");
    r->pattern =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &code, &at, NULL);
    if (!r->pattern) {
        char why[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return error_set(err, ERROR_LOAD, "when.pattern: offset %zu: %s", (size_t)at, why);
    }
    /* Without JIT the interpreter does the same, slower. */
    (void)pcre2_jit_compile(r->pattern, PCRE2_JIT_COMPLETE);
    r->match = pcre2_match_data_create_from_pattern(r->pattern, NULL);
    if (!list->limits && (list->limits = pcre2_match_context_create(NULL))) {
        pcre2_set_match_limit(list->limits, MATCH_LIMIT);
        pcre2_set_depth_limit(list->limits, DEPTH_LIMIT);
        pcre2_set_heap_limit(list->limits, HEAP_KIB);
    }
    return r->match && list->limits ? 0 : error_memory(err, "a pattern");
}

static int read_tag(rule *r, const char *text, error *err)
{
    if (strlen(text) > RULE_TEXT_BYTES)
        return refuse(err, "when.tag", "longer than 256 bytes");
    r->tag = strdup(text);
    return r->tag ? 0 : error_memory(err, "a rule");
}

static int read_role(rule *r, const char *text, error *err)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, roles[i]) == 0)
            r->role = i + 1;
    return r->role ? 0 : refuse(err, "when.role", "must be system, user or assistant");
}

/* A whole number from 1 on; *end = what follows it. 0 = there is none. */
static int prompt_number(const char *text, const char **end)
{
    size_t digits = strspn(text, "0123456789");
    *end = text + digits;
    return digits && digits <= PROMPT_DIGITS ? atoi(text) : 0;
}

/* 2, "2", "2-5" or "2-". */
static int read_prompt(rule *r, const json *v, error *err)
{
    const char *text = json_type(v) == JSON_STRING ? json_string(v) : "", *end = text;
    char digits[32];
    if (json_type(v) == JSON_NUMBER) {
        (void)snprintf(digits, sizeof digits, "%.17g", json_number(v));
        text = digits;
    }
    r->first_prompt = r->last_prompt = prompt_number(text, &end);
    if (*end == '-') {
        r->last_prompt = INT_MAX;
        if (end[1])
            r->last_prompt = prompt_number(end + 1, &end);
        else
            end++;
    }
    if (!*end && r->first_prompt >= 1 && r->last_prompt >= r->first_prompt)
        return 0;
    return refuse(err, "when.prompt",
                  "must be the number of a prompt, from 1 on, or \"2-5\", \"2-\"");
}

static int read_adapter(rule *r, const json *v, error *err)
{
    r->any_adapter = json_true(v);
    if (json_type(v) == JSON_BOOL)
        return 0;
    const char *name = json_type(v) == JSON_STRING ? json_string(v) : "";
    if (!*name || strchr(name, '/'))
        return refuse(err, "when.adapter", "must be true, false or the name of an adapter's file");
    r->adapter = strdup(name);
    return r->adapter ? 0 : error_memory(err, "a rule");
}

static int read_condition(rule_list *list, rule *r, const json *c, error *err)
{
    static const char *const names[] = {"token", "tag", "pattern", "role", "prompt", "adapter"};
    int i = 0;
    while (i < 6 && strcmp(json_key(c), names[i]) != 0)
        i++;
    if (i == 6)
        return error_set(err, ERROR_LOAD,
                         "when: \"%.40s\" is none of token, tag, pattern, role, prompt, adapter",
                         json_key(c));
    r->when |= 1u << i;
    if (1u << i == WHEN_PROMPT)
        return read_prompt(r, c, err);
    if (1u << i == WHEN_ADAPTER)
        return read_adapter(r, c, err);
    if (1u << i == WHEN_TOKEN && json_type(c) == JSON_ARRAY)
        return read_ids(r, c, err);
    if (1u << i == WHEN_TOKEN || json_type(c) != JSON_STRING)
        return refuse(err, "when", "token takes a list of ids; tag, pattern and role take a text");
    const char *text = json_string(c);
    if (text[0] == '\0')
        return refuse(err, "when", "an empty text would always match");
    if (1u << i == WHEN_TAG)
        return read_tag(r, text, err);
    return 1u << i == WHEN_ROLE ? read_role(r, text, err) : read_pattern(list, r, text, err);
}

static int read_when(rule_list *list, rule *r, const json *root, error *err)
{
    const json *when = json_member(root, "when");
    if (!when || json_type(when) != JSON_OBJECT || json_count(when) == 0)
        return refuse(err, "when",
                      "must name one or more of token, tag, pattern, role, prompt, adapter");
    for (const json *c = json_first(when); c; c = json_next(c))
        if (read_condition(list, r, c, err))
            return -1;
    return 0;
}

/* ---- do ---------------------------------------------------------------------------------------- */

static int read_experts(const json *action, uint8_t **set, error *err)
{
    if (json_type(action) != JSON_STRING)
        return error_set(err, ERROR_LOAD, "do.%s: must be a list of experts like \"77,80-100\"",
                         json_key(action));
    *set = calloc(MODEL_MAX_EXPERTS, 1);
    if (!*set)
        return error_memory(err, "a rule");
    if (ranges_read(json_string(action), "expert", MODEL_MAX_EXPERTS, *set, err))
        return error_prefix(err, "do.%s: ", json_key(action));
    return 0;
}

static int read_biases(rule *r, const json *action, error *err)
{
    if (json_type(action) != JSON_OBJECT || json_count(action) == 0)
        return refuse(err, "do.bias", "must be an object like {\"77\":1.5}");
    r->bias = calloc(json_count(action), sizeof *r->bias);
    if (!r->bias)
        return error_memory(err, "a rule");
    for (const json *e = json_first(action); e; e = json_next(e)) {
        uint8_t set[MODEL_MAX_EXPERTS] = {0};
        const char *key = json_key(e);
        if (ranges_read(key, "expert", MODEL_MAX_EXPERTS, set, err))
            return error_prefix(err, "do.bias: ");
        if (strspn(key, "0123456789") != strlen(key) || json_type(e) != JSON_NUMBER ||
            !(fabs(json_number(e)) <= 1e6))
            return refuse(err, "do.bias", "each expert takes a number from -1e6 to 1e6");
        r->bias[r->bias_count++] = (rule_bias){atoi(key), (float)json_number(e)};
    }
    return 0;
}

static int read_action(rule *r, const json *a, error *err)
{
    const char *key = json_key(a);
    if (strcmp(key, "force") == 0)
        return read_experts(a, &r->force, err);
    if (strcmp(key, "keep") == 0)
        return read_experts(a, &r->keep, err);
    if (strcmp(key, "ban") == 0)
        return read_experts(a, &r->ban, err);
    if (strcmp(key, "bias") == 0)
        return read_biases(r, a, err);
    if (strcmp(key, "k") != 0)
        return error_set(err, ERROR_LOAD, "do: \"%.40s\" is none of force, keep, ban, bias, k",
                         key);
    double k = json_type(a) == JSON_NUMBER ? json_number(a) : 0;
    if (!(k >= 1 && k <= MODEL_MAX_EXPERTS && k == floor(k)))
        return refuse(err, "do.k", "must be a whole number from 1 on");
    r->k = (int)k;
    return 0;
}

static int read_do(rule *r, const json *root, error *err)
{
    const json *actions = json_member(root, "do");
    if (!actions || json_type(actions) != JSON_OBJECT || json_count(actions) == 0)
        return refuse(err, "do", "must hold force, keep, ban, bias or k");
    for (const json *a = json_first(actions); a; a = json_next(a))
        if (read_action(r, a, err))
            return -1;
    return 0;
}

static int read_for(rule *r, const json *root, error *err)
{
    const json *v = json_member(root, "for");
    r->tokens_for = 1;
    if (!v)
        return 0;
    if (json_type(v) == JSON_STRING && strcmp(json_string(v), "token") == 0)
        return 0;
    if (json_type(v) == JSON_STRING && strcmp(json_string(v), "turn") == 0) {
        r->tokens_for = -1;
        return 0;
    }
    double n = json_type(v) == JSON_NUMBER ? json_number(v) : 0;
    if (!(n >= 1 && n <= 1e6 && n == floor(n)))
        return refuse(err, "for", "must be \"token\", \"turn\" or a number of tokens");
    r->tokens_for = (int)n;
    return 0;
}

/* ---- the list ---------------------------------------------------------------------------------- */

static int read_layers(rule *r, const json *root, error *err)
{
    const char *text = NULL;
    int found = json_get_string(root, "layers", &text, err);
    r->all_layers = found == 0;
    if (found == 1 && ranges_read(text, "layer", MODEL_MAX_LAYERS, r->layers, err))
        return error_prefix(err, "layers: ");
    return found < 0 ? -1 : 0;
}

static int read_rule(rule_list *list, const json *root, error *err)
{
    static const char *const known[] = {"when", "layers", "do", "for"};
    rule *r = &list->v[list->n++];
    if (json_type(root) != JSON_OBJECT)
        return refuse(err, "rule", "must be an object");
    if (json_check_members(root, known, 4, err) || read_when(list, r, root, err) ||
        read_layers(r, root, err) || read_do(r, root, err) || read_for(r, root, err))
        return -1;
    return 0;
}

/* FNV-1a over the rules as they are written: keys, texts and numbers in order. */
static uint64_t hash_value(uint64_t hash, const json *v)
{
    char number[32];
    const char *parts[2] = {json_key(v), NULL};
    if (json_type(v) == JSON_STRING)
        parts[1] = json_string(v);
    if (json_type(v) == JSON_NUMBER) {
        (void)snprintf(number, sizeof number, "%.17g", json_number(v));
        parts[1] = number;
    }
    if (json_true(v))
        parts[1] = "true";
    for (int i = 0; i < 2; i++)
        hash = hash_bytes(hash, parts[i] ? parts[i] : "", (parts[i] ? strlen(parts[i]) : 0) + 1);
    for (const json *e = json_first(v); e; e = json_next(e))
        hash = hash_value(hash, e);
    return hash;
}

rule_list *rules_read(const json *array, error *err)
{
    size_t n = json_count(array);
    if (n > RULES_MAX) {
        error_set(err, ERROR_LOAD, "rules: %zu of them; at most %d", n, RULES_MAX);
        return NULL;
    }
    rule_list *list = calloc(1, sizeof *list);
    if (list)
        list->v = calloc(n ? n : 1, sizeof *list->v);
    if (!list || !list->v) {
        rules_close(list);
        error_memory(err, "the rules");
        return NULL;
    }
    for (const json *r = json_first(array); r; r = json_next(r)) {
        if (read_rule(list, r, err)) {
            error_prefix(err, "rules[%d]: ", list->n - 1);
            rules_close(list);
            return NULL;
        }
    }
    list->hash = hash_value(HASH_START, array);
    return list;
}

void rules_close(rule_list *list)
{
    if (!list)
        return;
    for (int i = 0; list->v && i < list->n; i++) {
        rule *r = &list->v[i];
        tokens_release(&r->ids);
        free(r->tag);
        free(r->adapter);
        pcre2_match_data_free(r->match);
        pcre2_code_free(r->pattern);
        free(r->force);
        free(r->keep);
        free(r->ban);
        free(r->bias);
    }
    pcre2_match_context_free(list->limits);
    free(list->v);
    free(list);
}

int rules_count(const rule_list *r)
{
    return r->n;
}

uint64_t rules_hash(const rule_list *r)
{
    return r->hash;
}
