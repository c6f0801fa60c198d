/* rules.h - rules: changes of routing for some of the tokens of a pass.
 *
 *   {"when": {"token": [1234]}, "layers": "20-29", "do": {"force": "77"}, "for": "token"}
 *
 * `when` names token ids, a tag (text; never a special token), a PCRE2 pattern that sees the last
 * 256 bytes of text, or a role. `do` forces, keeps, bans or biases experts, or sets k. `for` says how
 * long: this token, N tokens from this one on, or the rest of the turn. What a rule does to a token
 * depends only on the tokens up to it, so a replayed or forked timeline routes the same way.
 *
 * The list is read from a persona file and compiled into router programs (router.h); a session
 * keeps the small state (recent text, how long each rule still acts).
 */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include "../kernels/error.h"
#include "json.h"

typedef struct rule_list rule_list;

enum { RULES_MAX = 32, RULE_TEXT_BYTES = 256 };

/* Reads the "rules" array of a persona file. `array` is only read. Patterns are compiled here (JIT,
 * with match, depth and heap limits). Caller owns. ERROR_LOAD naming the rule and field. */
rule_list *rules_read(const json *array, error *err);
void rules_close(rule_list *r); /* NULL ok */
int rules_count(const rule_list *r);

#endif
