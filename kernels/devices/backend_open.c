/* backend_open.c - see backend_open.h. A device more is one row of `openers`. */
#include "backend_open.h"

#include <string.h>

#include "../cpu/cpu.h"

static backend *open_cuda(const backend_options *options, error *err)
{
    (void)options;
    error_set(err, ERROR_RUN,
              "--backend cuda: this build has no CUDA backend; cpu works everywhere");
    return NULL;
}

static const struct {
    const char *name;
    backend *(*open)(const backend_options *options, error *err);
} openers[] = {{"auto", cpu_open}, {"cpu", cpu_open}, {"cuda", open_cuda}};

backend *backend_open(const backend_options *options, error *err)
{
    const char *name = options->name ? options->name : "auto";
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
        if (strcmp(name, openers[i].name) == 0)
            return openers[i].open(options, err);
    error_set(err, ERROR_USAGE, "--backend %s: unknown; auto, cpu and cuda are known", name);
    return NULL;
}
