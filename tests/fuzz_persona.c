/* fuzz_persona.c - any bytes as a persona file. What is accepted keeps its ranges. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../personas/roster/persona.h"
#include "fuzz_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const persona *p)
{
    const sampling *s = &p->sampling;
    const router_settings *r = &p->router;
    error err = {0};
    bool good = persona_name_ok(p->name) && p->mode >= ROUTER_AUTO && p->mode <= ROUTER_NONE &&
                isfinite(s->temperature) && isfinite(s->top_p) && isfinite(s->min_p) &&
                s->top_k >= 0 && isfinite(s->repeat_penalty) && isfinite(s->presence_penalty) &&
                r->experts_per_token >= 0 && isfinite(r->strength) && isfinite(r->tail_gain) &&
                (!p->rules || rules_count(p->rules) >= 0);
    if (!good || (p->given == 127 && sampling_check(s, &err)))
        abort();
    (void)persona_instruction(p, "\xd0\xb4", 2);
    (void)persona_instruction(p, "a", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    error err = {0};
    int fd = memfd_create("persona", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    persona *p = persona_load(path, &err);
    if (p)
        check(p);
    else if (!err.text[0])
        abort();
    persona_close(p);
    (void)close(fd);
    return 0;
}
