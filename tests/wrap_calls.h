/* wrap_calls.h - the N-th call that reaches a folder fails, or is the last of the process; N goes from 1 until
 * none fails. For tests that save by whole paths; wrap_disk.h knows descriptors, and power cuts.
 */
#ifndef TESTS_WRAP_CALLS_H
#define TESTS_WRAP_CALLS_H

#include <stdbool.h>

enum { KILLED = 77 }; /* what a process ends with when it was killed */

typedef struct call_faults {
    long left;     /* calls until one fails; 0 = none does */
    bool kills;    /* the process ends instead */
    bool no_links; /* a file system without them */
} call_faults;

/* Of open, write (half of it is written), fsync, link, rename and unlink, which fails only by ending. */
extern call_faults disk;

#endif
