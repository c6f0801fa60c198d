/* added_tokens.c - see added_tokens.h. */
#include "added_tokens.h"

#include <stdlib.h>

static int new_node(added_tokens *a, unsigned char byte, error *err)
{
    if (a->len == a->cap) {
        int cap = a->cap ? a->cap * 2 : 64;
        added_token_node *node = realloc(a->node, (size_t)cap * sizeof *node);
        if (!node) {
            error_memory(err, "the added tokens");
            return -1;
        }
        a->node = node;
        a->cap = cap;
    }
    a->node[a->len] = (added_token_node){byte, {0}, -1, -1, -1};
    return a->len++;
}

static int child_of(const added_tokens *a, int node, unsigned char byte)
{
    int i = a->node[node].child;
    while (i >= 0 && a->node[i].byte != byte)
        i = a->node[i].sibling;
    return i;
}

int added_tokens_insert(added_tokens *a, const char *text, size_t len, int id,
                        added_token_options options, error *err)
{
    if (options.untrusted &&
        (len > ADDED_TOKEN_MAX_TEXT || a->white_space == ADDED_TOKENS_MAX_WHITE_SPACE))
        return error_set(err, ERROR_LOAD,
                         "more than %d added tokens of white space, or one of more than %d bytes",
                         ADDED_TOKENS_MAX_WHITE_SPACE, ADDED_TOKEN_MAX_TEXT);
    if (len > ADDED_TOKEN_MAX_TEXT)
        return 0;
    if (a->len == 0 && new_node(a, 0, err) < 0)
        return -1;
    int node = 0;
    for (size_t i = 0; i < len; i++) {
        int next = child_of(a, node, (unsigned char)text[i]);
        if (next < 0) {
            next = new_node(a, (unsigned char)text[i], err);
            if (next < 0)
                return -1;
            a->node[next].sibling = a->node[node].child;
            a->node[node].child = next;
        }
        node = next;
    }
    a->node[node].id = id;
    a->node[node].options = options;
    a->white_space += options.untrusted;
    return 0;
}

void added_tokens_release(added_tokens *a)
{
    free(a->node);
    *a = (added_tokens){0};
}

added_token_hit added_tokens_match(const added_tokens *a, const char *text, size_t len,
                                   const unsigned char *trusted)
{
    added_token_hit hit = {.id = -1};
    bool all = trusted != NULL;
    int node = 0;
    if (a->len == 0)
        return hit;
    for (size_t i = 0; i < len; i++) {
        node = child_of(a, node, (unsigned char)text[i]);
        if (node < 0)
            break;
        all = all && trusted[i];
        if (a->node[node].id >= 0 && (all || a->node[node].options.untrusted))
            hit = (added_token_hit){a->node[node].id, i + 1, a->node[node].options};
    }
    return hit;
}
