/* options_bind.h - one value into its field: what options.c and options_set.c share. */
#ifndef REPL_OPTIONS_BIND_H
#define REPL_OPTIONS_BIND_H

#include "options.h"

/* Checks `value` as the row says and puts it into its field, which lies at `field`. ERROR_USAGE. */
int options_bind(char *field, const option_info *row, const char *value, error *err);
/* One more text of an option that may stand several times; borrowed. */
int options_add_text(texts *list, const char *text, error *err);
/* The sentence for a name that no option has, with the nearest. Returns -1. */
int options_unknown(const char *name, size_t length, error *err);

#endif
