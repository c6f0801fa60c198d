/* dot_iq_avx512.c - weights of code books with AVX-512 and VNNI: see dot.h for the definition.
 *
 * A block is four parts of 64 codes, one vector each. Its entries are numbered first, all at once;
 * then each part fetches its own: eight loads of eight bytes from the book (IQ1, IQ2), or a look-up
 * that never leaves the registers (IQ3, whose books have 256 or 512 entries of 16 bits: VPERMT2W
 * finds 32 entries among 64 at a time).
 *
 * Codes are magnitudes; their signs are a mask of 64 bits by which the activations are negated.
 * VPDPBUSD adds four products, which fit into int16 (the largest, of IQ3_XXS, is 4 * 62 * 127 =
 * 31496), so that VPDPWSSD can multiply the sum with its scale, which stands in the lower half of a
 * 32-bit lane, and add it up. IQ1 has codes 8 g + 1 or 8 g - 1: what they are above zero is taken
 * off with the stored sums of the activations.
 *
 * Four rows go together: the sums of each column end in one vector, and so share their float step.
 */
#include "dot_sets.h"
#include "iq_avx2.h"

enum { PARTS = 4, QUAD = 4 };

VECTOR_INLINE int is_iq3(dtype type)
{
    return type == DTYPE_IQ3_XXS || type == DTYPE_IQ3_S;
}

/* Types whose scales stand for 16 elements; 32 in the others. */
VECTOR_INLINE int is_fine(dtype type)
{
    return type == DTYPE_IQ1_M || type == DTYPE_IQ2_XS || type == DTYPE_IQ2_S;
}

/* What a block brings before its codes are fetched. */
typedef struct head {
    alignas(32) uint64_t minus[4]; /* signs of each part */
    __m128i entries[4];            /* IQ1, IQ2: eight numbers each; IQ2_XXS reads them in place */
    __m512i steps[2];              /* IQ3: 32 entries each, as steps of the ladder */
    __m512i scales;                /* int32: 16, or 8 */
    __m256i excess;                /* int16: what codes are too large by, times the scale */
    __mmask32 up;                  /* IQ1_M: the groups of eight whose shift is up */
} head;

/* ---- signs ---------------------------------------------------------------------------------------- */

/* The `rest` of IQ2_XXS and IQ3_XXS: signs, and a scale in the highest four bits. */
VECTOR_INLINE void open_rest(__m256i rest, head *h)
{
    const __m256i one = _mm256_set1_epi32(1);
    _mm256_store_si256((__m256i *)h->minus, iq_vector_signs(iq_seven_bits(rest)));
    __m256i scales = _mm256_slli_epi32(_mm256_srli_epi32(rest, 28), 1);
    h->scales = _mm512_castsi256_si512(_mm256_or_si256(scales, one));
}

/* ---- scales --------------------------------------------------------------------------------------- */

/* The scales of part k: four lanes of each of 16, or eight of each of 8. */
VECTOR_INLINE __m512i scale_of_part(dtype type, __m512i scales, int k)
{
    const __m512i fine = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i coarse = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    return is_fine(type)
               ? _mm512_permutexvar_epi32(_mm512_add_epi32(fine, _mm512_set1_epi32(4 * k)), scales)
               : _mm512_permutexvar_epi32(_mm512_add_epi32(coarse, _mm512_set1_epi32(2 * k)),
                                          scales);
}

/* ---- entries, by type ----------------------------------------------------------------------------- */

/* Word i of eight, four times: where a byte or word of qh serves four entries. */
VECTOR_INLINE __m512i four_times(__m128i words)
{
    const __m512i at = _mm512_setr_epi32(
        0, 0, 0x00010001, 0x00010001, 0x00020002, 0x00020002, 0x00030003, 0x00030003, 0x00040004,
        0x00040004, 0x00050005, 0x00050005, 0x00060006, 0x00060006, 0x00070007, 0x00070007);
    return _mm512_permutexvar_epi16(at, _mm512_castsi128_si512(words));
}

/* The same four words over and over. */
VECTOR_INLINE __m512i quads_of(short a, short b, short c, short d)
{
    return _mm512_broadcastq_epi64(_mm_setr_epi16(a, b, c, d, a, b, c, d));
}

VECTOR_INLINE __m512i words_of(const uint8_t *bytes)
{
    return _mm512_cvtepu8_epi16(vector_load32(bytes));
}

VECTOR_INLINE void keep_entries(head *h, __m512i words)
{
    h->entries[0] = _mm512_castsi512_si128(words);
    h->entries[1] = _mm512_extracti32x4_epi32(words, 1);
    h->entries[2] = _mm512_extracti32x4_epi32(words, 2);
    h->entries[3] = _mm512_extracti32x4_epi32(words, 3);
}

VECTOR_INLINE void number(head *h, __m512i low, __m512i high, int mask)
{
    high = _mm512_and_si512(high, _mm512_set1_epi16((short)mask));
    keep_entries(h, _mm512_or_si512(low, high));
}

/* `excess` of an entry that is shifted up is 7 scales, else 9. */
VECTOR_INLINE void open_iq1_s(const block_iq1_s *b, head *h)
{
    __m128i qh = vector_load16(b->qh);
    __m512i bits = _mm512_srlv_epi16(four_times(qh), quads_of(0, 3, 6, 9));
    number(h, words_of(b->qs), _mm512_slli_epi16(bits, 8), 0x700);
    __m128i scale = _mm_and_si128(_mm_srli_epi16(qh, 11), _mm_set1_epi16(14));
    scale = _mm_or_si128(scale, _mm_set1_epi16(1));
    __m128i shift = _mm_sign_epi16(scale, _mm_or_si128(qh, _mm_set1_epi16(1)));
    h->excess = _mm256_castsi128_si256(_mm_sub_epi16(_mm_slli_epi16(scale, 3), shift));
    h->scales = _mm512_castsi256_si512(_mm256_cvtepi16_epi32(scale));
}

/* Groups that are shifted up get 2 more in their codes, and so all are 9 too large. */
VECTOR_INLINE void open_iq1_m(const block_iq1_m *b, head *h)
{
    const __m128i four = _mm_set1_epi8(15);
    __m128i qh = vector_load16(b->qh), high = _mm_and_si128(_mm_srli_epi16(qh, 4), four);
    qh = _mm_and_si128(qh, four);
    __m256i nibbles = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi8(qh, high)),
                                              _mm_unpackhi_epi8(qh, high), 1);
    __m512i words = _mm512_cvtepu8_epi16(nibbles);
    number(h, words_of(b->qs), _mm512_slli_epi16(words, 8), 0x700);
    h->up = _mm512_testn_epi16_mask(words, _mm512_set1_epi16(8));
    uint64_t packed;
    memcpy(&packed, b->scales, sizeof packed);
    __m256i four_each =
        _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)packed),
                            _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 4, 5,
                                             4, 5, 4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7));
    __m256i scale = _mm256_srlv_epi16(four_each, _mm512_castsi512_si256(quads_of(0, 3, 6, 9)));
    scale = _mm256_slli_epi16(_mm256_and_si256(scale, _mm256_set1_epi16(7)), 1);
    scale = _mm256_or_si256(scale, _mm256_set1_epi16(1));
    h->excess = _mm256_add_epi16(_mm256_slli_epi16(scale, 3), scale);
    h->scales = _mm512_cvtepi16_epi32(scale);
}

VECTOR_INLINE void open_iq2_xxs(const block_iq2_xxs *b, head *h)
{
    __m512i groups = _mm512_loadu_si512(b->group);
    open_rest(_mm512_cvtepi64_epi32(_mm512_srli_epi64(groups, 32)), h);
}

VECTOR_INLINE void open_iq2_xs(const block_iq2_xs *b, head *h)
{
    __m512i qs = _mm512_loadu_si512(b->qs);
    keep_entries(h, _mm512_and_si512(qs, _mm512_set1_epi16(511)));
    _mm256_store_si256((__m256i *)h->minus,
                       iq_vector_signs(_mm512_cvtepi16_epi8(_mm512_srli_epi16(qs, 9))));
    h->scales = _mm512_cvtepi8_epi32(
        iq_nibble_scales(_mm_loadl_epi64((const __m128i *)(const void *)b->scales)));
}

VECTOR_INLINE void open_iq2_s(const block_iq2_s *b, head *h)
{
    __m128i qh = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)b->qh));
    number(h, words_of(b->qs), _mm512_sllv_epi16(four_times(qh), quads_of(8, 6, 4, 2)), 0x300);
    memcpy(h->minus, b->signs, sizeof h->minus);
    h->scales = _mm512_cvtepi8_epi32(
        iq_nibble_scales(_mm_loadl_epi64((const __m128i *)(const void *)b->scales)));
}

/* Entries 64i to 64i + 63 of a table of steps, as far as bits 0 to 5 of `at` say. */
VECTOR_INLINE __m512i among_64(const uint16_t *steps, int i, __m512i at)
{
    return _mm512_permutex2var_epi16(_mm512_loadu_si512(steps + 64 * i), at,
                                     _mm512_loadu_si512(steps + 64 * i + 32));
}

/* 32 entries of a table of 256. */
VECTOR_INLINE __m512i among_256(const uint16_t *steps, __m512i at)
{
    __mmask32 odd = _mm512_test_epi16_mask(at, _mm512_set1_epi16(64));
    __mmask32 high = _mm512_test_epi16_mask(at, _mm512_set1_epi16(128));
    __m512i a = _mm512_mask_mov_epi16(among_64(steps, 0, at), odd, among_64(steps, 1, at));
    __m512i b = _mm512_mask_mov_epi16(among_64(steps, 2, at), odd, among_64(steps, 3, at));
    return _mm512_mask_mov_epi16(a, high, b);
}

VECTOR_INLINE void open_iq3_xxs(const block_iq3_xxs *b, head *h)
{
    open_rest(vector_load32(b->rest), h);
    for (int i = 0; i < 2; i++)
        h->steps[i] = among_256(iq3_xxs_steps, words_of(b->qs + 32 * i));
}

VECTOR_INLINE void open_iq3_s(const block_iq3_s *b, head *h)
{
    memcpy(h->minus, b->signs, sizeof h->minus);
    __m128i bytes = _mm_cvtsi32_si128((int)vector_load_u32(b->scales));
    h->scales = _mm512_castsi256_si512(_mm256_cvtepi8_epi32(iq_nibble_scales(bytes)));
    for (int i = 0; i < 2; i++) {
        __m512i at = words_of(b->qs + 32 * i);
        __m512i low = among_256(iq3_s_steps, at), high = among_256(iq3_s_steps + 256, at);
        h->steps[i] = _mm512_mask_mov_epi16(low, vector_load_u32(b->qh + 4 * i), high);
    }
}

/* ---- codes ---------------------------------------------------------------------------------------- */

/* The entries whose numbers are words i and i + 1 of `at`. */
VECTOR_INLINE __m128i two_entries(const uint64_t *book, uint64_t at, int i)
{
    uint64_t low = book[at >> (16 * i) & 0xFFFF], high = book[at >> (16 * i + 16) & 0xFFFF];
    return _mm_set_epi64x((long long)high, (long long)low);
}

VECTOR_INLINE __m512i join(__m128i a, __m128i b, __m128i c, __m128i d)
{
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Numbers leave the vector four at a time: one by one takes longer, and so does a way through memory. */
VECTOR_INLINE __m512i eight_entries(const uint64_t *book, __m128i at)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(at), high = (uint64_t)_mm_extract_epi64(at, 1);
    return join(two_entries(book, low, 0), two_entries(book, low, 2), two_entries(book, high, 0),
                two_entries(book, high, 2));
}

VECTOR_INLINE __m128i two_of_xxs(const uint8_t qs[2])
{
    return _mm_set_epi64x((long long)iq2_xxs_grid[qs[1]], (long long)iq2_xxs_grid[qs[0]]);
}

/* The same with numbers of one byte, of two groups of IQ2_XXS. */
VECTOR_INLINE __m512i eight_of_xxs(const block_iq2_xxs *b, int k)
{
    const uint8_t *first = b->group[2 * k].qs, *second = b->group[2 * k + 1].qs;
    return join(two_of_xxs(first), two_of_xxs(first + 2), two_of_xxs(second),
                two_of_xxs(second + 2));
}

/* 16 entries of steps become 64 magnitudes: half i of 32 entries. */
VECTOR_INLINE __m512i climb(dtype type, __m512i steps, int i)
{
    const __m128i xxs = _mm_setr_epi8(4, 12, 20, 28, 36, 44, 52, 62, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i s = _mm_setr_epi8(1, 3, 5, 7, 9, 11, 13, 15, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512i bytes = _mm512_set1_epi32(0x00FF00FF), nibbles = _mm512_set1_epi32(0x0F0F0F0F);
    __m256i half = i ? _mm512_extracti64x4_epi64(steps, 1) : _mm512_castsi512_si256(steps);
    __m512i v = _mm512_cvtepu16_epi32(half);
    v = _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi32(v, 8)), bytes);
    v = _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi32(v, 4)), nibbles);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(type == DTYPE_IQ3_S ? s : xxs), v);
}

/* The 64 codes of part k: magnitudes, or those of IQ1 with their excess. */
VECTOR_INLINE __m512i codes_of(dtype type, const uint8_t *block, const head *h, int k)
{
    if (is_iq3(type))
        return climb(type, h->steps[k / 2], k % 2);
    if (type == DTYPE_IQ2_XXS)
        return eight_of_xxs((const block_iq2_xxs *)block, k);
    const uint64_t *book = iq_is_1(type)          ? iq1_grid
                           : type == DTYPE_IQ2_XS ? iq2_xs_grid
                                                  : iq2_s_grid;
    __m512i codes = eight_entries(book, h->entries[k]);
    if (type == DTYPE_IQ1_M)
        return _mm512_mask_add_epi64(codes, (__mmask8)(h->up >> (8 * k)), codes,
                                     _mm512_set1_epi8(2));
    return codes;
}

/* ---- multiplying ---------------------------------------------------------------------------------- */

/* sum + what part k contributes: 16 int32 that add up to it. */
VECTOR_INLINE __m512i add_part(dtype type, __m512i sum, __m512i codes, __m512i scale,
                               uint64_t minus, const int8_t *a)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i x = _mm512_loadu_si512(a);
    if (!iq_is_1(type))
        x = _mm512_mask_sub_epi8(x, minus, zero, x);
    return _mm512_dpwssd_epi32(sum, _mm512_dpbusd_epi32(zero, codes, x), scale);
}

VECTOR_INLINE __m512i less_excess(dtype type, __m512i sum, __m256i excess, const activation_q256 *a)
{
    if (!iq_is_1(type))
        return sum;
    __m256i all = type == DTYPE_IQ1_M
                      ? _mm256_madd_epi16(excess, vector_load32(a->sum16))
                      : _mm256_zextsi128_si256(_mm_madd_epi16(_mm256_castsi256_si128(excess),
                                                              vector_load16(a->sum32)));
    return _mm512_sub_epi32(sum, _mm512_zextsi256_si512(all));
}

/* The S of four products. */
VECTOR_INLINE __m128i sums_of_quad(const __m512i s[QUAD])
{
    __m512i a =
        _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
    __m512i b =
        _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
    __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    __m256i d = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(d), _mm256_extracti128_si256(d, 1));
}

/* ---- parts of a block: k is a constant ------------------------------------------------------------- */

VECTOR_INLINE __m512i next_part(dtype type, __m512i sum, const uint8_t *block, const head *h, int k,
                                const activation_q256 *a)
{
    uint64_t minus = iq_is_1(type) ? 0 : h->minus[k];
    return add_part(type, sum, codes_of(type, block, h, k), scale_of_part(type, h->scales, k),
                    minus, a->q + 64 * k);
}

typedef struct opened {
    __m512i codes[PARTS], scale[PARTS];
    head h;
} opened;

VECTOR_INLINE void open_part(dtype type, const uint8_t *block, int k, opened *o)
{
    o->codes[k] = codes_of(type, block, &o->h, k);
    o->scale[k] = scale_of_part(type, o->h.scales, k);
}

VECTOR_INLINE __m512i add_opened(dtype type, __m512i sum, const opened *o, int k,
                                 const activation_q256 *a)
{
    return add_part(type, sum, o->codes[k], o->scale[k], o->h.minus[k], a->q + 64 * k);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

typedef __m512i iq_sums;

VECTOR_INLINE iq_sums no_sums(void)
{
    return _mm512_setzero_si512();
}

#include "iq_rows.h"

IQ_ROWS(avx512)
