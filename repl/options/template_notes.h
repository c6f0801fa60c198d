/* template_notes.h - what a user should know about a model's chat template before it surprises: said
 * once, when the model is at hand. */
#ifndef REPL_TEMPLATE_NOTES_H
#define REPL_TEMPLATE_NOTES_H

#include "../../personas/council/council.h"
#include "../../personas/roster/roster.h"
#include "../screen/console.h"

/* A --think without effect, a thought that nobody asked for, an instruction that stands elsewhere, a
 * variable that nothing reads. */
void template_notes(const engine *e, const roster *seats, const council_options *o, console *con);

/* The last of them alone. */
void template_notes_variables(const chat_format *f, console *con);

/* Why thinking cannot be had, or NULL. */
const char *template_notes_thinking(const engine *e, const council_options *o);

#endif
