/* save.h - an export to a file or to standard output.
 *
 * What may be written over, and how, is output_file.h's; standard output is written in place.
 */
#ifndef REPL_SAVE_H
#define REPL_SAVE_H

#include "../../transcripts/export/export.h"
#include "broker.h"

/* The format that a file's ending stands for: .md, .markdown, .html, .htm, .json; false for others. */
bool save_format(const char *path, export_format *out);

/* output_file_put(), by a conversation's broker unless that is NULL. */
int save_put(broker *b, console *con, const char *path, bool over, const char *text, size_t n,
             error *err);

/* path: NULL or "-" = standard output. ERROR_RUN when it cannot be written, or is there and force is
 * false. */
int save_export(const history *h, export_format format, const char *path, bool force, broker *b,
                console *con, error *err);

#endif
