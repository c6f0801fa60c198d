/* merge.c - choosing and running a merge; merge.h says what each one does, merge_table.h which there are.
 *
 * A merge is a function of the round: what was asked, what was replied, the options. What several of
 * them need stands here: the replies as texts that can win or not (candidates), quotes that fit the
 * context by one rule, weights of judges. Each has a file of its own, merge_NAME.c.
 */
#include "merge.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../council/loop.h"
#include "merge_state.h"

typedef struct method_row {
    const char *name;
    int (*run)(const merging *m, turn_merge *out, error *err);
    int needs;
} method_row;

#define MERGE_METHOD(id, name, written, run, needs) [id] = {name, run, needs},
static const method_row METHODS[] = {
    [MERGE_AUTO] = {"auto", NULL, MERGE_BY_CHAIR | MERGE_READS_SCORES},
    [MERGE_NONE] = {"none", NULL, 0},
    MERGE_TABLE(MERGE_METHOD, MERGE_METHOD, MERGE_METHOD)};

const char *merge_name(merge_method m)
{
    return METHODS[m].name;
}

bool merge_needs(merge_method m, int need)
{
    return (METHODS[m].needs & need) != 0;
}

bool merge_took_one(const char *name)
{
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
        if (strcmp(METHODS[i].name, name) == 0)
            return (METHODS[i].needs & MERGE_TAKES_ONE) != 0;
    return false;
}

/* ":1" to ":9" behind a name. */
static bool read_rounds(const char *text, int *rounds)
{
    if (text[0] != ':' || text[1] < '1' || text[1] > '9' || text[2] != '\0')
        return false;
    *rounds = text[1] - '0';
    return true;
}

/* "must be auto, synth, ..., blend or none" */
static int refuse(const char *text, error *err)
{
    char list[256] = "auto";
    for (size_t i = MERGE_NONE + 1; i < sizeof METHODS / sizeof *METHODS; i++) {
        size_t used = strlen(list);
        (void)snprintf(list + used, sizeof list - used, ", %s%s", METHODS[i].name,
                       METHODS[i].needs & MERGE_BY_ROUNDS ? "[:1-9]" : "");
    }
    return error_set(err, ERROR_USAGE, "merge \"%.40s\": must be %s or none", text, list);
}

int merge_parse(const char *text, merge_method *method, int *rounds, error *err)
{
    *rounds = 1;
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++) {
        size_t n = strlen(METHODS[i].name);
        if (strncmp(text, METHODS[i].name, n) != 0)
            continue;
        *method = (merge_method)i;
        if (text[n] == '\0' ||
            (merge_needs(*method, MERGE_BY_ROUNDS) && read_rounds(text + n, rounds)))
            return 0;
    }
    return refuse(text, err);
}

/* ---- parties ----------------------------------------------------------------------------------- */

int merge_each_pass(merging *m, error *err)
{
    size_t n = (size_t)council_passes(m->council);
    m->own = calloc(n + 1, sizeof *m->own + sizeof(merge_backing));
    if (!m->own)
        return error_memory(err, "a merge");
    merge_backing *behind = (merge_backing *)(m->own + n + 1);
    for (size_t i = 0; i < n; i++) {
        behind[i] = (merge_backing){(int)i, 1};
        m->own[i] =
            (merge_party){council_name(m->council, (int)i), &m->round->replies[i], &behind[i], 1};
    }
    m->parties = m->own;
    m->count = (int)n;
    return 0;
}

void merge_release(merging *m)
{
    free(m->own);
    m->own = NULL;
}

void merge_by_party(const merging *m, const double *passes, double *parties)
{
    for (int i = 0; i < m->count; i++) {
        const merge_party *p = &m->parties[i];
        double sum = 0, known = 0;
        for (int k = 0; k < p->count; k++) {
            double v = passes[p->behind[k].pass];
            sum += isnan(v) ? 0 : p->behind[k].weight * v;
            known += isnan(v) ? 0 : p->behind[k].weight;
        }
        parties[i] = known > 0 ? sum / known : NAN;
    }
}

void merge_weigh_passes(const merging *m, const double *parties, const double *able, double *passes)
{
    memset(passes, 0, (size_t)council_passes(m->council) * sizeof *passes);
    for (int i = 0; i < m->count; i++) {
        const merge_party *p = &m->parties[i];
        double known = 0;
        for (int k = 0; k < p->count; k++)
            known += !able || isfinite(able[p->behind[k].pass]) ? p->behind[k].weight : 0;
        for (int k = 0; k < p->count && known > 0; k++)
            if (!able || isfinite(able[p->behind[k].pass]))
                passes[p->behind[k].pass] = parties[i] * (p->behind[k].weight / known);
    }
}

/* ---- what the merges share --------------------------------------------------------------------- */

/* Replies as text again, one behind the other. */
static int mend_replies(const merging *m, merge_candidate *candidates, buf *texts, error *err)
{
    int n = m->count;
    buf_clear(texts);
    for (int i = 0; i < n; i++) {
        size_t from = texts->len;
        const turn_text *said = &m->parties[i].reply->text;
        if (buf_mend(texts, said->v, said->len, err))
            return -1;
        candidates[i].len = texts->len - from;
    }
    const char *at = texts->v;
    for (int i = 0; i < n; at += candidates[i++].len)
        candidates[i].text = at;
    return 0;
}

static int bar_candidate(const council *c, merge_candidate *b, pass_stop stop, error *err)
{
    int need = council_settings(c)->loop;
    /* One that was let go on, or stopped by somebody else, may loop all the same. */
    int loops = loop_ends(engine_tokenizer(council_engine(c)), b->text, b->len,
                          need > 0 ? need : LOOP_TOKENS, err);
    b->barred = loops || stop == STOP_LOOP || stop == STOP_ERROR || b->len == 0;
    return loops < 0 ? -1 : 0;
}

merge_candidate *merge_candidates(const merging *m, buf *texts, error *err)
{
    int n = m->count;
    merge_candidate *b = calloc((size_t)n, sizeof *b);
    if (!b) {
        error_memory(err, "a merge");
        return NULL;
    }
    int result = mend_replies(m, b, texts, err);
    for (int i = 0; i < n && !result; i++)
        result = bar_candidate(m->council, &b[i], m->parties[i].reply->stop, err);
    if (!result)
        return b;
    free(b);
    return NULL;
}

int merge_set_text(const merging *m, turn_merge *out, const char *text, size_t len, error *err)
{
    out->text = (turn_text){region_keep(m->memory, text, len, err), len};
    return out->text.v ? 0 : -1;
}

int merge_set_note(const merging *m, turn_merge *out, error *err, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    out->note = region_keep_text(m->memory, text, err);
    return out->note ? 0 : -1;
}

/* Behind the last sentence that fits, else behind the last word. */
static size_t end_within(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    static const char ends[] = {'.', '!', '?', ':', '\n'};
    size_t sentence = 0, word = 0;
    for (size_t i = 0; i < most; i++) {
        if (text[i] == ' ' || text[i] == '\n') {
            word = i;
            if (i > 0 && memchr(ends, text[i - 1], sizeof ends))
                sentence = i;
        }
    }
    return sentence > most / 2 ? sentence : word;
}

int merge_quote(buf *out, const char *text, size_t len, size_t most, int *cut, error *err)
{
    size_t n = end_within(text, len, most);
    *cut += n < len;
    if (buf_add(out, text, n, err))
        return -1;
    return n < len ? buf_text(out, " [cut]", err) : 0;
}

int merge_reserve(const council *c, int max_tokens)
{
    int quarter = council_settings(c)->context / 4;
    return max_tokens < quarter ? max_tokens : quarter;
}

void merge_weights(double *nll, int n)
{
    double least = nll[0], sum = 0;
    for (int i = 1; i < n; i++)
        least = fmin(least, nll[i]);
    for (int i = 0; i < n; i++)
        sum += nll[i] = exp(least - nll[i]);
    for (int i = 0; i < n; i++)
        nll[i] /= sum;
}

/* ---- auto -------------------------------------------------------------------------------------- */

/* Elements of all tensors: near enough to the number of parameters for a rule of thumb. */
static double parameters(const engine *e)
{
    const checkpoint *file = engine_checkpoint(e);
    double total = 0;
    for (int i = 0; i < checkpoint_count(file); i++) {
        checkpoint_tensor t;
        checkpoint_at(file, i, &t);
        double elements = 1;
        for (int d = 0; d < t.dims; d++)
            elements *= (double)t.shape[d];
        total += elements;
    }
    return total;
}

bool merge_small(const council *c)
{
    static const double SMALL = 1e9;
    return parameters(council_engine(c)) < SMALL;
}

/* Evidence was gathered in the chat format. */
static bool has_evidence(const council *c, const evidence_table *t)
{
    return !council_settings(c)->raw && evidence_holds(t, c);
}

static merge_method chosen_by(const evidence_table *t, int *rounds)
{
    merge_method method = MERGE_NONE;
    int arm = evidence_choose(t);
    if (arm < 0)
        return MERGE_NONE;
    if (t->arms[arm].kind == EVIDENCE_PERSONA)
        return MERGE_BEST;
    return merge_parse(t->arms[arm].name, &method, rounds, NULL) ? MERGE_NONE : method;
}

/* Where nothing is known: a small model writes no good synthesis, and likelihoods cost one reading; raw
 * text has no chair. A debate is never chosen: revisions lose right answers as often as they find them. */
merge_method merge_chosen(const council *c, const evidence_table *evidence, int *rounds)
{
    *rounds = 1;
    if (has_evidence(c, evidence))
        return chosen_by(evidence, rounds);
    return council_settings(c)->raw || merge_small(c) ? MERGE_VOTE : MERGE_SYNTH;
}

/* ---- the figure -------------------------------------------------------------------------------- */

/* The table's arm for a merge, or -1. */
static int arm_of(const evidence_table *t, merge_method method, int rounds)
{
    for (int a = 0; a < t->arm_count; a++) {
        merge_method named = MERGE_NONE;
        int of = 1;
        if (t->arms[a].kind == EVIDENCE_MERGE &&
            merge_parse(t->arms[a].name, &named, &of, NULL) == 0 && named == method &&
            (of == rounds || !merge_needs(method, MERGE_BY_ROUNDS)))
            return a;
    }
    return -1;
}

/* "fit to the question, right 62 % of the time on 120 questions (by chance 51 %)" */
static int state_figure(const merging *m, merge_method method, int rounds, turn_merge *out,
                        error *err)
{
    const evidence_table *t = m->options->evidence;
    char figure[EVIDENCE_WORDS_MOST], words[2 * EVIDENCE_WORDS_MOST];
    int arm = has_evidence(m->council, t) ? arm_of(t, method, rounds) : -1;
    if (arm < 0 || !*evidence_figure(t, arm, figure))
        return 0;
    (void)snprintf(words, sizeof words, "%s%sright %s",
                   !out->basis     ? ""
                   : out->verifier ? "a verifier"
                                   : out->basis,
                   out->basis ? ", " : "", figure);
    out->basis = region_keep_text(m->memory, words, err);
    return out->basis ? 0 : -1;
}

/* ---- public ------------------------------------------------------------------------------------ */

int merge_run(council *c, const council_round *round, const merge_options *options, region *memory,
              turn_merge *out, error *err)
{
    int rounds = options->rounds;
    merge_method method = options->method == MERGE_AUTO
                              ? merge_chosen(c, options->evidence, &rounds)
                              : options->method;
    const council_request *first = &round->requests[0];
    merging m = {.council = c,
                 .round = round,
                 .options = options,
                 .memory = memory,
                 .question = first->count ? &first->messages[first->count - 1] : NULL,
                 .parties = options->parties,
                 .count = options->party_count};
    double start = council_clock();
    *out = (turn_merge){.method = merge_name(method), .winner = -1};
    int result = m.parties ? 0 : merge_each_pass(&m, err);
    out->passes = m.count;
    if (!result)
        result = council_check_round(c, round, err);
    if (!result && METHODS[method].run)
        result = METHODS[method].run(&m, out, err) || state_figure(&m, method, rounds, out, err)
                     ? -1
                     : 0;
    out->seconds = council_clock() - start;
    merge_release(&m);
    return result;
}
