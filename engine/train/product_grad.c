/* product_grad.c - products of a whole batch with one matrix, and back: net_state.h.
 *
 * The output is cut into blocks of about 256 x 256, each one call of the library: enough pieces for the
 * threads, and each as fast as the whole. The cut depends on the shape alone.
 */
#include "net_state.h"

enum { BLOCK = 256 };

typedef struct product_job {
    const gemm *blas;
    bool transposed; /* b is [n, k], else [k, n] */
    size_t m, n, k;
    const float *a, *b;
    float *c, keep;
    size_t high, wide, across; /* of a block; blocks in a row of them */
} product_job;

static void product_block(void *user, size_t piece, int thread)
{
    const product_job *j = user;
    size_t row = piece / j->across * j->high, col = piece % j->across * j->wide;
    size_t m = row + j->high < j->m ? j->high : j->m - row;
    size_t n = col + j->wide < j->n ? j->wide : j->n - col;
    matrix a = {j->a + row * j->k, j->k};
    float *c = j->c + row * j->n + col;
    (void)thread;
    if (j->transposed)
        gemm_nt(j->blas, m, n, j->k, 1, a, (matrix){j->b + col * j->k, j->k}, j->keep, c, j->n);
    else
        gemm_nn(j->blas, m, n, j->k, 1, a, (matrix){j->b + col, j->n}, j->keep, c, j->n);
}

static void multiply(net *n, product_job j)
{
    size_t down = parts_of(j.m, BLOCK, &j.high);
    j.blas = n->blas;
    j.across = parts_of(j.n, BLOCK, &j.wide);
    pieces_run(n->workers, down * j.across, product_block, &j);
}

void net_multiply_nt(net *n, size_t rows, size_t b_rows, size_t cols, const float *a,
                     const float *b, float *c)
{
    multiply(n, (product_job){
                    .transposed = true, .m = rows, .n = b_rows, .k = cols, .a = a, .b = b, .c = c});
}

void net_multiply_nn(net *n, size_t rows, size_t cols, size_t b_rows, const float *a,
                     const float *b, float keep, float *c)
{
    multiply(
        n, (product_job){.m = rows, .n = cols, .k = b_rows, .a = a, .b = b, .c = c, .keep = keep});
}

static const float *open_matrix(net *n, int slot, const frozen *w, error *err)
{
    if (w->values)
        return w->values;
    float *room = grow(&n->opened[slot], w->rows * w->cols * sizeof *room);
    if (!room) {
        (void)error_memory(err, "a weight matrix");
        return NULL;
    }
    return frozen_open_shared(w, room, n->workers);
}

int net_product(net *n, int slot, const frozen *w, const float *x, float *out, int rows, error *err)
{
    const float *values = open_matrix(n, slot, w, err);
    if (!values)
        return -1;
    net_multiply_nt(n, (size_t)rows, w->rows, w->cols, x, values, out);
    return 0;
}

int net_product_back(net *n, int slot, const frozen *w, const float *d_out, float keep, float *d_x,
                     int rows, error *err)
{
    const float *values = open_matrix(n, slot, w, err);
    if (!values)
        return -1;
    net_multiply_nn(n, (size_t)rows, w->cols, w->rows, d_out, values, keep, d_x);
    return 0;
}
