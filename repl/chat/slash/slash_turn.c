/* slash_turn.c - commands about the exchange that was last: merging, picking, asking again.
 *
 * The merges differ in how their words are read; each fills a merge_request and runs it
 * (run_merge()). Picking and undoing change the dialogue first and are then recorded; a record
 * that fails is told and takes nothing back. What is asked again is recorded where it is shown,
 * in talk_ask.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../system/input.h"
#include "slash_commands.h"

enum { PROMPT_CELLS = 200 }; /* of a prompt that is told again */

/* ---- merging ----------------------------------------------------------------------------------- */

/* "coder,critic" -> names of the last turn: of[*count], borrowed. words is cut at the commas. */
static int read_names(talk *t, char *text, const char **of, int *count, error *err)
{
    for (char *at = text, *comma; at; at = comma ? comma + 1 : NULL) {
        comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        if (!*at)
            continue;
        if (*count == SLASH_WORDS || !(of[*count] = talk_find_name(t, at, err)))
            return -1;
        if (strcmp(of[*count], "merge") == 0)
            return error_set(err, ERROR_USAGE, "/merge joins answers; the merge is none");
        (*count)++;
    }
    return 0;
}

static int run_merge(talk *t, merge_request *request, error *err)
{
    struct turn *turn;
    request->seed = t->how.seed;
    if (t->blind_names) /* what is joined would tell who is who */
        return error_set(err, ERROR_USAGE, "the answers are blind still: /pick A comes first");
    return talk_turn(t, &turn, err) || talk_merge(t, request, err) ? -1 : 0;
}

/* "/merge auto" and "/merge none": what follows every answer. */
static int set_merge(talk *t, const char *method, error *err)
{
    if (talk_set(t, "merge", method, err))
        return -1;
    return talk_say(t, strcmp(method, "none") == 0 ? "no merge follows an answer from now on"
                                                   : "a merge follows every answer (auto)");
}

/* request->of is the caller's room for SLASH_WORDS names. */
static int read_merge(talk *t, char *const *words, int count, merge_request *request,
                      const char **of, error *err)
{
    int i = 0;
    if (count && strcmp(words[0], "by") != 0 && strcmp(words[0], "of") != 0 &&
        merge_parse(words[i++], &request->method, &request->rounds, err))
        return -1;
    for (; i < count; i++) {
        bool by = strcmp(words[i], "by") == 0;
        if ((!by && strcmp(words[i], "of") != 0) || i + 1 == count)
            return error_set(err, ERROR_USAGE, "/merge [METHOD] [by NAME] [of A,B]: \"%.40s\" %s",
                             words[i], i + 1 == count ? "needs a name" : "is neither by nor of");
        if (by) {
            request->by = words[++i];
            request->method = request->method == MERGE_AUTO ? MERGE_SYNTH : request->method;
        } else {
            while (i + 1 < count && strcmp(words[i + 1], "by") != 0)
                if (read_names(t, words[++i], of, &request->count, err))
                    return -1;
        }
    }
    request->of = request->count ? of : NULL;
    return 0;
}

int slash_merge(talk *t, const char *rest, char *const *words, int count, error *err)
{
    const char *of[SLASH_WORDS];
    struct turn *turn;
    merge_request request = {.method = t->how.merge, .rounds = t->how.rounds};
    (void)rest;
    if (count == 1 && (strcmp(words[0], "none") == 0 || strcmp(words[0], "auto") == 0))
        return set_merge(t, words[0], err);
    if (request.method == MERGE_NONE)
        request.method = MERGE_AUTO;
    if (talk_turn(t, &turn, err) || read_merge(t, words, count, &request, of, err))
        return -1;
    return run_merge(t, &request, err);
}

int slash_vote(talk *t, const char *rest, char *const *words, int count, error *err)
{
    merge_request request = {.method = MERGE_VOTE, .rounds = 1};
    (void)rest, (void)words, (void)count;
    return run_merge(t, &request, err);
}

int slash_debate(talk *t, const char *rest, char *const *words, int count, error *err)
{
    char text[40];
    merge_request request = {0};
    (void)rest;
    (void)snprintf(text, sizeof text, "debate:%.20s", count ? words[0] : "1");
    if (merge_parse(text, &request.method, &request.rounds, err))
        return -1;
    return run_merge(t, &request, err);
}

/* "coder=.6": who takes part, and how much. */
static int read_weight(talk *t, char *word, const char **of, double *weights, int *count,
                       error *err)
{
    char *equals = strchr(word, '='), *end = NULL;
    if (equals)
        *equals = '\0';
    double weight = equals ? strtod(equals + 1, &end) : 1;
    if (equals && (!equals[1] || *end || !(weight > 0 && weight <= 1000)))
        return error_set(err, ERROR_USAGE, "/blend: \"%.40s\" is no weight above 0", equals + 1);
    const char *name = talk_find_name(t, word, err);
    if (!name)
        return -1;
    of[*count] = name;
    weights[(*count)++] = weight;
    return 0;
}

int slash_blend(talk *t, const char *rest, char *const *words, int count, error *err)
{
    const char *of[SLASH_WORDS];
    double weights[SLASH_WORDS];
    merge_request request = {.method = MERGE_BLEND, .rounds = 1};
    struct turn *turn;
    (void)rest;
    if (talk_turn(t, &turn, err))
        return -1;
    for (int i = 0; i < count; i++)
        if (read_weight(t, words[i], of, weights, &request.count, err))
            return -1;
    if (request.count == 1)
        return error_set(err, ERROR_USAGE, "/blend needs two answers, or none for all of them");
    request.of = request.count ? of : NULL;
    request.weights = request.count ? weights : NULL;
    return run_merge(t, &request, err);
}

/* ---- picking, remembering ---------------------------------------------------------------------- */

int slash_pick(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    (void)rest;
    if (talk_turn(t, &turn, err))
        return -1;
    if (count != 1)
        return error_set(err, ERROR_USAGE, "/pick needs the name of one answer, or merge");
    const char *name = talk_find_name(t, words[0], err);
    if (!name || conversation_pick(t->conversation, name, err))
        return -1;
    talk_saved(t);
    int result = talk_say(t, "picked %s", turn->picked);
    return t->blind_names ? talk_reveal(t, err) : result;
}

int slash_context(talk *t, const char *rest, char *const *words, int count, error *err)
{
    static const char *const names[] = {"own", "merged", "picked"};
    static const char *const about[] = {"each its own answers", "the merge, where a turn has one",
                                        "the answer you picked, where there is one"};
    dialogue_options *o = dialogue_settings(t->dialogue);
    (void)rest;
    for (int i = 0; count && i < 3; i++) {
        if (strcmp(words[0], names[i]) != 0)
            continue;
        o->context = (context_policy)i;
        return talk_say(t, "the next turn's passes remember %s", about[i]);
    }
    if (count)
        return error_set(err, ERROR_USAGE, "/context: \"%.40s\" is none of own, merged, picked",
                         words[0]);
    return talk_say(t, "%s: passes remember %s; %d of %d tokens", names[o->context],
                    about[o->context], dialogue_context_used(t->dialogue), o->council.context);
}

/* ---- again, or not at all ---------------------------------------------------------------------- */

static int read_seed(const char *text, uint64_t *seed, error *err)
{
    size_t n = strlen(text);
    unsigned long long v =
        n && n <= 16 && strspn(text, "0123456789") == n ? strtoull(text, NULL, 10) : UINT64_MAX;
    if (v >> 53)
        return error_set(err, ERROR_USAGE, "seed: \"%.40s\" is no whole number below 2^53", text);
    *seed = v;
    return 0;
}

int slash_retry(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    const char *name = NULL;
    (void)rest;
    if (talk_turn(t, &turn, err))
        return -1;
    /* another draw than any before of this turn, and the same one in a session told its seed */
    uint64_t seed = (t->how.seed + 7919 * (uint64_t)turn->answer_count) & (((uint64_t)1 << 53) - 1);
    for (int i = 0; i < count; i++) {
        if (strncmp(words[i], "seed=", 5) == 0) {
            if (read_seed(words[i] + 5, &seed, err))
                return -1;
        } else if (name || !(name = talk_find_name(t, words[i], err))) {
            return name ? error_set(err, ERROR_USAGE, "/retry takes one name, or none for all")
                        : -1;
        }
    }
    if (name && strcmp(name, "merge") == 0)
        return slash_merge(t, "", words, 0, err);
    return talk_retry(t, name, seed, err);
}

int slash_undo(talk *t, const char *rest, char *const *words, int count, error *err)
{
    struct turn *turn;
    buf text = {0};
    (void)rest, (void)words, (void)count;
    if (talk_turn(t, &turn, err) || conversation_undo(t->conversation, err))
        return -1;
    talk_saved(t);
    talk_forget_blind(t);
    int result = talk_excerpt(t, turn->prompt.v, PROMPT_CELLS, &text, err);
    if (!result)
        result = talk_say(t, "forgotten: %s", text.v ? text.v : "");
    buf_release(&text);
    return result;
}

/* ---- the next prompt --------------------------------------------------------------------------- */

int slash_file(talk *t, const char *rest, char *const *words, int count, error *err)
{
    buf part = {0};
    if (!count && t->pending_files)
        return talk_say(t, "%d file%s, %zu bytes, for the next prompt; /file off takes %s out",
                        t->pending_files, t->pending_files == 1 ? "" : "s", t->pending.len,
                        t->pending_files == 1 ? "it" : "them");
    if (!count)
        return error_set(err, ERROR_USAGE, "/file needs the path of a file");
    if (count == 1 && strcmp(words[0], "off") == 0) {
        buf_clear(&t->pending);
        t->pending_files = 0;
        return talk_say(t, "the next prompt has no files");
    }
    size_t n = strlen(rest);
    while (n && (rest[n - 1] == ' ' || rest[n - 1] == '\n'))
        n--;
    const char *path = talk_path(t, rest, n, err);
    int result = path ? input_read(path, &part, t->con, err) : -1;
    if (!result && part.len && part.v[part.len - 1] == '\n')
        part.v[--part.len] = '\0';
    if (!result && t->pending.len)
        result = buf_text(&t->pending, "\n\n", err);
    if (!result)
        result = buf_add(&t->pending, part.v ? part.v : "", part.len, err);
    if (!result) {
        t->pending_files++;
        result = talk_say(t, "%d file%s, %zu bytes, will stand behind the next prompt",
                          t->pending_files, t->pending_files == 1 ? "" : "s", t->pending.len);
    }
    buf_release(&part);
    return result;
}
