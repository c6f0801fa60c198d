/* persona_tree.h - groups of personas, taken apart: who speaks, and whose answers are joined by what.
 *
 * A persona that is a group stands for its members, and each of these may be a group again, three
 * groups deep at most. A leaf is one that speaks; its column is its way through the groups,
 * "team/coder", and a group's is its own, "team/inner". A persona stands in one tree once: two
 * groups of a tree that share a member would count its opinion twice, and a group within itself would
 * have no end; both are refused with the names on the way. Trees beside each other may share.
 *
 * Groups stand in the list inside out: one that is a member comes before the group that it is in. A group
 * whose merge is "none" is a name for a list: it has columns and no answer, and its members are parties
 * of whatever is around it.
 *
 * No model is needed for this, so it is known before one is opened.
 */
#ifndef PERSONAS_PERSONA_TREE_H
#define PERSONAS_PERSONA_TREE_H

#include "../../engine/base/region.h"
#include "persona.h"

enum {
    GROUP_DEPTH = 3,
    COLUMN_BYTES = (GROUP_DEPTH + 1) * 65 + 16, /* "a/b/c/NAME:prompt" */
};

typedef struct tree_leaf {
    persona *persona;
    const char *column;
    int group; /* whose party it is, or -1 */
} tree_leaf;

typedef struct tree_group {
    persona *persona;
    const char *column;
    int parent; /* whose party it is, or -1; behind it in the list */
} tree_group;

typedef struct persona_tree {
    tree_leaf *leaves;
    tree_group *groups;
    int leaf_count, group_count;
    persona **owned; /* [owned_count] all that were read */
    int owned_count;
    region memory;
} persona_tree;

/* Of names[n] as --personas has them. *out is set; persona_tree_close() in any case. ERROR_LOAD and ERROR_USAGE
 * by the names on the way. */
int persona_tree_open(persona_tree *out, const char *const *names, int n, error *err);
void persona_tree_close(persona_tree *t); /* {0} ok */

/* Whether one of the trees of names[n] has it, as persona or as group; what cannot be read has nothing. */
bool persona_tree_has(const char *const *names, int n, const char *name);
/* Whether an option for `name` is one for this column: for the persona, a group it is in, or a way to
 * it, "team/coder". */
bool persona_column_is(const char *column, const char *name);

#endif
