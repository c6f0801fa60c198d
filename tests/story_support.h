/* story_support.h - a conversation at the table of dialogue_support.h that is kept in a transcript. */
#ifndef TESTS_STORY_SUPPORT_H
#define TESTS_STORY_SUPPORT_H

#include "../personas/conversation/conversation.h"
#include "dialogue_support.h"
#include "transcript_support.h"

/* A conversation of ann, bob and cleo. */
typedef struct story {
    const table *k;
    char *place;
    conversation *c;
    dialogue *d; /* its */
    named_mask mask;
    named_value experts;
    roster_options seats;
    error err;
} story;

void story_begin(story *s, const table *k, const char *id);
/* c goes on in place of the story's conversation: loaded, and what was there before closed. */
void story_take(story *s, conversation *c);
void story_finish(story *s);

/* Each step is done and saved; the test fails where it cannot be. */
void story_ask(story *s, const char *prompt, const char *only);
void story_retry(story *s, const char *name, uint64_t seed);
void story_merge(story *s, merge_method method);
void story_pick(story *s, const char *name);
void story_undo(story *s);
/* Five turns with all there is: retries, a vote, a blend, a debate, picks, one turn undone, one for bob
 * alone, three settings. 17 answers. */
void story_tell(story *s);

/* What the file says so far. */
history *story_read_back(const story *s);

#endif
