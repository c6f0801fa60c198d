/* format.h - one field of "%5.2f" or "{:>10}": how a value is laid out. */
#ifndef ENGINE_JINJA_FORMAT_H
#define ENGINE_JINJA_FORMAT_H

#include "machine.h"

enum { FIELD_MAX = 10000, PRECISION_MAX = 100 };

typedef struct field {
    text fill;                /* one character; empty = a blank */
    char align;               /* < > ^ or = (behind the sign); 0 = as the type is aligned */
    char sign;                /* + - or blank; 0 = "-" */
    bool alternate;           /* # */
    char group;               /* , or _ between thousands; 0 = none */
    int64_t width, precision; /* -1 = none */
    char type;                /* 0 = as the value is */
} field;

bool format_int(machine *m, int64_t i, const field *f, uint32_t origin, text *out);
bool format_float(machine *m, double d, const field *f, uint32_t origin, text *out);
bool format_text(machine *m, text t, const field *f, text *out);

#endif
