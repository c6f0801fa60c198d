/* derive_state.h - what derive.c and derive_find.c share behind derive.h. */
#ifndef PERSONAS_DERIVE_STATE_H
#define PERSONAS_DERIVE_STATE_H

#include "derive.h"
#include "expert_tally.h"
#include "spoken.h"

typedef struct voice {
    char name[DERIVE_NAME];
    measure_samples samples;
    spoken spoken;
} voice;

struct derivation {
    engine *engine;
    voice *voices;
    size_t len, cap;
    expert_tally *tally; /* NULL before derive_read() */
};

#endif
