/* mode_profile.c - see mode_profile.h. */
#include "mode_profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/routing/hooks.h"

static const double LEAST_SPREAD = 1e-3; /* of a share */

struct mode_profile {
    engine *engine;
    router_hook *hook;
    router_program *program; /* the plain model, listened to */
    session *session;
    int count, experts, layers;
    uint8_t *owner; /* [layers, experts] index of the persona whose alone it is + 1; 0 = nobody's */
    guess_call calls[MODE_PROFILE_PERSONAS];
    double mass[MODE_PROFILE_PERSONAS];
    double usual[MODE_PROFILE_PERSONAS], spread[MODE_PROFILE_PERSONAS]; /* shares of EVERYDAY */
};

/* What nobody in particular is asked. */
static const char *const EVERYDAY[] = {
    "Hello, how are you today?",
    "What shall I cook for dinner?",
    "Tell me about the town where you grew up.",
    "When does the market open on Saturday?",
    "Thank you very much for the long letter.",
    "Write a short note to my aunt.",
    "How far is it from here to the sea?",
    "I slept badly last night.",
    "Which bread is the best?",
    "The children want a dog.",
    "What is the capital of Peru?",
    "Name three birds that stay in winter.",
    "My train is late again. What can I do?",
    "How do I get a stain out of a shirt?",
    "Tell me a story about a fox.",
    "Is it going to rain tomorrow?",
};
enum { EVERYDAY_PROMPTS = sizeof EVERYDAY / sizeof *EVERYDAY };

/* ---- listening --------------------------------------------------------------------------------- */

static int listen(void *state, const consilium_token *t, consilium_selection *s)
{
    mode_profile *p = state;
    const uint8_t *owner = p->owner + (size_t)t->layer * (size_t)p->experts;
    double owned = 0, mass[MODE_PROFILE_PERSONAS + 1] = {0};
    float most = t->logits[0];
    (void)s;
    for (int e = 1; e < p->experts; e++)
        most = t->logits[e] > most ? t->logits[e] : most;
    for (int e = 0; e < p->experts; e++) {
        double x = exp((double)t->logits[e] - (double)most);
        mass[owner[e]] += x;
    }
    for (int i = 0; i < p->count; i++)
        owned += mass[i + 1];
    for (int i = 0; i < p->count && owned > 0; i++)
        p->mass[i] += mass[i + 1] / owned;
    return 0;
}

/* ---- whose ------------------------------------------------------------------------------------- */

static bool prefers(const layer_routing *r, int e)
{
    return (!r->allowed || r->allowed[e]) && (r->allowed || (r->bias && r->bias[e] > 0));
}

static bool speaks(const seat *s)
{
    return s->persona && strcmp(s->name, s->persona) == 0 && s->program && s->masks;
}

/* Of experts that several prefer nobody is the owner. */
static void deal(mode_profile *p, const router_program *program, int who, uint8_t *shared)
{
    const layer_routing *routing = router_program_routing(program);
    const model_config *m = engine_config(p->engine);
    for (int layer = 0; layer < p->layers; layer++)
        for (int e = 0; m->moe_layer[layer] && e < p->experts; e++) {
            size_t at = (size_t)layer * (size_t)p->experts + (size_t)e;
            if (!prefers(&routing[layer], e))
                continue;
            shared[at] = shared[at] || p->owner[at];
            p->owner[at] = shared[at] ? 0 : (uint8_t)(who + 1);
        }
}

static int take_owners(mode_profile *p, const roster *r, error *err)
{
    size_t cells = (size_t)p->layers * (size_t)p->experts;
    uint8_t *shared = calloc(cells + 1, 1);
    p->owner = calloc(cells + 1, 1);
    if (!shared || !p->owner) {
        free(shared);
        return error_memory(err, "a profile");
    }
    for (int i = 0; i < roster_seats(r) && p->count < MODE_PROFILE_PERSONAS; i++) {
        const seat *s = roster_seat(r, i);
        if (!speaks(s))
            continue;
        (void)snprintf(p->calls[p->count].name, sizeof p->calls->name, "%s", s->name);
        deal(p, s->program, p->count++, shared);
    }
    free(shared);
    return 0;
}

static const consilium_router listener = {
    .abi = CONSILIUM_ROUTER_ABI, .name = "profile", .expert_selection = listen};

static int open_listener(mode_profile *p, error *err)
{
    router_settings s = router_settings_plain();
    const model_config *m = engine_config(p->engine);
    p->hook = router_hook_open(&listener, p, m, engine_tokenizer(p->engine), NULL, "profile", err);
    s.hook = p->hook;
    p->program = p->hook ? router_program_compile(m, NULL, &s, err) : NULL;
    p->session = p->program ? session_open(p->engine, MODE_PROFILE_TOKENS, DTYPE_F16, err) : NULL;
    return p->session ? session_set_program(p->session, p->program, err) : -1;
}

/* p->mass: the shares of a prompt, which add up to 1. */
static int read_shares(mode_profile *p, const char *prompt, size_t len, error *err)
{
    tokens ids = {0};
    double sum = 0;
    int result = tokenizer_encode(engine_tokenizer(p->engine), prompt, len, &ids, NULL, err);
    int n = ids.len < MODE_PROFILE_TOKENS ? (int)ids.len : MODE_PROFILE_TOKENS;
    memset(p->mass, 0, sizeof p->mass);
    session_rewind(p->session, 0);
    step st = {p->session, ids.v, n, LOGITS_NONE, NULL};
    if (!result && n)
        result = engine_advance(p->engine, &st, 1, err);
    tokens_release(&ids);
    for (int i = 0; i < p->count; i++)
        sum += p->mass[i];
    for (int i = 0; i < p->count && sum > 0; i++)
        p->mass[i] /= sum;
    return result;
}

/* Mean and standard deviation of each persona's share. */
static int take_usual(mode_profile *p, error *err)
{
    for (int k = 0; k < EVERYDAY_PROMPTS; k++) {
        if (read_shares(p, EVERYDAY[k], strlen(EVERYDAY[k]), err))
            return -1;
        for (int i = 0; i < p->count; i++) {
            p->usual[i] += p->mass[i] / EVERYDAY_PROMPTS;
            p->spread[i] += p->mass[i] * p->mass[i] / EVERYDAY_PROMPTS;
        }
    }
    for (int i = 0; i < p->count; i++) {
        double variance = p->spread[i] - p->usual[i] * p->usual[i];
        p->spread[i] = variance > LEAST_SPREAD * LEAST_SPREAD ? sqrt(variance) : LEAST_SPREAD;
    }
    return 0;
}

int mode_profile_open(engine *e, const roster *r, mode_profile **out, error *err)
{
    const model_config *m = engine_config(e);
    *out = NULL;
    if (!m->experts || !engine_tokenizer(e))
        return 0;
    mode_profile *p = calloc(1, sizeof *p);
    if (!p)
        return error_memory(err, "a profile");
    p->engine = e;
    p->experts = m->experts;
    p->layers = m->layers;
    int result = take_owners(p, r, err);
    if (!result && p->count > 1)
        result = open_listener(p, err) || take_usual(p, err) ? -1 : 0;
    if (!result && p->count > 1)
        *out = p;
    else
        mode_profile_close(p);
    return result;
}

void mode_profile_close(mode_profile *p)
{
    if (!p)
        return;
    session_close(p->session);
    router_program_close(p->program);
    router_hook_close(p->hook);
    free(p->owner);
    free(p);
}

/* ---- reading ----------------------------------------------------------------------------------- */

int mode_profile_read(mode_profile *p, const char *prompt, size_t len, guess_calls *out, error *err)
{
    int result = read_shares(p, prompt, len, err);
    for (int i = 0; i < p->count; i++)
        p->calls[i].excess = (p->mass[i] - p->usual[i]) / p->spread[i];
    *out = (guess_calls){p->calls, p->count};
    return result;
}
