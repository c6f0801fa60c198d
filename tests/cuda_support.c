/* cuda_support.c - see cuda_support.h. */
#include "cuda_support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef CUDA_PLUGIN
static const char *plugin(void)
{
    return CUDA_PLUGIN;
}
#else
static const char *plugin(void)
{
    static char path[256];
    const char *build = getenv("BUILD");
    snprintf(path, sizeof path, "./%s/tests/cuda_host.so", build ? build : "build");
    return path;
}
#endif

backend_options cuda_options(void)
{
    return (backend_options){.name = "cuda", .plugin = plugin()};
}

void cuda_seed(unsigned seed)
{
    void *object = dlopen(plugin(), RTLD_NOW | RTLD_LOCAL);
    void (*set)(unsigned) = NULL;
    if (object)
        *(void **)&set = dlsym(object, "host_seed");
    if (set)
        set(seed);
}
