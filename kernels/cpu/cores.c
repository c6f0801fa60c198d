/* cores.c - counts physical cores: the affinity mask, folded by the kernel's sibling lists.
 *
 * A hardware thread counts when it is the lowest one of its core that the process may use. A
 * machine that does not publish its topology is taken to have one thread a core.
 */
#include "cores.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_CPUS = 1 << 16 };

/* Lowest allowed CPU of a sysfs list such as "3,67" or "6-7"; -1 when there is none. */
static long lowest_allowed(const char *list, const cpu_set_t *set, size_t set_bytes)
{
    for (;;) {
        char *end;
        long from = strtol(list, &end, 10), to = from;
        if (end == list)
            return -1;
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        for (long cpu = from; cpu >= 0 && cpu <= to && cpu < MOST_CPUS; cpu++)
            if (CPU_ISSET_S((size_t)cpu, set_bytes, set))
                return cpu;
        if (*end != ',')
            return -1;
        list = end + 1;
    }
}

static bool first_of_core(int cpu, const cpu_set_t *set, size_t set_bytes)
{
    char path[96], list[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    if (!file)
        return true;
    bool read = fgets(list, sizeof list, file) != NULL;
    fclose(file);
    long lowest = read ? lowest_allowed(list, set, set_bytes) : -1;
    return lowest < 0 || lowest == cpu;
}

int cores_physical(void)
{
    /* The kernel refuses a mask smaller than its own: ask with ever larger ones. */
    for (int cpus = 1024; cpus <= MOST_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        if (!set)
            return 1;
        CPU_ZERO_S(bytes, set);
        int count = 0;
        if (sched_getaffinity(0, bytes, set) == 0)
            for (int cpu = 0; cpu < cpus; cpu++)
                count += CPU_ISSET_S((size_t)cpu, bytes, set) && first_of_core(cpu, set, bytes);
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}
