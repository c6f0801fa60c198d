/* dot_iq_avx2.c - weights of code books with AVX2: see dot.h for the definition.
 *
 * A block is eight parts of 32 codes, one vector each. Its entries are numbered first, sixteen at a
 * time; then each part fetches its own: four loads of eight bytes from the book (IQ1, IQ2) or eight
 * of four bytes (IQ3).
 *
 * Codes are magnitudes, and the activations take their signs. Pairs of products fit into int16 (the
 * largest, of IQ3_XXS, is 2 * 62 * 127 = 15748); a second multiplication brings in the scales and
 * widens. IQ1 has codes 8 g + 1 or 8 g - 1: what they are above zero is taken off with the stored
 * sums of the activations.
 *
 * Four rows go together: the sums of each column end in one vector, and so share their float step.
 */
#include "dot_sets.h"
#include "iq_avx2.h"

enum { PARTS = 8, QUAD = 4 };

/* What a block brings before its codes are fetched. */
typedef struct head {
    __m256i
        minus[2];  /* signs of eight codes in a byte: of parts 0 to 3 in both halves, of 4 to 7 */
    __m256i up[2]; /* IQ1_M: all bits of word i set: group i of eight is shifted up */
    __m256i entries[4]; /* 16 numbers each; IQ2_XXS and IQ3_XXS read them where they lie */
    __m256i spread;     /* half h, int16 k: the scale of half h of part k */
    __m256i excess;     /* int16: what codes are too large by, times the scale */
} head;

/* ---- signs ---------------------------------------------------------------------------------------- */

VECTOR_INLINE void keep_signs(head *h, __m256i signs)
{
    h->minus[0] = _mm256_permute4x64_epi64(signs, 0x44);
    h->minus[1] = _mm256_permute4x64_epi64(signs, 0xEE);
}

/* The signs of part k: 1 or -1 in each byte. */
VECTOR_INLINE __m256i signs_of_part(const head *h, int k)
{
    const long long eight = 0x0101010101010101ll;
    const long long at = 4 * (k % 4) * eight;
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i bytes = _mm256_shuffle_epi8(
        h->minus[k / 4], _mm256_setr_epi64x(at, at + eight, at + 2 * eight, at + 3 * eight));
    __m256i negative = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
    return _mm256_or_si256(negative, _mm256_set1_epi8(1));
}

/* ---- scales --------------------------------------------------------------------------------------- */

/* Eight scales as int16, one for each part; or sixteen as bytes, two for each. */
VECTOR_INLINE __m256i spread_of_8(__m128i scales)
{
    return _mm256_broadcastsi128_si256(scales);
}

VECTOR_INLINE __m256i spread_of_16(__m128i scales)
{
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, order));
}

VECTOR_INLINE __m256i scale_of_part(const head *h, int k)
{
    const short at = (short)(2 * k | (2 * k + 1) << 8);
    return _mm256_shuffle_epi8(h->spread, _mm256_set1_epi16(at));
}

/* The `rest` of IQ2_XXS and IQ3_XXS: signs, and a scale in the highest four bits. */
VECTOR_INLINE void open_rest(__m256i rest, head *h)
{
    keep_signs(h, iq_vector_signs(iq_seven_bits(rest)));
    __m256i s =
        _mm256_or_si256(_mm256_slli_epi32(_mm256_srli_epi32(rest, 28), 1), _mm256_set1_epi32(1));
    h->spread =
        spread_of_8(_mm_packs_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1)));
}

/* ---- entries, by type ----------------------------------------------------------------------------- */

VECTOR_INLINE __m256i words_of(const uint8_t *bytes)
{
    return _mm256_cvtepu8_epi16(vector_load16(bytes));
}

/* Four words over and over: a multiplication with powers of two shifts each by its own count. */
VECTOR_INLINE __m256i powers(int a, int b, int c, int d)
{
    short p = (short)(1 << a), q = (short)(1 << b), r = (short)(1 << c), s = (short)(1 << d);
    return _mm256_setr_epi16(p, q, r, s, p, q, r, s, p, q, r, s, p, q, r, s);
}

VECTOR_INLINE __m256i masked(__m256i words, int mask)
{
    return _mm256_and_si256(words, _mm256_set1_epi16((short)mask));
}

/* Entries 16i to 16i + 15. */
VECTOR_INLINE void number(head *h, int i, const uint8_t *low, __m256i high)
{
    h->entries[i] = _mm256_or_si256(words_of(low + 16 * i), high);
}

/* Words i of eight, of which two, three, four and five serve four entries each. */
VECTOR_INLINE __m256i word_four_times(__m128i words, int i)
{
    const __m256i at = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 4, 5, 4, 5,
                                        4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(words),
                               _mm256_add_epi8(at, _mm256_set1_epi8((char)(8 * i))));
}

/* `excess` of an entry that is shifted up is 7 scales, else 9. */
VECTOR_INLINE void open_iq1_s(const block_iq1_s *b, head *h)
{
    __m128i qh = vector_load16(b->qh);
    for (int i = 0; i < 2; i++) {
        __m256i high = _mm256_mullo_epi16(word_four_times(qh, i), powers(9, 6, 3, 0));
        number(h, i, b->qs, _mm256_srli_epi16(masked(high, 0xE00), 1));
    }
    __m128i scale = _mm_and_si128(_mm_srli_epi16(qh, 11), _mm_set1_epi16(14));
    scale = _mm_or_si128(scale, _mm_set1_epi16(1));
    __m128i shift = _mm_sign_epi16(scale, _mm_or_si128(qh, _mm_set1_epi16(1)));
    h->excess = _mm256_castsi128_si256(_mm_sub_epi16(_mm_slli_epi16(scale, 3), shift));
    h->spread = spread_of_8(scale);
}

/* Groups that are shifted up get 2 more in their codes, and so all are 9 too large. */
VECTOR_INLINE void open_iq1_m(const block_iq1_m *b, head *h)
{
    __m128i qh = vector_load16(b->qh);
    for (int i = 0; i < 2; i++) {
        __m128i bytes = i ? _mm_unpackhi_epi8(qh, qh) : _mm_unpacklo_epi8(qh, qh);
        __m256i high = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(bytes), powers(8, 4, 8, 4));
        number(h, i, b->qs, masked(high, 0x700));
        h->up[i] = _mm256_cmpeq_epi16(masked(high, 0x800), _mm256_setzero_si256());
    }
    uint64_t packed;
    memcpy(&packed, b->scales, sizeof packed);
    __m256i scale = word_four_times(_mm_set1_epi64x((long long)packed), 0);
    scale = _mm256_srli_epi16(masked(_mm256_mullo_epi16(scale, powers(9, 6, 3, 0)), 0xE00), 8);
    scale = _mm256_or_si256(scale, _mm256_set1_epi16(1));
    h->excess = _mm256_add_epi16(_mm256_slli_epi16(scale, 3), scale);
    h->spread = spread_of_16(
        _mm_packs_epi16(_mm256_castsi256_si128(scale), _mm256_extracti128_si256(scale, 1)));
}

VECTOR_INLINE void open_iq2_xxs(const block_iq2_xxs *b, head *h)
{
    __m256 low = _mm256_castsi256_ps(vector_load32(b->group));
    __m256 high = _mm256_castsi256_ps(vector_load32(b->group + 4));
    __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0xDD));
    open_rest(_mm256_permute4x64_epi64(odd, 0xD8), h);
}

VECTOR_INLINE void open_iq2_xs(const block_iq2_xs *b, head *h)
{
    __m256i q0 = vector_load32(b->qs), q1 = vector_load32(b->qs + 16);
    h->entries[0] = masked(q0, 511);
    h->entries[1] = masked(q1, 511);
    __m256i seven = _mm256_packus_epi16(_mm256_srli_epi16(q0, 9), _mm256_srli_epi16(q1, 9));
    keep_signs(h, iq_vector_signs(_mm256_permute4x64_epi64(seven, 0xD8)));
    h->spread =
        spread_of_16(iq_nibble_scales(_mm_loadl_epi64((const __m128i *)(const void *)b->scales)));
}

VECTOR_INLINE void open_iq2_s(const block_iq2_s *b, head *h)
{
    __m128i qh = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)b->qh));
    for (int i = 0; i < 2; i++) {
        __m256i high = _mm256_mullo_epi16(word_four_times(qh, i), powers(8, 6, 4, 2));
        number(h, i, b->qs, masked(high, 0x300));
    }
    keep_signs(h, vector_load32(b->signs));
    h->spread =
        spread_of_16(iq_nibble_scales(_mm_loadl_epi64((const __m128i *)(const void *)b->scales)));
}

VECTOR_INLINE void open_iq3_xxs(const block_iq3_xxs *b, head *h)
{
    open_rest(vector_load32(b->rest), h);
}

VECTOR_INLINE void open_iq3_s(const block_iq3_s *b, head *h)
{
    const __m256i shift =
        _mm256_setr_epi16(256, 128, 64, 32, 16, 8, 4, 2, 256, 128, 64, 32, 16, 8, 4, 2);
    const __m256i at = _mm256_setr_epi8(0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 1,
                                        -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1);
    for (int i = 0; i < 4; i++) {
        __m256i two = _mm256_set1_epi16((short)vector_load_u16(b->qh + 2 * i));
        number(h, i, b->qs, masked(_mm256_mullo_epi16(_mm256_shuffle_epi8(two, at), shift), 0x100));
    }
    keep_signs(h, vector_load32(b->signs));
    __m128i bytes = _mm_cvtsi32_si128((int)vector_load_u32(b->scales));
    h->spread = spread_of_8(_mm_cvtepi8_epi16(iq_nibble_scales(bytes)));
}

/* ---- codes ---------------------------------------------------------------------------------------- */

VECTOR_INLINE __m256i join(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    __m128i low = _mm_set_epi64x((long long)b, (long long)a);
    __m128i high = _mm_set_epi64x((long long)d, (long long)c);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* Numbers 4k to 4k + 3. They leave the vector four at a time: one by one takes longer, and so does a
 * way through memory. */
VECTOR_INLINE uint64_t four_numbers(const head *h, int k)
{
    __m256i sixteen = h->entries[k / 4];
    __m128i eight =
        k / 2 % 2 ? _mm256_extracti128_si256(sixteen, 1) : _mm256_castsi256_si128(sixteen);
    return (uint64_t)(k % 2 ? _mm_extract_epi64(eight, 1) : _mm_cvtsi128_si64(eight));
}

VECTOR_INLINE __m256i four_entries(const uint64_t *book, uint64_t at)
{
    return join(book[at & 0xFFFF], book[at >> 16 & 0xFFFF], book[at >> 32 & 0xFFFF],
                book[at >> 48]);
}

VECTOR_INLINE __m128i four_short_entries(const uint32_t *book, uint64_t at)
{
    return _mm_setr_epi32((int)book[at & 0xFFFF], (int)book[at >> 16 & 0xFFFF],
                          (int)book[at >> 32 & 0xFFFF], (int)book[at >> 48]);
}

VECTOR_INLINE __m256i codes_of_iq2_xxs(const block_iq2_xxs *b, int k)
{
    const uint8_t *at = b->group[k].qs;
    return join(iq2_xxs_grid[at[0]], iq2_xxs_grid[at[1]], iq2_xxs_grid[at[2]], iq2_xxs_grid[at[3]]);
}

VECTOR_INLINE __m256i codes_of_iq3_xxs(const block_iq3_xxs *b, int k)
{
    const uint8_t *at = b->qs + 8 * k;
    const uint32_t *book = iq3_xxs_grid;
    return _mm256_setr_epi32((int)book[at[0]], (int)book[at[1]], (int)book[at[2]], (int)book[at[3]],
                             (int)book[at[4]], (int)book[at[5]], (int)book[at[6]],
                             (int)book[at[7]]);
}

VECTOR_INLINE __m256i codes_of_iq3_s(const head *h, int k)
{
    __m128i low = four_short_entries(iq3_s_grid, four_numbers(h, 2 * k));
    __m128i high = four_short_entries(iq3_s_grid, four_numbers(h, 2 * k + 1));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

VECTOR_INLINE __m256i codes_of_iq1_m(const head *h, int k)
{
    __m256i sixteen = h->up[k / 4];
    __m128i up = k / 2 % 2 ? _mm256_extracti128_si256(sixteen, 1) : _mm256_castsi256_si128(sixteen);
    __m256i four = _mm256_cvtepi16_epi64(k % 2 ? _mm_unpackhi_epi64(up, up) : up);
    return _mm256_add_epi8(four_entries(iq1_grid, four_numbers(h, k)),
                           _mm256_and_si256(four, _mm256_set1_epi8(2)));
}

/* The 32 codes of part k: magnitudes, or those of IQ1 with their excess. */
VECTOR_INLINE __m256i codes_of(dtype type, const uint8_t *block, const head *h, int k)
{
    switch ((int)type) {
    case DTYPE_IQ1_S:
        return four_entries(iq1_grid, four_numbers(h, k));
    case DTYPE_IQ1_M:
        return codes_of_iq1_m(h, k);
    case DTYPE_IQ2_XXS:
        return codes_of_iq2_xxs((const block_iq2_xxs *)block, k);
    case DTYPE_IQ2_XS:
        return four_entries(iq2_xs_grid, four_numbers(h, k));
    case DTYPE_IQ2_S:
        return four_entries(iq2_s_grid, four_numbers(h, k));
    case DTYPE_IQ3_XXS:
        return codes_of_iq3_xxs((const block_iq3_xxs *)block, k);
    default:
        return codes_of_iq3_s(h, k);
    }
}

/* ---- multiplying ---------------------------------------------------------------------------------- */

/* sum + what a part contributes: eight int32 that add up to it. */
VECTOR_INLINE __m256i add_part(dtype type, __m256i sum, __m256i codes, __m256i signs, __m256i scale,
                               const int8_t *a)
{
    __m256i x = vector_load32(a);
    if (!iq_is_1(type))
        x = _mm256_sign_epi8(x, signs);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x), scale));
}

VECTOR_INLINE __m256i less_excess(dtype type, __m256i sum, __m256i excess, const activation_q256 *a)
{
    if (type == DTYPE_IQ1_M)
        return _mm256_sub_epi32(sum, _mm256_madd_epi16(excess, vector_load32(a->sum16)));
    if (type == DTYPE_IQ1_S)
        return _mm256_sub_epi32(sum, _mm256_zextsi128_si256(_mm_madd_epi16(
                                         _mm256_castsi256_si128(excess), vector_load16(a->sum32))));
    return sum;
}

/* The S of four products. */
VECTOR_INLINE __m128i sums_of_quad(const __m256i s[QUAD])
{
    __m256i a =
        _mm256_add_epi32(_mm256_unpacklo_epi32(s[0], s[1]), _mm256_unpackhi_epi32(s[0], s[1]));
    __m256i b =
        _mm256_add_epi32(_mm256_unpacklo_epi32(s[2], s[3]), _mm256_unpackhi_epi32(s[2], s[3]));
    __m256i c = _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    return _mm_add_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
}

/* ---- parts of a block: k is a constant ------------------------------------------------------------- */

VECTOR_INLINE __m256i next_part(dtype type, __m256i sum, const uint8_t *block, const head *h, int k,
                                const activation_q256 *a)
{
    __m256i signs = iq_is_1(type) ? sum : signs_of_part(h, k);
    return add_part(type, sum, codes_of(type, block, h, k), signs, scale_of_part(h, k),
                    a->q + 32 * k);
}

typedef struct opened {
    __m256i codes[PARTS], signs[PARTS], scale[PARTS];
    head h;
} opened;

VECTOR_INLINE void open_part(dtype type, const uint8_t *block, int k, opened *o)
{
    o->codes[k] = codes_of(type, block, &o->h, k);
    o->signs[k] = iq_is_1(type) ? o->codes[k] : signs_of_part(&o->h, k);
    o->scale[k] = scale_of_part(&o->h, k);
}

VECTOR_INLINE __m256i add_opened(dtype type, __m256i sum, const opened *o, int k,
                                 const activation_q256 *a)
{
    return add_part(type, sum, o->codes[k], o->signs[k], o->scale[k], a->q + 32 * k);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

typedef __m256i iq_sums;

VECTOR_INLINE iq_sums no_sums(void)
{
    return _mm256_setzero_si256();
}

#include "iq_rows.h"

IQ_ROWS(avx2)
