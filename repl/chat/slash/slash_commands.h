/* slash_commands.h - one function per command of the conversation; slash_table.c names them.
 *
 * words: [count] what stands behind the command, cut at spaces; rest: the same uncut. 0, or -1 with
 * the sentence that is shown; the conversation goes on either way.
 */
#ifndef REPL_SLASH_COMMANDS_H
#define REPL_SLASH_COMMANDS_H

#include "slash.h"

typedef int slash_fn(talk *t, const char *rest, char *const *words, int count, error *err);

/* slash_turn.c: what happens to an exchange */
slash_fn slash_merge, slash_debate, slash_vote, slash_blend, slash_pick, slash_retry, slash_undo,
    slash_context, slash_file;
/* slash_diverge.c, slash_mask.c, slash_set.c and slash_save.c: one each */
slash_fn slash_diverge, slash_mask, slash_set, slash_save;
/* slash_compare.c: one question, several settings */
slash_fn slash_compare;
/* slash_teach.c, slash_train.c: what a persona learns from, and that it does */
slash_fn slash_teach, slash_train, slash_untrain;
/* slash_trace.c: what the routers did */
slash_fn slash_routing, slash_trace;
/* slash_derive.c: a mask from what it was taught */
slash_fn slash_derive;
/* slash_history.c: what was asked */
slash_fn slash_history, slash_edit, slash_continue, slash_new;
/* slash_seats.c: who speaks, and how */
slash_fn slash_personas, slash_control, slash_experts, slash_strength, slash_think, slash_system,
    slash_model;
/* slash_mode.c: a way of working */
slash_fn slash_mode;
/* slash_show.c: looking at it */
slash_fn slash_view, slash_show, slash_copy, slash_blind, slash_help, slash_quit;
/* slash_session.c: the record */
slash_fn slash_sessions, slash_resume, slash_fork, slash_title, slash_search, slash_stats;

/* Whether a persona is among those asked. */
bool slash_is_seated(const talk *t, const char *name);
/* slash_edit.c. The persona's file in the user's own folder, where a copy is made when it came with the
 * program; caller frees *path. */
int slash_own_persona(talk *t, const char *name, char **path, error *err);
/* slash_train.c. Seated anew, with what lies beside it now; one that does not speak yet does from now
 * on. */
int slash_use_persona(talk *t, const char *name, error *err);
int slash_edit_persona(talk *t, const char *name, error *err);
/* The text of a pass's answer, or of the merge. Borrowed from the turn. */
int slash_text(talk *t, const char *word, const char **name, const char **text, size_t *n,
               error *err);

#endif
