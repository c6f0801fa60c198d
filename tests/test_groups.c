/* test_groups.c - a persona that is a group: taken apart or refused, its members' passes, what a merge makes
 * of them, and what is judged by whom.
 *
 * The oracle of a group's answer is a council of its members alone, asked by hand and merged on the spot;
 * that of a merge with a group in it, the same merge told by hand which passes stand behind whom.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../personas/merge/merge_state.h"
#include "../personas/roster/persona_tree.h"
#include "../transcripts/turn_json.h"
#include "dialogue_support.h"

static const char PROMPT[] = "Is it ever right to lie?";

/* ---- files ------------------------------------------------------------------------------------- */

static const char *const GROUPS[][2] = {
    {"team", "\"members\":[\"ann\",\"bob\"],\"merge\":\"vote\""},
    {"quoters", "\"members\":[\"ann\",\"bob\"],\"merge\":\"synth\""},
    {"arguers", "\"members\":[\"ann\",\"bob\"],\"merge\":\"debate:1\""},
    {"mixers", "\"members\":[\"ann\",\"bob\"],\"merge\":\"blend\""},
    {"board", "\"members\":[\"cleo\",\"team\"],\"merge\":\"vote\""},
    {"list", "\"members\":[\"ann\",\"bob\"],\"merge\":\"none\""},
    {"around", "\"members\":[\"list\",\"cleo\"]"},
    {"cycle", "\"members\":[\"back\",\"ann\"]"},
    {"back", "\"members\":[\"bob\",\"cycle\"]"},
    {"deep", "\"members\":[\"deeper\",\"ann\"]"},
    {"deeper", "\"members\":[\"deepest\",\"bob\"]"},
    {"deepest", "\"members\":[\"beyond\",\"cleo\"]"},
    {"beyond", "\"members\":[\"dora\",\"ann\"]"},
    {"gone", "\"members\":[\"ann\",\"nobody\"]"},
    {"double", "\"members\":[\"team\",\"bob\"]"},
    {"itself", "\"members\":[\"ann\",\"itself\"]"},
    {"twice", "\"members\":[\"ann\",\"ann\"]"},
    {"alone", "\"members\":[\"ann\"]"},
    {"merged", "\"members\":[\"ann\",\"bob\"],\"merge\":\"poll\""},
    {"best", "\"members\":[\"ann\",\"bob\"],\"merge\":\"best\""},
    {"chaired", "\"members\":[\"ann\",\"bob\"],\"merge\":\"vote\",\"by\":\"ann\""},
    {"odd", "\"members\":[\"ann\",\"bob\"],\"weights\":[1,2]"},
    {"named", "\"members\":[\"ann\",\"../bob\"]"},
    {"told", "\"members\":[\"ann\",\"bob\"]},\"instruction\":\"Be brief.\",\"auto\":{"},
};
enum { GROUP_FILES = sizeof GROUPS / sizeof *GROUPS };

static void group_path(const table *k, size_t i, char path[256])
{
    (void)snprintf(path, 256, "%s/consilium/personas/%s.json", k->folder, GROUPS[i][0]);
}

static int setup(void **state)
{
    if (table_setup(state))
        return -1;
    for (size_t i = 0; i < GROUP_FILES; i++) {
        char path[256];
        group_path(*state, i, path);
        FILE *f = fopen(path, "w");
        if (!f ||
            fprintf(f, "{\"persona\":1,\"name\":\"%s\",\"group\":{%s}}", GROUPS[i][0],
                    GROUPS[i][1]) < 0 ||
            fclose(f))
            return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    for (size_t i = 0; i < GROUP_FILES; i++) {
        char path[256];
        group_path(*state, i, path);
        (void)unlink(path);
    }
    return table_teardown(state);
}

/* cleo's mask is there where she speaks, in whatever group. */
static int seat_them(const table *k, dialogue *d, const char *const *names, int n, error *err)
{
    named_mask given = {"cleo", k->mask};
    roster_options o = {.personas = names,
                        .persona_count = n,
                        .masks = &given,
                        .mask_count = persona_tree_has(names, n, "cleo"),
                        .groups = true,
                        .given = GIVEN_TEMPERATURE | GIVEN_TOP_P,
                        .sampling = sampling_defaults()};
    o.sampling.temperature = 1;
    o.sampling.top_p = 1;
    return dialogue_seat(d, &o, NULL, NULL, err);
}

static dialogue *seated(const table *k, const char *const *names, int n)
{
    error err = {0};
    dialogue_options o = table_options();
    o.council.context = 600;
    o.council.keep_logprobs = true;
    dialogue *d = dialogue_open(k->e, &o, &err);
    if (!d || seat_them(k, d, names, n, &err))
        fail_msg("%s", err.text);
    return d;
}

static struct turn *ask(dialogue *d, const char *only)
{
    error err = {0};
    struct turn *t = table_ask(d, PROMPT, only);
    if (dialogue_join(d, false, NULL, &err))
        fail_msg("%s", err.text);
    return t;
}

/* ---- the tree ---------------------------------------------------------------------------------- */

static void groups_are_taken_apart(void **state)
{
    static const char *const names[] = {"board", "dora", "around"};
    static const char *const leaves[] = {"board/cleo", "board/team/ann",  "board/team/bob",
                                         "dora",       "around/list/ann", "around/list/bob",
                                         "around/cleo"};
    static const int of[] = {1, 0, 0, -1, 2, 2, 2};
    persona_tree t;
    error err = {0};
    (void)state;
    if (persona_tree_open(&t, names, 3, &err))
        fail_msg("%s", err.text);
    assert_int_equal(t.leaf_count, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(t.leaves[i].column, leaves[i]);
        assert_int_equal(t.leaves[i].group, of[i]);
    }
    assert_int_equal(t.group_count, 3); /* a list is none */
    assert_string_equal(t.groups[0].column, "board/team");
    assert_int_equal(t.groups[0].parent, 1);
    assert_string_equal(t.groups[1].column, "board");
    assert_int_equal(t.groups[1].parent, -1);
    assert_string_equal(t.groups[2].column, "around");
    persona_tree_close(&t);
}

static void bad_groups_are_refused_by_name(void **state)
{
    static const char *const cases[][2] = {
        {"cycle", "cycle: back: cycle: a group cannot be within itself"},
        {"deep", "deep: deeper: deepest: beyond: groups are 3 deep at most"},
        {"gone", "gone: no persona nobody"},
        {"double", "double: bob: stands twice, as double/team/bob too"},
        {"itself", "group: members: itself is the group itself"},
        {"twice", "group: members: ann stands twice"},
        {"alone", "group: members: a group has 2 to 256, not 1"},
        {"merged", "group: merge \"poll\": must be auto, synth"},
        {"best", "group: merge: \"best\" goes by evidence"},
        {"chaired", "group: by: only \"synth\" has somebody who writes it"},
        {"odd", "group: weights: no such field"},
        {"named", "group: members: \"../bob\" is no persona's name"},
        {"told", "instruction: is its members' own, not a group's"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        persona_tree t;
        error err = {0};
        assert_int_equal(persona_tree_open(&t, &cases[i][0], 1, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        if (!strstr(err.text, cases[i][1]))
            fail_msg("%s: \"%s\"", cases[i][0], err.text);
        persona_tree_close(&t);
    }
}

static void names_mean_columns(void **state)
{
    (void)state;
    static const char *const yes[] = {"board", "team", "ann", "board/team", "team/ann"};
    static const char *const no[] = {"boar", "eam", "an", "board/ann", "bob", ""};
    for (size_t i = 0; i < 5; i++)
        assert_true(persona_column_is("board/team/ann", yes[i]));
    for (size_t i = 0; i < 6; i++)
        assert_false(persona_column_is("board/team/ann", no[i]));
    assert_true(turn_asked("bob,team", "team/ann") && turn_asked("team/ann", "team/ann"));
    assert_false(turn_asked("tea", "team/ann") || turn_asked("team/ann", "team"));
}

/* Where one pass is wanted for a persona. */
static void a_group_has_no_pass(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"team"};
    roster_options o = {.personas = names, .persona_count = 1, .sampling = sampling_defaults()};
    error err = {0};
    assert_null(roster_open(k->e, &o, NULL, NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "team is a group of personas"));
}

/* ---- answers ----------------------------------------------------------------------------------- */

/* A member's bytes are those of its pass alone, an option for the persona reaches it, and the group's answer is
 * the merge of a council of its members. */
static void a_group_says_what_its_merge_makes(void **state)
{
    const table *k = *state;
    static const char *const ways[] = {"team", "quoters", "arguers", "mixers"};
    static const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_DEBATE, MERGE_BLEND};
    for (size_t i = 0; i < 4; i++) {
        const char *const names[] = {"cleo", ways[i]};
        char members[2][32];
        dialogue *d = seated(k, names, 2);
        struct turn *t = ask(d, NULL);
        assert_int_equal(t->answer_count, 4);
        assert_string_equal(t->answers[3].name, ways[i]);
        const char *of[2];
        for (int m = 0; m < 2; m++) {
            (void)snprintf(members[m], sizeof members[m], "%s/%s", ways[i], m ? "bob" : "ann");
            of[m] = members[m];
            table_oracle(d, t, of[m], t->seed, NULL, 0);
        }
        hand h = hand_of(d, of, 2);
        merge_options o = {.method = methods[i], .rounds = 1, .seed = t->seed, .max_tokens = 24};
        turn_merge by_hand;
        error err = {0};
        for (int m = 0; m < 2; m++)
            h.requests[m].seed = t->seed;
        hand_ask(&h, PROMPT, strlen(PROMPT));
        if (merge_run(h.c, &h.round, &o, &h.merges, &by_hand, &err))
            fail_msg("%s", err.text);
        const turn_answer *said = turn_answer_of(t, ways[i]);
        assert_non_null(said->joined);
        table_same_merge(said->joined, &by_hand);
        assert_string_equal(said->joined->of[0], of[0]);
        assert_string_equal(said->acts_by, "group");
        assert_int_equal(said->text.len, by_hand.text.len);
        assert_int_equal(t->merge_count, 0); /* none of the turn's */
        turn_text words;
        assert_true(turn_words(t, of[0], &words)); /* after a debate, what it revised */
        if (by_hand.revised)
            assert_string_equal(words.v, by_hand.revised[0].v);
        hand_close(&h);
        dialogue_close(d);
    }
}

static void groups_are_joined_inside_out(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"board", "dora"};
    dialogue *d = seated(k, names, 2);
    struct turn *t = ask(d, NULL);
    assert_int_equal(t->answer_count, 6);
    assert_string_equal(t->answers[4].name, "board/team");
    assert_string_equal(t->answers[5].name, "board");
    const turn_merge *outer = t->answers[5].joined;
    assert_int_equal(outer->passes, 2);
    assert_string_equal(outer->of[0], "board/cleo");
    assert_string_equal(outer->of[1], "board/team");
    assert_int_equal(dialogue_joined(d, t), 2); /* board and dora */
    dialogue_close(d);
}

static void what_is_given_anew_is_joined_anew(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"board", "dora"};
    error err = {0};
    dialogue *d = seated(k, names, 2);
    struct turn *t = ask(d, NULL);
    assert_int_equal(dialogue_pick(d, "board", &err), 0);
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0); /* nothing to do */
    assert_int_equal(t->answer_count, 6);
    assert_int_equal(dialogue_retry(d, "board/team/bob", 99, NULL, &err), 0);
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0);
    assert_int_equal(t->answer_count, 9); /* bob, board/team, board */
    assert_null(t->picked);
    assert_int_equal(dialogue_retry(d, "board/team", 5, NULL, &err), 0);
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0);
    assert_int_equal(t->answer_count, 13);
    assert_true(turn_answer_of(t, "board/team")->seed == 5);
    assert_int_equal(dialogue_retry(d, "dora", 5, NULL, &err), 0);
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0); /* of no group */
    assert_int_equal(t->answer_count, 14);
    assert_int_equal(dialogue_continue(d, "board", 4, NULL, &err), -1);
    assert_non_null(strstr(err.text, "board is a group: its members may go on"));
    struct turn *one = ask(d, "board/team/ann"); /* one alone is no group */
    assert_int_equal(one->answer_count, 1);
    struct turn *two = ask(d, "board/team");
    assert_int_equal(two->answer_count, 3);
    assert_string_equal(two->answers[2].name, "board/team");
    dialogue_close(d);
}

/* Nothing is made of what was cut off before that is asked for. */
static void an_interrupted_member_interrupts_its_group(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"team", "dora"};
    error err = {0};
    dialogue *d = seated(k, names, 2);
    struct turn *t = table_ask(d, PROMPT, NULL);
    t->answers[0].stop = STOP_INTERRUPTED;
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0);
    const turn_answer *a = turn_answer_of(t, "team");
    assert_int_equal(a->stop, STOP_INTERRUPTED);
    assert_int_equal(a->text.len, 0);
    assert_int_equal(a->joined->passes, 2);
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0);
    assert_int_equal(t->answer_count, 4);
    assert_int_equal(dialogue_join(d, true, NULL, &err), 0);
    assert_int_equal(t->answer_count, 5);
    assert_true(turn_answer_of(t, "team")->joined->winner >= 0);
    dialogue_close(d);
}

/* A merge that cannot be is the group's failure and nobody else's. */
static void a_merge_that_fails_is_told(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"team", "dora"};
    error err = {0};
    dialogue *d = seated(k, names, 2);
    struct turn *t = table_ask(d, PROMPT, NULL);
    t->answers[0].stop = t->answers[1].stop = STOP_LOOP;
    assert_int_equal(dialogue_join(d, false, NULL, &err), 0);
    const turn_answer *a = turn_answer_of(t, "team");
    assert_int_equal(a->stop, STOP_ERROR);
    assert_non_null(strstr(a->failure, "no answer can win"));
    dialogue_close(d);
}

/* ---- judges ------------------------------------------------------------------------------------ */

/* Two passes behind one answer judge as their mean, and do not judge their own group's. */
static void a_group_judges_as_its_members_do(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"cleo", "team", "dora"};
    static const char *const all[] = {"cleo", "dora", "team"}; /* passes before groups */
    error err = {0};
    dialogue *d = seated(k, names, 3);
    struct turn *t = ask(d, NULL);
    merge_options o = {.method = MERGE_VOTE, .seed = 7};
    if (dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err))
        fail_msg("%s", err.text);
    const turn_merge *m = turn_merged(t);
    assert_int_equal(m->passes, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(m->of[i], all[i]);
    assert_true(isnan(m->scores[2 * 3 + 2])); /* no member judges what the group says */
    static const int asked[][2] = {{1, 0}, {1, 1}, {2, 0}, {2, 1}}; /* pass, answer */
    council *c = dialogue_council(d);
    tokens ids[2] = {0};
    for (int a = 0; a < 2; a++) {
        const turn_text *said = &turn_answer_of(t, all[a])->text;
        buf text = {0};
        assert_int_equal(buf_mend(&text, said->v, said->len, &err), 0);
        assert_int_equal(
            tokenizer_encode(engine_tokenizer(k->e), text.v, text.len, &ids[a], NULL, &err), 0);
        buf_release(&text);
    }
    bool found = false; /* the budget says how much was read: as many tokens of each */
    for (int n = 1; n <= 24 && !found; n++) {
        double by[4];
        score_request scores[4];
        chat_message question = {CHAT_USER, PROMPT, strlen(PROMPT)};
        council_request requests[4];
        turn_answer replies[4];
        for (int i = 0; i < 4; i++) {
            requests[i] = (council_request){
                .instruction = roster_instruction(dialogue_roster(d), i, PROMPT, strlen(PROMPT)),
                .messages = &question,
                .count = 1};
            replies[i] = *council_answer(c, i);
            const tokens *text = &ids[asked[i][1]];
            scores[i] = (score_request){
                .judge = asked[i][0], .ids = text->v, .n = (int)text->len < n ? (int)text->len : n};
        }
        council_round round = {requests, replies, false};
        assert_int_equal(council_score_batch(c, &round, scores, 4, NULL, NULL, &err), 0);
        for (int i = 0; i < 4; i++)
            by[i] = scores[i].mean;
        found = m->scores[2 * 3 + 0] == 0.5 * by[0] + 0.5 * by[2] &&
                m->scores[2 * 3 + 1] == 0.5 * by[1] + 0.5 * by[3];
    }
    assert_true(found);
    tokens_release(&ids[0]);
    tokens_release(&ids[1]);
    dialogue_close(d);
}

/* Passes that are told to be parties are what they are untold. */
static void a_pass_by_itself_is_itself(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"ann", "bob", "cleo"};
    static const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_DEBATE, MERGE_BLEND};
    dialogue *d = seated(k, names, 3);
    (void)table_ask(d, PROMPT, NULL);
    for (size_t i = 0; i < 4; i++) {
        hand h = hand_of(d, names, 3);
        merge_backing behind[3];
        merge_party parties[3];
        turn_merge plain, told;
        error err = {0};
        hand_ask(&h, PROMPT, strlen(PROMPT));
        for (int p = 0; p < 3; p++) {
            behind[p] = (merge_backing){p, 1};
            parties[p] = (merge_party){names[p], &h.replies[p], &behind[p], 1};
        }
        merge_options o = {.method = methods[i], .rounds = 1, .seed = 7, .max_tokens = 24};
        turn_answer kept[3];
        for (int p = 0; p < 3; p++) /* a debate speaks again */
            assert_int_equal(turn_answer_copy(&h.merges, &h.replies[p], &kept[p], &err), 0);
        memcpy(h.replies, kept, sizeof kept);
        assert_int_equal(merge_run(h.c, &h.round, &o, &h.merges, &plain, &err), 0);
        o.parties = parties;
        o.party_count = 3;
        assert_int_equal(merge_run(h.c, &h.round, &o, &h.merges, &told, &err), 0);
        table_same_merge(&plain, &told);
        hand_close(&h);
    }
    dialogue_close(d);
}

/* A group's answer stands in a debate: others read it and revise; of groups alone there is none. */
static void a_debate_leaves_groups_as_they_are(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"cleo", "team"};
    static const char *const only_groups[] = {"quoters", "team"};
    error err = {0};
    merge_options o = {.method = MERGE_DEBATE, .rounds = 2, .seed = 7};
    dialogue *d = seated(k, names, 2);
    struct turn *t = ask(d, NULL);
    if (dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err))
        fail_msg("%s", err.text);
    const turn_merge *m = turn_merged(t);
    assert_string_equal(m->revised[1].v, turn_answer_of(t, "team")->text.v);
    assert_string_not_equal(m->revised[0].v, turn_answer_of(t, "cleo")->text.v);
    for (int a = 0; a < 2; a++)
        assert_true(isnan(m->scores[1 * 2 + a])); /* nobody stands behind it there */
    dialogue_close(d);
    d = seated(k, only_groups, 2);
    ask(d, NULL);
    assert_int_equal(dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "an answer that a persona can revise"));
    dialogue_close(d);
}

/* A blend of a pass and a group is one of all their passes, whose weights are a half and two quarters. */
static void a_blend_mixes_its_members(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"cleo", "team"};
    static const char *const passes[] = {"cleo", "team/ann", "team/bob"};
    static const double half[] = {1, 1}, quarters[] = {2, 1, 1};
    error err = {0};
    merge_options o = {.method = MERGE_BLEND, .seed = 7, .weights = half};
    dialogue *d = seated(k, names, 2);
    struct turn *t = ask(d, NULL);
    assert_int_equal(dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err), 0);
    const turn_merge *m = turn_merged(t);
    char *text = strdup(m->text.v);
    o.weights = quarters;
    assert_int_equal(dialogue_merge(d, &o, passes, 3, NULL, NULL, &err), 0);
    assert_string_equal(turn_merged(t)->text.v, text);
    free(text);
    static const char *const both[] = {"team", "team/ann"};
    assert_int_equal(dialogue_merge(d, &o, both, 2, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "team/ann is within a group that is named, too"));
    dialogue_close(d);
}

/* ---- the record -------------------------------------------------------------------------------- */

/* All but texts, in which bytes that are no character have become U+FFFD. */
static void assert_recorded(const turn_merge *x, const turn_merge *y)
{
    size_t n = (size_t)y->passes;
    assert_string_equal(x->method, y->method);
    assert_int_equal(x->passes, y->passes);
    assert_int_equal(x->winner, y->winner);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(x->of[i], y->of[i]);
    assert_int_equal(x->ids.len, y->ids.len);
    assert_true(!x->scores == !y->scores && !x->shares == !y->shares);
    assert_true(!x->revised == !y->revised && !x->divergence == !y->divergence);
    if (y->scores)
        assert_memory_equal(x->shares, y->shares, n * sizeof *y->shares);
    if (y->divergence)
        assert_memory_equal(x->divergence, y->divergence, y->ids.len * sizeof *y->divergence);
}

static void a_record_holds_all_of_it(void **state)
{
    const table *k = *state;
    static const char *const names[] = {"arguers", "mixers", "dora"};
    dialogue *d = seated(k, names, 3);
    struct turn *t = ask(d, NULL);
    for (int i = 0; i < t->answer_count; i++) {
        buf text = {0};
        error err = {0};
        region memory = {0};
        turn_answer back = {0};
        json_writer e = {.out = &text, .err = &err};
        json_begin_object(&e, NULL);
        turn_json_answer(&e, TURN_RECORD, &t->answers[i]);
        json_end(&e);
        assert_int_equal(json_writer_finish(&e), 0);
        json_document *document = json_parse("a record", text.v, text.len, &err);
        assert_non_null(document);
        turn_reader r = {.record = json_root(document), .memory = &memory, .err = &err};
        turn_read_answer(&r, &back);
        assert_false(r.failed || r.odd);
        assert_int_equal(!back.joined, !t->answers[i].joined);
        if (back.joined)
            assert_recorded(back.joined, t->answers[i].joined);
        json_close(document);
        region_release(&memory);
        buf_release(&text);
    }
    dialogue_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_taken_apart),
        cmocka_unit_test(bad_groups_are_refused_by_name),
        cmocka_unit_test(names_mean_columns),
        cmocka_unit_test(a_group_has_no_pass),
        cmocka_unit_test(a_group_says_what_its_merge_makes),
        cmocka_unit_test(groups_are_joined_inside_out),
        cmocka_unit_test(what_is_given_anew_is_joined_anew),
        cmocka_unit_test(an_interrupted_member_interrupts_its_group),
        cmocka_unit_test(a_merge_that_fails_is_told),
        cmocka_unit_test(a_group_judges_as_its_members_do),
        cmocka_unit_test(a_pass_by_itself_is_itself),
        cmocka_unit_test(a_debate_leaves_groups_as_they_are),
        cmocka_unit_test(a_blend_mixes_its_members),
        cmocka_unit_test(a_record_holds_all_of_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
