/* structure.h - how a text is built: headings, lists, and sentences that lean on one another.
 *
 * A model that thinks longer writes more; whether it also orders what it writes can be counted. Blocks
 * are those of Markdown (markdown_blocks.h). A sentence is linked when one of its words says how it
 * follows from others ("because", "therefore", "however", "finally"; in English and Russian).
 */
#ifndef PERSONAS_STRUCTURE_H
#define PERSONAS_STRUCTURE_H

#include <stddef.h>

typedef struct structure {
    int headings, items;  /* of lists */
    int depth;            /* levels of headings that occur, and lists within lists */
    int sentences, links; /* sentences; those of them that are linked */
} structure;

/* Code is passed over. The text may be broken UTF-8. */
structure structure_of(const char *text, size_t len);

#endif
