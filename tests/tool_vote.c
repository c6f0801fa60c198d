/* tool_vote.c - votes on texts that are given, for tests of the rule.
 *
 * usage: tool_vote MODEL < LINES        prints a line of JSON for each
 *
 * A line in: {"question": "...", "answers": ["...", ...]}, the same number of answers in all. The judges are
 * passes of the plain model with the instructions "Answer as A.", "Answer as B.", ... A line out:
 * {"marks": [...], "old": [...]}: by the rule without a verifier, and by the likelihood under the others
 * alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/json.h"
#include "../engine/base/json_writer.h"
#include "../personas/merge/merge_reading.h"

enum { MOST = 8, LINE = 1 << 16 };

static void fail(const error *err)
{
    (void)fprintf(stderr, "tool_vote: %s\n", err->text);
    exit(1);
}

static void seat(council *c, int n)
{
    error err = {0};
    for (int i = 0; i < n; i++) {
        char name[2] = {(char)('a' + i), 0};
        pass_options p = {.name = name, .sampling = sampling_defaults()};
        if (council_add(c, &p, &err) < 0)
            fail(&err);
    }
}

static void put(json_writer *w, const char *key, const double *v, int n)
{
    json_begin_array(w, key);
    for (int i = 0; i < n; i++)
        json_put_number(w, NULL, v[i]);
    json_end(w);
}

static void vote(council *c, const json *line, int n)
{
    const char *question = json_text_at(line, "question");
    const json *answers = json_member(line, "answers");
    chat_message message = {CHAT_USER, question, strlen(question)};
    council_request requests[MOST];
    turn_answer replies[MOST];
    char instruction[MOST][16];
    double marks[MOST], old[MOST];
    merge_candidate candidates[MOST];
    error err = {0};
    int a = 0;
    for (const json *i = json_first(answers); i; i = json_next(i), a++) {
        const char *text = json_string(i);
        (void)snprintf(instruction[a], sizeof instruction[a], "Answer as %c.", 'A' + a);
        requests[a] = (council_request){instruction[a], &message, 1, 1};
        replies[a] = (turn_answer){.stop = STOP_END};
        candidates[a] = (merge_candidate){text, strlen(text), false};
    }
    council_round round = {requests, replies, false};
    merging m = {.council = c, .round = &round, .question = &message};
    vote_readings r = {0};
    if (merge_each_pass(&m, &err) || vote_read(&m, candidates, VOTE_BY_FIT, &r, &err))
        fail(&err);
    merge_release(&m);
    vote_marks(candidates, &r, marks);
    for (int i = 0; i < n; i++) {
        old[i] = 0;
        for (int j = 0; j < n; j++)
            old[i] += j == i ? 0 : r.scores[j * n + i] / (n - 1);
    }
    vote_readings_release(&r);
    buf out = {0};
    json_writer w = {.out = &out, .err = &err};
    json_begin_object(&w, NULL);
    put(&w, "marks", marks, n);
    put(&w, "old", old, n);
    json_end(&w);
    if (json_writer_finish(&w))
        fail(&err);
    puts(out.v);
    buf_release(&out);
}

int main(int argc, char **argv)
{
    error err = {0};
    engine_options options = {.path = argc == 2 ? argv[1] : ""};
    engine *e = engine_open(&options, &err);
    council_options o = {
        .context = 2048, .kv = DTYPE_F16, .prefill = PREFILL_OWN, .max_tokens = 64, .loop = 64};
    council *c = e ? council_open(e, &o, &err) : NULL;
    static char line[LINE];
    if (!c)
        fail(&err);
    while (fgets(line, sizeof line, stdin)) {
        json_document *d = json_parse("line", line, strlen(line), &err);
        size_t n = d ? json_count(json_member(json_root(d), "answers")) : 0;
        if (!d || n < 2 || n > MOST)
            fail(&err);
        if (!council_passes(c))
            seat(c, (int)n);
        vote(c, json_root(d), (int)n);
        json_close(d);
    }
    council_close(c);
    engine_close(e);
    return 0;
}
