/* backend_open.h - which devices there are, and the choice of one by name.
 *
 * The contract that all devices keep stands below them (backend.h, backend_impl.h), this choice
 * above them: cpu/ knows nothing of another device, and nothing else knows which ones exist. A
 * device comes as a folder beside cpu/ with an `open` of its own, and as a row of the table in
 * backend_open.c.
 */
#ifndef KERNELS_BACKEND_OPEN_H
#define KERNELS_BACKEND_OPEN_H

#include "../backend.h"

/* The GPU's plug-in that came with the program: its path into path[size]. false when there is none. */
bool backend_find_plugin(char *path, size_t size);

/* Caller owns. Errors: unknown name or ISA (ERROR_USAGE), an ISA that is not available here (ERROR_RUN),
 * a GPU that cannot be used (ERROR_LOAD). */
backend *backend_open(const backend_options *options, error *err);

#endif
