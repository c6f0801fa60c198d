/* talk_training.h - a persona that learns beside the conversation.
 *
 * `consilium train` runs as a process of the broker's (../system/training.h) and writes its events to a
 * file in memory. Nothing is told while answers stream: the file is read when the prompt is made and while
 * it waits, when /train asks, and at the end, so all that the screen gets of it is a word in the prompt and
 * one line when it has ended: above the prompt that stands, or before the next one.
 */
#ifndef REPL_TALK_TRAINING_H
#define REPL_TALK_TRAINING_H

#include "talk.h"

typedef struct talk_training talk_training;

/* words: a persona's name and options, parted by newlines. ERROR_USAGE while another one runs. */
int talk_train(talk *t, const char *name, const char *words, error *err);
/* Looks; ERROR_USAGE while one runs. */
int talk_training_none(talk *t, error *err);
/* How it stands: figures and a small curve; or what became of the last one. */
int talk_training_tell(talk *t, error *err);
/* Ends it: what it has is kept. */
int talk_training_stop(talk *t, error *err);
/* What became of the last one is told no more, where it was this persona. */
void talk_training_forget(talk *t, const char *name);
/* Looks; one that has ended is told in a line, once. */
void talk_training_look(talk *t);
/* The same for a prompt that waits: true and its line in *out, when it has just ended. */
bool talk_training_news(talk *t, buf *out);
/* " training coder 42 %" for the prompt; nothing when none runs. */
int talk_training_prompt(const talk *t, buf *out, error *err);
/* The program is being left: says what becomes of one that runs. */
void talk_training_leave(talk *t);
void talk_training_close(talk_training *g); /* NULL ok */

#endif
