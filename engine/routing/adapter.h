/* adapter.h - what a file brings to a model's routed experts: checked, immutable data in memory.
 *
 * Per layer it may bring any mixture of four things:
 *
 *   added      n new experts behind the model's, with their rows of the router: with 32 in the
 *              model, the file's expert E is expert 32 + E to masks and rules
 *   replaced   matrices that stand in place of those of the model's expert e
 *   rows       rows of the router in place of the model's row e
 *   loras      low-rank updates of a matrix of the model's expert e: W x + scale * B (A x), with
 *              A [rank, in], B [out, rank]; of a replaced matrix, the update is of the new one
 *
 * All of it holds for the programs that name the adapter (router.h) and for nobody else: the plain
 * model stays the plain model, bit for bit. An adapter knows no engine and no backend, so one can be
 * read, built by a trainer, or written without either.
 *
 * The bytes are read into memory, not mapped, so that what was checked is what runs. Every tensor
 * is F32, F16 or BF16, of finite numbers no larger than F16 can say, and its shape suits the
 * others. The hash is of what the adapter says, not of how a file says it: the same matrices in
 * another format are the same adapter.
 *
 * Formats (adapter_open, adapter_write): one's own safetensors (adapter_own.c), PEFT and vLLM
 * (adapter_peft.c), GGUF (adapter_gguf.c).
 */
#ifndef ENGINE_ADAPTER_H
#define ENGINE_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "../../kernels/quant.h"
#include "../base/buf.h"
#include "../base/digest.h"
#include "../base/region.h"
#include "../formats/model_config.h"

enum {
    ADAPTER_BYTES = 64 << 20, /* of a file, at most, unless the caller says otherwise */
    ADAPTER_LARGEST = 65504,  /* magnitude of a value: no weight is near it */
    ADAPTER_MAX_RANK = 4096,
    ADAPTER_FINGERPRINT = 65, /* 64 hex digits and the NUL (fingerprint.h) */
};

typedef enum expert_matrix { EXPERT_GATE, EXPERT_UP, EXPERT_DOWN, EXPERT_MATRICES } expert_matrix;

/* A matrix [rows, cols], row-major; may be unaligned. data NULL = not there. */
typedef struct adapter_tensor {
    dtype type; /* F32, F16 or BF16 */
    int rows, cols;
    const void *data;
} adapter_tensor;

/* gate and up [ffn, width], down [width, ffn]. Added: all three, `expert` 0 .. n-1, ffn its own
 * affair. Replaced: at least one, `expert` the model's number, the shapes the model's. */
typedef struct adapter_expert {
    int expert;
    adapter_tensor matrix[EXPERT_MATRICES];
} adapter_expert;

typedef struct adapter_row {
    int expert;         /* the model's number */
    dtype type;         /* F32, F16 or BF16 */
    const void *values; /* [width] */
} adapter_row;

/* scale: alpha / rank (or alpha / sqrt(rank) with rslora), times the user's. */
typedef struct adapter_lora {
    int expert; /* the model's number */
    expert_matrix matrix;
    adapter_tensor a, b; /* [rank, in], [out, rank] */
    float scale;
} adapter_lora;

typedef struct adapter_layer {
    int layer;
    adapter_expert *added; /* [added_count] ascending */
    int added_count;
    adapter_tensor added_rows; /* [added_count, width]; not there without added experts */
    adapter_expert *replaced;  /* [replaced_count] ascending by expert, each once */
    int replaced_count;
    adapter_row *rows; /* [row_count] ascending by expert, each once */
    int row_count;
    adapter_lora *loras; /* [lora_count] ascending by expert, then matrix; each pair once */
    int lora_count;
} adapter_layer;

/* How it came to be; texts may be NULL = not said. Borrowed from the adapter. */
typedef struct adapter_provenance {
    const char *what;    /* "experts", "lora", "router": as the trainer was asked */
    const char *lessons; /* hash of what was learned */
    int64_t steps;       /* 0 = not said */
    int64_t rank;
    uint64_t seed;
    bool seeded; /* seed was said */
} adapter_provenance;

typedef struct adapter {
    char *path;                            /* for sentences; "" when built in memory */
    char fingerprint[ADAPTER_FINGERPRINT]; /* of the model that it was made for; "" = not said */
    adapter_provenance provenance;
    const char *architecture; /* general.architecture of the model's GGUF files; NULL = not said */
    int width;                /* of the model's residual stream */
    adapter_layer *layers;    /* [layer_count] ascending, none empty */
    int layer_count;
    uint64_t hash;  /* of all that changes numbers */
    uint64_t bytes; /* of all tensors, a shared one once */
    char *file;     /* the bytes read, or NULL; tensors point into it or into memory */
    region memory;
} adapter;

/* ---- files --------------------------------------------------------------------------------------- */

/* Reads a file or folder and checks all that can be known without a model. What it is, is told from
 * its content: own safetensors, PEFT's adapter_model.safetensors (or its folder) with
 * adapter_config.json beside it, or a GGUF adapter. Caller owns. ERROR_LOAD with file, tensor or
 * field, and offset; for more than ADAPTER_BYTES too, or `most`. */
adapter *adapter_open(const char *path, error *err);
adapter *adapter_open_within(const char *path, uint64_t most, error *err);
/* The SHA-256 of such a file; of a folder its adapter_config.json and then its adapter_model.safetensors.
 * "" for what cannot be read. */
void adapter_digest(const char *path, char out[DIGEST_TEXT]);
void adapter_close(adapter *a); /* NULL ok */

/* Multiplies every update's scale. ERROR_USAGE for a factor that is not in [-100, 100], and, unless it
 * is 1, for an adapter that brings anything but updates: only those have a scale. */
int adapter_scale(adapter *a, double factor, error *err);

/* Whether it suits this model: ERROR_LOAD naming the file, and layer, expert and shapes where a layer
 * lacks experts, an expert is beyond the model's or a shape is another; or both fingerprints when
 * the adapter names one and it is not `fingerprint` (NULL = that is not asked). */
int adapter_fit(const adapter *a, const model_config *model, const char *fingerprint, error *err);

/* What it brings to a layer, or NULL. Borrowed. */
const adapter_layer *adapter_at(const adapter *a, int layer);
/* The most added experts of any layer. */
int adapter_most_added(const adapter *a);
/* Whether both say the same: equal hashes are not trusted, the content is compared. */
bool adapter_same(const adapter *a, const adapter *b);

typedef enum adapter_format { ADAPTER_OWN, ADAPTER_PEFT, ADAPTER_GGUF } adapter_format;

/* Writes a sealed adapter: a file, or for ADAPTER_PEFT a folder of adapter_config.json and
 * adapter_model.safetensors, which must not exist. It appears whole or not at all. `model`: what it is
 * for; ADAPTER_OWN does not look at it. ERROR_USAGE when the format cannot say the content: PEFT and
 * GGUF know updates alone, GGUF of one scale in all, PEFT of one scale for each layer's gate_up
 * and down. What is written reads back as the same values; experts of other ranks in the same
 * tensor are filled up with zeros, and read back without them. */
int adapter_write(const adapter *a, adapter_format format, const char *path,
                  const model_config *model, error *err);
/* As ADAPTER_OWN: the bytes of the file, appended to *out; after -1 some may stand there. */
int adapter_write_into(const adapter *a, buf *out, error *err);

/* ---- building one in memory ---------------------------------------------------------------------- */

/* An empty adapter for a model `width` wide. Caller owns; put, then seal before anybody reads. */
adapter *adapter_new(const char *path, int width, error *err);

/* Each copies what it is given. Added experts come in order, from 0 in each layer; `row` is theirs of
 * the router, [1, width]; all rows of a layer are of one type. ERROR_LOAD for wrong shapes. */
int adapter_put_added(adapter *a, int layer, const adapter_tensor matrix[EXPERT_MATRICES],
                      const adapter_tensor *row, error *err);
int adapter_put_replaced(adapter *a, int layer, int expert, expert_matrix matrix,
                         const adapter_tensor *t, error *err);
int adapter_put_row(adapter *a, int layer, const adapter_row *row, error *err);
int adapter_put_lora(adapter *a, int layer, const adapter_lora *lora, error *err);

/* Sorts, refuses what comes twice and what is not finite, computes hash and bytes. After it nothing
 * may be put. ERROR_LOAD; an adapter without content is refused. */
int adapter_seal(adapter *a, error *err);

#endif
