/* transcript_lookup.h - what the commands about kept conversations share: one transcript, the index, times. */
#ifndef REPL_TRANSCRIPT_LOOKUP_H
#define REPL_TRANSCRIPT_LOOKUP_H

#include "../../transcripts/history.h"
#include "../../transcripts/search.h"
#include "../screen/console.h"

enum { TIME_TEXT = 32 };

/* The transcript whose id begins with `prefix`; what is damaged in it is told on standard error.
 * ERROR_USAGE when there is none or several. Caller owns. */
history *transcript_lookup(const char *prefix, console *con, error *err);

/* What is damaged in it, on standard error. */
void note_damage(const history *h, console *con);

/* The index, brought up to date; says when it cannot be kept. Caller owns. */
search *search_lookup(console *con, error *err);

/* "2026-11-22 11:31", local time; "" for 0. Writes into out [TIME_TEXT], returns it. */
char *local_time(char *out, double seconds);
/* "2026-11-22T11:31:24Z", for scripts. */
char *utc_time(char *out, double seconds);

#endif
