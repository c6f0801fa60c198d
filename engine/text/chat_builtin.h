/* chat_builtin.h - chat formats for models that bring no template: --chat-format NAME.
 *
 * They are templates like any other, run by the same interpreter; what stands here beside the text
 * is what a vocabulary must have for the format to make sense, so that a wrong name is an error and
 * not a conversation in plain letters.
 */
#ifndef ENGINE_CHAT_BUILTIN_H
#define ENGINE_CHAT_BUILTIN_H

#include <stdbool.h>

enum { CHAT_BUILTIN_TOKENS = 3 };

typedef struct chat_builtin {
    const char *name; /* "chatml" */
    const char *text;
    const char *tokens[CHAT_BUILTIN_TOKENS]; /* the vocabulary must have them */
    bool ends_with_eos;                      /* it must name an end-of-text token */
} chat_builtin;

const chat_builtin *chat_builtin_find(const char *name); /* NULL when there is none */
const char *chat_builtin_names(void);                    /* "chatml, llama3, ..." */

#endif
