/* pack.h - a persona as one file to give away: its file, lessons, masks, adapters.
 *
 * A pack is a zip archive of plain files, the first of them a manifest:
 *
 *     MANIFEST            {"pack":1,"persona":"coder","made_by":"consilium 0.1","files":[
 *                           {"name":"coder.json","bytes":764,"sha256":"64 hex digits"}, ..]}
 *     coder.json          the persona
 *     coder.*             what it names, and what was made for it on each model
 *
 * Two rules make a stranger's pack harmless. All names begin with the persona's and a dot, so that
 * adding one can touch no other persona's files (what a persona calls otherwise is renamed when it
 * is packed). And all that it holds is checked in memory, each file by the reader that will read it
 * later, before the first byte is written; what is no part of a persona is refused.
 *
 * The same persona packs to the same bytes.
 */
#ifndef PERSONAS_PACK_H
#define PERSONAS_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "../../engine/base/buf.h"
#include "../roster/persona.h"

enum {
    PACK_FILES = 256,       /* at most, with the manifest */
    PACK_BYTES = 256 << 20, /* of all files together, and of the archive */
    PACK_FINGERPRINT = 16,  /* digits, in names of files */
};

typedef enum pack_kind {
    PACK_OTHER,   /* not looked at yet */
    PACK_PERSONA, /* NAME.json */
    PACK_LESSONS, /* a file that the persona names under "lessons" */
    PACK_MASK,    /* NAME.FP16.mask.json */
    PACK_ADAPTER, /* NAME.FP16.adapter.safetensors, or one that the persona names */
} pack_kind;

typedef struct pack_file {
    char *name;
    char *bytes; /* [len], and a NUL behind it */
    size_t len;
    pack_kind kind;
    char model[PACK_FINGERPRINT + 1]; /* that it was made for; "" = not said */
    size_t lessons;                   /* how many a file of lessons holds */
} pack_file;

typedef struct pack {
    char *where; /* of sentences: the archive, or the persona's file */
    char *name;  /* the persona's */
    pack_file *files;
    size_t len, cap; /* files[0] is the persona, the others by name */
} pack;

/* What p's file names and what lies beside it, or in the cache, for models. Caller owns. ERROR_LOAD for
 * what cannot be read or is not as it should be; a pack that is made here can be added anywhere. */
pack *pack_collect(const persona *p, error *err);
/* An archive; `where` stands for it in sentences. ERROR_LOAD naming the file inside and what is wrong. */
pack *pack_read(const char *where, const char *bytes, size_t n, error *err);
pack *pack_load(const char *path, error *err);
void pack_close(pack *p); /* NULL ok */

/* Another name for the persona and all its files. ERROR_USAGE for one that is none. */
int pack_rename(pack *p, const char *name, error *err);
/* Appends the archive. */
int pack_write(const pack *p, buf *out, error *err);

/* Writes all files into a folder, or none of them: a set of file_set.h. ERROR_RUN naming the first that is
 * there already, unless `over`. */
int pack_install(const pack *p, const char *where, bool over, error *err);

#endif
