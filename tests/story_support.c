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

/* What table_dialogue() seats. */
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

void story_take(story *s, conversation *c)
{
    dialogue_options o = table_options();
    if (!c || conversation_load(c, s->k->e, &o, &s->seats, NULL, NULL, &s->err))
        fail_msg("%s", s->err.text);
    conversation_close(s->c);
    s->c = c;
    s->d = conversation_dialogue(c);
}

void story_begin(story *s, const table *k, const char *id)
{
    *s = (story){.k = k, .place = transcripts_folder()};
    s->seats = seats_of(k, &s->mask, &s->experts);
    story_take(s, conversation_new(s->place, id, &s->err));
}

void story_finish(story *s)
{
    conversation_close(s->c);
    transcripts_remove(s->place);
}

static void saved(story *s, int result)
{
    if (result)
        fail_msg("%s", s->err.text);
    if (conversation_unsaved(s->c))
        fail_msg("not saved: %s", conversation_unsaved(s->c)->text);
}

void story_ask(story *s, const char *prompt, const char *only)
{
    saved(s, conversation_ask(s->c, prompt, strlen(prompt), only, false, NULL, &s->err));
}

void story_retry(story *s, const char *name, uint64_t seed)
{
    saved(s, conversation_retry(s->c, name, seed, NULL, &s->err));
}

void story_merge(story *s, merge_method method)
{
    merge_options o = {.method = method, .rounds = 1, .seed = 3, .max_tokens = 8};
    saved(s, conversation_merge(s->c, &o, NULL, 0, NULL, NULL, &s->err));
}

void story_pick(story *s, const char *name)
{
    saved(s, conversation_pick(s->c, name, &s->err));
}

void story_undo(story *s)
{
    saved(s, conversation_undo(s->c, &s->err));
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
    (void)snprintf(name, sizeof name, "%s.jsonl", conversation_id(s->c));
    char *path = transcripts_path(s->place, name);
    history *h = history_load(path, &err);
    free(path);
    if (!h)
        fail_msg("%s", err.text);
    assert_int_equal(h->damaged + h->torn, 0);
    return h;
}
