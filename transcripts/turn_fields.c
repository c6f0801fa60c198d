/* turn_fields.c - see turn_fields.h. */
#include "turn_fields.h"

#define ROWS(list) (list), sizeof(list) / sizeof *(list)

#define T(member) offsetof(struct turn, member)
static const field prompt_rows[] = {
    {"time", FIGURE, T(time), 1e11},
    {"text", BYTES, T(prompt), 0},
    {"context", CONTEXT, T(context), 0},
    {"only", WORD, T(only), 0},
    {"from", FROM, T(from), 0},
    {"reach", NUMBER, T(reach), TURN_NUMBER_MOST},
    {"shared", FLAG, T(shared), 0},
    {"blind", FLAG, T(blind), 0},
    {"seed", SEED, T(seed), 0},
    {"timings", TIMINGS, T(timings), 0},
    {"turn", NUMBER, T(number), -1},
    {"parent", NUMBER, T(parent), -1},
    {"prompt", BYTES, T(prompt), -1},
    {"prefill", PREFILL, T(shared), -1},
    {"undone", FLAG, T(undone), -1},
    {"picked", WORD, T(picked), -1},
    {"picks", PICKS, 0, -1},
};
static const field_table prompts = {
    ROWS(prompt_rows),
    {"text context from reach? shared only? seed timings", NULL,
     "turn parent time prompt context only from prefill blind undone picked picks seed timings"}};
static const field timings_rows[] = {
    {"prefill", FIGURE, offsetof(turn_timings, prefill), 1e9},
    {"decode", FIGURE, offsetof(turn_timings, decode), 1e9},
    {"union_experts_per_step", FIGURE, offsetof(turn_timings, union_experts_per_step), 1e9},
    {"picks_per_step", FIGURE, offsetof(turn_timings, picks_per_step), 1e9},
};
#define TIMES "prefill decode union_experts_per_step picks_per_step"
static const field_table timings = {ROWS(timings_rows), {TIMES, TIMES, TIMES}};

#define A(member) offsetof(turn_answer, member)
static const field answer_rows[] = {
    {"persona", WORD, A(name), 0},
    {"acts_by", WORD, A(acts_by), 0},
    {"color", WORD, A(color), 0},
    {"stop", STOP, A(stop), 0},
    {"failure", WORD, A(failure), 0},
    {"program", HASH, A(program), 0},
    {"prompt_hash", HASH, A(prompt_hash), 0},
    {"text", BYTES, A(text), 0},
    {"thought", BYTES, A(thought), 0},
    {"tokens", IDS, A(ids), TURN_TOKENS_MOST},
    {"continued", NUMBER, A(continued), TURN_TOKENS_MOST},
    {"prompt_tokens", NUMBER, A(prompt_tokens), TURN_TOKENS_MOST},
    {"seed", SEED, A(seed), 0},
    {"seconds", FIGURE, A(seconds), 1e9},
    {"tokens_per_second", FIGURE, A(tokens_per_second), 1e9},
    {"asked_experts", NUMBER, A(asked_experts), TURN_EXPERTS_MOST},
    {"least_allowed", NUMBER, A(least_allowed), TURN_EXPERTS_MOST},
    {"routing", ROUTING, 0, 0},
    {"merge", JOINED, A(joined), 0},
    {"error", WORD, A(failure), -1},
    {"in_force", CURRENT, 0, -1},
};
static const field_table answers = {
    ROWS(answer_rows),
    {"persona acts_by color? text thought? tokens continued? prompt_tokens prompt_hash stop "
     "failure? seed program seconds tokens_per_second asked_experts? least_allowed? routing merge?",
     "persona text tokens prompt_tokens stop seed seconds tokens_per_second acts_by routing "
     "thought? error? merge?",
     "persona in_force text thought? tokens prompt_tokens stop error? seed seconds "
     "tokens_per_second acts_by color program prompt_hash asked_experts least_allowed routing "
     "merge?"}};
/* A share is a sum of floats, which may be a little above 1. */
static const field routing_rows[] = {
    {"allowed", IDS, A(allowed), TURN_EXPERTS_MOST},
    {"used", IDS, A(used), TURN_EXPERTS_MOST},
    {"banned_mass", FIGURE, A(banned_mass), 1.01},
};
#define ROUTE "allowed used banned_mass"
static const field_table routing = {ROWS(routing_rows), {ROUTE, ROUTE, ROUTE}};

#define M(member) offsetof(turn_merge, member)
static const field merge_rows[] = {
    {"method", WORD, M(method), 0},
    {"by", WORD, M(by), 0},
    {"note", WORD, M(note), 0},
    {"failure", WORD, M(failure), 0},
    {"stop", STOP, M(stop), 0},
    {"text", BYTES, M(text), 0},
    {"tie", FLAG, M(tie), 0},
    {"seconds", FIGURE, M(seconds), 1e9},
    {"seed", SEED, M(seed), 0},
    {"of", NAMES, M(of), 0},
    {"winner", WINNER, M(winner), 0},
    {"tokens", IDS, M(ids), TURN_TOKENS_MOST},
    {"scores", SCORES, M(scores), 0},
    {"shares", SHARES, M(shares), 0},
    {"divergence", DIVERGENCE, M(divergence), 0},
    {"basis", WORD, M(basis), 0},
    {"verifier", HASH, M(verifier), 0},
    {"revised", REVISED, M(revised), 0},
    {"error", WORD, M(failure), -1},
};
static const field_table merges = {
    ROWS(merge_rows),
    {"method of seed by winner note text tokens scores? shares? basis? verifier? tie? divergence? "
     "revised? stop seconds",
     "method by text scores shares? basis? verifier? tie? revised? divergence? stop? note?",
     "method by winner text tokens of scores shares? basis? verifier? tie? revised? divergence? "
     "note? error? seed seconds"}};
static const field_table failed_merges = {ROWS(merge_rows), {"method of seed failure", NULL, NULL}};
#define WITHIN "method of by winner note scores? shares? basis? verifier? tie? divergence? revised?"
static const field joined_rows[] = {
    {"method", WORD, M(method), 0},   {"by", WORD, M(by), 0},
    {"note", WORD, M(note), 0},       {"of", NAMES, M(of), 0},
    {"winner", WINNER, M(winner), 0}, {"scores", SCORES, M(scores), 0},
    {"shares", SHARES, M(shares), 0}, {"divergence", DIVERGENCE, M(divergence), 0},
    {"basis", WORD, M(basis), 0},     {"verifier", HASH, M(verifier), 0},
    {"tie", FLAG, M(tie), 0},         {"revised", REVISED, M(revised), 0},
};
static const field_table joined = {ROWS(joined_rows), {WITHIN, WITHIN, WITHIN}};

const field_table *turn_fields(turn_part part)
{
    static const field_table *const tables[] = {&prompts, &timings,       &answers, &routing,
                                                &merges,  &failed_merges, &joined};
    return tables[part];
}
