/* sandbox.h - what the process gives up, for good: files, programs, the network.
 *
 * A model, a template or a mask is written by strangers and read by a lot of C. So before the first of
 * them is opened the process says which files it will still need, and the kernel refuses all others
 * (Landlock, docs.kernel.org/userspace-api/landlock.html): a fault in a parser then reaches neither
 * the user's other files nor the net. A seccomp filter adds what Landlock does not know: no sockets of any
 * kind, no other program, no look into other processes, no typing for the user. And no_new_privs, which both of them need.
 *
 * It must be entered before there are threads: a thread that runs already keeps its rights, those
 * started later inherit what is left. Where a kernel has no Landlock the rest still holds.
 */
#ifndef REPL_SANDBOX_H
#define REPL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

typedef struct sandbox {
    int rules;    /* a ruleset, or -1 */
    int abi;      /* of Landlock; 0 = there is none */
    bool runs;    /* a program follows, see sandbox_allow_run() */
    bool crowded; /* no descriptor was left to name a file by */
    unsigned long long handled;
} sandbox;

/* Nothing is given up yet. */
void sandbox_open(sandbox *s);
/* A file, or a folder and all that is below it, may still be read; or be read and written, with new
 * files. What is not there is passed over. */
void sandbox_allow_read(sandbox *s, const char *path);
void sandbox_allow_write(sandbox *s, const char *path);
/* Programs and libraries there may be run: the process is about to become one. It keeps execve, and gives
 * up making processes and sending signals instead. */
void sandbox_allow_run(sandbox *s, const char *path);
/* What is given up from here on, for people, into summary[size]. ERROR_RUN when the kernel refuses, or the limit of
 * open files did. Releases s. */
int sandbox_enter(sandbox *s, char *summary, size_t size, error *err);

#endif
