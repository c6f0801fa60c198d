/* iq.c - see iq.h: blocks opened element by element, the definition that every kernel must meet. */
#include "iq.h"

#include <stdbool.h>

/* Elements 8i to 8i + 7 = an entry's bytes, negative where `signs` has a bit. */
static void put_signed(iq_block *out, int i, uint64_t entry, unsigned signs)
{
    for (int j = 0; j < 8; j++) {
        int magnitude = (int)(entry >> (8 * j) & 0xFF);
        out->code[8 * i + j] = (int8_t)(signs >> j & 1 ? -magnitude : magnitude);
    }
}

/* The same for IQ1: eight times g, shifted by one. */
static void put_shifted(iq_block *out, int i, uint64_t entry, bool down)
{
    for (int j = 0; j < 8; j++)
        out->code[8 * i + j] = (int8_t)((int)(entry >> (8 * j) & 0xFF) - 8 + (down ? -1 : 1));
}

static uint8_t odd(unsigned scale)
{
    return (uint8_t)(2 * scale + 1);
}

static unsigned nibble(const uint8_t *bytes, int i)
{
    return (unsigned)bytes[i / 2] >> (i % 2 * 4) & 15;
}

/* Eight signs of which seven are stored: bit 7 is set when bits 0 to 6 have an odd number of ones. */
static uint8_t even_signs(unsigned seven)
{
    unsigned parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return (uint8_t)(seven | (parity & 1) << 7);
}

/* ---- by type ----------------------------------------------------------------------------------- */

static float open_iq1_s(const block_iq1_s *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        unsigned qh = b->qh[i / 4], entry = b->qs[i] | (qh >> (i % 4 * 3) & 7u) << 8;
        put_shifted(out, i, iq1_grid[entry], qh >> 15);
        out->scale[i / 2] = odd(qh >> 12 & 7);
    }
    return half_to_float(b->d);
}

static float open_iq1_m(const block_iq1_m *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        unsigned qh = nibble(b->qh, i), entry = b->qs[i] | (qh & 7u) << 8;
        put_shifted(out, i, iq1_grid[entry], qh >> 3);
        out->scale[i / 2] = odd((unsigned)b->scales[i / 8] >> (i / 2 % 4 * 3) & 7);
    }
    return half_to_float(quant_iq1_m_d(b));
}

static float open_iq2_xxs(const block_iq2_xxs *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        uint32_t rest = b->group[i / 4].rest;
        put_signed(out, i, iq2_xxs_grid[b->group[i / 4].qs[i % 4]],
                   even_signs(rest >> (i % 4 * 7) & 127));
        out->scale[i / 2] = odd(rest >> 28);
    }
    return half_to_float(b->d);
}

static float open_iq2_xs(const block_iq2_xs *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        put_signed(out, i, iq2_xs_grid[b->qs[i] & 511], even_signs(b->qs[i] >> 9));
        out->scale[i / 2] = odd(nibble(b->scales, i / 2));
    }
    return half_to_float(b->d);
}

static float open_iq2_s(const block_iq2_s *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        unsigned entry = b->qs[i] | ((unsigned)b->qh[i / 4] >> (i % 4 * 2) & 3) << 8;
        put_signed(out, i, iq2_s_grid[entry], b->signs[i]);
        out->scale[i / 2] = odd(nibble(b->scales, i / 2));
    }
    return half_to_float(b->d);
}

static float open_iq3_xxs(const block_iq3_xxs *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        uint64_t low = iq3_xxs_grid[b->qs[2 * i]], high = iq3_xxs_grid[b->qs[2 * i + 1]];
        uint32_t rest = b->rest[i / 4];
        put_signed(out, i, low | high << 32, even_signs(rest >> (i % 4 * 7) & 127));
        out->scale[i / 2] = odd(rest >> 28);
    }
    return half_to_float(b->d);
}

static float open_iq3_s(const block_iq3_s *b, iq_block *out)
{
    for (int i = 0; i < 32; i++) {
        unsigned qh = (unsigned)b->qh[i / 4] >> (i % 4 * 2);
        uint64_t low = iq3_s_grid[b->qs[2 * i] | (qh & 1u) << 8];
        uint64_t high = iq3_s_grid[b->qs[2 * i + 1] | (qh >> 1 & 1u) << 8];
        put_signed(out, i, low | high << 32, b->signs[i]);
        out->scale[i / 2] = odd(nibble(b->scales, i / 4));
    }
    return half_to_float(b->d);
}

/* clang-format off */
void iq_open(dtype type, const void *block, iq_block *out)
{
    switch ((int)type) {
    case DTYPE_IQ1_S:   out->d = open_iq1_s(block, out); break;
    case DTYPE_IQ1_M:   out->d = open_iq1_m(block, out); break;
    case DTYPE_IQ2_XXS: out->d = open_iq2_xxs(block, out); break;
    case DTYPE_IQ2_XS:  out->d = open_iq2_xs(block, out); break;
    case DTYPE_IQ2_S:   out->d = open_iq2_s(block, out); break;
    case DTYPE_IQ3_XXS: out->d = open_iq3_xxs(block, out); break;
    default:            out->d = open_iq3_s(block, out); break;
    }
    out->d *= iq_unit(type);
}
/* clang-format on */
