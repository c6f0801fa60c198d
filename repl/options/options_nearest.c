/* options_nearest.c - "did you mean": the known name that a misspelt one is nearest to.
 *
 * Distance is optimal string alignment: insert, delete, replace, or swap two neighbours, 1 each
 * (Damerau 1964, the usual dynamic programme with three rows). The beginning of a name counts as
 * near it whatever its length, since people try abbreviations.
 */
#include "options.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_length];
}

const char *options_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t length = strlen(word);
    if (length < 2 || length > LONGEST)
        return NULL;
    const char *best = NULL;
    size_t best_distance = 1 + length / 4; /* the furthest that is still near */
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LONGEST)
            continue;
        bool begins = other >= length && memcmp(candidates[i], word, length) == 0;
        size_t d = begins ? 1 : distance(word, length, candidates[i], other);
        if (d < best_distance || (d == best_distance && !best)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
