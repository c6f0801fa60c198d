/* eval_record.h - what an evaluation has found so far, on the disk.
 *
 * A file of lines, one JSON object each, that only grows. The first says what is evaluated: the set,
 * the model, the arms, all that an answer depends on. Then comes one line an item, and between them
 * lines of times, which nothing else depends on. A run that was killed left whole lines and perhaps a
 * torn one at the end, which is cut off; the next run of the same goes on behind the last item. An
 * item's line does not depend on when the run was interrupted, so without the lines of times the file has
 * the same bytes in the end.
 *
 * The file is locked while it is open, mode 0600.
 */
#ifndef PERSONAS_EVAL_RECORD_H
#define PERSONAS_EVAL_RECORD_H

#include <stddef.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/json.h"

enum { EVAL_RECORD_BYTES = 256 << 20 };

typedef struct eval_record eval_record;

/* One line of an earlier run, without the first. */
typedef int eval_record_line(void *user, const json *line, error *err);

/* Where the record of such a header lies when nobody says: BELOW/STEM.HASH.jsonl among the user's states,
 * so another question has another file. The folder is made; caller frees *path. */
int eval_record_path(const char *below, const char *stem, const buf *header, char **path,
                     error *err);
/* header: the first line, an object without a line end. A file that begins with another one is
 * ERROR_USAGE naming the first field that differs; one that is in use, or holds something else,
 * ERROR_RUN. Caller owns. */
eval_record *eval_record_open(const char *path, const buf *header, eval_record_line *fn, void *user,
                              error *err);
/* Appends lines, whole and with their ends; after 0 they are on the disk. */
int eval_record_add(eval_record *r, const buf *lines, error *err);
void eval_record_close(eval_record *r); /* NULL ok */

#endif
