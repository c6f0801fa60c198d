/* memory.cu - what lies in a GPU's memory: scratch, tensors, pages.
 *
 * Every tensor, bank and table is in a list of its backend, and what came from the host is known there:
 * where it was mapped from, or a copy of what was written. So when the device is lost all of it can be
 * made the CPU's, in place, without asking the device (backend_move()).
 *
 * A matrix of an expert lies on the host alone until a program may call it.
 */
#include <assert.h>
#include <stdlib.h>

#include "device.cuh"

/* ---- memory as such ---------------------------------------------------------------------------- */

void cuda_memory(backend *b, uint64_t *unused, uint64_t *total)
{
    size_t left = 0, all = 0;
    device_check(cuda_of(b), cudaMemGetInfo(&left, &all), "asking for free memory");
    *unused = left;
    *total = all;
}

void *device_new(cuda_backend *d, size_t bytes, const char *what, error *err)
{
    (void)d;
    void *p = NULL;
    cudaError_t result = cudaMalloc(&p, bytes);
    if (result == cudaSuccess)
        return p;
    (void)cudaGetLastError();
    error_set(err, ERROR_RUN, "%zu MiB of device memory for %s: %s", (bytes >> 20) + 1, what,
              cudaGetErrorString(result));
    return NULL;
}

void device_free(cuda_backend *d, void *p)
{
    device_check(d, cudaFree(p), "freeing device memory");
}

void device_upload(cuda_backend *d, void *to, const void *from, size_t bytes)
{
    if (device_well(d))
        device_check(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, d->stream),
                     "a copy to the device");
}

void *device_need(cuda_backend *d, device_use use, size_t bytes)
{
    device_scratch *s = &d->scratch[use];
    if (!device_well(d))
        return NULL;
    if (bytes <= s->bytes)
        return s->data;
    device_free(d, s->data);
    s->bytes = 0;
    s->data = device_new(d, bytes, "an op", &d->loss);
    s->bytes = s->data ? bytes : 0;
    return s->data;
}

/* ---- tensors ---------------------------------------------------------------------------------- */

/* Of a tensor of `rows` rows without memory yet, known to its backend. */
static device_tensor *begin_tensor(backend *b, dtype type, size_t rows, size_t cols, error *err)
{
    cuda_backend *d = cuda_of(b);
    device_tensor *t = (device_tensor *)calloc(1, sizeof *t);
    if (!t) {
        error_memory(err, "a tensor");
        return NULL;
    }
    t->base.owner = b;
    t->base.type = type;
    t->base.rows = rows;
    t->base.cols = cols;
    t->base.row_bytes = dtype_row_bytes(type, cols);
    t->place.whole = t;
    list_in(&d->tensors, &t->place);
    return t;
}

static void drop_tensor(device_tensor *t)
{
    list_out(&t->place);
    free(t->kept);
    free(t);
}

static int take_memory(device_tensor *t, error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(t->base.rows, t->base.row_bytes, &bytes))
        return error_memory(err, "a tensor");
    t->base.data = device_new(cuda_of(t->base.owner), bytes, "a tensor", err);
    return t->base.data ? 0 : -1;
}

static size_t bytes_of(const tensor *t)
{
    return t->rows * t->row_bytes;
}

tensor *cuda_tensor_new(backend *b, dtype type, size_t rows, size_t cols, error *err)
{
    cuda_backend *d = cuda_of(b);
    device_tensor *t = begin_tensor(b, type, rows, cols, err);
    if (!t)
        return NULL;
    if (take_memory(t, err)) {
        drop_tensor(t);
        return NULL;
    }
    device_check(d, cudaMemsetAsync(t->base.data, 0, bytes_of(&t->base), d->stream), "a tensor");
    return &t->base;
}

tensor *cuda_tensor_lend(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                         error *err)
{
    device_tensor *t = begin_tensor(b, type, rows, cols, err);
    if (!t)
        return NULL;
    t->base.borrowed = true;
    t->base.host = host;
    return &t->base;
}

int device_copy_lent(const tensor *lent, error *err)
{
    device_tensor *t = (device_tensor *)(uintptr_t)lent;
    if (lent->data || !lent->host)
        return 0;
    if (take_memory(t, err))
        return -1;
    device_upload(cuda_of(lent->owner), lent->data, lent->host, bytes_of(lent));
    return 0;
}

tensor *cuda_tensor_map(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                        error *err)
{
    tensor *t = cuda_tensor_lend(b, type, rows, cols, host, err);
    if (!t || device_copy_lent(t, err) == 0)
        return t;
    drop_tensor((device_tensor *)t);
    return NULL;
}

void cuda_tensor_free(tensor *t)
{
    device_free(cuda_of(t->owner), t->data);
    drop_tensor((device_tensor *)t);
}

/* Room on the host for what a tensor has; NULL without memory. */
static void *keep_room(device_tensor *t)
{
    enum { LINE = 64 }; /* the CPU's own tensors begin at a cache line */
    size_t bytes = bytes_of(&t->base) / LINE * LINE + LINE;
    if (!t->kept && (t->kept = aligned_alloc(LINE, bytes)) != NULL)
        memset(t->kept, 0, bytes);
    return t->kept;
}

/* What comes from the host stays there too: small tensors, norms and the like. */
void cuda_tensor_write(backend *b, tensor *t, size_t row, size_t rows, const void *src)
{
    cuda_backend *d = cuda_of(b);
    assert(!t->borrowed && row + rows <= t->rows);
    char *kept = (char *)keep_room((device_tensor *)t);
    if (!kept && device_well(d))
        error_memory(&d->failure, "a tensor");
    if (kept)
        memcpy(kept + row * t->row_bytes, src, rows * t->row_bytes);
    device_upload(d, (char *)t->data + row * t->row_bytes, src, rows * t->row_bytes);
}

void cuda_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst)
{
    cuda_backend *d = cuda_of(b);
    size_t at = row * t->row_bytes, bytes = rows * t->row_bytes;
    assert(row + rows <= t->rows);
    if (t->host)
        memcpy(dst, (const char *)t->host + at, bytes); /* nobody has written it */
    else if (device_well(d))
        device_check(
            d, cudaMemcpyAsync(dst, (char *)t->data + at, bytes, cudaMemcpyDeviceToHost, d->stream),
            "a copy from the device");
}

/* ---- moving to the host ------------------------------------------------------------------------- */

/* Its device memory is given back as far as the device still can. */
static void move_tensor(device_tensor *t, backend *to)
{
    (void)cudaFree(t->base.data);
    list_out(&t->place);
    t->base.owner = to;
    t->base.data = t->base.host ? (void *)(uintptr_t)t->base.host : t->kept;
    t->base.host = NULL;
    t->kept = NULL;
}

int cuda_move(backend *from, backend *to, error *err)
{
    cuda_backend *d = cuda_of(from);
    for (device_link *l = d->tensors.next; l != &d->tensors; l = l->next) {
        device_tensor *t = (device_tensor *)l->whole;
        if (!t->base.host && !keep_room(t))
            return error_memory(err, "the tensors of the device");
    }
    while (d->tensors.next != &d->tensors)
        move_tensor((device_tensor *)d->tensors.next->whole, to);
    while (d->tables.next != &d->tables)
        tables_move((routing_tables *)d->tables.next->whole, to);
    while (d->banks.next != &d->banks)
        bank_move((expert_bank *)d->banks.next->whole, to);
    return 0;
}

/* ---- pages -------------------------------------------------------------------------------------- */

void *cuda_kv_page_new(backend *b, const kv_layout *layout, error *err)
{
    return device_new(cuda_of(b), kv_page_bytes(layout), "a page of the KV cache", err);
}

void cuda_kv_page_free(backend *b, void *page)
{
    device_free(cuda_of(b), page);
}

void cuda_kv_page_copy(backend *b, const kv_layout *layout, void *to, const void *from)
{
    cuda_backend *d = cuda_of(b);
    if (device_well(d))
        device_check(
            d,
            cudaMemcpyAsync(to, from, kv_page_bytes(layout), cudaMemcpyDeviceToDevice, d->stream),
            "a copy of a page");
}
