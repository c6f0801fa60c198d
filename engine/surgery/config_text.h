/* config_text.h - one value in the text of a config.json, and nothing else of it.
 *
 * A file that people and tools wrote keeps its order, its spacing and its fields that nobody here knows:
 * only the value of one member of the outermost object changes.
 */
#ifndef ENGINE_CONFIG_TEXT_H
#define ENGINE_CONFIG_TEXT_H

#include <stdbool.h>

#include "../base/buf.h"

/* Appends the object text[0..len) to *out with `value`, a piece of JSON, at `key`, which is added
 * at its beginning when it is not there. ERROR_LOAD for a text that is no JSON object. */
int config_text_set(const char *where, const char *text, size_t len, const char *key,
                    const char *value, buf *out, error *err);
/* Whether the outermost object has the key. */
bool config_text_has(const char *where, const char *text, size_t len, const char *key);

#endif
