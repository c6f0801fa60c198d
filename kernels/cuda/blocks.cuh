/* blocks.cuh - the weight types: eight neighbouring weights of a block, as one lane of a warp has them.
 *
 * Layouts are those of quant.h and iq.h; what stands here is which bytes a lane reads, so that a warp opens
 * 256 weights with few wide loads where the type's blocks are aligned for them. Codes come as int8 in two
 * words, ready for __dp4a.
 */
#ifndef KERNELS_CUDA_BLOCKS_CUH
#define KERNELS_CUDA_BLOCKS_CUH

#include "math.cuh"

enum {
    GROUP = 256,     /* weights that a warp opens at a time */
    MOST_COLUMNS = 8 /* activation rows of one call */
};

/* Where the tables of quant.h and iq.h lie in the device's copy of them, in words of 8 bytes. */
enum {
    BOOK_IQ1 = 0,
    BOOK_IQ2_XXS = 2048,
    BOOK_IQ2_XS = BOOK_IQ2_XXS + 256,
    BOOK_IQ2_S = BOOK_IQ2_XS + 512,
    BOOK_IQ3_XXS = BOOK_IQ2_S + 1024, /* two entries of 4 bytes in a word */
    BOOK_IQ3_S = BOOK_IQ3_XXS + 128,
    BOOK_IQ4 = BOOK_IQ3_S + 256, /* 16 bytes */
    BOOK_MXFP4 = BOOK_IQ4 + 2,
    BOOK_WORDS = BOOK_MXFP4 + 2
};

__host__ __device__ inline size_t padded_cols(size_t cols)
{
    return (cols + GROUP - 1) / GROUP * GROUP;
}

/* Which form: 0 = f32, 1 = blocks of 32, 2 = blocks of 256. */
__host__ __device__ inline int form_of(int type)
{
    return type <= DTYPE_BF16                                                  ? 0
           : type <= DTYPE_Q8_0 || type == DTYPE_IQ4_NL || type == DTYPE_MXFP4 ? 1
                                                                               : 2;
}

/* Eight neighbouring weights as a lane has them: w = d * scale * code - dmin * min. */
struct eight {
    int2 codes;
    float d, dmin;  /* of blocks of 32: dmin is what is added, code by code */
    int scale, min; /* min: of 16 weights, not of these eight */
};

__device__ inline unsigned two_bytes(global<const uint8_t> p, size_t at)
{
    return p[at] | (unsigned)p[at + 1] << 8;
}

__device__ inline unsigned four_bytes(global<const uint8_t> p, size_t at)
{
    if (PLANTED(ALIGNMENT))
        return global_as<const unsigned>(p + at)[0];
    return two_bytes(p, at) | two_bytes(p, at + 2) << 16;
}

/* Eight bytes that begin at an even address. */
__device__ inline uint2 eight_bytes(global<const uint8_t> p, size_t at)
{
    global<const uint16_t> v = global_as<const uint16_t>(p + at);
    uint2 to;
    to.x = v[0] | (unsigned)v[1] << 16;
    to.y = v[2] | (unsigned)v[3] << 16;
    return to;
}

/* Four codes of up to seven bits, less n each: no borrow passes from byte to byte. */
__device__ inline int less_each(unsigned codes, unsigned n)
{
    return (int)(((codes | 0x80808080u) - n * 0x01010101u) ^ 0x80808080u);
}

__device__ inline int2 pack(const int code[8])
{
    unsigned low = 0, high = 0;
    for (int i = 0; i < 4; i++) {
        low |= (unsigned)(code[i] & 255) << (8 * i);
        high |= (unsigned)(code[4 + i] & 255) << (8 * i);
    }
    return make_int2((int)low, (int)high);
}

/* Eight bytes of a book. */
__device__ inline uint64_t book(global<const uint64_t> books, int at)
{
    return books[at];
}

__device__ inline int book_byte(global<const uint64_t> books, int at, unsigned i)
{
    return (int8_t)(books[at + i / 8] >> (8 * (i % 8)));
}

/* ---- blocks of 32: lane part 0..3 has elements 8 part to 8 part + 7 ---------------------------------- */

__device__ inline void open_nibbles(global<const uint8_t> qs, int part, int code[8])
{
    for (int i = 0; i < 8; i++) {
        int j = 8 * part + i;
        code[i] = j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
    }
}

__device__ inline void add_fifth(global<const uint8_t> qh, int part, int code[8])
{
    for (int i = 0; i < 8; i++)
        code[i] |= (qh[part] >> i & 1) << 4;
}

__device__ inline float e8m0_half(unsigned e)
{
    return bits_as<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}

__device__ inline eight open32(int type, global<const uint8_t> b, int part,
                               global<const uint64_t> books)
{
    eight o = {make_int2(0, 0), 0, 0, 1, 0};
    int code[8], offset = 0;
    if (type == DTYPE_MXFP4) {
        o.d = e8m0_half(b[0]);
        open_nibbles(b + 1, part, code);
        for (int i = 0; i < 8; i++)
            code[i] = book_byte(books, BOOK_MXFP4, (unsigned)code[i]);
        o.codes = pack(code);
        return o;
    }
    o.d = half_as_float(global_as<const uint16_t>(b)[0]);
    if (type == DTYPE_Q8_0) {
        uint2 v = eight_bytes(b, 2 + 8 * (size_t)part);
        o.codes = make_int2((int)v.x, (int)v.y);
        return o;
    }
    if (type == DTYPE_Q4_0) {
        uint2 v = eight_bytes(b, 2 + 8 * (size_t)(part % 2));
        int shift = part / 2 * 4;
        o.codes = make_int2(less_each(v.x >> shift & 0x0F0F0F0Fu, 8),
                            less_each(v.y >> shift & 0x0F0F0F0Fu, 8));
        return o;
    }
    if (type == DTYPE_IQ4_NL) {
        open_nibbles(b + 2, part, code);
    } else if (type == DTYPE_Q5_0) {
        open_nibbles(b + 6, part, code);
        add_fifth(b + 2, part, code);
        offset = 16;
    } else {
        o.dmin = half_as_float((uint16_t)two_bytes(b, 2));
        open_nibbles(b + (type == DTYPE_Q4_1 ? 4 : 8), part, code);
        if (type == DTYPE_Q5_1)
            add_fifth(b + 4, part, code);
    }
    for (int i = 0; i < 8; i++)
        code[i] =
            type == DTYPE_IQ4_NL ? book_byte(books, BOOK_IQ4, (unsigned)code[i]) : code[i] - offset;
    o.codes = pack(code);
    return o;
}

/* ---- blocks of 256: lane t has elements 8t to 8t + 7, and the minimum of sub-block t < 16 -------------- */

/* Byte i of a word. */
__device__ inline unsigned byte_of(unsigned word, int i)
{
    return word >> (8 * i) & 255;
}

/* The scale and the minimum of sub-block j of 32 (quant_q4_k_scales); head: the block's first 16 bytes. */
__device__ inline int q4_k_scale(const uint4 &head, int j)
{
    return j < 4 ? (int)(byte_of(head.y, j) & 63)
                 : (int)((byte_of(head.w, j - 4) & 15) | (byte_of(head.y, j - 4) >> 6) << 4);
}

__device__ inline int q4_k_min(const uint4 &head, int j)
{
    return j < 4 ? (int)(byte_of(head.z, j) & 63)
                 : (int)(byte_of(head.w, j - 4) >> 4 | (byte_of(head.z, j - 4) >> 6) << 4);
}

/* Q4_K and Q5_K: their blocks are multiples of 16 bytes, and so begin at one. */
__device__ inline eight open_q45_k(int type, global<const uint8_t> b, int t)
{
    eight o = {make_int2(0, 0), 0, 0, 0, 0};
    uint4 head = global_as<const uint4>(b)[0];
    size_t at = (type == DTYPE_Q4_K ? 16 : 48) + 32 * (size_t)(t / 8) + 8 * (size_t)(t % 4);
    uint2 v = global_as<const uint2>(b + at)[0];
    int shift = t % 8 / 4 * 4;
    v.x = v.x >> shift & 0x0F0F0F0Fu;
    v.y = v.y >> shift & 0x0F0F0F0Fu;
    if (type == DTYPE_Q5_K) {
        uint2 fifth = global_as<const uint2>(b + (16 + 8 * (size_t)(t % 4)))[0];
        v.x |= (fifth.x >> (t / 4) & 0x01010101u) << 4;
        v.y |= (fifth.y >> (t / 4) & 0x01010101u) << 4;
    }
    o.codes = make_int2((int)v.x, (int)v.y);
    o.d = half_as_float((uint16_t)(head.x & 0xFFFFu));
    o.dmin = half_as_float((uint16_t)(head.x >> 16));
    o.scale = q4_k_scale(head, t / 4);
    o.min = t < 16 ? q4_k_min(head, t % 16 / 2) : 0;
    return o;
}

__device__ inline eight open_q6_k(global<const uint8_t> b, int t)
{
    eight o = {make_int2(0, 0), 0, 0, 0, 0};
    int at = 8 * (t % 16), low = at % 64, half = t / 16, quarter = t % 16 / 4;
    uint2 v = eight_bytes(b, (size_t)(64 * half + low));
    uint2 high = eight_bytes(b, (size_t)(128 + 32 * half + at % 32));
    int shift = at / 64 * 4;
    v.x = (v.x >> shift & 0x0F0F0F0Fu) | (high.x >> (2 * quarter) & 0x03030303u) << 4;
    v.y = (v.y >> shift & 0x0F0F0F0Fu) | (high.y >> (2 * quarter) & 0x03030303u) << 4;
    o.codes = make_int2(less_each(v.x, 32), less_each(v.y, 32));
    o.d = half_as_float(global_as<const uint16_t>(b + 208)[0]);
    o.scale = (int8_t)b[192 + t / 2];
    return o;
}

/* The scale of sub-block j of 16 (quant_q3_k_scales). */
__device__ inline int q3_k_scale(global<const uint8_t> packed, int j)
{
    int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
    return (low | (packed[8 + j % 4] >> (2 * (j / 4)) & 3) << 4) - 32;
}

/* Q2_K and Q3_K. */
__device__ inline void open_k_codes(int type, global<const uint8_t> b, int t, int code[8])
{
    int first = 8 * t;
    for (int i = 0; i < 8; i++) {
        int j = first + i;
        if (type == DTYPE_Q2_K) {
            code[i] = b[16 + j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
        } else {
            int low = b[32 + j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2) & 3;
            code[i] = (low | (b[j % 32] >> (j / 32) & 1) << 2) - 4;
        }
    }
}

__device__ inline eight open_k(int type, global<const uint8_t> b, int t)
{
    eight o = {make_int2(0, 0), 0, 0, 0, 0};
    int code[8];
    open_k_codes(type, b, t, code);
    o.codes = pack(code);
    if (type == DTYPE_Q2_K) {
        o.d = half_as_float((uint16_t)two_bytes(b, 80));
        o.dmin = half_as_float((uint16_t)two_bytes(b, 82));
        o.scale = b[t / 2] & 15;
        o.min = t < 16 ? b[t % 16] >> 4 : 0;
    } else {
        o.d = half_as_float((uint16_t)two_bytes(b, 108));
        o.scale = q3_k_scale(b + 96, t / 2);
    }
    return o;
}

__device__ inline eight open_iq4_xs(global<const uint8_t> b, int t, global<const uint64_t> books)
{
    eight o = {make_int2(0, 0), half_as_float((uint16_t)two_bytes(b, 0)), 0, 0, 0};
    int j = t / 4, code[8];
    int low = b[4 + j / 2] >> (j % 2 * 4) & 15, high = (int)(two_bytes(b, 2) >> (2 * j) & 3);
    o.scale = (low | high << 4) - 32;
    open_nibbles(b + (8 + 16 * j), t % 4, code);
    for (int i = 0; i < 8; i++)
        code[i] = book_byte(books, BOOK_IQ4, (unsigned)code[i]);
    o.codes = pack(code);
    return o;
}

/* ---- code books (iq.h): entry t of a block is lane t's eight elements ----------------------------------- */

__device__ inline unsigned even_signs(unsigned seven)
{
    unsigned parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

__device__ inline int2 put_signed(uint64_t entry, unsigned signs)
{
    int code[8];
    for (int i = 0; i < 8; i++) {
        int magnitude = (int)(entry >> (8 * i) & 255);
        code[i] = signs >> i & 1 ? -magnitude : magnitude;
    }
    return pack(code);
}

__device__ inline int2 put_shifted(uint64_t entry, bool down)
{
    int code[8];
    for (int i = 0; i < 8; i++)
        code[i] = (int)(entry >> (8 * i) & 255) - 8 + (down ? -1 : 1);
    return pack(code);
}

__device__ inline unsigned nibble_of(global<const uint8_t> bytes, int i)
{
    return (unsigned)bytes[i / 2] >> (i % 2 * 4) & 15;
}

__device__ inline uint64_t two_of_four(global<const uint64_t> books, int at, unsigned low,
                                       unsigned high)
{
    uint64_t a = books[at + low / 2] >> (32 * (low % 2)) & 0xFFFFFFFFu;
    uint64_t b = books[at + high / 2] >> (32 * (high % 2)) & 0xFFFFFFFFu;
    return a | b << 32;
}

__device__ inline eight open_iq1(int type, global<const uint8_t> b, int t,
                                 global<const uint64_t> books)
{
    eight o = {make_int2(0, 0), 0, 0, 0, 0};
    unsigned qh, scale;
    if (type == DTYPE_IQ1_S) {
        unsigned whole = two_bytes(b, 34 + 2 * (t / 4));
        qh = (whole >> (t % 4 * 3) & 7) | (whole >> 15) << 3;
        scale = whole >> 12 & 7;
        o.codes = put_shifted(books[BOOK_IQ1 + (b[2 + t] | (qh & 7) << 8)], qh >> 3);
        o.d = half_as_float((uint16_t)two_bytes(b, 0));
    } else {
        qh = nibble_of(b + 32, t);
        scale = two_bytes(b, 48 + 2 * (t / 8)) >> (t / 2 % 4 * 3) & 7;
        unsigned d = 0;
        for (int i = 0; i < 4; i++)
            d |= two_bytes(b, 48 + 2 * i) >> 12 << (4 * i);
        o.codes = put_shifted(books[BOOK_IQ1 + (b[t] | (qh & 7) << 8)], qh >> 3);
        o.d = half_as_float((uint16_t)d);
    }
    o.scale = (int)(2 * scale + 1);
    o.d *= 0.125f;
    return o;
}

__device__ inline eight open_iq2(int type, global<const uint8_t> b, int t,
                                 global<const uint64_t> books)
{
    eight o = {make_int2(0, 0), half_as_float((uint16_t)two_bytes(b, 0)) * 0.125f, 0, 0, 0};
    unsigned scale;
    if (type == DTYPE_IQ2_XXS) {
        unsigned rest = four_bytes(b, 2 + 8 * (t / 4) + 4);
        o.codes = put_signed(books[BOOK_IQ2_XXS + b[2 + 8 * (t / 4) + t % 4]],
                             even_signs(rest >> (t % 4 * 7) & 127));
        scale = rest >> 28;
    } else if (type == DTYPE_IQ2_XS) {
        unsigned q = two_bytes(b, 2 + 2 * t);
        o.codes = put_signed(books[BOOK_IQ2_XS + (q & 511)], even_signs(q >> 9));
        scale = nibble_of(b + 66, t / 2);
    } else {
        unsigned entry = b[2 + t] | ((unsigned)b[66 + t / 4] >> (t % 4 * 2) & 3) << 8;
        o.codes = put_signed(books[BOOK_IQ2_S + entry], b[34 + t]);
        scale = nibble_of(b + 74, t / 2);
    }
    o.scale = (int)(2 * scale + 1);
    return o;
}

__device__ inline eight open_iq3(int type, global<const uint8_t> b, int t,
                                 global<const uint64_t> books)
{
    eight o = {make_int2(0, 0), half_as_float((uint16_t)two_bytes(b, 0)), 0, 0, 0};
    if (type == DTYPE_IQ3_XXS) {
        unsigned rest = four_bytes(b, 66 + 4 * (t / 4));
        o.codes = put_signed(two_of_four(books, BOOK_IQ3_XXS, b[2 + 2 * t], b[3 + 2 * t]),
                             even_signs(rest >> (t % 4 * 7) & 127));
        o.scale = (int)(2 * (rest >> 28) + 1);
        o.d *= 0.25f;
        return o;
    }
    unsigned qh = (unsigned)b[66 + t / 4] >> (t % 4 * 2);
    o.codes = put_signed(two_of_four(books, BOOK_IQ3_S, b[2 + 2 * t] | (qh & 1) << 8,
                                     b[3 + 2 * t] | (qh >> 1 & 1) << 8),
                         b[74 + t]);
    o.scale = (int)(2 * nibble_of(b + 106, t / 4) + 1);
    return o;
}

__device__ inline eight open256(int type, global<const uint8_t> b, int t,
                                global<const uint64_t> books)
{
    switch (type) {
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        return open_q45_k(type, b, t);
    case DTYPE_Q6_K:
        return open_q6_k(b, t);
    case DTYPE_IQ4_XS:
        return open_iq4_xs(b, t, books);
    case DTYPE_IQ1_S:
    case DTYPE_IQ1_M:
        return open_iq1(type, b, t, books);
    case DTYPE_IQ2_XXS:
    case DTYPE_IQ2_XS:
    case DTYPE_IQ2_S:
        return open_iq2(type, b, t, books);
    case DTYPE_IQ3_XXS:
    case DTYPE_IQ3_S:
        return open_iq3(type, b, t, books);
    default:
        return open_k(type, b, t);
    }
}

/* ---- sizes: the table of quant.c, for the device ----------------------------------------------------------- */

__host__ __device__ inline int block_bytes(int type)
{
    switch (type) {
    case DTYPE_Q4_0:
    case DTYPE_IQ4_NL:
        return (int)sizeof(block_q4_0);
    case DTYPE_Q4_1:
        return (int)sizeof(block_q4_1);
    case DTYPE_Q5_0:
        return (int)sizeof(block_q5_0);
    case DTYPE_Q5_1:
        return (int)sizeof(block_q5_1);
    case DTYPE_Q8_0:
        return (int)sizeof(block_q8_0);
    case DTYPE_MXFP4:
        return (int)sizeof(block_mxfp4);
    case DTYPE_Q2_K:
        return (int)sizeof(block_q2_k);
    case DTYPE_Q3_K:
        return (int)sizeof(block_q3_k);
    case DTYPE_Q4_K:
        return (int)sizeof(block_q4_k);
    case DTYPE_Q5_K:
        return (int)sizeof(block_q5_k);
    case DTYPE_Q6_K:
        return (int)sizeof(block_q6_k);
    case DTYPE_IQ4_XS:
        return (int)sizeof(block_iq4_xs);
    case DTYPE_IQ1_S:
        return (int)sizeof(block_iq1_s);
    case DTYPE_IQ1_M:
        return (int)sizeof(block_iq1_m);
    case DTYPE_IQ2_XXS:
        return (int)sizeof(block_iq2_xxs);
    case DTYPE_IQ2_XS:
        return (int)sizeof(block_iq2_xs);
    case DTYPE_IQ2_S:
        return (int)sizeof(block_iq2_s);
    case DTYPE_IQ3_XXS:
        return (int)sizeof(block_iq3_xxs);
    case DTYPE_IQ3_S:
        return (int)sizeof(block_iq3_s);
    default:
        return type == DTYPE_F32 ? 4 : 2;
    }
}

/* Bytes of a row of n weights: dtype_row_bytes(). */
__host__ __device__ inline size_t row_bytes(int type, size_t n)
{
    int form = form_of(type);
    return n / (form == 0 ? 1 : form == 1 ? 32 : 256) * (size_t)block_bytes(type);
}

/* One weight of a row of short or whole floats. */
__device__ inline float plain_weight(int type, global<const uint8_t> row, size_t i)
{
    if (type == DTYPE_F32)
        return global_as<const float>(row)[i];
    uint16_t bits = global_as<const uint16_t>(row)[i];
    return type == DTYPE_F16 ? half_as_float(bits) : bfloat_as_float(bits);
}

#endif
