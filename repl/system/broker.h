/* broker.h - the one door out of a conversation that has given its rights up.
 *
 * A conversation runs in the sandbox (sandbox_policy.h), and yet /save writes where the user says,
 * Ctrl-X Ctrl-E runs an editor, /copy a clipboard's program and /train this program once more. So
 * before anything of a stranger is opened, a second process is forked that keeps the rights: it holds
 * no model, no transcript and no lock, and does a handful of operations when it is asked over a
 * socket pair. A request is one message of one size that names one of them; what runs is chosen by
 * this side from the environment that it was started with, never by the request; a longer text comes
 * in a file in memory whose size is bounded.
 *
 * What a conversation that was taken over can still ask for is what its user could: a text in a
 * file of its choosing, the user's editor on a file, a text in the clipboard, a persona that is trained.
 * It cannot run a program of its choosing nor reach the net, and those operations are all that there is to guard.
 *
 * The broker ends when the other end of the pair is closed, also by kill -9, and takes the private
 * folder with it. Ctrl-C reaches both (they are one job for the shell) and ends a write that waits.
 */
#ifndef REPL_BROKER_H
#define REPL_BROKER_H

#include "../screen/console.h"
#include "copy_program.h"

typedef struct broker broker;

/* Forks; there may be no threads yet. with_privileges: what it runs may gain new ones (--no-sandbox). The
 * process that it makes sees *con with its flags. Caller owns. */
broker *broker_start(console *con, bool with_privileges, error *err);
void broker_close(broker *b); /* NULL ok; waits for its end */

/* A private folder (in memory where there is a place for that) which lasts as long as the broker; NULL
 * when none could be made. Borrowed. */
const char *broker_private_folder(const broker *b);

/* output_file_put(). */
int broker_write(broker *b, const char *path, bool over, const char *text, size_t n, error *err);
/* editor_file(), editor_text() (editor.h). */
int broker_edit(broker *b, const char *path, error *err);
int broker_edit_text(broker *b, buf *text, bool in_memory, error *err);
/* copy_program_run(). */
bool broker_copy(broker *b, copy_program program, const char *text, size_t n);
/* Makes the folder of the user's own personas: see persona_new_path(). */
int broker_persona_folder(broker *b, const char *name, error *err);
/* training_start(): *fd gets the descriptor, the caller's. The training ends with the broker. */
int broker_train(broker *b, const char *words, int *fd, error *err);
typedef enum training_state { TRAINING_NONE, TRAINING_RUNS, TRAINING_ENDED } training_state;
/* *status: of one that has ended. */
int broker_training(broker *b, training_state *state, int *status, error *err);
/* training_interrupt(). */
int broker_train_stop(broker *b, error *err);
/* persona_untrain(). */
int broker_untrain(broker *b, const char *name, const char *fingerprint, error *err);
/* lessons_append() to a file NAME.jsonl in that folder. */
int broker_lesson(broker *b, const char *path, const char *line, size_t n, error *err);

#endif
