/* records.h - the fields of a transcript, and how texts stand in it.
 *
 * The first line is the header:
 *
 *     {"transcript":1,"id":"3f9a0c12","created":"2026-11-22T11:31:24Z","version":"0.1.0",
 *      "model":{"path","architecture","fingerprint","layers","experts","experts_per_token"},
 *      "isa":"avx2"}
 *
 * Every further line is a record {"type":T,"n":N,"turn":K,"parent":P,"time":SECONDS, ...}: n counts
 * the records, turn the prompts, parent is the n of the record that it belongs to (0 = none), time is
 * in seconds since 1970 with milliseconds. Numbers are never used again. By type:
 *
 *   setting  either all that later turns run under: "model" (as in the header, without its path, and
 *            "path"), "tokenizer" {"path","hash"} (absent where it is the model's own), "isa", "kv" "f16", "context", "max_tokens", "loop" (tokens that a cycle covers,
 *            0 or absent = off), "think", "prefill", "raw", "stops" [text], "chat_format" name
 *            ("template" = the model's own; without the next field, a name of its kind) or null,
 *            "template" ["KEY=VALUE"] (variables of the chat template), "day" "2026-11-22" (what one
 *            that asks the clock was told), "mode" (the word that chose some of these settings, "auto"
 *            too; absent without one), "overflow_stop", "seed" (of the conversation), "personas"
 *            [name], "control", "no_instruction", "sampling" {as asked for, "given" [field]}, "masks"
 *            [{"name","path","hash"}], "adapters" [{"name","path","hash","scale"}] or absent, "router"
 *            {"path","hash"} or absent, "knobs" {"norm_width" (0 = the persona's), "adaptive_min",
 *            "adaptive_ratio","experts_by_layer" [layers] (0 = as all) or absent} or absent, "experts",
 *            "strengths" and "softened" [{"name","value"}], "unmasked" [name], "system" text or null
 *            (in each seat's instruction already), and "seats", one a pass: {"name","persona",
 *            "acts_by","color","instruction","program" (16 hex digits of the router program's hash),
 *            "asked_experts","sampling" {..}}, "groups" [{"name","persona","merge","rounds","by","members"
 *            [name]}] (whose answers are joined of their members'; absent without); or, without "seats", one note "KEY":"VALUE"
 *            ("blind":"on", "forgot":"1-3", "forked":ID: all records before were copied from there).
 *   prompt   parent = the prompt record of the turn that it follows. "text", "context" own, merged or
 *            picked, "from" (the oldest turn that the passes remembered), "reach" (the
 *            oldest that was left out only to be brief; absent when none was), "shared", "seed" (of the
 *            turn), "timings" {"prefill","decode","union_experts_per_step","picks_per_step"}, and
 *            "only" NAME, or "NAME,NAME", when not all passes were asked.
 *   answer   parent = its prompt. "persona", "acts_by", "color", "text" without its thought,
 *            "thought" (absent when there is none), "tokens" [id] thought included, "continued" (the
 *            first so many of them are those of the version before, behind which it went on; absent
 *            in an answer of its own), "prompt_tokens", "prompt_hash" (16 hex digits over the ids
 *            that were read), "stop", "failure" with stop "error", "seed", "program", "seconds",
 *            "tokens_per_second", "asked_experts", "least_allowed", "routing" {"allowed","used"
 *            [layers],"banned_mass"}; of a group "merge" {"method","of","by","winner","note","scores",
 *            "shares","basis",..} as in a record of that type, whose text, tokens and stop are the answer's: it
 *            stands behind the answers of its members "GROUP/NAME". A later answer of the same persona to the same prompt takes the
 *            earlier one's place.
 *   merge    parent = the prompt. "method", "by", "winner" (an index, -1 = none), "note", "text",
 *            "tokens" [id], "of" [name], "scores" [judge][answer], "shares", "basis" (what they rest on),
 *            "verifier" (16 hex digits of the one that made them), "divergence", "revised" [{"text"}], "tie", "stop", "seconds", "seed"; of one that failed "method", "of", "seed",
 *            "failure".
 *   pick     parent = the prompt. "name" of a pass, or "merge"; null = the pick is taken off, because
 *            what it named was given anew.
 *   undo     parent = the prompt of the turn that is taken back.
 *   title    parent 0. "title": how lists and exports call the conversation from now on; "" = by the
 *            first words of its first prompt again.
 *
 * A text is valid UTF-8: bytes that are no character, and U+0000 which JSON readers refuse, become
 * U+FFFD. One that held U+0000 also stands in "exact" ("exact_KEY" for other keys than "text"), in
 * base64. A field that a reader does not know is passed over; a field that is absent is empty.
 */
#ifndef TRANSCRIPTS_RECORDS_H
#define TRANSCRIPTS_RECORDS_H

#include "../engine/base/json.h"
#include "../engine/base/json_writer.h"

/* What a header, a setting and a document say of a model. Texts are borrowed. */
typedef struct transcript_model {
    const char *path;
    const char *name; /* that it was asked for by; NULL = left out */
    const char *architecture, *fingerprint;
    int layers, experts, experts_per_token;
} transcript_model;
/* "KEY": {..} */
void records_put_model(json_writer *e, const char *key, const transcript_model *m);
/* Of an object with such a member; what is absent is "" and 0, and names are left out. */
transcript_model records_read_model(const json *object, const char *key);
/* A member's text, "" when there is none. */
const char *records_word(const json *object, const char *key);

/* The highest n that a record may have, and how many less a file may end with to be gone on from. */
enum { RECORDS_MOST = 1 << 30, RECORDS_SPARE = 1 << 24 };

/* "KEY": text, and its exact bytes where it holds U+0000. */
void records_text(json_writer *e, const char *key, const char *bytes, size_t n);

/* The bytes of that text: 1 and *bytes (malloc'd, NUL-terminated, *n long) when the member is there,
 * 0 when not or not a text, -1 without memory. A broken "exact" is passed over. */
int records_read_text(const json *object, const char *key, char **bytes, size_t *n, error *err);

/* One line of a file. *out = the record, NULL when the line holds none. *damaged: true when it is not
 * what a writer would have written; NUL bytes before a whole record, as a lost block leaves them, are
 * damage around a record that is still good. Blank lines are neither. -1 only without memory. */
int records_parse(const char *line, size_t n, json_document **out, bool *damaged, error *err);

/* The header; NULL (ERROR_LOAD) when the line is none, or of a later version. */
json_document *records_header(const char *path, const char *line, size_t n, error *err);

#endif
