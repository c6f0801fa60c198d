/* iq.h - the types whose codes lie in code books: IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS,
 * IQ3_S.
 *
 * A plain type rounds each weight by itself. These round a group of eight (IQ1, IQ2) or four (IQ3)
 * neighbours together, to the nearest of a few hundred points that the format fixes: a file stores
 * the number of the point, its entry in the book. Two bits a weight would give 2^16 points to a group
 * of eight; the books keep the 256 to 2048 of them that occur most, so that the number takes 8 to 11
 * bits. Coordinates are magnitudes on a short ladder (IQ2: 8 25 43, close to 1 3 5), and the signs
 * come apart.
 *
 * The idea of such points is the lattice E8, the densest packing of equal spheres in eight
 * dimensions: its points with odd halves have an even number of minus signs. The _XXS and _XS types
 * keep that rule, so that seven signs of a group are stored and the eighth makes their number even.
 * IQ2_S and IQ3_S store all eight. IQ1 has no signs: its ladder is -1 0 1, and all of a group are
 * moved by an eighth up or down.
 *
 *     type      bits   book         scale   signs or shift
 *     IQ1_S     1.56   2048 of 8    per 32  shift per 32
 *     IQ1_M     1.75   2048 of 8    per 16  shift per 8
 *     IQ2_XXS   2.06   256 of 8     per 32  7 bits per 8
 *     IQ2_XS    2.31   512 of 8     per 16  7 bits per 8
 *     IQ2_S     2.56   1024 of 8    per 16  8 bits per 8
 *     IQ3_XXS   3.06   256 of 4     per 32  7 bits per 8
 *     IQ3_S     3.44   512 of 4     per 32  8 bits per 8
 *
 * Whatever the type, a weight is d * scale * code with integers scale (odd, 1 to 31) and code (-62 to
 * 62): the halves, quarters and eighths of the format's own formulas are a power of two in d. Every
 * product is exact in f32. Block layouts stand in quant.h; every bit pattern is a valid entry.
 *
 * Source: the GGUF format as the `gguf` Python package reads it; tests/make_iq_grids.py writes the
 * books of iq_grids.c from there.
 */
#ifndef KERNELS_IQ_H
#define KERNELS_IQ_H

#include "quant.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A block, opened: element j is d * scale[j / 16] * code[j]. */
typedef struct iq_block {
    float d; /* the block's d times iq_unit(type) */
    uint8_t scale[16];
    int8_t code[QUANT_K];
} iq_block;

/* block: of one of the types above. */
void iq_open(dtype type, const void *block, iq_block *out);

/* What d is multiplied with so that scales and codes are integers: 1/8 (IQ1, IQ2), 1/4 or 1. */
static inline float iq_unit(dtype type)
{
    return type == DTYPE_IQ3_S ? 1 : type == DTYPE_IQ3_XXS ? 0.25f : 0.125f;
}

/* The books; byte j of an entry (the lowest is 0) is element j: 8 (g + 1) for the g of IQ1, else the
 * magnitude. */
extern const uint64_t iq1_grid[2048];
extern const uint64_t iq2_xxs_grid[256], iq2_xs_grid[512], iq2_s_grid[1024];
extern const uint32_t iq3_xxs_grid[256], iq3_s_grid[512];

/* Those of IQ3 as steps of their ladder, four bits an element. */
extern const uint16_t iq3_xxs_steps[256], iq3_s_steps[512];

#ifdef __cplusplus
}
#endif
#endif
