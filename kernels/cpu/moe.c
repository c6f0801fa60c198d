/* moe.c - runs the chosen experts of a batch: each distinct expert once, with all its rows.
 *
 * The (row, slot) pairs that op_route filled are sorted by expert (a counting sort, so rows stay in
 * order), which gives every expert a contiguous run of pairs. Then two parallel regions:
 *   1. cells (expert x block of ffn rows): silu(gate x) * (up x) for the run's rows -> h [pair, ffn]
 *   2. cells (block of output columns): down h for all pairs, then for each row the sum over its
 *      slots in rank order of gate * y. A cell owns its columns of every row, so the sum needs no
 *      second pass and no atomics, and its order is that of the ranks, whatever else was in the
 *      batch.
 * Inputs are quantised once per row (and form), not once per expert.
 *
 * A bank may have a source (expert_source): not all experts are in memory. Then the runs go in the order
 * that the source gives them, so that what is there is multiplied while the rest is read, and region 1
 * waits at each expert. If there is no room for all of them they go in waves, of which the next is read
 * while one is multiplied; region 2 then leaves all products of a wave's pairs in one array, and the
 * sums over slots are taken at the end. Each product and each sum is what it would have been.
 *
 * Experts of one bank may differ in type and ffn width: those that a persona brings along need not
 * look like the model's own. What a row's program changes of an expert is added to that row's
 * products alone (updates.h): to gate and up before silu, to y before the sum.
 */
#include <assert.h>
#include <string.h>

#include "cpu_state.h"
#include "guided.h"
#include "matmul.h"
#include "updates.h"

enum {
    HIDDEN_BLOCK = 64, /* most ffn rows of one cell of region 1 */
    OUTPUT_BLOCK = 32, /* output columns of one cell of region 2 */
    CHUNK = 8,         /* most cells that a thread takes at a time */
};

/* The pairs of one expert: [first, first + count) of the sorted order. */
typedef struct run {
    int expert, first, count;
    matmul_rows hidden; /* [count] their hidden rows, in the form of the expert's down matrix */
} run;

typedef struct moe {
    cpu_backend *cpu;
    const expert_bank *bank;
    const routes *chosen;
    const tensor *x;
    tensor *out;
    int layer, n, pairs, run_count;
    pair_updates updates; /* of the sorted pairs */
    run *runs;            /* [run_count] by ascending expert */
    int *pair_row;        /* [pairs] batch row of each sorted pair */
    int *place;           /* [n, slots] sorted pair of each slot, -1 = empty */
    size_t ffn;           /* the widest expert of the bank */
    size_t block, blocks;
    matmul_rows input[ACTIVATION_FORMS]; /* x in the forms that some expert wants */
    float *hidden;                       /* [pairs, ffn] */
    uint8_t *quantised;                  /* [pairs, quantised_bytes] hidden, in the form of down */
    size_t quantised_bytes;
    float *partial;        /* [threads, partial_floats] products of down, see `wide` */
    size_t partial_floats; /* at least OUTPUT_BLOCK for each pair */
    size_t wide;           /* most output columns that a thread takes at a time */
    int *order;            /* [experts] places in the order of the runs, for a source */
    float *whole;          /* [pairs, out cols] products of down, when there are waves */
    atomic_bool lost;      /* an expert could not be read */
    atomic_size_t next;
} moe;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- preparation ---------------------------------------------------------------------------- */

/* Counting sort of the pairs by expert. starts [experts + 1] */
static void sort_pairs(moe *m, int *starts)
{
    size_t experts = (size_t)m->bank->count, all = (size_t)m->n * (size_t)m->chosen->slots;
    memset(starts, 0, (experts + 1) * sizeof *starts);
    for (size_t i = 0; i < all; i++) {
        assert(m->chosen->ids[i] < m->bank->count);
        if (m->chosen->ids[i] >= 0)
            starts[m->chosen->ids[i] + 1]++;
    }
    for (size_t e = 0; e < experts; e++) {
        if (starts[e + 1] > 0)
            m->runs[m->run_count++] =
                (run){.expert = (int)e, .first = starts[e], .count = starts[e + 1]};
        starts[e + 1] += starts[e];
    }
    for (size_t i = 0; i < all; i++) {
        m->place[i] = -1;
        if (m->chosen->ids[i] < 0)
            continue;
        int pair = starts[m->chosen->ids[i]]++;
        m->place[i] = pair;
        m->pair_row[pair] = (int)(i / (size_t)m->chosen->slots);
        if (m->updates.of)
            m->updates.of[pair] =
                update_of(m->cpu, m->layer, m->pair_row[pair], m->chosen->seen[i]);
    }
    m->pairs = starts[experts];
}

static matmul_device device_of(const cpu_backend *cpu)
{
    return (matmul_device){.kernels = cpu->dots, .threads = cpu->workers};
}

/* Bytes that a quantised row of cols takes at most, a multiple of the alignment. */
static size_t widest_form(size_t cols)
{
    size_t q32 = activation_bytes(ACTIVATION_Q32, cols);
    size_t q256 = activation_bytes(ACTIVATION_Q256, cols);
    return ((q32 > q256 ? q32 : q256) + 63) / 64 * 64;
}

/* All memory of the op, sized for the most rows that the routes can hold: later calls with fewer
 * or more rows find it there. */
static bool reserve(moe *m, int **starts)
{
    cpu_backend *cpu = m->cpu;
    size_t experts = (size_t)m->bank->count, rows = (size_t)m->chosen->max_rows;
    size_t pairs = rows * (size_t)m->chosen->slots;
    size_t ints = (2 * pairs + 2 * experts + 1) * sizeof(int);
    size_t threads = (size_t)thread_pool_threads(cpu->workers);
    m->quantised_bytes = widest_form(m->ffn);
    m->partial_floats = pairs * OUTPUT_BLOCK;
    char *index = cpu_scratch(cpu, &cpu->experts[0], ints + 2 * experts * sizeof(run), "experts");
    uint8_t *inputs =
        cpu_scratch(cpu, &cpu->activation, 2 * rows * widest_form(m->x->cols), "experts");
    m->hidden = cpu_scratch(cpu, &cpu->experts[1], pairs * m->ffn * sizeof(float), "experts");
    m->quantised = cpu_scratch(cpu, &cpu->experts[2], pairs * m->quantised_bytes, "experts");
    m->partial =
        cpu_scratch(cpu, &cpu->experts[3], threads * m->partial_floats * sizeof(float), "experts");
    if (!index || !inputs || !m->hidden || !m->quantised || !m->partial ||
        !updates_open(&m->updates, cpu, m->chosen, m->layer, m->n))
        return false;
    m->runs = (run *)(void *)index;
    m->pair_row = (int *)(void *)(m->runs + 2 * experts); /* the second half is for run_paged() */
    m->place = m->pair_row + pairs;
    *starts = m->place + pairs;
    m->order = *starts + experts + 1;
    return true;
}

/* x in the form that weights of `type` want, made at the first request. */
static void want_input(moe *m, dtype type)
{
    activation_form form = activation_of(type);
    if (m->input[form].base)
        return;
    uint8_t *inputs = m->cpu->activation.data;
    if (form == ACTIVATION_Q256)
        inputs += (size_t)m->n * widest_form(m->x->cols);
    matmul_input input = {cpu_row(m->x, 0), m->x->cols, m->x->cols, (size_t)m->n};
    m->input[form] = matmul_quantize(device_of(m->cpu), type, input, inputs);
}

/* ---- region 1: hidden ----------------------------------------------------------------------- */

static const void *weight_rows(const tensor *t, size_t row)
{
    return (const char *)t->data + row * t->row_bytes;
}

/* Adds what the programs of n sorted pairs change of outputs [first, first + cols). */
static void update_pairs(const moe *m, size_t pair, size_t n, update_part part, size_t first,
                         size_t cols, float *const *out)
{
    for (size_t i = 0; m->updates.of && i < n; i++)
        if (m->updates.of[pair + i])
            updates_add(&m->updates, m->cpu->dots, pair + i, part, first, out[i], cols);
}

/* silu(gate x) * (up x) for ffn rows [row, row + rows) of one expert and all its pairs. */
static void hidden_block(const moe *m, const run *r, size_t row, size_t rows)
{
    const tensor *gate = m->bank->gate[r->expert], *up = m->bank->up[r->expert];
    const matmul_rows *gate_in = &m->input[activation_of(gate->type)];
    const matmul_rows *up_in = &m->input[activation_of(up->type)];
    float ups[DOT_MANY][HIDDEN_BLOCK];
    for (int done = 0; done < r->count; done += DOT_MANY) {
        size_t n = least(DOT_MANY, (size_t)(r->count - done)),
               pair = (size_t)r->first + (size_t)done;
        const void *gate_x[DOT_MANY], *up_x[DOT_MANY];
        float *gate_out[DOT_MANY], *up_out[DOT_MANY];
        for (size_t i = 0; i < n; i++) {
            size_t x = (size_t)m->pair_row[pair + i];
            gate_x[i] = gate_in->base + x * gate_in->stride;
            up_x[i] = up_in->base + x * up_in->stride;
            gate_out[i] = m->hidden + (pair + i) * m->ffn + row;
            up_out[i] = ups[i];
        }
        const dot_kernels *dots = m->cpu->dots;
        matmul_block(dots, gate->type, weight_rows(gate, row), gate->cols, 0, rows, gate_x, n,
                     gate_out);
        matmul_block(dots, up->type, weight_rows(up, row), up->cols, 0, rows, up_x, n, up_out);
        update_pairs(m, pair, n, UPDATE_GATE, row, rows, gate_out);
        update_pairs(m, pair, n, UPDATE_UP, row, rows, up_out);
        for (size_t i = 0; i < n; i++)
            dots->swiglu(gate_out[i], gate_out[i], up_out[i], rows);
    }
}

/* `begins`: the cell before it was not this thread's. */
static void hidden_cell(moe *m, size_t cell, bool begins)
{
    const run *r = &m->runs[cell / m->blocks];
    const tensor *gate = m->bank->gate[r->expert];
    const expert_source *source = m->bank->source;
    size_t row = cell % m->blocks * m->block;
    if (row >= gate->rows)
        return;
    if (source && !source->wait(source->user, r->expert)) {
        atomic_store(&m->lost, true);
        return;
    }
    if (begins || row == 0) {
        matmul_begin(weight_rows(gate, row));
        matmul_begin(weight_rows(m->bank->up[r->expert], row));
    }
    hidden_block(m, r, row, least(m->block, gate->rows - row));
}

static void hidden_cells(void *arg, int thread, int threads)
{
    moe *m = arg;
    size_t total = m->blocks * (size_t)m->run_count, first, last;
    (void)thread;
    while (last = guided_chunk(&m->next, total, CHUNK, threads, &first), first < total)
        for (size_t cell = first; cell < last; cell++)
            hidden_cell(m, cell, cell == first);
}

static void make_hidden(moe *m)
{
    const tensor *gate = m->bank->gate[m->runs[0].expert];
    m->block = least(HIDDEN_BLOCK,
                     matmul_block_rows(gate->type, gate->cols, 2 * m->ffn * (size_t)m->run_count,
                                       thread_pool_threads(m->cpu->workers)));
    m->blocks = (m->ffn - 1) / m->block + 1;
    atomic_store(&m->next, 0);
    thread_pool_run(m->cpu->workers, hidden_cells, m);
}

/* ---- region 2: output ----------------------------------------------------------------------- */

/* hidden in the form of each expert's down matrix; neighbouring runs that agree go together. */
static void quantise_hidden(moe *m)
{
    for (int i = 0, next; i < m->run_count; i = next) {
        const tensor *down = m->bank->down[m->runs[i].expert];
        size_t first = (size_t)m->runs[i].first, n = 0;
        for (next = i; next < m->run_count; next++) {
            const tensor *other = m->bank->down[m->runs[next].expert];
            if ((size_t)m->runs[next].first != first + n ||
                activation_of(other->type) != activation_of(down->type) ||
                other->cols != down->cols)
                break;
            n += (size_t)m->runs[next].count;
        }
        matmul_input input = {m->hidden + first * m->ffn, m->ffn, down->cols, n};
        matmul_rows rows = matmul_quantize(device_of(m->cpu), down->type, input,
                                           m->quantised + first * m->quantised_bytes);
        for (int j = i; j < next; j++) {
            m->runs[j].hidden = rows;
            rows.base += (size_t)m->runs[j].count * rows.stride;
        }
    }
}

static void output_run(const moe *m, const run *r, size_t col, size_t cols, float *partial)
{
    const tensor *down = m->bank->down[r->expert];
    for (int done = 0; done < r->count; done += DOT_MANY) {
        size_t n = least(DOT_MANY, (size_t)(r->count - done)),
               pair = (size_t)r->first + (size_t)done;
        const void *x[DOT_MANY];
        float *y[DOT_MANY];
        for (size_t i = 0; i < n; i++) {
            x[i] = r->hidden.base + ((size_t)done + i) * r->hidden.stride;
            y[i] = partial + (pair + i) * m->wide;
        }
        matmul_block(m->cpu->dots, down->type, weight_rows(down, col), down->cols, 0, cols, x, n,
                     y);
        update_pairs(m, pair, n, UPDATE_DOWN, col, cols, y);
    }
}

/* out[row, col..col+cols) = sum over the row's slots, in rank order, of gate * y. */
static void sum_slots(const moe *m, int row, size_t col, size_t cols, const float *partial)
{
    size_t slots = (size_t)m->chosen->slots, at = (size_t)row * slots;
    float *out = cpu_row(m->out, row) + col;
    memset(out, 0, cols * sizeof *out);
    for (size_t s = 0; s < slots; s++) {
        if (m->place[at + s] < 0)
            continue;
        const float *y = partial + (size_t)m->place[at + s] * m->wide;
        float gate = m->chosen->gates[at + s];
        for (size_t c = 0; c < cols; c++)
            out[c] += gate * y[c];
    }
}

/* Columns [col, col + cols) of down h for the pairs of all runs; partial: of column col. While one expert
 * is multiplied, the next one's first weights are on their way. */
static void output_products(const moe *m, size_t col, size_t cols, float *partial)
{
    if (m->run_count > 0)
        matmul_begin(weight_rows(m->bank->down[m->runs[0].expert], col));
    for (int i = 0; i < m->run_count; i++) {
        if (i + 1 < m->run_count)
            matmul_begin(weight_rows(m->bank->down[m->runs[i + 1].expert], col));
        output_run(m, &m->runs[i], col, cols, partial);
    }
}

static void output_cells(void *arg, int thread, int threads)
{
    moe *m = arg;
    float *partial = m->partial + (size_t)thread * m->partial_floats;
    size_t first, last;
    while (last = guided_chunk(&m->next, m->blocks, m->wide / m->block, threads, &first),
           first < m->blocks) {
        size_t col = first * m->block;
        size_t cols = least(last * m->block, m->out->cols) - col;
        output_products(m, col, cols, partial);
        for (int row = 0; row < m->n; row++)
            sum_slots(m, row, col, cols, partial);
    }
}

static void divide_output(moe *m)
{
    size_t threads = (size_t)thread_pool_threads(m->cpu->workers);
    m->block = OUTPUT_BLOCK;
    while (m->block > 4 && m->out->cols / m->block < 4 * threads)
        m->block /= 2;
    m->blocks = (m->out->cols - 1) / m->block + 1;
}

static void make_output(moe *m)
{
    size_t pairs = (size_t)m->pairs;
    divide_output(m);
    size_t fit = m->partial_floats / (m->block * (pairs ? pairs : 1));
    m->wide = m->block * least(CHUNK, fit);
    atomic_store(&m->next, 0);
    thread_pool_run(m->cpu->workers, output_cells, m);
}

/* ---- both regions for the runs at hand -------------------------------------------------------- */

static void make_inner(moe *m)
{
    for (int i = 0; i < m->run_count; i++) {
        want_input(m, m->bank->gate[m->runs[i].expert]->type);
        want_input(m, m->bank->up[m->runs[i].expert]->type);
    }
    make_hidden(m);
    if (m->updates.of)
        updates_project(&m->updates, m->cpu, m->hidden, m->ffn, NULL, m->pairs, true);
    quantise_hidden(m);
}

/* ---- waves ------------------------------------------------------------------------------------ */

static void wave_cells(void *arg, int thread, int threads)
{
    moe *m = arg;
    size_t first, last;
    (void)thread;
    while (last = guided_chunk(&m->next, m->blocks, CHUNK, threads, &first), first < m->blocks) {
        size_t col = first * m->block;
        output_products(m, col, least(last * m->block, m->out->cols) - col, m->whole + col);
    }
}

/* The products of the runs at hand, into `whole`. */
static void make_wave(moe *m)
{
    divide_output(m);
    m->wide = m->out->cols;
    atomic_store(&m->next, 0);
    thread_pool_run(m->cpu->workers, wave_cells, m);
}

static void sum_rows(void *user, int from, int to, int thread)
{
    const moe *m = user;
    (void)thread;
    for (int row = from; row < to; row++)
        sum_slots(m, row, 0, m->out->cols, m->whole);
}

/* The runs in the order that the source gives them; m->order: their places. */
static void order_runs(moe *m, run *spare)
{
    const expert_source *source = m->bank->source;
    for (int i = 0; i < m->run_count; i++)
        m->order[i] = m->runs[i].expert;
    source->order(source->user, m->order, m->run_count);
    memcpy(spare, m->runs, (size_t)m->run_count * sizeof *spare);
    for (int i = 0; i < m->run_count; i++) {
        int low = 0, high = m->run_count - 1;
        while (low < high) {
            int middle = (low + high) / 2;
            if (spare[middle].expert < m->order[i])
                low = middle + 1;
            else
                high = middle;
        }
        m->runs[i] = spare[low];
    }
}

/* All runs are held: what is missing is read while the rest is multiplied. */
static void run_held(moe *m, int n)
{
    const expert_source *source = m->bank->source;
    make_inner(m);
    if (!atomic_load(&m->lost))
        make_output(m);
    source->let_go(source->user, m->order, n);
}

static void run_waves(moe *m, int n, int held)
{
    const expert_source *source = m->bank->source;
    run *all = m->runs;
    size_t floats = (size_t)m->pairs * m->out->cols;
    m->whole = cpu_scratch(m->cpu, &m->cpu->experts[4], floats * sizeof(float), "experts");
    int done = 0;
    while (done < n && m->whole && !atomic_load(&m->lost)) {
        int more = held < n ? source->hold(source->user, m->order + held, n - held) : 0;
        m->runs = all + done;
        m->run_count = held - done;
        make_inner(m);
        if (!atomic_load(&m->lost))
            make_wave(m);
        source->let_go(source->user, m->order + done, held - done);
        done = held;
        held += more;
        if (held == done && done < n)
            held += source->hold(source->user, m->order + held, n - held);
    }
    source->let_go(source->user, m->order + done, held - done);
    if (m->whole && !atomic_load(&m->lost))
        cpu_rows(m->cpu, m->n, m->out->cols * (size_t)m->chosen->slots, sum_rows, m);
}

/* With a source. spare: [runs] */
static void run_paged(moe *m, run *spare)
{
    const expert_source *source = m->bank->source;
    int n = m->run_count;
    order_runs(m, spare);
    int held = source->hold(source->user, m->order, n);
    if (held == n)
        run_held(m, n);
    else
        run_waves(m, n, held);
    if (!atomic_load(&m->lost))
        return;
    error err = {0};
    source->failed(source->user, &err);
    cpu_keep_failure(m->cpu, &err);
}

/* ---- the op --------------------------------------------------------------------------------- */

void cpu_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r, const tensor *x,
                 int layer, int n)
{
    moe m = {
        .cpu = cpu_of(b), .bank = bank, .chosen = r, .x = x, .out = out, .layer = layer, .n = n};
    int *starts;
    if (!cpu_has_batch(m.cpu, n))
        return;
    assert(n <= r->max_rows && bank->count > 0);
    for (int e = 0; e < bank->count; e++)
        if (bank->gate[e] && bank->gate[e]->rows > m.ffn)
            m.ffn = bank->gate[e]->rows;
    if (!reserve(&m, &starts))
        return;
    sort_pairs(&m, starts);
    if (m.updates.of && m.run_count > 0)
        updates_project(&m.updates, m.cpu, cpu_row(x, 0), x->cols, m.pair_row, m.pairs, false);
    if (m.run_count > 0 && bank->source) {
        run_paged(&m, m.runs + bank->count);
        return;
    }
    if (m.run_count > 0)
        make_inner(&m);
    make_output(&m);
}
