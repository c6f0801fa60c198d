/* edit_words.h - the words of `edit`: verbs that change a bank_plan.h.
 *
 *     copy FROM TO           TO becomes FROM: matrices and row of the router
 *     replace TO FROM        the same, the other way round; FROM may be of another file
 *     insert TO [FROM]       a new expert at TO; those from there on move up by one. Without FROM it
 *                            says nothing: zeros, to be trained
 *     drop PLACE             those behind it move down
 *     swap A B               they trade places
 *     scale PLACE X          what it puts out is multiplied by X
 *     bake ADAPTER [SCALE]   an adapter's file is merged into the experts (bank_bake.h)
 *     average PLACE          in each layer the first named becomes the mean of all that are named
 *
 * A place is LAYERS:EXPERTS, both lists as 3 or 0,4-7 in the order in which they count; * is all
 * layers with experts. FROM may be FILE:LAYERS:EXPERTS. Where a verb has two, they are as long as each
 * other, or FROM is one expert. Verbs follow each other; each counts experts as the one before left
 * them, and a verb sees its own numbers as they were before it.
 */
#ifndef ENGINE_EDIT_WORDS_H
#define ENGINE_EDIT_WORDS_H

#include "../routing/adapter.h"
#include "bank_plan.h"

/* Opens the model that FILE names, once for each name; what it returns has passed weights_check()
 * and outlives the plan. NULL with an error. */
typedef const checkpoint *edit_open(void *user, const char *name, error *err);

/* Opens an adapter that suits the plan's model and outlives the plan. NULL with an error. */
typedef adapter *edit_adapter(void *user, const char *path, error *err);

/* Applies words[0..n) to the plan, which is half changed after a failure. ERROR_USAGE with the verb,
 * the word and what would be right; ERROR_LOAD for a donor that does not fit. */
int edit_words_apply(bank_plan *p, const char *const *words, size_t n, edit_open *open,
                     edit_adapter *open_adapter, void *user, error *err);

#endif
