/* charset.h - which characters come in and go out, whatever the locale is called.
 *
 * Keys, pastes and files are read as UTF-8, always: terminals send it today, also where LANG is unset,
 * "C" or a locale that is not installed (a container, a login over ssh). Only LC_CTYPE of this process
 * is changed; the environment stays as it is for the programs that are started from here, and decimals
 * keep their point. What the environment says decides one thing more: a locale that names another
 * character set (ISO-8859-1) gets ASCII on the screen. A terminal that really sends such a set is told
 * so by the first line that is no UTF-8.
 */
#ifndef REPL_CHARSET_H
#define REPL_CHARSET_H

#include <stdbool.h>

/* Once, at the start: sets LC_CTYPE. True when the environment names a character set that is not
 * UTF-8. */
bool charset_open(void);

/* Readline sets LC_CTYPE from the environment before each line: between these two it finds there
 * what is set already. */
typedef struct charset_saved {
    char *found; /* LC_ALL as it was, owned; NULL = unset */
} charset_saved;
charset_saved charset_export(void);
void charset_restore(charset_saved *saved);

#endif
