/* kvcache.h - keys and values in pages, shared copy-on-write by the sequences that forked.
 *
 * A page holds KV_PAGE positions of all layers. Beside the device memory it remembers, for each
 * position, the token read there and the hash of the router program it was read under: a page
 * describes itself, and reuse is a comparison of (token, program) pairs and nothing else.
 *
 *   sequence A:  [page 0][page 1][page 2]          page 0 and 1 are read by both, references 2;
 *   sequence B:  [page 0][page 1][page 3]          a writer first takes its own copy of the last
 *
 * A pool owns the pages of one engine. Each sequence reserves, when it is opened, as many pages as
 * its context can ever need; the pool holds the sum of all reservations. Distinct pages in use
 * never exceed that sum, so taking a page during decoding cannot fail and allocates nothing.
 */
#ifndef ENGINE_KVCACHE_H
#define ENGINE_KVCACHE_H

#include <stdint.h>

#include "../../kernels/backend.h"

typedef struct kv_pool kv_pool;         /* pages of one layout */
typedef struct kv_sequence kv_sequence; /* the page table of one session */

/* Caller owns; the backend must outlive it. */
kv_pool *kv_pool_open(backend *b, const kv_layout *layout, error *err);
void kv_pool_close(kv_pool *pool);           /* NULL ok; its sequences must be closed first */
uint64_t kv_pool_bytes(const kv_pool *pool); /* of all pages that are reserved; NULL ok */
uint64_t kv_bytes(const kv_layout *layout, int context); /* that a sequence reserves */

kv_sequence *kv_open(kv_pool *pool, int context, error *err); /* empty; caller owns */
kv_sequence *kv_fork(const kv_sequence *from, error *err);    /* same past, shared pages */
/* The first `length` positions of from, with room for `room` more, and pages reserved for those
 * alone: from must keep its first `length` positions as long as the branch lives. */
kv_sequence *kv_branch(const kv_sequence *from, int length, int room, error *err);
void kv_close(kv_sequence *t); /* NULL ok */

/* Makes t's past the first `length` positions of `from` (same pool, length <= both contexts): pages
 * are shared, nothing is allocated or computed. What t held before is forgotten. */
void kv_share_prefix(kv_sequence *t, const kv_sequence *from, int length);

int kv_length(const kv_sequence *t);
int kv_context(const kv_sequence *t);
int kv_token(const kv_sequence *t, int position);
uint64_t kv_program(const kv_sequence *t, int position);
void *const *kv_pages(const kv_sequence *t); /* device pages in order, for batch_row */

/* Makes positions [length, length + n) writable: own pages, copied if they were shared. The caller
 * has checked that length + n <= context. */
void kv_prepare(kv_sequence *t, int n);
/* The n tokens after the present end are now read (their keys and values were stored). */
void kv_commit(kv_sequence *t, const int *tokens, int n, uint64_t program);
/* When the pool's backend is lost: idle pages become those of `to`, and so do later ones; then each
 * sequence has to be moved. What positions held is lost, tokens and programs are not. -1 without memory:
 * the same may be tried again. */
int kv_pool_move(kv_pool *pool, backend *to, error *err);
int kv_move(kv_sequence *t, error *err);
/* The first position before `length` whose keys and values are to be computed again; kv_length() when all
 * are there. And: those before `end` are, in every sequence that shares them. */
int kv_stale(const kv_sequence *t);
void kv_refreshed(kv_sequence *t, int end);
/* Forgets everything from `length` on; pages no longer needed go back to the pool. */
void kv_rewind(kv_sequence *t, int length);

#endif
