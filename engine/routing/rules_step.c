/* rules_step.c - rules at work: which of them act on the token that is read now.
 *
 * A role begins where a message of that role is opened: the tokens with which the chat format
 * does that everywhere are known (chat_role_header). So roles come from the sequence itself and
 * need no side channel.
 */
#include <stdlib.h>
#include <string.h>

#include "rules_internal.h"

enum { ROLES = 3 };

struct rule_triggers {
    const tokenizer *tokenizer;
    uint32_t unmet;         /* rules that never act */
    tokens opening[ROLES];  /* the last RULE_TRIGGER_TOKENS that open a role; empty = unknown */
    int tag_ids[RULES_MAX]; /* special token of a tag's content, or -1 */
};

/* ---- marks ------------------------------------------------------------------------------------- */

rule_triggers *rule_triggers_open(const rule_list *list, uint32_t unmet, const tokenizer *t,
                                  const chat_format *chat, error *err)
{
    rule_triggers *m = calloc(1, sizeof *m);
    if (!m) {
        error_memory(err, "the rules");
        return NULL;
    }
    m->tokenizer = t;
    m->unmet = unmet;
    for (int i = 0; i < list->n; i++) {
        const char *tag = list->v[i].tag;
        int id = tag ? tokenizer_find(t, tag, strlen(tag)) : -1;
        m->tag_ids[i] = id >= 0 && tokenizer_is_special(t, id) ? id : -1;
    }
    for (int role = 0; chat && role < ROLES; role++)
        if (chat_role_header(chat, (chat_role)role, RULE_TRIGGER_TOKENS, &m->opening[role], err)) {
            rule_triggers_close(m);
            return NULL;
        }
    return m;
}

void rule_triggers_close(rule_triggers *m)
{
    if (!m)
        return;
    for (int i = 0; i < ROLES; i++)
        tokens_release(&m->opening[i]);
    free(m);
}

/* ---- the state --------------------------------------------------------------------------------- */

static void add_text(rule_state *s, const char *piece, size_t n)
{
    if (n > RULE_TEXT_BYTES) {
        piece += n - RULE_TEXT_BYTES;
        n = RULE_TEXT_BYTES;
    }
    size_t keep = s->text_len + n > RULE_TEXT_BYTES ? RULE_TEXT_BYTES - n : s->text_len;
    memmove(s->text, s->text + s->text_len - keep, keep);
    memcpy(s->text + keep, piece, n);
    s->text_len = keep + n;
}

static bool ends_with(const rule_state *s, const tokens *mark)
{
    if (mark->len == 0 || (size_t)s->length < mark->len)
        return false;
    for (size_t i = 0; i < mark->len; i++) {
        size_t at = ((size_t)s->length - mark->len + i) % RULE_TRIGGER_TOKENS;
        if (s->last[at] != mark->v[i])
            return false;
    }
    return true;
}

/* A user's message after another role's is the next prompt and begins a new turn: what acted to the
 * end of the old one stops. */
static void update_role(const rule_triggers *m, rule_state *s)
{
    for (int role = 0; role < ROLES; role++) {
        if (!ends_with(s, &m->opening[role]))
            continue;
        bool begins = role + 1 != s->role && role == CHAT_USER;
        s->prompt += begins;
        if (begins)
            for (int i = 0; i < RULES_MAX; i++)
                s->left[i] = s->left[i] < 0 ? 0 : s->left[i];
        s->role = role + 1;
    }
}

/* ---- conditions -------------------------------------------------------------------------------- */

static bool holds_token(const rule *r, int token)
{
    for (size_t i = 0; i < r->ids.len; i++)
        if (r->ids.v[i] == token)
            return true;
    return false;
}

/* 1 = matches, 0 = not, -1 = a limit was hit. */
static int matches_pattern(const rule_list *list, const rule *r, const rule_state *s, error *err)
{
    int code =
        pcre2_match(r->pattern, (PCRE2_SPTR)s->text, s->text_len, 0, 0, r->match, list->limits);
    if (code >= 0)
        return 1;
    if (code == PCRE2_ERROR_NOMATCH)
        return 0;
    char why[128];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return error_set(err, ERROR_RUN, "rules[%d]: the pattern gave up: %s", (int)(r - list->v), why);
}

static bool holds_tag(const rule_triggers *m, const rule_list *list, const rule *r,
                      const rule_state *s, int token, bool new_text)
{
    size_t n = strlen(r->tag);
    return m->tag_ids[r - list->v] == token ||
           (new_text && s->text_len >= n && memcmp(s->text + s->text_len - n, r->tag, n) == 0);
}

/* The pattern is looked at last: only where all else holds can it give up. */
static int conditions(const rule_list *list, const rule_triggers *m, const rule *r,
                      const rule_state *s, int token, bool new_text, error *err)
{
    if ((r->when & WHEN_TOKEN && !holds_token(r, token)) ||
        (r->when & WHEN_ROLE && s->role != r->role) ||
        (r->when & WHEN_PROMPT && (s->prompt < r->first_prompt || s->prompt > r->last_prompt)) ||
        (r->when & WHEN_TAG && !holds_tag(m, list, r, s, token, new_text)))
        return 0;
    if (r->when & WHEN_PATTERN)
        return new_text ? matches_pattern(list, r, s, err) : 0;
    return 1;
}

int rules_step(const rule_list *list, const rule_triggers *m, rule_state *s, int token,
               uint32_t *active, error *err)
{
    size_t n = 0;
    const char *piece = tokenizer_piece(m->tokenizer, token, &n);
    s->last[s->length % RULE_TRIGGER_TOKENS] = token;
    s->length++;
    add_text(s, piece, n);
    update_role(m, s);
    *active = 0;
    for (int i = 0; i < list->n; i++) {
        if (m->unmet >> i & 1)
            continue;
        int holds = conditions(list, m, &list->v[i], s, token, n > 0, err);
        if (holds < 0)
            return -1;
        if (holds)
            s->left[i] = list->v[i].tokens_for;
        if (s->left[i])
            *active |= (uint32_t)1 << i;
        if (s->left[i] > 0)
            s->left[i]--;
    }
    return 0;
}

/* ---- effects ----------------------------------------------------------------------------------- */

/* How many of the experts a keep is about. */
static int keep_reaches(const rule *r, int experts, int added)
{
    for (int i = experts - added; r->keep && i < experts; i++)
        if (r->keep[i])
            return experts;
    return experts - added;
}

static void apply_rule(const rule *r, int experts, rule_effect *e)
{
    int kept = keep_reaches(r, experts, e->adapter);
    for (int i = 0; i < experts; i++) {
        if ((r->ban && r->ban[i]) || (r->keep && i < kept && !r->keep[i]))
            e->allowed[i] = 0;
        if (r->force && r->force[i])
            e->forced[i] = 1;
        if ((r->force && r->force[i]) || (r->keep && r->keep[i]))
            e->named[i] = 1;
    }
    for (int i = 0; i < r->bias_count; i++) {
        e->bias[r->bias[i].expert] += r->bias[i].bias;
        e->named[r->bias[i].expert] = 1;
    }
    if (r->k)
        e->k = r->k;
}

void rules_apply(const rule_list *list, uint32_t active, int layer, int experts,
                 rule_effect *effect)
{
    for (int i = 0; i < list->n; i++)
        if (active >> i & 1 && (list->v[i].all_layers || list->v[i].layers[layer]))
            apply_rule(&list->v[i], experts, effect);
}

void rules_k_range(const rule_list *list, uint32_t of, int layer, int *least, int *most)
{
    for (int i = 0; i < list->n; i++) {
        const rule *r = &list->v[i];
        if (!(of >> i & 1) || !r->k || !(r->all_layers || r->layers[layer]))
            continue;
        *least = r->k < *least ? r->k : *least;
        *most = r->k > *most ? r->k : *most;
    }
}

static int last_named(const uint8_t *set)
{
    for (int i = MODEL_MAX_EXPERTS - 1; set && i >= 0; i--)
        if (set[i])
            return i;
    return -1;
}

static int check_experts(const rule *r, int experts, error *err)
{
    int most = last_named(r->force), keep = last_named(r->keep), ban = last_named(r->ban);
    most = keep > most ? keep : most;
    most = ban > most ? ban : most;
    for (int i = 0; i < r->bias_count; i++)
        most = r->bias[i].expert > most ? r->bias[i].expert : most;
    if (most >= experts)
        return error_set(err, ERROR_LOAD, "expert %d: the model has experts 0 to %d", most,
                         experts - 1);
    if (r->k > experts)
        return error_set(err, ERROR_LOAD, "do.k: %d, the model has %d experts", r->k, experts);
    return 0;
}

static int check_rule(const rule *r, const model_config *model, error *err)
{
    for (size_t i = 0; i < r->ids.len; i++)
        if (r->ids.v[i] >= model->vocabulary)
            return error_set(err, ERROR_LOAD, "when.token: %d: the vocabulary has ids 0 to %d",
                             r->ids.v[i], model->vocabulary - 1);
    for (int i = model->layers; i < MODEL_MAX_LAYERS; i++)
        if (r->layers[i])
            return error_set(err, ERROR_LOAD, "layers: %d: the model has layers 0 to %d", i,
                             model->layers - 1);
    return 0;
}

int rules_check(const rule_list *list, uint32_t unmet, const model_config *model, int added,
                error *err)
{
    for (int i = 0; i < list->n; i++)
        if ((!(unmet >> i & 1) && check_experts(&list->v[i], model->experts + added, err)) ||
            check_rule(&list->v[i], model, err))
            return error_prefix(err, "rules[%d]: ", i);
    return 0;
}

/* ---- adapters ---------------------------------------------------------------------------------- */

/* "math" is the file math.safetensors, math.gguf or the folder math, wherever it lies. */
static bool is_called(const char *path, const char *name)
{
    size_t end = strlen(path), n = strlen(name);
    while (end && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start && path[start - 1] != '/')
        start--;
    const char *own = path + start;
    return end - start >= n && memcmp(own, name, n) == 0 && (end - start == n || own[n] == '.');
}

static bool adapters_suit(const rule *r, const char *const *adapters, int count)
{
    if (!(r->when & WHEN_ADAPTER))
        return true;
    if (!r->adapter)
        return r->any_adapter == (count > 0);
    for (int i = 0; i < count; i++)
        if (is_called(adapters[i], r->adapter))
            return true;
    return false;
}

uint32_t rules_unmet(const rule_list *list, const char *const *adapters, int count)
{
    uint32_t unmet = 0;
    for (int i = 0; i < list->n; i++)
        if (!adapters_suit(&list->v[i], adapters, count))
            unmet |= (uint32_t)1 << i;
    return unmet;
}
