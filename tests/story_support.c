/* story_support.c - see story_support.h. */
#include "story_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const NAMES[] = {"ann", "bob", "cleo"};

/* What table_dialogue() seats, as the keeper is told of it. */
static roster_options seats_of(const table *k, named_mask *given, named_value *experts)
{
    *given = (named_mask){"cleo", k->mask};
    *experts = (named_value){"bob", 3};
    roster_options o = {.personas = NAMES,
                        .persona_count = 3,
                        .masks = given,
                        .mask_count = 1,
                        .given = GIVEN_TEMPERATURE | GIVEN_TOP_P,
                        .sampling = sampling_defaults()};
    o.sampling.temperature = 1;
    o.sampling.top_p = 1;
    return o;
}

void story_begin(story *s, const table *k, const char *id)
{
    *s = (story){.k = k, .place = transcripts_folder()};
    dialogue_options o = table_options();
    s->d = table_dialogue(k, &o);
    s->seats = seats_of(k, &s->mask, &s->experts);
    s->keeper = keeper_new(s->place, id, &s->err);
    assert_non_null(s->keeper);
}

void story_finish(story *s)
{
    keeper_close(s->keeper);
    dialogue_close(s->d);
    transcripts_remove(s->place);
}

static void saved(story *s, int result)
{
    if (result)
        fail_msg("not saved: %s", s->err.text);
}

void story_ask(story *s, const char *prompt, const char *only)
{
    const struct turn *t = table_ask(s->d, prompt, only);
    saved(s, keeper_turn(s->keeper, s->d, &s->seats, t, &s->err));
}

void story_retry(story *s, const char *name, uint64_t seed)
{
    const struct turn *t = dialogue_last(s->d);
    int before = t->answer_count;
    assert_int_equal(dialogue_retry(s->d, name, seed, NULL, &s->err), 0);
    for (int i = before; i < t->answer_count; i++)
        saved(s, keeper_retry(s->keeper, s->d, &s->seats, t, &t->answers[i], &s->err));
}

void story_merge(story *s, merge_method method)
{
    merge_options o = {.method = method, .rounds = 1, .seed = 3, .max_tokens = 8};
    const struct turn *t = dialogue_last(s->d);
    assert_int_equal(dialogue_merge(s->d, &o, NULL, 0, NULL, NULL, &s->err), 0);
    saved(s, keeper_merge(s->keeper, t, &t->merges[t->merge_count - 1], &s->err));
}

void story_pick(story *s, const char *name)
{
    assert_int_equal(dialogue_pick(s->d, name, &s->err), 0);
    saved(s, keeper_pick(s->keeper, dialogue_last(s->d), &s->err));
}

void story_undo(story *s)
{
    const struct turn *t = dialogue_last(s->d);
    assert_int_equal(dialogue_undo(s->d, &s->err), 0);
    saved(s, keeper_undo(s->keeper, t, &s->err));
}

/* All there is to say. */
void story_tell(story *s)
{
    story_ask(s, "First question.", NULL);
    story_merge(s, MERGE_VOTE);
    story_pick(s, "bob");
    story_ask(s, "Second one, \xd0\xb4\xd0\xb0?", NULL);
    story_retry(s, "ann", 11);
    story_retry(s, NULL, 12);
    story_merge(s, MERGE_BLEND);
    story_ask(s, "To be taken back.", NULL);
    story_undo(s);
    dialogue_settings(s->d)->context = CONTEXT_PICKED;
    dialogue_settings(s->d)->council.max_tokens = 9;
    story_ask(s, "Fourth, for bob.", "bob");
    dialogue_settings(s->d)->context = CONTEXT_MERGED;
    dialogue_settings(s->d)->council.prefill = PREFILL_SHARED;
    story_ask(s, "Fifth.", NULL);
    story_merge(s, MERGE_DEBATE);
    story_pick(s, "merge");
}

history *story_read_back(const story *s)
{
    error err = {0};
    char name[80];
    (void)snprintf(name, sizeof name, "%s.jsonl", keeper_id(s->keeper));
    char *path = transcripts_path(s->place, name);
    history *h = history_load(path, &err);
    free(path);
    if (!h)
        fail_msg("%s", err.text);
    assert_int_equal(h->damaged + h->torn, 0);
    return h;
}
