/* cuda_support.c - see cuda_support.h. */
#include "cuda_support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/devices/backend_open.h"

/* $CUDA_PLUGIN: a real one, on a machine with a GPU. */
static const char *plugin(void)
{
    static char path[256];
    const char *real = getenv("CUDA_PLUGIN");
    if (real && *real)
        return real;
    const char *build = getenv("BUILD");
    snprintf(path, sizeof path, "./%s/tests/cuda_host.so", build ? build : "build");
    return path;
}

backend_options cuda_options(void)
{
    return (backend_options){.name = "cuda", .plugin = plugin()};
}

/* A function of the plug-in that takes a number; a real one has none. */
static void tell(const char *name, int value)
{
    void *object = dlopen(plugin(), RTLD_NOW | RTLD_LOCAL);
    void (*set)(int) = NULL;
    if (object)
        *(void **)&set = dlsym(object, name);
    if (set)
        set(value);
}

void cuda_seed(int seed)
{
    tell("host_seed", seed);
}

bool cuda_on_host(void)
{
    const char *real = getenv("CUDA_PLUGIN");
    return !real || !*real;
}

void cuda_plant(cuda_fault fault)
{
    tell("host_plant_fault", (int)fault);
}

void cuda_break(int launches)
{
    tell("host_break", launches);
}

void cuda_memory_kib(int kib)
{
    tell("host_memory_kib", kib);
}

unsigned long cuda_memory_taken(void)
{
    void *object = dlopen(plugin(), RTLD_NOW | RTLD_LOCAL);
    unsigned long (*taken)(void) = NULL;
    if (object)
        *(void **)&taken = dlsym(object, "host_memory_taken");
    return taken ? taken() : 0;
}

/* ---- cases ------------------------------------------------------------------------------- */

int cuda_setup(void **state)
{
    error err = {0};
    cuda_rig *r = calloc(1, sizeof *r);
    backend_options options = cuda_options();
    r->cpu = backend_open(&(backend_options){.name = "cpu", .isa = "baseline", .threads = 1}, &err);
    r->cuda = backend_open(&options, &err);
    if (!r->cuda)
        print_error("%s\n", err.text);
    *state = r;
    return r->cpu && r->cuda ? 0 : -1;
}

int cuda_teardown(void **state)
{
    cuda_rig *r = *state;
    backend_close(r->cpu);
    backend_close(r->cuda);
    free(r);
    return 0;
}

/* What a planted fault did to a case. */
typedef struct verdict {
    bool same;
    error err;
} verdict;

static verdict judge(const cuda_rig *r, cuda_case *run, const void *problem, size_t n, int seed)
{
    verdict v = {0};
    float *want = malloc(n * sizeof *want), *got = malloc(n * sizeof *got);
    memset(got, 0xA5, n * sizeof *got);
    memset(want, 0xA5, n * sizeof *want);
    assert_int_equal(run(r->cpu, problem, want, &v.err), 0);
    cuda_seed(seed);
    int result = run(r->cuda, problem, got, &v.err);
    v.same = result == 0 && memcmp(want, got, n * sizeof *got) == 0;
    for (size_t i = 0; i < n && result == 0 && !v.same; i++)
        if (memcmp(&want[i], &got[i], sizeof *got) != 0) {
            snprintf(v.err.text, sizeof v.err.text, "value %zu is %.9g, not %.9g", i,
                     (double)got[i], (double)want[i]);
            break;
        }
    free(want);
    free(got);
    return v;
}

void cuda_check(const cuda_rig *r, cuda_case *run, const void *problem, size_t n, const char *name)
{
    for (int seed = 1; seed <= 2; seed++) {
        verdict v = judge(r, run, problem, n, seed);
        if (!v.same)
            fail_msg("%s: %s", name, v.err.text);
    }
}

int cuda_read(backend *b, const tensor *t, int n, float *out, error *err)
{
    tensor_read(b, t, 0, (size_t)n, out);
    return backend_sync(b, err);
}

void cuda_must_find(cuda_rig *r, cuda_fault fault, cuda_case *run, const void *problem, size_t n,
                    const char *word)
{
    verdict sound = judge(r, run, problem, n, 5);
    cuda_plant(fault);
    verdict v = judge(r, run, problem, n, 5);
    cuda_plant(CUDA_NOTHING);
    backend_options again = cuda_options();
    backend_close(r->cuda); /* a device that failed is lost */
    r->cuda = backend_open(&again, NULL);
    assert_non_null(r->cuda);
    if (!sound.same || v.same || (word && !strstr(v.err.text, word)))
        fail_msg("fault %d: %s (without it: %s)", (int)fault, v.same ? "not found" : v.err.text,
                 sound.same ? "well" : sound.err.text);
}
