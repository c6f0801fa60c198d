/* bank_view.c - see bank_view.h. */
#include "bank_view.h"

#include <stdio.h>

/* The tensor that holds a part, by the first spelling that the file has. 0, or -1 = not there. */
static int bank_tensor(const checkpoint *c, weight_part part, int layer, int expert,
                       checkpoint_tensor *out)
{
    char name[128];
    for (int i = 0; i < WEIGHT_SPELLINGS; i++) {
        const char *format = weight_name(part, checkpoint_gguf(c) != NULL, i);
        if (!format)
            break;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(name, sizeof name, format, layer, expert);
#pragma GCC diagnostic pop
        int at = checkpoint_index(c, name);
        if (at < 0)
            continue;
        checkpoint_at(c, at, out);
        return 0;
    }
    return -1;
}

/* The rows of an expert in a tensor that holds `share` rows of each, from row `first` of them on. */
static bank_rows slice(const checkpoint_tensor *t, size_t share, size_t first, size_t rows,
                       int expert)
{
    size_t cols = (size_t)t->shape[t->dims - 1], stride = dtype_row_bytes(t->type, cols);
    return (bank_rows){t->type, rows, cols,
                       (const uint8_t *)t->data + stride * ((size_t)expert * share + first)};
}

bank_rows bank_view(const checkpoint *c, int layer, int expert, bank_matrix m)
{
    static const weight_part single[] = {PART_ROUTER, PART_EXPERT_GATE, PART_EXPERT_UP,
                                         PART_EXPERT_DOWN};
    static const weight_part stacked[] = {PART_ROUTER, PART_EXPERTS_GATE, PART_EXPERTS_UP,
                                          PART_EXPERTS_DOWN};
    const model_config *config = checkpoint_config(c);
    size_t f = (size_t)config->expert_width;
    size_t rows = m == BANK_ROUTER ? 1 : m == BANK_DOWN ? (size_t)config->width : f;
    checkpoint_tensor t;
    if ((m == BANK_GATE || m == BANK_UP) && bank_tensor(c, PART_EXPERTS_GATE_UP, layer, 0, &t) == 0)
        return slice(&t, 2 * f, m == BANK_UP ? f : 0, f, expert);
    if (bank_tensor(c, stacked[m], layer, 0, &t) == 0)
        return slice(&t, rows, 0, rows, expert);
    if (bank_tensor(c, single[m], layer, expert, &t) == 0)
        return slice(&t, rows, 0, rows, 0);
    return (bank_rows){0}; /* weights_check() would have said so */
}
