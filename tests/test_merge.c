/* test_merge.c - how answers are joined: likelihoods by hand, votes whose outcome is known, a chair
 * whose prompt fits. Debates: test_debate.c, blends: test_blend.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/utf8.h"
#include "../personas/merge/extract.h"
#include "../personas/merge/merge_reading.h"
#include "council_support.h"

/* exp of a vote is in f32 */
static const double NEAR = 1e-6;

enum { EVERYONE = 15 };
static const char PROMPT[] = "Is it ever right to lie?";

/* A council answers. */
static void ask(cast_talk *t, council *c, const char *prompt)
{
    *t = cast_talk_of(c);
    cast_talk_ask(t, prompt);
}

/* ---- likelihood -------------------------------------------------------------------------------- */

/* Mean ln p of ids[from..n) under the program, read from the first token on. */
static double by_hand(const cast *k, const router_program *program, const tokens *ids, size_t from)
{
    size_t v = (size_t)engine_config(k->e)->vocabulary;
    float *z = support_logits(k->e, program, ids->v, (int)ids->len);
    double sum = 0;
    for (size_t t = from; t < ids->len; t++) {
        const float *row = z + (t - 1) * v;
        double total = 0;
        for (size_t i = 0; i < v; i++)
            total += exp((double)row[i] - (double)row[0]);
        sum += (double)row[ids->v[t]] - (double)row[0] - log(total);
    }
    free(z);
    return sum / (double)(ids->len - from);
}

/* Where the last question begins: its head and the answer's are the last two. */
static size_t question_of(const cast *k, const tokens *prompt)
{
    static const char head[] = "<|im_start|>";
    int mark = tokenizer_find(engine_tokenizer(k->e), head, sizeof head - 1), heads = 0;
    size_t at = prompt->len;
    while (heads < 2)
        heads += prompt->v[--at] == mark;
    return at;
}

/* Of the question alone, at the first turn and at a later one. */
static void judges_weigh_by_the_question(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 0);
    cast_talk t = cast_talk_of(c);
    for (int turn = 0; turn < 2; turn++) {
        cast_talk_ask(&t, turn ? "why?" : PROMPT);
        for (int i = 0; i < CAST; i++) {
            const tokens *prompt = &c->passes[i]->prompt;
            size_t start = question_of(k, prompt);
            double unused, nll;
            assert_int_equal(start > 1, turn || t.requests[i].instruction);
            cast_talk_score(&t, i, "x", 1, &unused, &nll);
            double hand = by_hand(k, c->passes[i]->program, prompt, start ? start : 1);
            assert_true(fabs(nll + hand) < NEAR);
        }
    }
    cast_talk_close(&t);
}

static void a_score_is_the_mean_log_likelihood(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 0);
    static const char text[] = "yes, and no: it is the code of the user.";
    cast_talk asking;
    ask(&asking, c, PROMPT);
    for (int i = 0; i < CAST; i++) {
        const pass *p = c->passes[i];
        error err = {0};
        tokens all = {0};
        double score;
        int before = session_length(p->session);
        cast_talk_score(&asking, i, text, strlen(text), &score, NULL);
        assert_int_equal(tokens_append(&all, p->prompt.v, p->prompt.len, &err), 0);
        assert_int_equal(
            tokenizer_encode(engine_tokenizer(k->e), text, strlen(text), &all, NULL, &err), 0);
        assert_true(fabs(score - by_hand(k, p->program, &all, p->prompt.len)) < NEAR);
        assert_true(score < 0);
        assert_int_equal(session_length(p->session), before);
        tokens_release(&all);
    }
    cast_talk_close(&asking);
}

static void what_does_not_fit_is_not_judged(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    o.context = 80;
    cast_talk t;
    ask(&t, cast_council(k, &o, 1, 0), PROMPT);
    char text[100];
    double whole, part;
    size_t room = 80 - t.c->passes[0]->prompt.len;
    memset(text, 'z', sizeof text);
    cast_talk_score(&t, 0, text, sizeof text, &whole, NULL);
    cast_talk_score(&t, 0, text, room, &part, NULL);
    assert_true(whole == part);
    cast_talk_close(&t);
}

/* ---- short answers ----------------------------------------------------------------------------- */

static void short_answers_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"Yes.", "yes"},
        {"  **No**, never.", "no"},
        {"Да, конечно.", "yes"},
        {"нет", "no"},
        {"Nothing is known.", NULL},
        {"nothing", NULL},
        {"Yesterday it rained.", NULL},
        {"The answer is (b).", "b"},
        {"So the answer is: **42**. It has to be.", "42"},
        {"Answer: C\nbecause of that", "c"},
        {"thus \\boxed{1,024} follows", "1024"},
        {"It costs 1,024 crowns.", "1024"},
        {"3 and 4 make 7", NULL},
        {"7, I say 7!", "7"},
        {"Version v1.5 is good", NULL},
        {"about -3.5 degrees", "-3.5"},
        {"", NULL},
        {"no number, no word at the start? no", "no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char value[EXTRACT_BYTES] = "";
        bool found = extract_answer(cases[i].text, strlen(cases[i].text), value);
        if (found != (cases[i].value != NULL) || (found && strcmp(value, cases[i].value) != 0))
            fail_msg("\"%s\": %s \"%s\"", cases[i].text, found ? "found" : "not found", value);
    }
}

/* ---- votes ------------------------------------------------------------------------------------- */

static merging merging_of(cast_talk *t)
{
    const council_request *r = &t->round.requests[0];
    merging m = {.council = t->c,
                 .round = &t->round,
                 .memory = &t->merges,
                 .question = &r->messages[r->count - 1]};
    error err = {0};
    assert_int_equal(merge_each_pass(&m, &err), 0);
    return m;
}

/* A vote on given texts; barred: bit a = answer a cannot win. */
static int vote_on(cast_talk *t, const char *const texts[], unsigned barred, turn_merge *out,
                   error *err)
{
    merge_candidate candidates[CAST];
    for (int i = 0; i < council_passes(t->c); i++)
        candidates[i] =
            (merge_candidate){texts[i], strlen(texts[i]), (barred >> i & 1) || !*texts[i]};
    *out = (turn_merge){.winner = -1, .passes = council_passes(t->c)};
    merging m = merging_of(t);
    int result = merge_vote_on(&m, candidates, out, err);
    merge_release(&m);
    return result;
}

/* The score of what is read of a text. */
static double score_of(const cast *k, cast_talk *t, int judge, const char *text, int most)
{
    tokens ids = {0};
    assert_int_equal(tokenizer_encode(engine_tokenizer(k->e), text, strlen(text), &ids, NULL, NULL),
                     0);
    int n = (int)ids.len < most ? (int)ids.len : most;
    score_request one = {.judge = judge, .ids = ids.v, .n = n};
    assert_int_equal(council_score_batch(t->c, &t->round, &one, 1, NULL, NULL, NULL), 0);
    tokens_release(&ids);
    return one.mean;
}

/* ln p of a text's tokens under the plain model, which reads nothing before but a line end. */
static double plain_by_hand(const cast *k, const char *text, const char *behind, size_t last,
                            const char *between)
{
    tokens ids = {0};
    const tokenizer *t = engine_tokenizer(k->e);
    assert_int_equal(tokenizer_encode(t, "\n", 1, &ids, NULL, NULL), 0);
    size_t from = ids.len;
    assert_true(from > 0);
    assert_int_equal(tokenizer_encode(t, text, strlen(text), &ids, NULL, NULL), 0);
    if (between) {
        tokens question = {0};
        assert_int_equal(tokenizer_encode(t, "\n\n", 2, &ids, NULL, NULL), 0);
        assert_int_equal(tokenizer_encode(t, between, strlen(between), &ids, NULL, NULL), 0);
        from = ids.len;
        assert_int_equal(tokenizer_encode(t, behind, strlen(behind), &question, NULL, NULL), 0);
        size_t n = question.len < last ? question.len : last;
        assert_int_equal(tokens_append(&ids, question.v + (question.len - n), n, NULL), 0);
        tokens_release(&question);
    }
    double mean = by_hand(k, NULL, &ids, from);
    tokens_release(&ids);
    return mean;
}

static const char *const TEXTS[] = {"the the the code", "qqq zzz", "and is it?", "\x01\x02 Kx"};

/* Every figure that a vote reads, against logits, whatever it is read for. */
static void what_a_vote_reads_is_what_logits_say(void **state)
{
    static const char frame[] =
        "What is the best way to do it?\nWho was the first to see the sea?\n";
    const cast *k = *state;
    council_options o = cast_options();
    cast_talk t;
    ask(&t, cast_council(k, &o, EVERYONE, 1), PROMPT);
    merging m = merging_of(&t);
    merge_candidate candidates[CAST];
    for (int i = 0; i < CAST; i++)
        candidates[i] = (merge_candidate){TEXTS[i], strlen(TEXTS[i]), false};
    for (vote_use use = VOTE_BY_FIT; use <= VOTE_BY_PEERS; use++) {
        vote_readings r;
        error err = {0};
        int whole = 0;
        assert_int_equal(vote_read(&m, candidates, use, &r, &err), 0);
        for (int a = 0; a < CAST; a++) {
            for (int j = 0; j < CAST; j++) /* the diagonal too */
                assert_true(r.scores[j * CAST + a] ==
                            score_of(k, &t, j, TEXTS[a], r.budget.judged));
            if (use == VOTE_BY_PEERS) {
                assert_true(isnan(r.plain[a]) && isnan(r.question[a]));
                continue;
            }
            if (r.lengths[a] <= r.budget.judged)
                assert_true(fabs(r.plain[a] - plain_by_hand(k, TEXTS[a], "", 0, NULL)) < NEAR);
            if (r.lengths[a] > r.budget.answer)
                continue;
            double hand = plain_by_hand(k, TEXTS[a], PROMPT, (size_t)r.budget.question,
                                        use == VOTE_BY_FIT ? frame : "");
            assert_true(fabs(r.question[a] - hand) < NEAR);
            whole++;
        }
        assert_true(whole > 0 || use == VOTE_BY_PEERS);
        vote_readings_release(&r);
    }
    merge_release(&m);
    cast_talk_close(&t);
}

/* In standard deviations over those that can win. */
static double standardised(const double *v, unsigned barred, int a)
{
    double sum = 0, squares = 0;
    int n = 0;
    for (int i = 0; i < CAST; i++)
        if (!(barred >> i & 1))
            sum += v[i], squares += v[i] * v[i], n++;
    double mean = sum / n;
    return (v[a] - mean) / fmax(sqrt(squares / n - mean * mean), 0.05);
}

static void check_vote(cast_talk *t, const vote_readings *read, unsigned barred)
{
    double marks[CAST] = {0}, shares = 0;
    turn_merge r;
    error err = {0};
    int best = -1;
    for (int a = 0; a < CAST; a++)
        marks[a] = standardised(read->question, barred, a);
    assert_int_equal(vote_on(t, TEXTS, barred, &r, &err), 0);
    for (int a = 0; a < CAST; a++) {
        if (barred >> a & 1) {
            assert_true(r.shares[a] == 0);
            continue;
        }
        shares += r.shares[a];
        best = best < 0 || marks[a] > marks[best] ? a : best;
        double odds = log(r.shares[a]) - log(r.shares[r.winner]);
        assert_true(fabs(odds - (marks[a] - marks[r.winner])) < 1e-6);
    }
    assert_true(fabs(shares - 1) < 1e-12);
    assert_int_equal(r.winner, best);
    assert_string_equal(r.by, council_answer(t->c, r.winner)->name);
    assert_string_equal(r.text.v, TEXTS[r.winner]);
    assert_string_equal(r.basis, "fit to the question");
    assert_true(r.verifier == 0);
}

/* By the rule; who cannot win does not, however good. */
static void the_marks_choose(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    cast_talk t;
    ask(&t, cast_council(k, &o, EVERYONE, 1), PROMPT);
    merging m = merging_of(&t);
    merge_candidate candidates[CAST];
    vote_readings read;
    turn_merge r;
    error err = {0};
    for (int i = 0; i < CAST; i++)
        candidates[i] = (merge_candidate){TEXTS[i], strlen(TEXTS[i]), false};
    assert_int_equal(vote_read(&m, candidates, VOTE_BY_FIT, &read, &err), 0);
    for (unsigned barred = 0; barred < 8; barred += barred < 2 ? 1 : 2)
        check_vote(&t, &read, barred);
    assert_int_equal(vote_on(&t, TEXTS, EVERYONE, &r, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    vote_readings_release(&read);
    merge_release(&m);
    cast_talk_close(&t);
}

/* How likely anybody finds an answer changes no mark. */
static void likelihood_wins_nothing(void **state)
{
    (void)state;
    double question[3] = {-2, -1, -3}, scores[9], plain[3], marks[2][3];
    merge_candidate candidates[3] = {{"a", 1, false}, {"b", 1, false}, {"c", 1, false}};
    vote_readings r = {.passes = 3, .question = question, .scores = scores, .plain = plain};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 9; i++)
            plain[i % 3] = scores[i] = round ? -i : -1;
        vote_marks(candidates, &r, marks[round]);
    }
    assert_memory_equal(marks[0], marks[1], sizeof marks[0]);
    assert_true(marks[0][1] > marks[0][0] && marks[0][0] > marks[0][2]);
}

static void equal_short_answers_are_counted_first(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 1);
    cast_talk t;
    ask(&t, c, PROMPT);
    static const char *const two[] = {"Yes, qzx.", "the code is", "No.", "yes"};
    static const char *const even[] = {"Yes.", "No, never.", "No.", "yes"};
    turn_merge r;
    error err = {0};
    assert_int_equal(vote_on(&t, two, 0, &r, &err), 0);
    assert_true(r.winner == 0 || r.winner == 3);
    assert_non_null(strstr(r.note, "2 of 4"));
    assert_true(r.shares[1] == 0 && r.shares[2] == 0);
    assert_int_equal(vote_on(&t, two, 1, &r, &err), 0); /* one of the two is barred: none agree */
    assert_true(r.shares[1] > 0 && r.shares[2] > 0 && r.shares[0] == 0);
    assert_int_equal(vote_on(&t, even, 0, &r, &err), 0);
    for (int i = 0; i < CAST; i++)
        assert_true(r.shares[i] > 0);
    cast_talk_close(&t);
}

static void a_tie_is_said(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, 1, 0);
    pass_options twin = cast_pass(k, 0, 0);
    error err = {0};
    twin.name = "twin";
    assert_int_equal(council_add(c, &twin, &err), 1);
    cast_talk t;
    ask(&t, c, PROMPT);
    static const char *const same[] = {"the code", "the code"}, *const far[] = {"the code", "\x02"};
    turn_merge r;
    assert_int_equal(vote_on(&t, same, 0, &r, &err), 0);
    assert_true(r.tie && strstr(r.note, "tie"));
    assert_int_equal(vote_on(&t, far, 0, &r, &err), 0);
    assert_false(r.tie);
    cast_talk_close(&t);
}

static void a_failed_pass_judges_nothing_and_the_vote_goes_on(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, 6, 1);
    pass_options p = cast_pass(k, 3, 1);
    error err = {0};
    p.program = k->failing;
    assert_int_equal(council_add(c, &p, &err), 2);
    cast_talk t;
    ask(&t, c, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_int_equal(council_answer(c, 2)->stop, STOP_ERROR);
    turn_merge r;
    merge_options vote = cast_merge_options(MERGE_AUTO), blend = cast_merge_options(MERGE_BLEND);
    cast_merge(&t, &vote, &r);
    assert_string_equal(r.method, "vote"); /* a small model */
    assert_true(r.winner == 0 || r.winner == 1);
    for (int i = 0; i < 3; i++)
        assert_true(isnan(r.scores[6 + i]) && isnan(r.scores[3 * i + 2]));
    assert_true(isfinite(r.scores[1]) && isfinite(r.scores[3]));
    assert_true(utf8_check(r.text.v, r.text.len, NULL));
    cast_merge(&t, &blend, &r);
    assert_true(r.ids.len > 0);
    cast_talk_close(&t);
}

/* ---- the chair --------------------------------------------------------------------------------- */

static void note_total(void *user, int done, int total)
{
    int *most = user;
    (void)done;
    *most = total;
}

static void the_chair_reads_what_fits(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    int cut = 0, whole = 0;
    for (int context = 400; context <= 1600; context *= 2) {
        o.context = context;
        council *c = cast_council(k, &o, EVERYONE, 1);
        cast_talk t = cast_talk_of(c);
        turn_answer replies[CAST];
        merge_options synth = cast_merge_options(MERGE_SYNTH);
        /* Answers of known length, in sentences; */
        error err = {0};
        char text[301] = "";
        for (int i = 0; i < 20; i++)
            strcat(text, "It is no code. ");
        for (int i = 0; i < CAST; i++)
            replies[i] = (turn_answer){.text = {text, strlen(text)}, .stop = STOP_END};
        cast_talk_adopt(&t, PROMPT, replies);
        int total = 0;
        council_events events = {.user = &total, .prefill = note_total};
        turn_merge r;
        synth.chair = "Join them.";
        synth.by = "chair";
        assert_int_equal(council_subscribe(c, &events, &err), 0);
        assert_int_equal(merge_run(c, &t.round, &synth, &t.merges, &r, &err), 0);
        int reserve = 30 < context / 4 ? 30 : context / 4;
        assert_true(total > 0 && total + reserve <= context);
        assert_string_equal(r.by, "chair");
        if (r.note)
            assert_non_null(strstr(r.note, "4 of 4 answers were cut"));
        cut += r.note != NULL;
        whole += r.note == NULL;
        /* The same seed, the same synthesis. */
        turn_merge again;
        cast_merge(&t, &synth, &r);
        cast_merge(&t, &synth, &again);
        assert_int_equal(r.text.len, again.text.len);
        assert_memory_equal(r.text.v, again.text.v, r.text.len);
        cast_talk_close(&t);
    }
    assert_true(cut > 0 && whole > 0);
}

static void a_question_that_never_fits_is_told(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    o.context = 120;
    council *c = cast_council(k, &o, 1, 1);
    cast_talk t;
    ask(&t, c, "the code of the user and the code of the user and the user");
    merge_options synth = cast_merge_options(MERGE_SYNTH);
    synth.by = "chair";
    turn_merge r;
    error err = {0};
    assert_int_equal(merge_run(c, &t.round, &synth, &t.merges, &r, &err),
                     -1); /* its own instruction is longer */
    assert_int_equal(err.code, ERROR_CONTEXT);
    cast_talk_close(&t);
}

/* ---- words and interrupts ---------------------------------------------------------------------- */

static void an_interrupted_merge_leaves_the_answers(void **state)
{
    cast *k = *state;
    council_options o = cast_options();
    o.context = 2000;
    council *c = cast_council(k, &o, EVERYONE, 1);
    cast_talk t;
    ask(&t, c, PROMPT);
    const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_DEBATE};
    for (int i = 0; i < 3; i++) {
        merge_options m = cast_merge_options(methods[i]);
        m.by = methods[i] == MERGE_SYNTH ? "chair" : NULL;
        turn_merge r;
        error err = {0};
        atomic_store(&k->cancel, true);
        assert_int_equal(merge_run(c, &t.round, &m, &t.merges, &r, &err), -1);
        atomic_store(&k->cancel, false);
        assert_int_equal(err.code, ERROR_CANCELLED);
        cast_merge(&t, &m, &r); /* what it joins is still there */
    }
    cast_talk_close(&t);
}

static void a_lead_is_what_the_shown_shares_give(void **state)
{
    (void)state;
    double scores[] = {NAN, -1, -1, NAN}, shares[] = {0.5249, 0.2451}; /* shown: 0.52, 0.25 */
    turn_merge r = {.passes = 2, .scores = scores, .shares = shares};
    buf out = {0};
    assert_int_equal(merge_tally(&r, (const char *[]){"coder", "critic"}, "; ", &out, NULL), 0);
    assert_string_equal(out.v, "1 of 2 votes, by critic; ahead by 0.27");
    r.basis = "fit to the question";
    buf_clear(&out);
    assert_int_equal(merge_tally(&r, (const char *[]){"coder", "critic"}, "; ", &out, NULL), 0);
    assert_string_equal(out.v, "ahead by 0.27");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_the_mean_log_likelihood),
        cmocka_unit_test(judges_weigh_by_the_question),
        cmocka_unit_test(what_does_not_fit_is_not_judged),
        cmocka_unit_test(short_answers_are_found),
        cmocka_unit_test(what_a_vote_reads_is_what_logits_say),
        cmocka_unit_test(the_marks_choose),
        cmocka_unit_test(likelihood_wins_nothing),
        cmocka_unit_test(equal_short_answers_are_counted_first),
        cmocka_unit_test(a_tie_is_said),
        cmocka_unit_test(a_failed_pass_judges_nothing_and_the_vote_goes_on),
        cmocka_unit_test(the_chair_reads_what_fits),
        cmocka_unit_test(a_question_that_never_fits_is_told),
        cmocka_unit_test(an_interrupted_merge_leaves_the_answers),
        cmocka_unit_test(a_lead_is_what_the_shown_shares_give),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
