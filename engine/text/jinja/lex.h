/* lex.h - template text to tokens, as jinja2's lexer cuts it with trim_blocks and lstrip_blocks.
 *
 * All white space control happens here: what `-` and `+` strip, the newline behind a block or
 * comment, the blanks before one, raw blocks, comments. The text must be valid UTF-8 with \n alone
 * for newlines (lex_normalise). Source: jinja2 3.1 lexer rules.
 */
#ifndef ENGINE_JINJA_LEX_H
#define ENGINE_JINJA_LEX_H

#include "../../../kernels/error.h"
#include "arena.h"
#include "value.h"

typedef enum token_kind {
    T_EOF,
    T_DATA,
    T_OUTPUT_BEGIN,
    T_OUTPUT_END,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_NAME,
    T_STRING,
    T_INT,
    T_FLOAT,
    T_OPERATOR, /* op holds its characters */
} token_kind;

typedef struct token {
    token_kind kind;
    char op[3];
    uint32_t line, column;
    const char *at; /* T_NAME, T_DATA: in the source */
    size_t len;
    value v; /* of a literal */
} token;

typedef struct lexer {
    arena *mem; /* of the literals' texts */
    error *err;
    const char *text;
    size_t len, at;
    /* where a line and column were last counted up to */
    size_t seen;
    uint32_t line, column;
    enum { IN_DATA, IN_BLOCK, IN_OUTPUT } state;
    bool line_starting;
    char closers[256]; /* brackets that are open */
    size_t depth;
    token ready; /* a token that was found behind T_DATA */
    bool has_ready;
} lexer;

/* A copy with \r\n and \r made \n and without one newline at the end. NULL = no memory. */
char *lex_normalise(arena *a, const char *source, size_t len, size_t *out_len);

/* The next token; -1 with ERROR_LOAD and its place, or ERROR_RUN without memory. */
int lex_next(lexer *x, token *out);

/* "chat template, line L, column C: " + sentence. Returns -1. */
int template_error(error *err, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
