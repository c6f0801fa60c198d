/* command_personas_check.c - would `ask` take this persona, and what may it call?
 *
 * The same code reads it as for `ask`, so what passes here passes there: the persona's file, its
 * lessons, what `personas new` left to be replaced, its experts. With a model at hand it is
 * seated, too, and its router program is then read layer by layer; layers with the same experts
 * become one run (each_run()), as text or as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/ranges.h"
#include "../options/examples.h"
#include "../options/open_lessons.h"
#include "../screen/safe_text.h"
#include "commands.h"
#include "personas_group.h"
#include "personas_measure.h"
#include "personas_model.h"

enum { LAYERS_TEXT = 4 * MODEL_MAX_LAYERS };

typedef struct check {
    persona *persona;
    size_t *lessons;  /* [persona->lesson_count] how many each file holds */
    adapter *adapter; /* what its experts file holds, or NULL */
    engine *engine;   /* NULL when there is no model at hand */
    roster *roster;
    const char *title;
    char *mask;    /* path, or NULL */
    bool measures; /* figures are asked for: */
    measured measured;
} check;

/* ---- reading ----------------------------------------------------------------------------------- */

static int read_lessons(check *c, console *con, error *err)
{
    int n = c->persona->lesson_count;
    c->lessons = calloc((size_t)n + 1, sizeof *c->lessons);
    if (!c->lessons)
        return error_memory(err, "the lessons");
    for (int i = 0; i < n; i++) {
        lessons l = {0};
        int result = open_lessons(c->persona->lessons[i].text, &l, con, err);
        c->lessons[i] = l.len;
        lessons_release(&l);
        if (result)
            return -1;
    }
    return 0;
}

/* "instruction" too, in whatever language it stands. */
static bool still_instructs(const persona *p, const buf *template)
{
    for (int i = 0; i < p->instruction_count; i++)
        if (strcmp(p->instructions[i].text, template->v) == 0)
            return true;
    return false;
}

/* What `personas new` wrote for somebody else to replace. */
static int check_words(const persona *p, error *err)
{
    buf about = {0}, instruction = {0};
    int result =
        example_about(p->name, &about, err) || example_instruction(p->name, &instruction, err) ? -1
                                                                                               : 0;
    bool same_about = !result && p->about && strcmp(p->about, about.v) == 0;
    bool same_words = !result && still_instructs(p, &instruction);
    if (same_about || same_words)
        result =
            error_set(err, ERROR_LOAD,
                      "%s: %s%s%s: still as `personas new` wrote %s; put words of your own "
                      "there",
                      p->path, same_about ? "about" : "", same_about && same_words ? ", " : "",
                      same_words ? "instruction" : "", same_about && same_words ? "them" : "it");
    buf_release(&about);
    buf_release(&instruction);
    return result;
}

/* Words and lessons: somebody who has just begun hears of both at once. */
static int check_texts(check *c, console *con, error *err)
{
    error words = {0};
    bool unwritten = check_words(c->persona, &words) != 0;
    if (read_lessons(c, con, err)) {
        if (unwritten)
            console_loss(con, "%s", words.text);
        return -1;
    }
    if (unwritten && err)
        *err = words;
    return unwritten ? -1 : 0;
}

static int read_own(check *c, const options *opt, error *err)
{
    if (c->persona->experts)
        c->adapter = adapter_open_within(c->persona->experts, open_model_adapter_bytes(opt), err);
    return c->persona->experts && !c->adapter ? -1 : 0;
}

static int seat_on_model(check *c, const options *opt, console *con, error *err)
{
    if (personas_model(opt, con, &c->engine, err))
        return -1;
    if (!c->engine && c->measures)
        c->engine = open_model(opt, con, err); /* says what to do when there is none */
    if (!c->engine)
        return c->measures ? -1 : 0;
    c->title = open_model_title(opt, c->engine);
    if (engine_config(c->engine)->experts) {
        const char *fingerprint = engine_fingerprint(c->engine, err);
        if (!fingerprint || persona_find_mask(c->persona, fingerprint, &c->mask, err))
            return -1;
    }
    c->roster = personas_seat(c->engine, c->persona, console_sentence, con, err);
    return c->roster ? 0 : -1;
}

/* ---- experts by layer -------------------------------------------------------------------------- */

/* The layers that the persona's own experts stand in, "10-29". */
static void adapter_layers(const adapter *own, char *out, int size)
{
    uint8_t layers[MODEL_MAX_LAYERS] = {0};
    for (int i = 0; i < own->layer_count; i++)
        layers[own->layers[i].layer] = 1;
    (void)ranges_write(layers, MODEL_MAX_LAYERS, out, size);
}

static bool same_experts(const router_program *p, int a, int b)
{
    const layer_routing *x = &router_program_routing(p)[a], *y = &router_program_routing(p)[b];
    int experts = router_program_experts(p, a);
    if (experts != router_program_experts(p, b) || !x->allowed != !y->allowed)
        return false;
    return !x->allowed || memcmp(x->allowed, y->allowed, (size_t)experts) == 0;
}

/* "0-7, 24-31" or "all 32". Caller frees. */
static char *experts_text(const layer_routing *r, int experts)
{
    enum { WIDE = 1 << 14 };
    char *text = calloc(WIDE, 1);
    if (text && r && r->allowed)
        (void)ranges_write(r->allowed, experts, text, WIDE);
    else if (text)
        (void)snprintf(text, WIDE, "all %d", experts);
    return text;
}

static uint32_t resting(const check *c)
{
    return c->roster ? roster_seat(c->roster, 0)->resting : 0;
}

/* "rules[0], rules[2]" */
static int resting_text(const check *c, buf *out, error *err)
{
    for (int i = 0; i < RULES_MAX; i++)
        if (resting(c) >> i & 1 && buf_format(out, err, "%srules[%d]", out->len ? ", " : "", i))
            return -1;
    return 0;
}

typedef int layers_fn(void *user, const char *layers, int allowed, const char *experts, error *err);

/* Calls fn for each run of layers that allow the same experts. */
static int each_run(const check *c, layers_fn *fn, void *user, error *err)
{
    const model_config *m = engine_config(c->engine);
    const router_program *p = roster_seat(c->roster, 0)->program;
    for (int i = 0, next; i < m->layers; i = next) {
        next = i + 1;
        if (!m->moe_layer[i])
            continue;
        while (next < m->layers && m->moe_layer[next] && (!p || same_experts(p, i, next)))
            next++;
        char layers[32];
        (void)snprintf(layers, sizeof layers, i + 1 == next ? "%d" : "%d-%d", i, next - 1);
        char *text = p ? experts_text(&router_program_routing(p)[i], router_program_experts(p, i))
                       : experts_text(NULL, m->experts);
        int result =
            text ? fn(user, layers, p ? router_program_allowed(p, i) : m->experts, text, err)
                 : error_memory(err, "the experts");
        free(text);
        if (result)
            return -1;
    }
    return 0;
}

/* ---- printing ---------------------------------------------------------------------------------- */

static int json_run(void *user, const char *layers, int allowed, const char *experts, error *err)
{
    json_writer *e = user;
    (void)err;
    json_begin_object(e, NULL);
    json_put_text(e, "layers", layers);
    json_put_int(e, "allowed", allowed);
    json_put_text(e, "experts", experts);
    json_end(e);
    return 0;
}

static void put_adapter(const check *c, json_writer *e)
{
    char layers[LAYERS_TEXT];
    if (!c->adapter) {
        json_put_null(e, "own_experts");
        return;
    }
    adapter_layers(c->adapter, layers, sizeof layers);
    json_begin_object(e, "own_experts");
    json_put_int(e, "experts", adapter_most_added(c->adapter));
    json_put_text(e, "layers", layers);
    json_put_text(e, "path", c->persona->experts);
    json_end(e);
}

static int print_json(const check *c, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "persona", c->persona->name);
    json_put_text(&e, "path", c->persona->path);
    json_begin_array(&e, "lessons");
    for (int i = 0; i < c->persona->lesson_count; i++)
        json_put_count(&e, NULL, c->lessons[i]);
    json_end(&e);
    put_adapter(c, &e);
    json_put_text(&e, "mask", c->mask);
    json_put_text(&e, "acts_by", c->roster ? roster_seat(c->roster, 0)->acts_by : NULL);
    json_begin_array(&e, "resting_rules");
    for (int i = 0; i < RULES_MAX; i++)
        if (resting(c) >> i & 1)
            json_put_int(&e, NULL, i);
    json_end(&e);
    json_begin_array(&e, "allowed");
    int result =
        c->roster && engine_config(c->engine)->experts ? each_run(c, json_run, &e, err) : 0;
    json_end(&e);
    if (c->measures)
        measured_put_json(&c->measured, &e);
    else
        json_put_null(&e, "measured");
    json_end(&e);
    if (!result)
        result = console_json(con, &e, err);
    buf_release(&b);
    return result;
}

static int text_run(void *user, const char *layers, int allowed, const char *experts, error *err)
{
    return buf_format(user, err, "  layers %-8s %4d experts: %s\n", layers, allowed, experts);
}

static int add_model(const check *c, const console *con, buf *b, error *err)
{
    const model_config *m = engine_config(c->engine);
    if (buf_format(b, err, "  acts by %s on ", roster_seat(c->roster, 0)->acts_by) ||
        console_quote(con, b, c->title, err))
        return -1;
    if (!m->experts)
        return buf_text(b, ", a dense model: there are no experts to choose\n", err);
    if (buf_format(b, err, " (%d layers, %d experts, %d a token)\n", m->layers, m->experts,
                   m->experts_per_token) ||
        (c->mask && (buf_text(b, "  mask ", err) || console_quote(con, b, c->mask, err) ||
                     buf_text(b, "\n", err))))
        return -1;
    if (resting(c)) {
        buf list = {0};
        int result =
            resting_text(c, &list, err) ||
            buf_format(b, err, "  without %s: what is said of an adapter does not hold here\n",
                       list.v);
        buf_release(&list);
        if (result)
            return -1;
    }
    return each_run(c, text_run, b, err);
}

/* "8 own experts in layers 10-29: FILE" */
static int add_own(const check *c, const console *con, buf *b, error *err)
{
    char layers[LAYERS_TEXT];
    int n = c->adapter ? adapter_most_added(c->adapter) : 0;
    if (!c->adapter)
        return 0;
    adapter_layers(c->adapter, layers, sizeof layers);
    if (buf_format(b, err, "  %d own expert%s in layer%s %s: ", n, n == 1 ? "" : "s",
                   strpbrk(layers, ",-") ? "s" : "", layers) ||
        console_quote(con, b, c->persona->experts, err))
        return -1;
    return buf_text(b, "\n", err);
}

static int add_measured(const check *c, const console *con, buf *b, error *err)
{
    text_writer w = {.out = b, .err = err};
    if (c->measures)
        measured_put_text(&c->measured, con, &w);
    return w.failed ? -1 : 0;
}

static int print_text(const check *c, console *con, error *err)
{
    buf b = {0};
    const persona *p = c->persona;
    int result = buf_format(&b, err, "%s%s%s is in order: ", console_bold(con), p->name,
                            console_reset(con)) ||
                 console_quote(con, &b, p->path, err) || buf_text(&b, "\n", err);
    for (int i = 0; i < p->lesson_count && !result; i++)
        result = buf_format(&b, err, "  %zu lesson%s in ", c->lessons[i],
                            c->lessons[i] == 1 ? "" : "s") ||
                 console_quote(con, &b, p->lessons[i].text, err) || buf_text(&b, "\n", err);
    int rules = p->rules ? rules_count(p->rules) : 0;
    if (!result && rules)
        result = buf_format(&b, err, "  %d rule%s\n", rules, rules == 1 ? "" : "s");
    if (!result)
        result = add_own(c, con, &b, err);
    if (!result && c->roster)
        result = add_model(c, con, &b, err);
    if (!result)
        result = add_measured(c, con, &b, err);
    if (!result)
        result = console_text(con, &b, err);
    buf_release(&b);
    if (!result && !c->roster)
        console_note(con, "no model at hand: masks and rules were not held against one (-m MODEL)");
    return result ? -1 : 0;
}

int command_personas_check(const options *opt, console *con, error *err)
{
    check c = {.persona = persona_find(opt->words[0], err),
               .measures = personas_measure_wanted(opt)};
    if (c.persona && c.persona->group)
        return personas_check_group(c.persona, opt, con, err);
    int result = c.persona ? check_texts(&c, con, err) : -1;
    if (!result)
        result = read_own(&c, opt, err) || seat_on_model(&c, opt, con, err) ? -1 : 0;
    if (!result && c.measures)
        result = personas_measure(opt, con, c.engine, c.persona, roster_seat(c.roster, 0)->program,
                                  &c.measured, err);
    if (!result)
        result = options_want_json(opt) ? print_json(&c, con, err) : print_text(&c, con, err);
    measured_release(&c.measured);
    roster_close(c.roster);
    engine_close(c.engine);
    adapter_close(c.adapter);
    free(c.mask);
    free(c.lessons);
    persona_close(c.persona);
    return result;
}
