/* user_config.h - the user's defaults: $XDG_CONFIG_HOME/consilium/config.json.
 *
 * Its keys are the long names of options, and an option's row in the table checks its value, so
 * there is nothing here to keep in step:
 *
 *     {"model": "ollama:qwen3:30b", "temperature": 0.5, "control": "none", "mask": ["a.json"]}
 *
 * Numbers are JSON numbers, flags are true or false, an option that may stand several times takes a
 * list. A key that belongs to other commands is checked and left to them; personas, mask, adapter,
 * experts and strength serve those who answer, never `logits` and `perplexity`. What the command line
 * says wins; for sampling a persona stands between the two.
 */
#ifndef REPL_USER_CONFIG_H
#define REPL_USER_CONFIG_H

#include "../../engine/base/json.h"
#include "options.h"

/* Owns the texts that options borrow from the file. {0} is valid and empty. */
typedef struct user_config {
    json_document *document;
    char **texts; /* numbers, written out */
    size_t count;
} user_config;

/* Reads the file, if there is one, into *opt, which has its command. ERROR_USAGE naming file and
 * key. user_config_release in any case, after the last use of *opt. */
int user_config_apply(user_config *s, options *opt, error *err);
void user_config_release(user_config *s);

#endif
