/* human.h - figures as people read them; JSON carries the exact ones. */
#ifndef REPL_HUMAN_H
#define REPL_HUMAN_H

#include <stdint.h>

enum { HUMAN_TEXT = 32 };

/* "512 B", "93.1 MiB", "17.3 GiB": three digits. Both write into out [HUMAN_TEXT], return it. */
char *human_bytes(char *out, uint64_t bytes);
/* "960", "134.5 M", "30.5 B": parameters and other large counts. */
char *human_count(char *out, uint64_t count);
/* "0.4 s", "12 s", "3 min 05 s", "2 h 10 min". */
char *human_seconds(char *out, double seconds);

#endif
