/* json_lexer.h - JSON text to tokens, strictly: the one place that reads JSON characters.
 *
 * RFC 8259 to the letter, and then a little stricter where a program would be surprised: no byte
 * order mark, UTF-8 checked (no overlong forms, no surrogates), \u escapes that form no character
 * refused, U+0000 refused because the tree holds C strings. No byte beyond text[len-1] is read, so
 * a buffer needs no NUL. json.c (trees) and safetensors.c (headers of 100 MB) both stand on it.
 */
#ifndef ENGINE_JSON_LEXER_H
#define ENGINE_JSON_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

typedef enum json_token_kind {
    JSON_TOKEN_END, /* of the text */
    JSON_TOKEN_OPEN_OBJECT,
    JSON_TOKEN_CLOSE_OBJECT,
    JSON_TOKEN_OPEN_ARRAY,
    JSON_TOKEN_CLOSE_ARRAY,
    JSON_TOKEN_COLON,
    JSON_TOKEN_COMMA,
    JSON_TOKEN_STRING,
    JSON_TOKEN_NUMBER,
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL
} json_token_kind;

typedef struct json_token {
    json_token_kind kind;
    size_t start, len; /* in the text; of a string: what is between its quotes */
    bool escaped;      /* a string that holds a backslash */
} json_token;

typedef struct json_lexer {
    const char *where; /* the file, for sentences */
    const char *text;
    size_t len, at;
} json_lexer;

/* The next token. ERROR_LOAD "WHERE: offset N: ..." for anything that is none. */
int json_lex(json_lexer *x, json_token *t, error *err);

/* The bytes a string token stands for: written to out (room for t->len bytes, which is always
 * enough) when it is escaped, else out is not touched. Returns where they are and sets *len. */
const char *json_lexer_string(const json_lexer *x, const json_token *t, char *out, size_t *len);

/* Length (1 to 4) of the UTF-8 character that text[0..len), len > 0, begins with; 0 = broken. */
size_t json_lexer_character(const char *text, size_t len);

#endif
