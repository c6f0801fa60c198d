/* available_memory.h - how much memory this process may still take.
 *
 * Two things bound it: what the machine has left (MemAvailable: free pages, and those of files that can be
 * read again), and the limit of every control group that the process is in (cgroups v1 and v2; a
 * container's and a systemd scope's limit is one). Of a group, too, pages of files do not count as taken.
 *
 * Sources: proc(5); Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux.
 */
#ifndef ENGINE_AVAILABLE_MEMORY_H
#define ENGINE_AVAILABLE_MEMORY_H

#include <stdint.h>

/* Bytes; UINT64_MAX when nobody says. root: "" (or a folder with proc/ and sys/ of its own, for tests). */
uint64_t available_memory(const char *root);
/* The same of the control groups alone; UINT64_MAX where none has a limit. */
uint64_t available_in_groups(const char *root);

#endif
