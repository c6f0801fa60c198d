/* routing_options.h - what --mask, --adapter, --experts and --strength ask for, by persona or for all.
 *
 * Four options say how passes are routed, and each may name whom it means: "--experts 4" is for
 * every pass but control, "--experts coder=8,critic=2" for these two. The words are taken apart
 * here, without a model; whether they fit one is the roster's to say.
 *
 * `ask` seats several personas by them. Commands that run one pass (logits, perplexity) seat one
 * persona or none: then the options speak of the plain model.
 */
#ifndef REPL_ROUTING_OPTIONS_H
#define REPL_ROUTING_OPTIONS_H

#include "../../personas/roster/roster.h"
#include "../screen/console.h"
#include "options.h"

typedef struct routing_options {
    named_mask *masks;
    named_adapter *adapters;
    named_value *experts; /* below 0 = minus a multiple of the model's own number */
    named_value *strengths;
    int norm_width;      /* below 0 = minus a multiple, in thousandths */
    int *by_layer;       /* [MODEL_MAX_LAYERS] those of --experts, likewise; NULL = none */
    router_knobs *knobs; /* NULL = none was turned */
    const char *router;  /* borrowed of the options; NULL = none */
    int mask_count, adapter_count, expert_count, strength_count;
    /* the counts as numbers of the model that was last filled in, and so the knobs */
    named_value *called;
    int *called_by_layer;
    /* what the lists point into */
    char *mask_text, *adapter_text, *expert_text, *strength_text;
} routing_options;

/* Reads the four options. ERROR_USAGE with the option, the value and what would be right.
 * routing_options_release in any case. */
int routing_options_read(routing_options *r, const options *opt, error *err);
void routing_options_release(routing_options *r);

/* Takes out what is said of one persona: it shall not speak after all. */
void routing_options_remove(routing_options *r, const char *name);

/* Sets the fields of *o that these options decide, with multiples as numbers of the model's. *o borrows from
 * r until it is filled again, and r must outlive the roster's opening. */
void routing_options_fill(const routing_options *r, const model_config *m, roster_options *o);

/* Commands that run one pass, before they open a model: as routing_options_read, and ERROR_USAGE for
 * more than one name in --personas. */
int routing_options_check(const options *opt, error *err);

/* The one pass that logits and perplexity run: --personas NAME, or no persona, with what the options
 * ask; no instruction. Its program is roster_seat(., 0)->program. Caller closes, after the session.
 * Errors as roster_open. */
roster *routing_options_seat(const options *opt, engine *e, console *con, error *err);

#endif
