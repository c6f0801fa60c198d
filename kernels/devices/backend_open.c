/* backend_open.c - see backend_open.h. A device more is one row of `openers`.
 *
 * The GPU's backend is a shared object of its own, so that one program runs with it and without: it is
 * looked for beside the program and in the lib folder of where it was installed. It brings what it needs
 * of kernels/ itself and hands over one function, cuda_open.
 */
#include "backend_open.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../backend_impl.h"
#include "../cpu/cpu.h"

#define PLUGIN "consilium-cuda.so"

typedef backend *open_fn(const backend_options *options, error *err);

bool backend_find_plugin(char *path, size_t size)
{
    static const char *const places[] = {"", "../lib/consilium/"};
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return false;
    program[n] = '\0';
    char *end = strrchr(program, '/');
    if (!end)
        return false;
    end[1] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int len = snprintf(path, size, "%s%s" PLUGIN, program, places[i]);
        if (len > 0 && (size_t)len < size && access(path, R_OK) == 0)
            return true;
    }
    return false;
}

/* It stays loaded: the backend's functions are in it. */
static backend *open_plugin(const char *path, const backend_options *options, error *err)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    open_fn *open = NULL;
    const char *contract = object ? dlsym(object, "backend_contract") : NULL;
    if (contract)
        *(void **)&open = dlsym(object, "cuda_open");
    if (open && strcmp(contract, backend_contract) == 0)
        return open(options, err);
    if (open)
        (void)error_set(err, ERROR_LOAD,
                        "%s is of another build of the program; `make cuda` makes it anew", path);
    else
        (void)error_set(err, ERROR_LOAD, "%s", dlerror());
    return NULL;
}

static backend *open_cuda(const backend_options *options, error *err)
{
    char path[PATH_MAX];
    const char *plugin = options->plugin                          ? options->plugin
                         : backend_find_plugin(path, sizeof path) ? path
                                                                  : NULL;
    if (!plugin) {
        (void)error_set(err, ERROR_LOAD,
                        "--backend cuda: " PLUGIN " is not beside the program (`make cuda` builds "
                        "it); cpu works everywhere");
        return NULL;
    }
    backend *b = open_plugin(plugin, options, err);
    if (!b && err) {
        err->code = ERROR_LOAD;
        (void)error_prefix(err, "--backend cuda: ");
    }
    return b;
}

/* A GPU when its plug-in is there and finds one. */
static backend *open_auto(const backend_options *options, error *err)
{
    char path[PATH_MAX];
    error why = {0};
    bool there = options->plugin || backend_find_plugin(path, sizeof path);
    backend *b = there ? open_cuda(options, &why) : NULL;
    if (there && !b)
        (void)error_prefix(&why, "the CPU computes; ");
    if (options->fallback)
        *options->fallback = why;
    return b ? b : cpu_open(options, err);
}

static const struct {
    const char *name;
    open_fn *open;
} openers[] = {{"auto", open_auto}, {"cpu", cpu_open}, {"cuda", open_cuda}};

backend *backend_open(const backend_options *options, error *err)
{
    const char *name = options->name ? options->name : "auto";
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
        if (strcmp(name, openers[i].name) == 0)
            return openers[i].open(options, err);
    error_set(err, ERROR_USAGE, "--backend %s: unknown; auto, cpu and cuda are known", name);
    return NULL;
}
