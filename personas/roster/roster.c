/* roster.c - see roster.h.
 *
 * Two lists. A member is a persona with its masks, adapter experts and the program compiled
 * of them and of the options that concern it; a seat is a column. Each member takes one
 * seat, or two with --control prompt or mask: the second has the same persona with one half
 * of what it acts by. That is why programs belong to members, and seats borrow them.
 *
 * Instructions are chosen when a question is asked, by its language. Where every pass is
 * told something first, the joined texts are put together once for each of the persona's
 * instructions, so that choosing stays a look-up and the texts live as long as the roster.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "roster_state.h"

const char *const roster_controls[4] = {[CONTROL_OFF] = "off",
                                        [CONTROL_NONE] = "none",
                                        [CONTROL_PROMPT] = "prompt",
                                        [CONTROL_MASK] = "mask"};

void roster_say(const roster *r, const char *sentence)
{
    if (r->note)
        r->note(r->note_user, sentence);
}

/* ---- masks and programs ------------------------------------------------------------------------ */

static int add_mask(member *m, const char *path, error *err)
{
    mask **grown = realloc(m->masks, ((size_t)m->mask_count + 1) * sizeof(mask *));
    if (!grown)
        return error_memory(err, "the masks");
    m->masks = grown;
    m->masks[m->mask_count] = mask_load(path, err);
    if (!m->masks[m->mask_count])
        return -1;
    m->mask_count++;
    return 0;
}

static bool concerns(const char *name, const member *m)
{
    return !name || (m->column && persona_column_is(m->column, name));
}

static bool has_given_mask(const roster *r, const member *m)
{
    for (int i = 0; i < r->options->mask_count; i++)
        if (concerns(r->options->masks[i].name, m))
            return true;
    return false;
}

static int add_own_mask(roster *r, member *m, error *err)
{
    char *path = NULL;
    if (!r->fingerprint || !m->persona || m->persona->mode == ROUTER_NONE)
        return 0;
    if (persona_find_mask(m->persona, r->fingerprint, &path, err))
        return -1;
    if (path) {
        int result = add_mask(m, path, err);
        free(path);
        m->keeps = result == 0 && mask_kind(m->masks[0]) == MASK_KEEP;
        return result;
    }
    m->maskless = !has_given_mask(r, m);
    return 0;
}

static int add_given_masks(roster *r, member *m, error *err)
{
    for (int i = 0; i < r->options->mask_count; i++)
        if (concerns(r->options->masks[i].name, m) && add_mask(m, r->options->masks[i].path, err))
            return -1;
    return 0;
}

static bool is_unmasked(const roster *r, const member *m)
{
    for (int i = 0; i < r->options->unmasked_count; i++)
        if (concerns(r->options->unmasked[i], m))
            return true;
    return false;
}

static bool changes_routing(const router_settings *s)
{
    return s->hook || s->mask_count || s->adapter_count || s->experts_per_token || s->norm_width ||
           s->experts_by_layer || s->tail_gain != 1 || s->strength != 1 || s->adaptive_min ||
           s->rules;
}

/* Puts what a file brings beside the model's weights. */
static int grow_adapters(member *m, error *err)
{
    size_t n = (size_t)m->adapter_count + 1;
    const placed_adapter **places = realloc(m->adapters, n * sizeof *places);
    m->adapters = places ? places : m->adapters;
    char **files = places ? realloc(m->adapter_files, n * sizeof *files) : NULL;
    m->adapter_files = files ? files : m->adapter_files;
    return files ? 0 : error_memory(err, "an adapter");
}

static int add_adapter(roster *r, member *m, const char *path, double scale, error *err)
{
    adapter *file = adapter_open_within(path, engine_adapter_bytes(r->engine), err);
    if (!file)
        return -1;
    if (grow_adapters(m, err) || (scale != 1 && adapter_scale(file, scale, err))) {
        adapter_close(file);
        return -1;
    }
    if (engine_add_adapter(r->engine, file, &m->adapters[m->adapter_count], err))
        return -1;
    m->adapter_files[m->adapter_count] = strdup(path);
    return m->adapter_files[m->adapter_count++] ? 0 : error_memory(err, "an adapter");
}

/* What was trained for it on this model. */
static int add_trained(roster *r, member *m, error *err)
{
    char *path = NULL;
    if (persona_find_adapter(m->persona, r->fingerprint, &path, err))
        return -1;
    int result = path ? add_adapter(r, m, path, 1, err) : 0;
    free(path);
    return result;
}

/* A dense model's layers have no place for what a file brings; what was asked for is refused. */
static int add_own_adapters(roster *r, member *m, error *err)
{
    const persona *p = m->persona;
    if (!p)
        return 0;
    if (!r->fingerprint) {
        if (p->experts || p->adapter_count)
            roster_say(r, "this model is dense: a persona's own experts have no place in it");
        return 0;
    }
    if (add_trained(r, m, err) || (p->experts && add_adapter(r, m, p->experts, 1, err)))
        return -1;
    for (int i = 0; i < p->adapter_count; i++)
        if (add_adapter(r, m, p->adapters[i].path, p->adapters[i].scale, err)) {
            if (err && err->code == ERROR_USAGE)
                err->code = ERROR_LOAD; /* the file's number */
            return -1;
        }
    return 0;
}

static int add_adapters(roster *r, member *m, error *err)
{
    const roster_options *o = r->options;
    if (add_own_adapters(r, m, err))
        return -1;
    for (int i = 0; i < o->adapter_count; i++)
        if (concerns(o->adapters[i].name, m) &&
            add_adapter(r, m, o->adapters[i].path, o->adapters[i].scale, err))
            return -1;
    return 0;
}

/* True when anything is asked. */
static bool turn_knobs(const router_knobs *k, router_settings *s)
{
    if (!k)
        return false;
    s->norm_width = k->norm_width ? k->norm_width : s->norm_width;
    s->tail_gain = k->tail_gain >= 0 ? k->tail_gain : s->tail_gain;
    s->mask_penalty = k->mask_penalty > 0 ? k->mask_penalty : s->mask_penalty;
    s->rules = k->rules ? k->rules : s->rules;
    s->experts_by_layer = k->experts_by_layer;
    s->cap_experts = s->cap_experts || k->experts_by_layer;
    if (k->adaptive_min) {
        s->adaptive_min = k->adaptive_min > 0 ? k->adaptive_min : 0;
        s->adaptive_ratio = k->adaptive_ratio;
    }
    return k->norm_width || k->tail_gain >= 0 || k->mask_penalty > 0 || k->rules ||
           k->experts_by_layer || k->adaptive_min;
}

static int compile_program(roster *r, member *m, error *err)
{
    router_settings s = m->persona ? m->persona->router : router_settings_plain();
    const roster_options *o = r->options;
    bool strong = false;
    s.masks = (const mask *const *)m->masks;
    s.mask_count = m->mask_count;
    s.adapters = m->adapters;
    s.adapter_count = m->adapter_count;
    s.adapter_files = (const char *const *)m->adapter_files;
    s.rules = m->persona ? m->persona->rules : NULL;
    s.tokenizer = engine_tokenizer(r->engine);
    s.chat = engine_chat(r->engine);
    s.hook = r->hook;
    for (int i = 0; i < o->expert_count; i++)
        if (concerns(o->experts[i].name, m)) {
            s.experts_per_token = m->asked_experts = (int)o->experts[i].value;
            s.cap_experts = true;
        }
    for (int i = 0; i < o->strength_count; i++)
        if (concerns(o->strengths[i].name, m)) {
            s.strength = o->strengths[i].value;
            strong = true;
        }
    for (int i = 0; i < o->mask_penalty_count; i++)
        if (concerns(o->mask_penalties[i].name, m))
            s.mask_penalty = m->mask_penalty = o->mask_penalties[i].value;
    int layers = engine_config(r->engine)->layers;
    if (o->knobs && o->knobs->last_layer >= layers)
        return error_set(err, ERROR_USAGE, "--experts: layer %d: the model has layers 0 to %d",
                         o->knobs->last_layer, layers - 1);
    /* On a dense model the persona's own knobs mean nothing; what was asked for is refused. */
    bool turned = turn_knobs(o->knobs, &s);
    bool asked = m->asked_experts || strong || turned || r->hook || has_given_mask(r, m);
    if (!changes_routing(&s) || (!r->fingerprint && !asked))
        return 0;
    m->strength = s.strength;
    if (s.strength > 1.25)
        roster_say(r, "a strength above 1.25 often breaks sentences");
    m->program = router_program_compile(engine_config(r->engine), r->fingerprint, &s, err);
    if (m->program)
        return 0;
    if (m->asked_experts && err && err->code == ERROR_USAGE)
        return error_prefix(err, "--experts: ");
    if (!m->persona)
        return -1;
    /* Numbers that the command line did not ask for are the file's. */
    if (err && err->code == ERROR_USAGE)
        err->code = ERROR_LOAD;
    return error_prefix(err, "%s: ", m->persona->path);
}

/* leaf: NULL for the plain model. */
static int open_member(roster *r, const tree_leaf *leaf, error *err)
{
    member *m = &r->members[r->member_count++];
    *m = (member){.group = -1};
    if (leaf)
        *m = (member){.persona = leaf->persona, .column = leaf->column, .group = leaf->group};
    m->unmasked = m->persona && is_unmasked(r, m);
    if (m->unmasked)
        return 0;
    if (add_own_mask(r, m, err) || add_given_masks(r, m, err) || add_adapters(r, m, err))
        return -1;
    return compile_program(r, m, err) || roster_program_acts(r->engine, m->program, &m->acts, err)
               ? -1
               : 0;
}

/* ---- seats ------------------------------------------------------------------------------------- */

sampling roster_sampling(const roster *r, const persona *p)
{
    const roster_options *o = r->options;
    sampling s = o->sampling;
    unsigned own = p ? p->given & ~o->given : 0;
    for (int i = 0; i < SAMPLING_FIELDS; i++)
        if (own & 1u << i)
            sampling_put(&s, &sampling_fields[i], sampling_get(&p->sampling, &sampling_fields[i]));
    return s;
}

/* What every pass is told, and behind it each of the persona's instructions. */
static int compose_instructions(owned_seat *own, const char *system, error *err)
{
    const persona *p = own->instructor;
    int n = p ? p->instruction_count : 0;
    own->composed = calloc((size_t)n + 2, sizeof *own->composed);
    if (!own->composed)
        return error_memory(err, "an instruction");
    for (int i = 0; i < (n ? n : 1); i++) {
        buf text = {0};
        if (buf_text(&text, system, err) ||
            (n && buf_format(&text, err, "\n\n%s", p->instructions[i].text))) {
            buf_release(&text);
            return -1;
        }
        own->composed[i] = buf_detach(&text);
    }
    return 0;
}

const char *roster_seat_instruction(const owned_seat *own, const char *prompt, size_t len)
{
    const persona *p = own->instructor;
    const char *text = p ? persona_instruction(p, prompt, len) : NULL;
    if (own->recorded)
        return own->recorded->instruction;
    for (int i = 0; own->composed && text && i < p->instruction_count; i++)
        if (p->instructions[i].text == text)
            return own->composed[i];
    return own->composed ? own->composed[0] : text;
}

/* Only what forbids can become a logit bias instead. */
static bool forbids(const member *m)
{
    for (int i = 0; i < m->mask_count; i++)
        if (mask_kind(m->masks[i]) != MASK_BIAS)
            return true;
    return false;
}

static uint32_t resting_rules(const member *m)
{
    const rule_list *rules = m->persona ? m->persona->rules : NULL;
    return rules ? rules_unmet(rules, (const char *const *)m->adapter_files, m->adapter_count) : 0;
}

static int add_seat(roster *r, const char *name, const member *m, bool instructed,
                    const router_program *program, error *err)
{
    const persona *p = m ? m->persona : NULL;
    const roster_options *o = r->options;
    owned_seat *own = &r->seats[r->seat_count++];
    own->instructor = instructed ? p : NULL;
    (void)snprintf(own->name, sizeof own->name, "%s", name);
    own->seat = (seat){.name = own->name,
                       .persona = p ? p->name : NULL,
                       .color = p ? p->color : NULL,
                       .program = program,
                       .sampling = roster_sampling(r, p),
                       .asked_experts = m && program ? m->asked_experts : 0,
                       .mask = program && m->mask_count ? mask_path(m->masks[0]) : NULL,
                       .masks = program ? m->mask_count : 0,
                       .forbids = program && forbids(m),
                       .mask_penalty = program && forbids(m) ? m->mask_penalty : 0,
                       .strength = program ? m->strength : 1,
                       .unmasked = m && m->unmasked,
                       .resting = program ? resting_rules(m) : 0,
                       .group = m ? m->group : -1};
    for (int i = 0; i < o->recorded_count; i++)
        if (strcmp(o->recorded[i].name, name) == 0)
            own->recorded = &o->recorded[i];
    if (own->recorded) {
        own->seat.sampling = own->recorded->sampling;
        own->seat.sampling.seed = o->sampling.seed;
    }
    if (o->system && *o->system && !own->recorded && compose_instructions(own, o->system, err))
        return -1;
    own->seat.instruction = roster_seat_instruction(own, o->prompt, o->prompt_len);
    /* The model's own words are not the persona's. */
    roster_acts_by(m && m->acts ? program : NULL, own->seat.instruction != NULL, own->acts_by);
    own->seat.acts_by = own->acts_by;
    own->fallback = own->recorded ? NULL : o->fallback;
    if (!own->seat.instruction)
        own->seat.instruction = own->fallback;
    return 0;
}

static int seat_member(roster *r, member *m, error *err)
{
    const roster_options *o = r->options;
    if (!m->persona)
        return add_seat(r, "model", m, false, m->program, err);
    m->instructed = !o->no_instruction && !(m->keeps && m->program);
    if (add_seat(r, m->column, m, m->instructed, m->program, err))
        return -1;
    char name[COLUMN_BYTES];
    if (o->control == CONTROL_PROMPT) {
        (void)snprintf(name, sizeof name, "%s:prompt", m->column);
        return add_seat(r, name, m, true, NULL, err);
    } else if (o->control == CONTROL_MASK) {
        (void)snprintf(name, sizeof name, "%s:mask", m->column);
        return add_seat(r, name, m, false, m->program, err);
    }
    return 0;
}

/* ---- public ------------------------------------------------------------------------------------ */

/* One sentence for all personas without a mask: what that means, and what helps. */
static int say_maskless(const roster *r, error *err)
{
    buf text = {0};
    int n = 0, result = 0;
    for (int i = 0; i < r->member_count && !result; i++)
        if (r->members[i].maskless && !r->members[i].program)
            result = buf_format(&text, err, "%s%s", n++ ? ", " : "", r->members[i].persona->name);
    if (!result && n)
        result = buf_format(&text, err,
                            " %s no mask for this model%s; `consilium personas derive "
                            "NAME -m MODEL` makes one",
                            n == 1 ? "has" : "have",
                            r->options->no_instruction ? ""
                            : n == 1                   ? " and acts by its instruction alone"
                                                       : " and act by their instructions alone");
    if (!result && n)
        roster_say(r, text.v);
    buf_release(&text);
    return result;
}

static int digest_adapters(roster *r, error *err)
{
    int n = r->options->adapter_count;
    r->digests = n ? calloc((size_t)n, sizeof *r->digests) : NULL;
    if (n && !r->digests)
        return error_memory(err, "the adapters");
    for (r->digest_count = 0; r->digest_count < n; r->digest_count++)
        adapter_digest(r->options->adapters[r->digest_count].path, r->digests[r->digest_count]);
    return 0;
}

static int open_router(roster *r, error *err)
{
    if (!r->options->router)
        return 0;
    r->hook = router_hook_load(r->options->router, engine_config(r->engine),
                               engine_tokenizer(r->engine), r->fingerprint, err);
    return r->hook ? 0 : error_prefix(err, "--router: ");
}

static int fill(roster *r, error *err)
{
    const roster_options *o = r->options;
    if (roster_open_tree(r, err) || digest_adapters(r, err))
        return -1;
    if (engine_config(r->engine)->experts && !(r->fingerprint = engine_fingerprint(r->engine, err)))
        return -1;
    if (open_router(r, err))
        return -1;
    size_t n = (size_t)r->tree.leaf_count;
    r->members = calloc(n ? n : 1, sizeof *r->members);
    r->seats = calloc(2 * n + 3 + (size_t)r->tree.group_count, sizeof *r->seats);
    if (!r->members || !r->seats)
        return error_memory(err, "the personas");
    for (size_t i = 0; i < n; i++)
        if (open_member(r, &r->tree.leaves[i], err))
            return -1;
    if (!n && open_member(r, NULL, err))
        return -1;
    if (say_maskless(r, err))
        return -1;
    for (int i = 0; i < r->member_count; i++)
        if (seat_member(r, &r->members[i], err))
            return -1;
    if (o->everyone && roster_seat_everyone(r, err))
        return -1;
    if (o->control == CONTROL_NONE && add_seat(r, "control", NULL, false, NULL, err))
        return -1;
    return roster_seat_groups(r, err);
}

roster *roster_open(engine *e, const roster_options *options, roster_note *note, void *user,
                    error *err)
{
    roster *r = calloc(1, sizeof *r);
    if (!r) {
        error_memory(err, "the personas");
        return NULL;
    }
    r->engine = e;
    r->options = options;
    r->note = note;
    r->note_user = user;
    if (fill(r, err)) {
        roster_close(r);
        return NULL;
    }
    return r;
}

void roster_close(roster *r)
{
    if (!r)
        return;
    router_program_close(r->everyone);
    for (int i = 0; i < r->member_count; i++) {
        member *m = &r->members[i];
        router_program_close(m->program);
        for (int j = 0; j < m->adapter_count; j++) {
            engine_remove_adapter(r->engine, m->adapters[j]);
            free(m->adapter_files[j]);
        }
        free(m->adapters);
        free(m->adapter_files);
        for (int j = 0; j < m->mask_count; j++)
            mask_close(m->masks[j]);
        free(m->masks);
    }
    for (int i = 0; i < r->seat_count; i++) {
        for (char **composed = r->seats[i].composed; composed && *composed; composed++)
            free(*composed);
        free(r->seats[i].composed);
    }
    router_hook_close(r->hook);
    persona_tree_close(&r->tree);
    free(r->groups);
    free(r->members);
    free(r->seats);
    free(r->digests);
    free(r);
}

int roster_seats(const roster *r)
{
    return r->seat_count;
}

const char *roster_router_digest(const roster *r)
{
    return r->hook ? router_hook_digest(r->hook) : "";
}

const char *roster_adapter_digest(const roster *r, int i)
{
    return i < r->digest_count ? r->digests[i] : "";
}

const seat *roster_seat(const roster *r, int i)
{
    return &r->seats[i].seat;
}

pass_options roster_pass(const roster *r, int i)
{
    const seat *s = &r->seats[i].seat;
    return (pass_options){
        .name = s->name, .key = r->seats[i].key, .program = s->program, .sampling = s->sampling};
}

const char *roster_instruction(const roster *r, int i, const char *prompt, size_t len)
{
    const char *text = roster_seat_instruction(&r->seats[i], prompt, len);
    return text ? text : r->seats[i].fallback;
}

bool seat_is_control(const seat *s)
{
    const char *slash = strrchr(s->name, '/');
    return !s->persona || strcmp(slash ? slash + 1 : s->name, s->persona) != 0;
}

int seat_least_allowed(const seat *s, const model_config *m)
{
    int least = s->asked_experts;
    for (int i = 0; i < m->layers; i++) {
        int allowed = s->program ? router_program_allowed(s->program, i) : m->experts;
        if (m->moe_layer[i] && allowed < least)
            least = allowed;
    }
    return least;
}
