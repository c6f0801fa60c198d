/* experts.cu - runs the chosen experts of a batch: each distinct expert once, with all its rows.
 *
 * As cpu/moe.c: the (row, slot) pairs are sorted by expert, which gives every expert a run of pairs. All
 * of it is known on the device alone; the host launches as many runs as there could be, and blocks
 * beyond the last one leave at once.
 *   1. sort         the pairs, rows in order
 *   2. make_hidden  silu(gate x) * (up x) of the run's rows -> hidden [pair, ffn]
 *   3. make_output  down hidden -> output [pair, width]
 *   4. sum_slots    out[row] = sum over the slots in rank order of gate * output
 * A weight row is read once for up to eight pairs of a run. What a row's program changes of an expert is
 * added to that row's products alone, before silu and before the sum.
 */
#include <assert.h>
#include <stdlib.h>

#include "device.cuh"
#include "weights.cuh"

enum { THREADS = 128, WARPS = THREADS / WARP, SORT_THREADS = 256, MOST_EXPERTS = 1536 };

/* ---- the bank ------------------------------------------------------------------------------------- */

static device_matrix matrix_of(const tensor *t)
{
    device_matrix m = device_matrix();
    if (t) {
        m.data = t->data;
        m.type = (int)t->type;
        m.rows = (int)t->rows;
    }
    return m;
}

/* *all = the type that all have, ANY_TYPE when they differ. */
static void same_type(int *all, dtype type)
{
    *all = *all < 0 || *all == (int)type ? (int)type : ANY_TYPE;
}

/* What the kernels must be ready for, over all places. */
static void measure_bank(device_bank *to, const expert_bank *k)
{
    to->ffn = 0;
    to->forms = to->inputs = 0;
    to->ragged = false;
    to->type[0] = to->type[1] = -1;
    for (int e = 0; e < k->count; e++) {
        if (!k->gate[e])
            continue;
        int ffn = (int)k->gate[e]->rows;
        to->ragged = to->ragged || (to->ffn && ffn != to->ffn);
        to->ffn = ffn > to->ffn ? ffn : to->ffn;
        to->inputs |= 1u << form_of((int)k->gate[e]->type) | 1u << form_of((int)k->up[e]->type);
        to->forms |= 1u << form_of((int)k->down[e]->type);
        same_type(&to->type[0], k->gate[e]->type);
        same_type(&to->type[0], k->up[e]->type);
        same_type(&to->type[1], k->down[e]->type);
    }
}

/* Room for the bank's places in device memory. */
static int bank_room(cuda_backend *d, device_bank *to, const expert_bank *k, error *err)
{
    if (k->count <= to->room)
        return 0;
    device_expert *grown =
        (device_expert *)device_new(d, (size_t)k->room * sizeof(device_expert), "the experts", err);
    if (!grown)
        return -1;
    device_free(d, to->experts);
    to->experts = grown;
    to->room = k->room;
    return 0;
}

int cuda_bank_changed(expert_bank *k, int first, int n, error *err)
{
    cuda_backend *d = cuda_of(k->owner);
    (void)first, (void)n;
    if (k->count > MOST_EXPERTS)
        return error_set(err, ERROR_RUN, "%d experts in a layer; %d can be run", k->count,
                         MOST_EXPERTS);
    device_bank *to = (device_bank *)(k->device ? k->device : calloc(1, sizeof *to));
    device_expert *all = (device_expert *)calloc((size_t)k->count + 1, sizeof *all);
    if (!to || !all) {
        free(all);
        if (to != k->device)
            free(to);
        return error_memory(err, "the experts");
    }
    if (!k->device) {
        k->device = to;
        to->place.whole = k;
        list_in(&d->banks, &to->place);
    }
    for (int e = 0; e < k->count; e++) {
        all[e].part[0] = matrix_of(k->gate[e]);
        all[e].part[1] = matrix_of(k->up[e]);
        all[e].part[2] = matrix_of(k->down[e]);
    }
    int result = bank_room(d, to, k, err);
    if (!result) {
        measure_bank(to, k);
        device_upload(d, to->experts, all, (size_t)k->count * sizeof *all);
        to->behind = false;
    }
    free(all);
    return result;
}

int cuda_bank_need(expert_bank *k, const layer_routing *by, int experts, error *err)
{
    device_bank *to = (device_bank *)k->device; /* there as soon as an expert is */
    for (int e = 0; e < experts + by->adapter_count; e++) {
        int at = by->place ? by->place[e] : e;
        if (at >= k->count || !k->gate[at] || (by->allowed && !by->allowed[e]))
            continue;
        if (!k->gate[at]->data || !k->up[at]->data || !k->down[at]->data)
            to->behind = true; /* until it is told, be it after a copy that failed */
        if (device_copy_lent(k->gate[at], err) || device_copy_lent(k->up[at], err) ||
            device_copy_lent(k->down[at], err))
            return -1;
    }
    return to && to->behind ? cuda_bank_changed(k, 0, k->count, err) : 0;
}

void cuda_bank_drop(expert_bank *k)
{
    device_bank *to = (device_bank *)k->device;
    device_free(cuda_of(k->owner), to->experts);
    list_out(&to->place);
    free(to);
}

void bank_move(expert_bank *k, backend *to)
{
    cuda_bank_drop(k);
    k->device = NULL;
    k->owner = to;
}

/* ---- sorting --------------------------------------------------------------------------------------- */

/* A run: pairs [first, first + count) of the sorted order. */
struct run {
    int expert, first, count;
};

/* The pairs of a batch, in device memory. */
struct pairs {
    global<int> runs;   /* how many there are */
    global<run> run_of; /* by ascending expert */
    global<int> row;    /* [pairs] batch row of each sorted pair */
    global<int> seen;   /* [pairs] the expert as the row's program numbers it */
    global<int> place;  /* [n, slots] sorted pair of each slot, -1 = empty */
};

/* One block. An expert's thread walks all slots, so rows stay in order. */
__global__ void sort(pairs to, global<const int32_t> ids, global<const int32_t> seen, int cells,
                     int slots, int experts)
{
    SHARED(int, starts, MOST_EXPERTS + 1);
    int thread = (int)threadIdx.x;
    for (int e = thread; e < experts; e += SORT_THREADS) {
        int count = 0;
        for (int i = 0; i < cells; i++)
            count += ids[(size_t)i] == e;
        starts[(size_t)e] = count;
    }
    for (int i = thread; i < cells; i += SORT_THREADS)
        if (ids[(size_t)i] < 0)
            to.place[(size_t)i] = -1;
    __syncthreads();
    if (thread == 0) {
        int first = 0, made = 0;
        for (int e = 0; e < experts; e++) {
            int count = starts[(size_t)e];
            starts[(size_t)e] = first;
            if (count)
                to.run_of[(size_t)made++] = run{e, first, count};
            first += count;
        }
        to.runs[0] = made;
    }
    __syncthreads();
    for (int e = thread; e < experts; e += SORT_THREADS) {
        int pair = starts[(size_t)e];
        for (int i = 0; i < cells; i++) {
            if (ids[(size_t)i] != e)
                continue;
            to.row[(size_t)pair] = i / slots;
            to.seen[(size_t)pair] = (int)seen[(size_t)i];
            to.place[(size_t)i] = pair++;
        }
    }
}

/* ---- low-rank updates ------------------------------------------------------------------------------- */

/* Where a row's program says what it changes. */
struct programs {
    global<const device_routing *const> routing;
    int layer, stride;   /* stride 0: nobody changes anything */
    global<float> inner; /* [pairs, stride] scale * A x: of gate, then up, then down */
};

/* What the program of a pair changes of its expert; false when nothing. */
__device__ inline bool update_of(const programs &u, const pairs &p, size_t pair, device_update *to,
                                 const void **lists)
{
    if (!u.stride)
        return false;
    const device_routing *of = u.routing[(size_t)(int)p.row[pair]];
    if (!of)
        return false;
    device_routing r = global_at<const device_routing>(of)[(size_t)u.layer];
    int index = r.update ? global_at<const int32_t>(r.update)[(size_t)(int)p.seen[pair]] : -1;
    if (index < 0)
        return false;
    *to = global_at<const device_update>(r.updates)[(size_t)index];
    *lists = r.low_ranks;
    return true;
}

/* A x of one part of a pair, to u.inner + at; by a warp. */
__device__ inline void project(const programs &u, const device_update &of, const void *lists,
                               int part, const device_rows &x, int row, size_t at,
                               global<const uint64_t> books)
{
    for (int i = 0; i < of.n[part]; i++) {
        device_low_rank l = global_at<const device_low_rank>(lists)[(size_t)(of.first[part] + i)];
        device_rows input = x;
        input.cols = (size_t)l.cols;
        for (int j = 0; j < l.rank; j++) {
            float sum;
            dot_rows(l.a_type,
                     global_at<const uint8_t>(l.a) +
                         (size_t)j * row_bytes(l.a_type, (size_t)l.cols),
                     input, &row, 1, books, &sum);
            if (lane_of_warp() == 0)
                u.inner[at + (size_t)j] = sum * l.scale;
        }
        at += (size_t)l.rank;
    }
}

/* One warp a pair: of gate and up from the batch's rows, or of down from the pair's hidden row. */
__global__ void project_pairs(programs u, pairs p, device_rows x, bool down,
                              global<const uint64_t> books)
{
    size_t pair = blockIdx.x, at = pair * (size_t)u.stride;
    device_update of;
    const void *lists;
    int last = p.runs[0] - 1;
    if (last < 0)
        return;
    run r = p.run_of[(size_t)last];
    if (pair >= (size_t)(r.first + r.count) || !update_of(u, p, pair, &of, &lists))
        return;
    if (down) {
        project(u, of, lists, 2, x, (int)pair, at + (size_t)(of.rank[0] + of.rank[1]), books);
        return;
    }
    int row = p.row[pair];
    project(u, of, lists, 0, x, row, at, books);
    project(u, of, lists, 1, x, row, at + (size_t)of.rank[0], books);
}

/* y + B (A x) for output `row` of one part of a pair. */
__device__ inline float updated(const programs &u, const pairs &p, size_t pair, int part,
                                size_t row, float y)
{
    device_update of;
    const void *lists;
    if (!update_of(u, p, pair, &of, &lists))
        return y;
    size_t at = pair * (size_t)u.stride;
    for (int i = 0; i < part; i++)
        at += (size_t)of.rank[i];
    for (int i = 0; i < of.n[part]; i++) {
        device_low_rank l = global_at<const device_low_rank>(lists)[(size_t)(of.first[part] + i)];
        global<const float> b = global_at<const float>(l.b);
        for (int j = 0; j < l.rank; j++)
            y = fmaf(u.inner[at + (size_t)j], b[(size_t)j * (size_t)l.rows + row], y);
        at += (size_t)l.rank;
    }
    return y;
}

/* ---- the experts ------------------------------------------------------------------------------------- */

struct form_rows {
    device_rows of[3];
};

/* outs[lane] of the lane's own pair, 0 in lanes that have none. */
__device__ inline float own_output(const float *outs, int n)
{
    int lane = lane_of_warp();
    float mine = 0;
    EACH_COLUMN (i, n)
        mine = i == lane ? outs[i] : mine;
    return mine;
}

/* Output `row` of a matrix for n inputs: what the lane's own pair gets. */
template <int TYPE>
__device__ inline float one_output(const device_matrix &m, size_t row, size_t cols,
                                   const form_rows &x, const int *at, int n,
                                   global<const uint64_t> books)
{
    float out[MOST_COLUMNS];
    int type = TYPE == ANY_TYPE ? m.type : TYPE;
    device_rows in = x.of[form_of(type)];
    in.cols = cols;
    dot_rows(type, global_at<const uint8_t>(m.data) + row * row_bytes(type, cols), in, at, n, books,
             out);
    return own_output(out, n);
}

/* A warp has ffn row `row` of run blockIdx.y. TYPE: of all gate and up matrices, or ANY_TYPE. */
template <int TYPE>
__global__ void make_hidden(global<const device_expert> experts, pairs p, form_rows x, programs u,
                            size_t width, global<float> hidden, size_t ffn,
                            global<const uint64_t> books)
{
    if ((int)blockIdx.y >= p.runs[0])
        return;
    run r = p.run_of[(size_t)blockIdx.y];
    device_expert e = experts[(size_t)r.expert];
    size_t row = blockIdx.x * (size_t)WARPS + threadIdx.x / WARP;
    if (row >= (size_t)e.part[0].rows)
        return;
    int lane = lane_of_warp(), at[MOST_COLUMNS];
    for (int done = 0; done < r.count; done += MOST_COLUMNS) {
        int n = r.count - done < MOST_COLUMNS ? r.count - done : MOST_COLUMNS;
        size_t first = (size_t)(r.first + done), pair = first + (size_t)lane;
        EACH_COLUMN (i, n)
            at[i] = p.row[first + (size_t)i];
        float gate = one_output<TYPE>(e.part[0], row, width, x, at, n, books);
        float up = one_output<TYPE>(e.part[1], row, width, x, at, n, books);
        if (lane < n) {
            gate = updated(u, p, pair, 0, row, gate);
            up = updated(u, p, pair, 1, row, up);
            hidden[pair * ffn + row] = silu(gate) * up;
        }
    }
}

/* A warp has output column `row` of run blockIdx.y. TYPE: of all down matrices, or ANY_TYPE. */
template <int TYPE>
__global__ void make_output(global<const device_expert> experts, pairs p, form_rows hidden,
                            programs u, global<float> output, size_t width,
                            global<const uint64_t> books)
{
    if ((int)blockIdx.y >= p.runs[0])
        return;
    run r = p.run_of[(size_t)blockIdx.y];
    device_expert e = experts[(size_t)r.expert];
    size_t row = blockIdx.x * (size_t)WARPS + threadIdx.x / WARP;
    if (row >= width)
        return;
    int lane = lane_of_warp(), at[MOST_COLUMNS];
    for (int done = 0; done < r.count; done += MOST_COLUMNS) {
        int n = r.count - done < MOST_COLUMNS ? r.count - done : MOST_COLUMNS;
        size_t pair = (size_t)(r.first + done + lane);
        EACH_COLUMN (i, n)
            at[i] = r.first + done + i;
        float y = one_output<TYPE>(e.part[2], row, (size_t)e.part[0].rows, hidden, at, n, books);
        if (lane < n)
            output[pair * width + row] = updated(u, p, pair, 2, row, y);
    }
}

/* Row blockIdx.y. */
__global__ void sum_slots(global<float> out, global<const float> output, global<const int> place,
                          global<const float> gates, int slots, size_t width)
{
    size_t c = blockIdx.x * (size_t)blockDim.x + threadIdx.x, row = blockIdx.y;
    if (c >= width)
        return;
    float sum = 0;
    for (int s = 0; s < slots; s++) {
        size_t at = row * (size_t)slots + (size_t)s;
        int pair = place[at];
        if (pair >= 0)
            sum += gates[at] * output[(size_t)pair * (width + PLANTED(STRIDE)) + c];
    }
    out[row * width + c] = sum;
}

/* ---- the op ------------------------------------------------------------------------------------------ */

/* Everything that one call works with. */
struct moe {
    cuda_backend *d;
    const device_bank *bank;
    int n, slots, most_runs;
    size_t cells, width, ffn;
    pairs p;
    const int *place; /* p.place as the host knows it */
    programs u;
    float *hidden, *output;
};

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

static bool reserve(moe *m, const expert_bank *bank, const routes *r)
{
    cuda_backend *d = m->d;
    size_t all = (size_t)r->max_rows * (size_t)r->slots, runs = (size_t)bank->count;
    size_t ints = aligned(all * sizeof(int));
    char *index = (char *)device_need(d, USE_PAIRS, 256 + aligned(runs * sizeof(run)) + 3 * ints);
    m->hidden = (float *)device_need(d, USE_HIDDEN, all * m->ffn * sizeof(float));
    m->output = (float *)device_need(d, USE_OUTPUT, all * m->width * sizeof(float));
    m->u.stride = d->batch.ranked;
    float *inner =
        (float *)device_need(d, USE_UPDATES, (all * (size_t)m->u.stride + 1) * sizeof(float));
    if (!device_well(d))
        return false;
    m->u.inner = inner;
    m->u.routing = d->batch.routing;
    m->p.runs = (int *)(void *)index;
    m->p.run_of = (run *)(void *)(index + 256);
    int *rows = (int *)(void *)(index + 256 + aligned(runs * sizeof(run)));
    m->p.row = rows;
    m->p.seen = rows + ints / sizeof(int);
    m->p.place = rows + 2 * ints / sizeof(int);
    m->place = rows + 2 * ints / sizeof(int);
    return true;
}

/* x in each of the forms that some matrix wants. */
static form_rows forms_of(moe *m, unsigned forms, const float *x, size_t cols, int n,
                          size_t max_rows, bool hidden)
{
    form_rows to = form_rows();
    for (int form = 0; form < 3; form++) {
        device_use use = hidden ? (form == 1 ? USE_HIDDEN32 : USE_HIDDEN256)
                                : (form == 1 ? USE_QUANTISED32 : USE_QUANTISED256);
        if (form && !(forms >> form & 1))
            continue;
        void *memory = form ? device_need(m->d, use, quantised_bytes(form, cols, max_rows)) : NULL;
        to.of[form] = device_quantise(m->d, form, x, cols, cols, n, memory);
    }
    return to;
}

static void run_experts(moe *m, const form_rows *x)
{
    cuda_backend *d = m->d;
    const uint64_t *books = d->books;
    device_expert *experts = m->bank->experts;
    if (m->u.stride)
        LAUNCH(d, project_pairs, (unsigned)m->cells, WARP, m->u, m->p, x->of[0], false, books);
    if (m->bank->ragged)
        device_check(d, cudaMemsetAsync(m->hidden, 0, m->cells * m->ffn * sizeof(float), d->stream),
                     "experts");
    FOR_TYPE(m->bank->type[0], make_hidden, LAUNCH_TYPE, d,
             dim3(blocks_for(m->ffn, WARPS), (unsigned)m->most_runs), THREADS, experts, m->p, *x,
             m->u, m->width, m->hidden, m->ffn, books);
    form_rows hidden =
        forms_of(m, m->bank->forms, m->hidden, m->ffn, (int)m->cells, m->cells, true);
    if (m->u.stride && device_well(d))
        LAUNCH(d, project_pairs, (unsigned)m->cells, WARP, m->u, m->p, hidden.of[0], true, books);
    if (device_well(d))
        FOR_TYPE(m->bank->type[1], make_output, LAUNCH_TYPE, d,
                 dim3(blocks_for(m->width, WARPS), (unsigned)m->most_runs), THREADS, experts, m->p,
                 hidden, m->u, m->output, m->width, books);
}

void cuda_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r,
                  const tensor *x, int layer, int n)
{
    cuda_backend *d = cuda_of(b);
    moe m = moe();
    assert(n <= r->max_rows && bank->count > 0 && bank->device);
    m.d = d;
    m.bank = (const device_bank *)bank->device;
    m.n = n;
    m.slots = r->slots;
    m.cells = (size_t)n * (size_t)r->slots;
    m.width = out->cols;
    m.ffn = (size_t)m.bank->ffn;
    m.most_runs = bank->count < (int)m.cells ? bank->count : (int)m.cells;
    m.u.layer = layer;
    if (!reserve(&m, bank, r))
        return;
    LAUNCH(d, sort, 1, SORT_THREADS, m.p, (const int32_t *)r->ids, (const int32_t *)r->seen,
           (int)m.cells, m.slots, bank->count);
    form_rows input = forms_of(&m, m.bank->inputs, floats_of(x), x->cols, n, x->rows, false);
    if (device_well(d))
        run_experts(&m, &input);
    if (device_well(d))
        LAUNCH(d, sum_slots, dim3(blocks_for(m.width, THREADS), (unsigned)n), THREADS,
               floats_of(out), (const float *)m.output, m.place, (const float *)r->gates, m.slots,
               m.width);
}
