/* added_tokens.h - added tokens that are found in text before anything else looks at it.
 *
 * Special tokens ("<|im_start|>") and what else a vocabulary adds ("<think>") are found only where
 * every byte is trusted: written by a chat template, never by a user or a model. Tokens of white
 * space alone are found in anybody's text: vocabularies of the GPT-NeoX family (OLMo, OLMoE) keep
 * runs of spaces so, and nobody can take them for anything else.
 *
 * A trie of bytes finds the longest one at each place, leftmost first, which is what the
 * reference's Aho-Corasick automaton finds. A token that is only partly trusted is passed over as
 * if it were not there, so nobody's text decides which token a template's text becomes.
 */
#ifndef ENGINE_ADDED_TOKENS_H
#define ENGINE_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

/* A token that is longer is never searched; the longest published ones have 50 bytes. */
enum { ADDED_TOKEN_MAX_TEXT = 256, ADDED_TOKENS_MAX_WHITE_SPACE = 1024 };

/* What the reference calls lstrip, rstrip and single_word, and whose text it is found in. */
typedef struct added_token_options {
    bool untrusted;   /* of white space: found in text that is not trusted too */
    bool left, right; /* takes the white space on this side with it */
    bool single;      /* only where no letter, digit or _ touches it */
} added_token_options;

typedef struct added_token_node {
    unsigned char byte;
    added_token_options options;
    int id;             /* -1: no token ends here */
    int child, sibling; /* indices, -1 = none */
} added_token_node;

/* {0} is valid and finds nothing. */
typedef struct added_tokens {
    added_token_node *node; /* node 0 is the root */
    int len, cap;
    int white_space; /* tokens that are found in anybody's text */
} added_tokens;

typedef struct added_token_hit {
    int id; /* -1 = none */
    size_t length;
    added_token_options options;
} added_token_hit;

/* text is not empty. ERROR_LOAD for white space that is too long or too much of it. */
int added_tokens_insert(added_tokens *a, const char *text, size_t len, int id,
                        added_token_options options, error *err);
void added_tokens_release(added_tokens *a);

/* The longest token that text[0..len) begins with. trusted: [len] 1 = by a template; NULL = none. */
added_token_hit added_tokens_match(const added_tokens *a, const char *text, size_t len,
                                   const unsigned char *trusted);

#endif
