/* open_model.h - from the model options of the command line to a loaded model. */
#ifndef REPL_OPEN_MODEL_H
#define REPL_OPEN_MODEL_H

#include "../../engine/run/engine.h"
#include "../screen/console.h"
#include "options.h"

/* Where the built-in model lies once it was built: $XDG_CACHE_HOME/consilium/built-in.gguf.
 * Caller frees. */
int open_model_built_in_path(char **path, error *err);

/* No model is named, or the one that `model list` calls "built-in". */
bool open_model_is_built_in(const options *opt);

/* The file or folder that -m names, or the built-in model. ERROR_LOAD naming the command that
 * builds it when there is none. Caller frees. */
int open_model_path(const options *opt, char **path, error *err);

/* A checkpoint_warn: warnings are shown, details under -v. user: the console. */
void open_model_warn(void *user, checkpoint_note note, const char *sentence);

/* The loaded model. Caller owns; con must outlive it. */
engine *open_model(const options *opt, console *con, error *err);
/* The same, for a conversation of another day: "2026-11-22"; NULL = today. */
engine *open_model_on(const options *opt, const char *day, console *con, error *err);

/* Another model besides, or one with another tokenizer (words) or tweaks; model and words NULL = those
 * that opt names. beside: the first, whose memory it shares; the sandbox, if there is one, was entered
 * with that. */
engine *open_model_tweaked(const options *opt, const char *model, const char *words,
                           const model_tweaks *tweaks, engine *beside, console *con, error *err);

/* What to call the model in a heading: the name it was asked for by, or its file's. Borrowed. */
const char *open_model_title(const options *opt, const engine *e);

/* The context that --context asks for; default: what the
 * model's maker says (model_defaults.h), else its own, at most 8192. ERROR_USAGE when the
 * model was not trained for that much. 0 and *context. */
int open_model_context(const options *opt, const engine *e, int *context, error *err);

/* How many rows of logits are computed at once: at most 64 MiB of them, and one batch. */
int open_model_logit_rows(const engine *e);

/* --max-adapter, or the default: what an adapter's file may have. */
uint64_t open_model_adapter_bytes(const options *opt);
/* --kv, or the command's default. */
dtype open_model_kv(const options *opt, dtype standard);

#endif
