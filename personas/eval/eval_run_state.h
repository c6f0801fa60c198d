/* eval_run_state.h - what the files behind eval_run.h share. */
#ifndef PERSONAS_EVAL_RUN_STATE_H
#define PERSONAS_EVAL_RUN_STATE_H

#include "eval_run.h"

enum { EVAL_PERSONAS = 32 };

/* What an arm has to say to one item. Texts lie in the slot's region. */
typedef struct eval_said {
    bool defined, tie;
    turn_text text;
    int chose;           /* of a choice item; else -1 */
    const double *score; /* [choices], or NULL */
    int tokens;
    pass_stop stop;
    int won;             /* persona, or -1 */
    const char *failure; /* or NULL */
    bool right;
    char value[EVAL_VALUE];
} eval_said;

/* One item on its way. */
typedef struct eval_slot {
    const eval_item *item;
    int first; /* of its passes in the council */
    uint64_t seed;
    chat_message question, again[3]; /* again: question, answer, and the request to check it */
    council_request *requests;       /* [passes of a slot] */
    turn_answer *replies;            /* [passes of a slot] */
    eval_said *said;                 /* [arms] */
    region memory;
} eval_slot;

struct eval_run {
    eval_options o;
    const eval_set *set;
    const eval_arms *arms;
    eval_results results;
    size_t *plan;
    size_t skipped;
    eval_record *record;
    council *council; /* slots * passes */
    int slots;
    /* The passes of a slot: personas that are needed, control, draws. -1: not there. */
    int passes;
    int of_persona[EVAL_PERSONAS]; /* index in the slot */
    int control, draws;            /* draws: of the first; as many as personas */
    int persona_count;
    const char *personas[EVAL_PERSONAS];
    evidence_table *evidence;        /* of this model, where an arm goes by it; else NULL */
    merge_method methods[EVAL_ARMS]; /* of merge arms, with auto decided */
    int rounds[EVAL_ARMS];
    double seconds[EVAL_ARMS]; /* of the group at hand */
};

/* Asks all passes of slots[0..n) whose items want a text. */
int eval_run_ask(eval_run *r, eval_slot *slots, int n, error *err);
/* Judges the choices of those that have some. */
int eval_run_choose(eval_run *r, eval_slot *slots, int n, error *err);
/* Control once more, of all slots that want it. */
int eval_run_correct(eval_run *r, eval_slot *slots, int n, int arm, error *err);
/* One merge of one slot, of texts or of choices. */
int eval_run_merge(eval_run *r, eval_slot *s, int arm, error *err);
/* The draws of a slot come to one answer. */
int eval_run_count_draws(eval_run *r, eval_slot *s, int arm, error *err);

/* Says of each arm whether it is right. */
int eval_run_judge(eval_run *r, eval_slot *s, error *err);
/* Puts a group on the record, and into the results. */
int eval_run_write(eval_run *r, const eval_slot *slots, int n, error *err);

/* Whether some arm needs the personas all together. */
bool eval_run_joins(const eval_run *r);

#endif
