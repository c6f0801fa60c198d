/* lex_literal.h - numbers and strings of template source. */
#ifndef ENGINE_JINJA_LEX_LITERAL_H
#define ENGINE_JINJA_LEX_LITERAL_H

#include "lex.h"

/* Makes *t the literal that stands at x->at and sets *used to its bytes; 0 when there is none. */
int lex_literal(lexer *x, token *t, size_t *used);

/* The integer written in digits of this base (2 to 16), underscores skipped; false beyond int64. */
bool parse_digits(const char *s, size_t n, int base, int64_t *out);
/* A decimal floating point number of s[0..n), underscores skipped, with "." in every locale; false
 * when that is not all of it. n < 400. */
bool parse_double(const char *s, size_t n, double *out);

#endif
