/* gpu_plan.c - see gpu_plan.h. */
#include "gpu_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../screen/human.h"

enum { COUNCIL = 3 }; /* passes, when nobody says who speaks */

bool gpu_plan_wanted(const options *opt)
{
    return opt->gpu || (opt->backend && strcmp(opt->backend, "cuda") == 0);
}

/* ---- making ---------------------------------------------------------------------------------- */

static void add_card(gpu_plan *g, const char *name, uint64_t room)
{
    gpu_plan_card *card = &g->cards[g->card_count++];
    (void)snprintf(card->name, sizeof card->name, "%s", name);
    card->room = room;
    card->fit = memory_fit_of(&g->ask, room);
}

static void add_known(gpu_plan *g, const gpu_card *card)
{
    add_card(g, card->name, (uint64_t)(card->gib * 0x1p30 * MEMORY_USABLE));
}

/* The GPU of this machine, if its plug-in finds one. */
static void add_present(gpu_plan *g)
{
    char name[sizeof g->cards->name];
    uint64_t room;
    if (engine_memory_present(name, sizeof name, &room))
        add_card(g, name, room);
}

/* The personas that are named: their number, and what their programs allow. */
static int seat_personas(gpu_plan *g, engine *e, const options *opt, console *con, error *err)
{
    roster_options seats;
    if (ask_options_read(&g->how, opt, err) || ask_options_roster(&g->how, opt, e, &seats, err))
        return -1;
    seats.prompt = "";
    g->seats = roster_open(e, &seats, console_sentence, con, err);
    if (!g->seats)
        return -1;
    int n = roster_seats(g->seats);
    bool all = false;
    g->ask.passes = n;
    g->programs = calloc((size_t)n, sizeof(router_program *));
    if (!g->programs)
        return error_memory(err, "the plan");
    for (int i = 0; i < n; i++) {
        g->programs[i] = roster_seat(g->seats, i)->program;
        all = all || !g->programs[i];
    }
    g->ask.programs = g->programs;
    g->ask.program_count = all ? 0 : n;
    return 0;
}

int gpu_plan_make(gpu_plan *g, engine *e, const options *opt, int context, dtype kv, console *con,
                  error *err)
{
    gpu_card named;
    *g = (gpu_plan){.ask = engine_memory_ask(e, COUNCIL, context, kv)};
    if ((opt->gpu && gpu_card_find(opt->gpu, &named, err)) ||
        (opt->personas && seat_personas(g, e, opt, con, err)))
        return -1;
    g->plan = memory_plan_of(&g->ask);
    uint64_t one = g->ask.weights->expert_bytes * (uint64_t)g->ask.weights->moe_layers;
    if (g->ask.program_count && one)
        g->allowed = (int)((g->plan.experts + one / 2) / one);
    if (opt->gpu) {
        add_known(g, &named);
        return 0;
    }
    add_present(g);
    for (int i = 0; i < GPU_CARDS; i++)
        add_known(g, &gpu_cards[i]);
    return 0;
}

void gpu_plan_release(gpu_plan *g)
{
    roster_close(g->seats);
    ask_options_release(&g->how);
    free(g->programs);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void tell_parts(const gpu_plan *g, char *text, size_t size)
{
    char dense[HUMAN_TEXT], experts[HUMAN_TEXT], work[HUMAN_TEXT], some[48] = "";
    if (g->allowed)
        (void)snprintf(some, sizeof some, " (%d of %d a layer)", g->allowed,
                       g->ask.config->experts);
    (void)snprintf(text, size, "weights %s and experts %s%s; work %s",
                   human_bytes(dense, g->plan.dense), human_bytes(experts, g->plan.experts), some,
                   human_bytes(work, g->plan.work));
}

static void tell_card(const gpu_plan *g, const gpu_plan_card *card, char *text, size_t size)
{
    uint64_t all = memory_plan_total(&g->plan);
    char room[HUMAN_TEXT], rest[HUMAN_TEXT], would[256];
    human_bytes(room, card->room);
    if (all <= card->room) {
        (void)snprintf(text, size, "fits %s: %s are left", room,
                       human_bytes(rest, card->room - all));
        return;
    }
    memory_fit_text(&card->fit, &g->ask, would, sizeof would);
    (void)snprintf(text, size, "does not fit %s; %s%s", room,
                   would[0] ? "would fit: " : "nothing alone would make it fit", would);
}

bool gpu_plan_line(const gpu_plan *g, int line, const char **label, char *text, size_t size)
{
    char all[HUMAN_TEXT], pages[HUMAN_TEXT];
    *label = line == 0 ? "on a GPU" : "";
    if (line == 0) {
        (void)snprintf(text, size, "%s for %d pass%s of %d tokens, %s of it their keys and values",
                       human_bytes(all, memory_plan_total(&g->plan)), g->ask.passes,
                       g->ask.passes == 1 ? "" : "es", g->ask.context,
                       human_bytes(pages, g->plan.pages));
    } else if (line == 1) {
        tell_parts(g, text, size);
    } else if (line - 2 < g->card_count) {
        *label = g->cards[line - 2].name;
        tell_card(g, &g->cards[line - 2], text, size);
    }
    return line - 2 < g->card_count;
}

static void put_fit(json_writer *w, const memory_fit *fit)
{
    json_begin_object(w, "would_fit");
    json_put_int(w, "context", fit->context);
    json_put_bool(w, "kv_q8_0", fit->q8_0);
    json_put_text(w, "weights", fit->type != DTYPE_COUNT ? dtype_describe(fit->type)->name : NULL);
    json_put_int(w, "experts", fit->experts);
    json_end(w);
}

void gpu_plan_json(const gpu_plan *g, json_writer *w)
{
    json_begin_object(w, "gpu");
    json_put_int(w, "passes", g->ask.passes);
    json_put_count(w, "bytes", memory_plan_total(&g->plan));
    json_put_count(w, "weight_bytes", g->plan.dense);
    json_put_count(w, "expert_bytes", g->plan.experts);
    json_put_count(w, "kv_bytes", g->plan.pages);
    json_put_count(w, "work_bytes", g->plan.work);
    json_begin_array(w, "cards");
    for (int i = 0; i < g->card_count; i++) {
        const gpu_plan_card *card = &g->cards[i];
        bool fits = memory_plan_total(&g->plan) <= card->room;
        json_begin_object(w, NULL);
        json_put_text(w, "name", card->name);
        json_put_count(w, "room_bytes", card->room);
        json_put_bool(w, "fits", fits);
        if (!fits)
            put_fit(w, &card->fit);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}
