/* quant.h - the weight types and their block layouts, written once.
 *
 * A quantised row is a sequence of blocks: a few scales and `block` small integers. Everything
 * that must know where a scale or a nibble lies (dequantize.c, iq.c, the dot products of
 * cpu/) reads the packed structs below; their sizes are asserted. The layouts are those of the
 * GGUF specification, whose type numbers stand in quant.c; F32, F16 and BF16 are "blocks" of 1.
 *
 * A new GGUF type takes a line of `dtype` and its block here, a row of the table in quant.c, its
 * meaning in dequantize.c, its product in cpu/dot_scalar.c, and a line in the set of each ISA level
 * (cpu/dot_avx2.c, cpu/dot_avx512.c). The loops of test_quant and test_dot then ask for the rest.
 *
 * Rows never share a block, so a row of n columns takes dtype_row_bytes(type, n) bytes and n must
 * be a multiple of the block.
 */
#ifndef KERNELS_QUANT_H
#define KERNELS_QUANT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q8_0,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_MXFP4,
    DTYPE_IQ1_S,
    DTYPE_IQ1_M,
    DTYPE_IQ2_XXS,
    DTYPE_IQ2_XS,
    DTYPE_IQ2_S,
    DTYPE_IQ3_XXS,
    DTYPE_IQ3_S,
    DTYPE_COUNT,
} dtype;

typedef struct dtype_info {
    const char *name; /* "Q4_K" */
    int block;        /* elements in a block: 1, 32 or 256 */
    int bytes;        /* bytes of a block */
    int ggml;         /* type number in GGUF files */
} dtype_info;

/* Borrowed, static, never NULL for type < DTYPE_COUNT. */
const dtype_info *dtype_describe(dtype type);

/* The dtype of a ggml type number, or DTYPE_COUNT when we do not read it. */
dtype dtype_from_ggml(uint32_t ggml);

/* Bytes of a row of n elements; n is a multiple of the block (checked when the file is read). */
size_t dtype_row_bytes(dtype type, size_t n);

/* ---- blocks: 32 elements --------------------------------------------------------------------- */

/* In the 32-element types with 4-bit codes, byte j of qs holds element j in its low nibble and
 * element j + 16 in its high one. d and m are binary16. Packed: rows need no alignment. */
#define QUANT_PACKED __attribute__((packed))

typedef struct QUANT_PACKED block_q4_0 { /* x = d * (q - 8) */
    uint16_t d;
    uint8_t qs[16];
} block_q4_0;

typedef struct QUANT_PACKED block_q4_1 { /* x = d * q + m */
    uint16_t d, m;
    uint8_t qs[16];
} block_q4_1;

typedef struct QUANT_PACKED block_q5_0 { /* x = d * (q - 16); bit j of qh is bit 4 of element j */
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[16];
} block_q5_0;

typedef struct QUANT_PACKED block_q5_1 { /* x = d * q + m */
    uint16_t d, m;
    uint8_t qh[4];
    uint8_t qs[16];
} block_q5_1;

typedef struct QUANT_PACKED block_q8_0 { /* x = d * q */
    uint16_t d;
    int8_t qs[32];
} block_q8_0;

typedef struct QUANT_PACKED block_iq4_nl { /* x = d * quant_iq4_values[q] */
    uint16_t d;
    uint8_t qs[16];
} block_iq4_nl;

typedef struct QUANT_PACKED block_mxfp4 { /* x = e8m0(e) / 2 * quant_mxfp4_values[q] */
    uint8_t e;
    uint8_t qs[16];
} block_mxfp4;

/* ---- blocks: 256 elements, with integer scales for sub-blocks of 16 or 32 --------------------- */

enum { QUANT_K = 256 };

/* x = d * (scale & 15) * q - dmin * (scale >> 4), per 16 */
typedef struct QUANT_PACKED block_q2_k {
    uint8_t scales[16];
    uint8_t qs[64]; /* bits 2k of byte 32h + l: element 128h + 32k + l */
    uint16_t d, dmin;
} block_q2_k;

typedef struct QUANT_PACKED block_q3_k { /* x = d * (scale - 32) * (q - 4), per 16 */
    uint8_t hmask[32];                   /* bit j of byte l: bit 2 of element 32j + l */
    uint8_t qs[64];                      /* as in block_q2_k */
    uint8_t scales[12];                  /* 6 bits each: quant_q3_k_scales */
    uint16_t d;
} block_q3_k;

typedef struct QUANT_PACKED block_q4_k { /* x = d * scale * q - dmin * min, per 32 */
    uint16_t d, dmin;
    uint8_t scales[12]; /* 6 bits each: quant_q4_k_scales */
    uint8_t qs[128];    /* byte 32h + l: element 64h + l low, 64h + 32 + l high */
} block_q4_k;

typedef struct QUANT_PACKED block_q5_k { /* the same with a fifth bit */
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qh[32]; /* bit j of byte l: bit 4 of element 32j + l */
    uint8_t qs[128];
} block_q5_k;

typedef struct QUANT_PACKED block_q6_k { /* x = d * scale * (q - 32), per 16 */
    uint8_t ql[128]; /* byte 64h + l: element 128h + l low, 128h + 64 + l high (l < 64) */
    uint8_t qh[64];  /* bits 2k of byte 32h + l: bits 4, 5 of element 128h + 32k + l */
    int8_t scales[16];
    uint16_t d;
} block_q6_k;

typedef struct QUANT_PACKED block_iq4_xs { /* x = d * (scale - 32) * quant_iq4_values[q], per 32 */
    uint16_t d;
    uint16_t scales_h;   /* bits 2j: bits 4, 5 of scale j */
    uint8_t scales_l[4]; /* nibble j: bits 0..3 of scale j */
    uint8_t qs[128];     /* sub-blocks of 16 bytes, each as in block_iq4_nl */
} block_iq4_xs;

/* ---- blocks of 256 elements whose codes lie in code books: see iq.h ---------------------------- */

/* Entry i of a block stands for elements 8i to 8i + 7 (IQ1, IQ2) or 4i to 4i + 3 (IQ3). In the types
 * that store whole signs, bit j of signs[i] makes element 8i + j negative. */

typedef struct QUANT_PACKED block_iq1_s { /* x = d * (2 scale + 1) * (grid +- 1/8), per 32 */
    uint16_t d;
    uint8_t qs[32];
    uint16_t qh[8]; /* of four entries: 3 bits each above their qs, 3 of scale, 1 = minus 1/8 */
} block_iq1_s;

typedef struct QUANT_PACKED block_iq1_m { /* the same per 16, the 1/8 per 8; d: quant_iq1_m_d */
    uint8_t qs[32];
    uint8_t qh[16];     /* nibble i: 3 bits above qs[i], 1 = minus 1/8 */
    uint16_t scales[4]; /* four scales of 3 bits each, and a quarter of d */
} block_iq1_m;

typedef struct QUANT_PACKED block_iq2_xxs { /* x = d / 8 * (2 scale + 1) * +-grid, per 32 */
    uint16_t d;
    struct QUANT_PACKED {
        uint8_t qs[4];
        uint32_t rest; /* of four entries: 7 bits of signs each, then 4 of scale */
    } group[8];
} block_iq2_xxs;

typedef struct QUANT_PACKED block_iq2_xs { /* the same, per 16 */
    uint16_t d;
    uint16_t qs[32];   /* 9 bits of entry, 7 of signs */
    uint8_t scales[8]; /* nibble j: scale j */
} block_iq2_xs;

typedef struct QUANT_PACKED block_iq2_s { /* the same, per 16 */
    uint16_t d;
    uint8_t qs[32], signs[32];
    uint8_t qh[8]; /* bits 2j of qh[i]: 2 bits above qs[4i + j] */
    uint8_t scales[8];
} block_iq2_s;

typedef struct QUANT_PACKED block_iq3_xxs { /* x = d / 4 * (2 scale + 1) * +-grid, per 32 */
    uint16_t d;
    uint8_t qs[64];
    uint32_t rest[8]; /* as in block_iq2_xxs, of eight entries */
} block_iq3_xxs;

typedef struct QUANT_PACKED block_iq3_s { /* x = d * (2 scale + 1) * +-grid, per 32 */
    uint16_t d;
    uint8_t qs[64];
    uint8_t qh[8]; /* bit j of qh[i]: bit 8 of entry 8i + j */
    uint8_t signs[32];
    uint8_t scales[4];
} block_iq3_s;

extern const int8_t quant_iq4_values[16];   /* the non-linear 4-bit code book */
extern const int8_t quant_mxfp4_values[16]; /* twice the e2m1 values */

/* The 8 scales and 8 mins of a Q4_K or Q5_K block, 0..63. */
void quant_q4_k_scales(const uint8_t packed[12], uint8_t scales[8], uint8_t mins[8]);
/* The 16 scales of a Q3_K block, the offset of 32 taken off: -32..31. */
void quant_q3_k_scales(const uint8_t packed[12], int8_t scales[16]);
/* The 8 scales of an IQ4_XS block, the offset of 32 taken off: -32..31. */
void quant_iq4_xs_scales(const block_iq4_xs *block, int8_t scales[8]);
/* The binary16 scale of an IQ1_M block, from the highest four bits of its four `scales`. */
uint16_t quant_iq1_m_d(const block_iq1_m *block);
/* Half of the power of two that an MXFP4 exponent byte stands for. */
float quant_e8m0_half(uint8_t e);

/* ---- short floats ------------------------------------------------------------------------------- */

float half_to_float(uint16_t half);    /* IEEE binary16, exact, subnormals kept */
uint16_t float_to_half(float value);   /* round to nearest even; overflow to infinity */
float bfloat_to_float(uint16_t bits);  /* exact */
uint16_t float_to_bfloat(float value); /* round to nearest even; NaN stays NaN */

#ifdef __cplusplus
}
#endif
#endif
