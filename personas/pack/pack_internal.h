/* pack_internal.h - what the parts of pack.h share. */
#ifndef PERSONAS_PACK_INTERNAL_H
#define PERSONAS_PACK_INTERNAL_H

#include "../../engine/base/json.h"
#include "pack.h"

#define PACK_MANIFEST    "MANIFEST"
#define PACK_MASK_END    ".mask.json"
#define PACK_ADAPTER_END ".adapter.safetensors"

enum { PACK_DIGEST = 65 };

pack *pack_new(const char *where, const char *name, error *err);
/* Takes bytes, [len] with a NUL behind; frees them on failure too. */
int pack_add(pack *p, const char *name, char *bytes, size_t len, error *err);
const pack_file *pack_find(const pack *p, const char *name);
/* By name, the persona first. ERROR_LOAD for a pack without the persona. */
int pack_sort(pack *p, error *err);
/* Every file by its own reader, every name by the rules; fills kind, model, lessons. (pack_check.c) */
int pack_check(pack *p, error *err);
/* SHA-256 as hex digits. */
int pack_digest(const void *bytes, size_t n, char out[PACK_DIGEST], error *err);

/* ---- names (pack_names.c) ------------------------------------------------------------------------ */

/* Whether rest (behind "NAME.") is FP16 and `end`. */
bool pack_is_made(const char *rest, const char *end);
/* What a file is called in a pack of `name`: "old.rest" and "rest" become "name.rest". Caller frees. */
char *pack_name(const char *name, const char *old, const char *file, error *err);
/* Calls fn for each file that a persona names; kind is PACK_LESSONS or PACK_ADAPTER. */
typedef int pack_name_fn(void *user, pack_kind kind, const char *file, error *err);
int pack_each_name(const json *root, pack_name_fn *fn, void *user, error *err);
/* The text of a persona under another name, its files called by pack_name(); as it was when nothing
 * changes. */
int pack_rewrite(const char *where, const char *text, size_t len, const char *old, const char *name,
                 buf *out, error *err);

#endif
