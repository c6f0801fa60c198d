/* code_block.h - fenced code in an answer: ``` or ~~~, as CommonMark has them. */
#ifndef REPL_CODE_BLOCK_H
#define REPL_CODE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

/* The number-th block (from 1): *code points into text, *len bytes, the last newline included. A
 * block that is not closed ends with the text. */
bool code_block_find(const char *text, size_t n, int number, const char **code, size_t *len);

#endif
