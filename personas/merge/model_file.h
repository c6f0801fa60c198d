/* model_file.h - small JSON files that were learned or measured for one model.
 *
 * What a vote goes by (verifier.h), what each way of joining was worth (evidence_table.h): each is a file
 * council.FP16.KIND.json, FP16 the first 16 digits of the model's fingerprint, among the user's personas,
 * else among those that came with the program. It names its model, so that one that was renamed is refused.
 *
 * Readers are strict: a field that is missing, of another type or out of range is ERROR_LOAD by its name.
 */
#ifndef PERSONAS_MODEL_FILE_H
#define PERSONAS_MODEL_FILE_H

#include "../../engine/base/buf.h"
#include "../../engine/base/json.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/run/engine.h"

/* Which model it is about. */
typedef struct model_identity {
    char architecture[64], fingerprint[65];
    int width, layers;
} model_identity;

int model_identity_of(engine *e, model_identity *out, error *err);
/* The member "model" of a file. */
void model_identity_write(json_writer *w, const model_identity *m);
int model_identity_read(const json *root, model_identity *out, error *err);

/* Members that must be there, and in range. */
int model_file_number(const json *v, const char *key, double min, double max, double *out,
                      error *err);
int model_file_int(const json *v, const char *key, int max, int *out, error *err);
int model_file_text(const json *v, const char *key, char *out, size_t size, error *err);
int model_file_hash(const json *v, const char *key, uint64_t *out, error *err);
int model_file_object(const json *v, const char *key, const json **out, error *err);
int model_file_array(const json *v, const char *key, const json **out, error *err);
/* 16 hexadecimal digits. */
void model_file_put_hash(json_writer *w, const char *key, uint64_t hash);

/* Where the one for this model lies; *path = NULL and 0 when there is none. Caller frees. */
int model_file_find(engine *e, const char *kind, char **path, error *err);
/* Where the user's own is written; the folder is made. Caller frees. */
int model_file_own_path(engine *e, const char *kind, char **path, error *err);
/* ERROR_LOAD when a file at `path` is about another model. */
int model_file_check(engine *e, const char *path, const model_identity *m, error *err);

#endif
