/* gpu_cards.c - see gpu_cards.h. */
#include "gpu_cards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const gpu_card gpu_cards[GPU_CARDS] = {{"RTX 3090", 936, 24},  {"RTX 4090", 1008, 24},
                                       {"RTX 5090", 1792, 32}, {"A100 80GB", 2039, 80},
                                       {"H100 SXM", 3350, 80}, {"H200", 4800, 141}};

/* "RTX 3090, RTX 4090, ..." */
static void list_names(char *text, size_t size)
{
    size_t len = 0;
    for (int i = 0; i < GPU_CARDS && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i ? ", " : "", gpu_cards[i].name);
}

int gpu_card_find(const char *text, gpu_card *card, error *err)
{
    char *end, names[128];
    for (int i = 0; i < GPU_CARDS && *text; i++)
        if (strcasestr(gpu_cards[i].name, text)) {
            *card = gpu_cards[i];
            return 0;
        }
    double gib = strtod(text, &end);
    if (end != text && !*end && gib > 0 && gib <= 1 << 20) {
        *card = (gpu_card){.name = "a GPU", .gib = gib};
        return 0;
    }
    list_names(names, sizeof names);
    return error_set(err, ERROR_USAGE, "--gpu %s: %s, or a number of GiB", text, names);
}
