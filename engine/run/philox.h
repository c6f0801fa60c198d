/* philox.h - random numbers as a function: Philox 4x32 with 10 rounds.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A counter
 * and a key go in, 128 random bits come out; there is no state, so any draw can be made again
 * without the ones before it.
 */
#ifndef ENGINE_PHILOX_H
#define ENGINE_PHILOX_H

#include <stdint.h>

/* out may be counter. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
