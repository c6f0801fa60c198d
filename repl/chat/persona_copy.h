/* persona_copy.h - a persona that came with the program, copied to where the user may change it. */
#ifndef REPL_PERSONA_COPY_H
#define REPL_PERSONA_COPY_H

#include "../../personas/roster/persona.h"
#include "../system/broker.h"

/* Copies p's file to `to` with all that a persona finds beside itself: masks, lessons, adapters. What
 * is there already stays; the persona itself comes last, so that it is whole once it is there. b:
 * writes, in a conversation; else NULL. */
int persona_copy(const persona *p, const char *to, broker *b, console *con, error *err);

#endif
