/* gpu_cards.h - NVIDIA GPUs that plans on paper are made for: bandwidth and memory as the maker's data
 * sheets have them. */
#ifndef REPL_GPU_CARDS_H
#define REPL_GPU_CARDS_H

#include "../../kernels/error.h"

enum { GPU_CARDS = 6 };

typedef struct gpu_card {
    const char *name;
    double gbps, gib;
} gpu_card;

extern const gpu_card gpu_cards[GPU_CARDS];

/* "RTX 4090" or "4090", as case may be, or a size in GiB ("24"): *card. ERROR_USAGE with the names. */
int gpu_card_find(const char *text, gpu_card *card, error *err);

#endif
