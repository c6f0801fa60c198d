/* written.h - what a chair wrote, looked over: does it speak of its prompt, does it only copy?
 *
 * A chair reads the answers as "Answer A", "Answer B", shortened ones with "[cut]" (merge_synth.c). Who
 * reads the synthesis has never seen these labels, so they are a leak. And a synthesis that is an
 * answer over again is no synthesis: the share of its words that stand in runs of WRITTEN_RUN or more
 * from one answer says so. Words are letters and digits, small and large alike.
 */
#ifndef PERSONAS_WRITTEN_H
#define PERSONAS_WRITTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

enum {
    WRITTEN_RUN = 12,
    WRITTEN_MOST = 8192, /* words of a text that are compared */
};
#define WRITTEN_COPIED 0.25 /* a share worth telling */

/* Whether a text names "Answer A" to that of the last label, or says "[cut]". */
bool written_leaks(const char *text, size_t len, char last);
/* The share of the text's words in such runs from source, 0 to 1, in *share. Well-formed UTF-8. */
int written_copied(const char *text, size_t len, const char *source, size_t source_len,
                   double *share, error *err);

#endif
