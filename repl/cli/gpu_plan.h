/* gpu_plan.h - what a model takes of a GPU's memory, for `model info`.
 *
 * The plan of engine/run/memory_plan.h, told for one card that --gpu names, or for the one of this machine
 * and those that people have. No GPU is needed: the model is opened on the CPU, and a GPU that is here is
 * asked for its free memory alone.
 */
#ifndef REPL_GPU_PLAN_H
#define REPL_GPU_PLAN_H

#include "../../engine/base/json_writer.h"
#include "../../engine/run/engine_memory.h"
#include "../../personas/roster/roster.h"
#include "../options/ask_options.h"
#include "../options/options.h"
#include "../screen/console.h"
#include "gpu_cards.h"

enum { GPU_PLAN_CARDS = GPU_CARDS + 1 };

typedef struct gpu_plan_card {
    char name[128];
    uint64_t room;
    memory_fit fit; /* where it does not */
} gpu_plan_card;

typedef struct gpu_plan {
    memory_ask ask;
    memory_plan plan;
    gpu_plan_card cards[GPU_PLAN_CARDS];
    int card_count;
    ask_options how; /* of the personas that are named, */
    roster *seats;   /* and these; NULL = none */
    const router_program **programs;
    int allowed; /* experts a layer that programs may call, the mean; 0 = all */
} gpu_plan;

/* Whether --backend cuda or --gpu asks for it. */
bool gpu_plan_wanted(const options *opt);
/* e: opened on the CPU. Release in any case, before the engine is closed. */
int gpu_plan_make(gpu_plan *g, engine *e, const options *opt, int context, dtype kv, console *con,
                  error *err);
void gpu_plan_release(gpu_plan *g);

/* A line of it for people, [size]; false when there is none of that number. label: borrowed. */
bool gpu_plan_line(const gpu_plan *g, int line, const char **label, char *text, size_t size);
void gpu_plan_json(const gpu_plan *g, json_writer *w);

#endif
