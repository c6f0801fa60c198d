/* added.h - added tokens that are found in text before anything else looks at it.
 *
 * Only a few vocabularies have them: those of the GPT-NeoX family (OLMo, OLMoE) keep runs of spaces
 * as added tokens. A trie of bytes finds the longest one at each place, leftmost first, which is
 * what the reference's Aho-Corasick automaton finds.
 */
#ifndef ENGINE_ADDED_H
#define ENGINE_ADDED_H

#include <stddef.h>

#include "../kernels/error.h"

enum { ADDED_MAX_TEXT = 256, ADDED_MAX_COUNT = 1024 };

typedef struct added_node {
    unsigned char byte;
    int id;             /* -1: no token ends here */
    int child, sibling; /* indices, -1 = none */
} added_node;

/* {0} is valid and finds nothing. */
typedef struct added {
    added_node *node; /* node 0 is the root */
    int len, cap, count;
} added;

/* text is not empty. ERROR_LOAD when it is too long or there are too many. */
int added_insert(added *a, const char *text, size_t len, int id, error *err);
void added_release(added *a);

/* The id of the longest token that text[0..len) begins with and its length, or -1. */
int added_match(const added *a, const char *text, size_t len, size_t *length);

#endif
