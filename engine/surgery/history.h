/* history.h - what was done to a model's file, kept in the file.
 *
 * consilium.history is a text in the metadata (of a GGUF file a string, of safetensors a member of
 * __metadata__): a JSON array, one object for each writing, the oldest first:
 *
 *     {"program":"consilium 0.1.0","from":"base.gguf","fingerprint":"..","done":"drop 3:5"}
 *
 * from: what the model is called (checkpoint_name()); fingerprint: of its routers (fingerprint.h). Nothing
 * in it depends on the day, so the same writing gives the same bytes.
 */
#ifndef ENGINE_HISTORY_H
#define ENGINE_HISTORY_H

#include "../base/buf.h"
#include "../base/json.h"
#include "../formats/checkpoint.h"
#include "../routing/fingerprint.h"

#define HISTORY_KEY "consilium.history"

/* What the first safetensors file says of itself (texts by key); NULL when it says nothing. Caller
 * closes. ERROR_LOAD. */
int history_metadata(const checkpoint *c, json_document **out, error *err);

/* As engine_fingerprint() names a model; "" for one without routers. */
int history_name_model(const checkpoint *c, char hex[FINGERPRINT_TEXT], error *err);

/* Appends the history of c with one more entry. ERROR_LOAD when what c has is no such array. */
int history_next(const checkpoint *c, const char *done, buf *out, error *err);

#endif
