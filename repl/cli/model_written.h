/* model_written.h - what commands that write a model's file show while they do, and afterwards. */
#ifndef REPL_MODEL_WRITTEN_H
#define REPL_MODEL_WRITTEN_H

#include "../../engine/surgery/image_file.h"
#include "../screen/console.h"

/* A moving line with the share that is written; Ctrl-C ends it. con must outlive it. */
image_watch model_written_watch(console *con);
/* ERROR_RUN for a file or folder that is there, unless over, and for a transcript. */
int model_written_check(const char *path, bool over, error *err);
/* "PATH (17.2 GB)" on standard output. */
int model_written(console *con, const char *path, error *err);

#endif
