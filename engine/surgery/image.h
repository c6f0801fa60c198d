/* image.h - a model's file that is to be written: its tensors, and what each is made of.
 *
 * An image holds no weights. A tensor is a sequence of pieces, each some rows of the source as they
 * lie, or one part of an expert by its recipe; the bytes come when the tensor is written, row by
 * row, from mapped files, so that a model of any size needs the memory of a row. Whoever writes
 * (image_file.h) only asks for the bytes in order.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "../base/region.h"
#include "recipe_rows.h"

/* The rows of queries and keys lie in two orders: element j of a head is rotated with j + head / 2, or, in
 * GGUF files of some architectures, with its neighbour. */
typedef enum image_order { IMAGE_AS_IT_LIES, IMAGE_TO_PAIRS, IMAGE_TO_HALVES } image_order;

typedef struct image_piece {
    const recipe *r; /* NULL: the rows of `from` */
    bank_matrix matrix;
    const uint8_t *from;
    dtype type; /* of `from` */
    size_t rows, cols;
    image_order order;
    size_t head; /* rows of a head, when they are in another order */
} image_piece;

typedef struct image_tensor {
    const char *name; /* the image's */
    dtype type;
    int dims;
    uint64_t shape[4];   /* row-major; the rows of all pieces together */
    size_t first, count; /* its pieces */
    uint64_t bytes;
} image_tensor;

typedef struct image {
    image_tensor *v; /* [len] in file order */
    size_t len, cap;
    image_piece *pieces;
    size_t piece_count, piece_cap;
    region text;
    uint64_t bytes; /* of all tensors */
} image;

void image_release(image *m); /* {0} ok */

/* A tensor behind the others, without pieces yet; then its pieces, whose rows are together its own.
 * ERROR_USAGE for sizes beyond 2^64. */
int image_add(image *m, const char *name, dtype type, int dims, const uint64_t *shape, error *err);
int image_add_piece(image *m, const image_piece *p, error *err);

/* Matrices of certain names: "*" in the pattern stands for any text, names are those of the image, whole. */
typedef struct image_type {
    const char *pattern; /* borrowed */
    dtype type;
} image_type;

typedef struct image_types {
    dtype rest;          /* of all other matrices; DTYPE_COUNT = as they are */
    const image_type *v; /* [len] the last that fits a name counts; borrowed */
    size_t len;
    int left; /* set: matrices that keep their type, since their rows do not divide into the other's blocks */
} image_types;

/* Gives matrices other types; routers and vectors keep theirs. gguf: how tensors are named. ERROR_USAGE for a
 * pattern that no matrix has. */
int image_retype(image *m, image_types *types, bool gguf, error *err);

/* Takes n bytes of a tensor, in order. Not 0 ends it. */
typedef int image_take(void *user, const void *bytes, size_t n, error *err);
/* All bytes of tensor i, then gives back the pages of the files that were read for it. */
int image_bytes(const image *m, size_t i, image_take *take, void *user, error *err);
/* Whether every piece can be written as its tensor asks: ERROR_USAGE naming the tensor. Before a file
 * is begun. */
int image_check(const image *m, error *err);

/* The file of plan->c with another bank: every other tensor as it is, in the same order and of the
 * same types; an expert in place of one of the same number has its type, one beyond the last that of
 * the last. The plan must outlive the image. */
int image_of_plan(image *m, const bank_plan *plan, error *err);

#endif
