/* sample.cu - a token for each row of logits, where they lie: the definition of ../sample.h.
 *
 * The weights are integers, so their sums may be made in any order by any number of threads, and the host
 * needs neither the logits nor a sorted vocabulary:
 *   1. find_best    the largest logit, penalties included; what is not finite
 *   2. weigh        each candidate's weight, added up by distance from the best in BINS bins, whose order
 *                   is that of the candidates, coarsely; the sums of exp() for a likelihood
 *   3. draw         the borders (draws.cuh): top-k, top-p, min-p, the number drawn
 * A border is always the first candidate of the order whose prefix has some count or some weight; so all
 * four are found by the same walk, and what is kept is the shortest of the prefixes.
 *
 * Back to the host goes a struct device_drawn a row; it is read by cuda_sync().
 */
#include <assert.h>
#include <stdlib.h>

#include "draws.cuh"

enum {
    PARTS = 32, /* blocks of a row, at most */
    PART_THREADS = 256,
    SCORE_BLOCK = 1024 /* logits that a sum of backend_logprob() is over */
};

/* ---- 1. the best -------------------------------------------------------------------------------------- */

/* What a thread, a block or a row has seen. */
struct seen {
    double best;
    float most; /* of all logits, penalties left out */
    int id, bad, broken;
};

__device__ inline void see(seen *s, const seen &other)
{
    if (stands_before(other.best, other.id, s->best, s->id)) {
        s->best = other.best;
        s->id = other.id;
    }
    s->most = other.most > s->most ? other.most : s->most;
    s->bad = other.bad < s->bad ? other.bad : s->bad;
    s->broken = other.broken < s->broken ? other.broken : s->broken;
}

__device__ inline seen nothing_seen()
{
    return seen{-INFINITY, -INFINITY, NOT_THERE, NOT_THERE, NOT_THERE};
}

__device__ inline void see_logit(seen *s, const draw_batch &in, const device_draw &w, int i,
                                 float z)
{
    s->most = z > s->most ? z : s->most;
    if (!is_finite(z) && i < s->broken)
        s->broken = i;
    if (i >= w.candidates)
        return;
    if (!(z < INFINITY) && i < s->bad)
        s->bad = i;
    if (!skipped(in, w, i) && stands_before((double)z, i, s->best, s->id)) {
        s->best = (double)z;
        s->id = i;
    }
}

/* Part blockIdx.x of draw blockIdx.y. */
__global__ void find_best(draw_batch in, draw_room room)
{
    SHARED(seen, all, PART_THREADS);
    device_draw w = in.draws[blockIdx.y];
    global<const float> z = in.logits + (size_t)w.row * in.cols;
    int thread = (int)threadIdx.x, all_parts = (int)gridDim.x * PART_THREADS;
    int first = (int)blockIdx.x * PART_THREADS + thread;
    seen mine = nothing_seen();
    for (int i = first; i < (int)in.cols; i += all_parts)
        see_logit(&mine, in, w, i, z[(size_t)i]);
    for (int i = first; i < w.repeat_count; i += all_parts) {
        sample_repeat r = in.repeats[(size_t)(w.repeat_first + i)];
        double logit = penalised(w, z[(size_t)r.id], r);
        if (stands_before(logit, r.id, mine.best, mine.id)) {
            mine.best = logit;
            mine.id = r.id;
        }
    }
    all[(size_t)thread] = mine;
    for (int half = PART_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
            seen s = all[(size_t)thread], other = all[(size_t)(thread + half)];
            see(&s, other);
            all[(size_t)thread] = s;
        }
    }
    if (thread)
        return;
    seen s = all[0];
    work_at<double>(in, room, room.best)[blockIdx.x] = s.best;
    work_at<float>(in, room, room.most)[blockIdx.x] = s.most;
    work_at<int>(in, room, room.best_id)[blockIdx.x] = s.id;
    work_at<int>(in, room, room.bad)[blockIdx.x] = s.bad;
    work_at<int>(in, room, room.broken)[blockIdx.x] = s.broken;
}

/* Of all parts; by one thread. */
__device__ inline seen gather_parts(const draw_batch &in, const draw_room &room, int parts)
{
    seen s = nothing_seen();
    for (int p = 0; p < parts; p++) {
        size_t at = (size_t)p;
        see(&s,
            seen{work_at<double>(in, room, room.best)[at], work_at<float>(in, room, room.most)[at],
                 work_at<int>(in, room, room.best_id)[at], work_at<int>(in, room, room.bad)[at],
                 work_at<int>(in, room, room.broken)[at]});
    }
    return s;
}

/* ---- 2. the weights ------------------------------------------------------------------------------------ */

/* The bins that the threads of a block add to. */
struct bin_view {
    global<weight_sum> sums;
    global<unsigned> counts, below;
};

/* Adds one candidate; returns its bin, or NO_BIN when it is out of reach. */
__device__ inline int add_candidate(const bin_view &v, const device_draw &w, double logit,
                                    double best)
{
    double d = (best - logit) / w.temperature;
    if (!(d < SAMPLE_REACH))
        return NO_BIN;
    int bin = (int)(d * BINS_PER_NAT);
    uint64_t weight = weight_of(d);
    atomicAdd(v.sums + (size_t)bin, (weight_sum)weight);
    atomicAdd(v.counts + (size_t)bin, 1u);
    if ((double)weight < w.min_p * (double)((uint64_t)1 << SAMPLE_WEIGHT_BITS))
        atomicAdd(v.below + (size_t)bin, 1u);
    return bin;
}

/* Sums of exp(z - most) over blocks of logits, in the lanes and the order of backend_logprob(); eight
 * threads have a block. */
__device__ inline void sum_exps(const draw_batch &in, global<const float> z, float most,
                                global<float> exps)
{
    size_t lane = threadIdx.x % 8, each = PART_THREADS / 8;
    size_t blocks = (in.cols + SCORE_BLOCK - 1) / SCORE_BLOCK;
    for (size_t first = blockIdx.x * each; first < blocks; first += gridDim.x * each) {
        size_t block = first + threadIdx.x / 8, at = block * SCORE_BLOCK;
        float sum = 0;
        for (size_t j = lane; j < SCORE_BLOCK && at + j < in.cols; j += 8)
            sum += exp_f32(z[at + j] - most);
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        sum += __shfl_xor_sync(ALL_LANES, sum, 4);
        if (lane == 0 && block < blocks)
            exps[block] = sum;
    }
}

/* Part blockIdx.x of draw blockIdx.y. */
__global__ void weigh(draw_batch in, draw_room room)
{
    SHARED(seen, whole, 1);
    SHARED(weight_sum, sums, BINS);
    SHARED(unsigned, counts, BINS);
    SHARED(unsigned, below, BINS);
    device_draw w = in.draws[blockIdx.y];
    global<const float> z = in.logits + (size_t)w.row * in.cols;
    int thread = (int)threadIdx.x, all_parts = (int)gridDim.x * PART_THREADS;
    int first = (int)blockIdx.x * PART_THREADS + thread;
    bin_view v = {sums, counts, below};
    for (int b = thread; b < BINS; b += PART_THREADS) {
        sums[(size_t)b] = 0;
        counts[(size_t)b] = 0;
        below[(size_t)b] = 0;
    }
    if (thread == 0)
        whole[0] = gather_parts(in, room, (int)gridDim.x);
    __syncthreads();
    seen s = whole[0];
    if (w.scored)
        sum_exps(in, z, s.most, work_at<float>(in, room, room.exps));
    if (w.given >= 0 || w.temperature == 0 || s.bad != NOT_THERE || s.best == -INFINITY)
        return;
    global<uint16_t> bin = work_at<uint16_t>(in, room, room.bin);
    for (int i = first; i < w.candidates; i += all_parts)
        bin[(size_t)i] =
            (uint16_t)(skipped(in, w, i) ? (int)NO_BIN
                                         : add_candidate(v, w, (double)z[(size_t)i], s.best));
    for (int i = first; i < w.repeat_count; i += all_parts) {
        sample_repeat r = in.repeats[(size_t)(w.repeat_first + i)];
        (void)add_candidate(v, w, penalised(w, z[(size_t)r.id], r), s.best);
    }
    __syncthreads();
    for (int b = thread; b < BINS; b += PART_THREADS) {
        if (!(unsigned)counts[(size_t)b])
            continue;
        atomicAdd(work_at<weight_sum>(in, room, room.sums) + (size_t)b,
                  (weight_sum)sums[(size_t)b]);
        atomicAdd(work_at<unsigned>(in, room, room.counts) + (size_t)b,
                  (unsigned)counts[(size_t)b]);
        atomicAdd(work_at<unsigned>(in, room, room.below) + (size_t)b, (unsigned)below[(size_t)b]);
    }
}

/* ---- 3. the draw ----------------------------------------------------------------------------------------- */

__device__ inline border_ask ask_of(border kind)
{
    border_ask a = border_ask();
    a.kind = kind;
    a.count = 1;
    return a;
}

/* Of all bins, in every thread. */
__device__ inline weight_sum total_weight(const draw_batch &in, const draw_room &room,
                                          const draw_tools &t)
{
    weight_sum own = 0, all = 0;
    if (threadIdx.x < BINS)
        own = work_at<weight_sum>(in, room, room.sums)[threadIdx.x];
    own = sum_over(own, WARP - 1);
    if (lane_of_warp() == 0)
        t.warps[threadIdx.x / WARP] = prefix{own, 0};
    __syncthreads();
    for (size_t i = 0; i < THREADS / WARP; i++) {
        prefix p = t.warps[i];
        all += p.sum;
    }
    __syncthreads();
    return all;
}

/* The weight of the candidates that the filters leave: cpu/sample.c, kept_weight(). */
__device__ inline weight_sum kept_weight(const draw_batch &in, const draw_room &room,
                                         const draw_tools &t, const device_draw &w, double best)
{
    weight_sum kept = total_weight(in, room, t);
    if (w.top_k > 0) {
        border_ask a = ask_of(HAS_COUNT);
        a.count = (unsigned)w.top_k;
        border_found f = find_border(in, room, t, w, best, a);
        kept = f.there ? f.before.sum + f.weight : kept;
    }
    if (w.top_p == 1 && w.min_p == 0)
        return kept;
    border_ask a = ask_of(HAS_SHARE);
    a.share = w.top_p * (double)kept;
    border_found f = find_border(in, room, t, w, best, a);
    if (f.there && f.before.sum + f.weight < kept)
        kept = f.before.sum + f.weight;
    a = ask_of(HAS_BELOW);
    a.least = w.min_p * (double)((uint64_t)1 << SAMPLE_WEIGHT_BITS);
    if (w.min_p == 0)
        return kept;
    f = find_border(in, room, t, w, best, a);
    return f.there && f.before.sum < kept ? f.before.sum : kept;
}

/* Draw blockIdx.y. */
__global__ void draw(draw_batch in, draw_room room, int parts)
{
    SHARED(weight_sum, sums, DIGITS);
    SHARED(unsigned, counts, DIGITS);
    SHARED(prefix, warps, THREADS / WARP);
    SHARED(prefix, before, 1);
    SHARED(int, found, 1);
    SHARED(int, members, 1);
    SHARED(seen, whole, 1);
    device_draw w = in.draws[blockIdx.y];
    draw_tools t = {sums,
                    counts,
                    warps,
                    before,
                    found,
                    members,
                    work_at<double>(in, room, room.logit),
                    work_at<weight_sum>(in, room, room.weight),
                    work_at<int>(in, room, room.id)};
    if (threadIdx.x == 0)
        whole[0] = gather_parts(in, room, parts);
    __syncthreads();
    seen s = whole[0];
    int id = w.given >= 0 ? w.given : s.id;
    if (w.given < 0 && s.bad == NOT_THERE && s.best > -INFINITY && w.temperature != 0) {
        border_ask a = ask_of(PASSES);
        weight_sum kept = kept_weight(in, room, t, w, s.best);
        a.weight = (weight_sum)((__umul64hi(w.random, kept) << 11) | (w.random * kept >> 53));
        id = find_border(in, room, t, w, s.best, a).id;
    }
    if (threadIdx.x)
        return;
    device_drawn to = {id, s.bad, s.broken, s.best == -INFINITY, 0, 0, s.most, 0};
    if (s.bad != NOT_THERE)
        to.bad_logit = in.logits[(size_t)w.row * in.cols + (size_t)s.bad];
    if (id >= 0 && id != NOT_THERE)
        to.logit = in.logits[(size_t)w.row * in.cols + (size_t)id];
    for (size_t b = 0; w.scored && b * SCORE_BLOCK < in.cols; b++)
        to.sum += (double)(float)work_at<float>(in, room, room.exps)[b];
    in.drawn[blockIdx.y] = to;
}

/* ---- the host's side ---------------------------------------------------------------------------------- */

/* Never empty, so that each has an address. */
static size_t part(size_t *at, size_t count, size_t size)
{
    size_t here = *at;
    *at += (count * size + 256) / 256 * 256;
    return here;
}

/* choosing: not likelihoods alone. */
static draw_room lay_out(size_t cols, bool choosing)
{
    draw_room r;
    size_t at = 0, listed = choosing ? cols : 0, bins = choosing ? BINS : 0;
    r.sums = part(&at, bins, sizeof(weight_sum));
    r.counts = part(&at, bins, sizeof(unsigned));
    r.below = part(&at, bins, sizeof(unsigned)); /* up to here it begins as zeros */
    r.best = part(&at, PARTS, sizeof(double));
    r.most = part(&at, PARTS, sizeof(float));
    r.best_id = part(&at, PARTS, sizeof(int));
    r.bad = part(&at, PARTS, sizeof(int));
    r.broken = part(&at, PARTS, sizeof(int));
    r.exps = part(&at, cols / SCORE_BLOCK + 1, sizeof(float));
    r.bin = part(&at, listed, sizeof(uint16_t));
    r.logit = part(&at, listed, sizeof(double));
    r.weight = part(&at, listed, sizeof(weight_sum));
    r.id = part(&at, listed, sizeof(int));
    r.bytes = at;
    return r;
}

static bool leaves_out(const sample_row *r)
{
    return r->banned || r->repeat_count;
}

/* Where the parts of what is uploaded lie. */
struct ask_parts {
    size_t draws, repeats, skips, bytes;
};

static ask_parts cut_asks(const device_asked *asked)
{
    ask_parts at;
    size_t repeats = 0, words = 0;
    for (int i = 0; i < asked->n; i++) {
        const sample_row *r = asked->of[i].row;
        repeats += r ? r->repeat_count : 0;
        words += r && leaves_out(r) ? (r->candidates + 31) / 32 : 0;
    }
    at.bytes = 0;
    at.draws = part(&at.bytes, (size_t)asked->n, sizeof(device_draw));
    at.repeats = part(&at.bytes, repeats, sizeof(sample_repeat));
    at.skips = part(&at.bytes, words, sizeof(uint32_t));
    return at;
}

/* Bits of what is banned or penalised; the penalised that are not banned are listed. */
static void fill_left_out(const sample_row *r, device_draw *w, sample_repeat *list, uint32_t *bits)
{
    memset(bits, 0, (r->candidates + 31) / 32 * sizeof *bits);
    for (size_t i = 0; r->banned && i < r->candidates; i++)
        bits[i / 32] |= (uint32_t)(r->banned[i] != 0) << (i % 32);
    for (size_t i = 0; i < r->repeat_count; i++) {
        size_t id = (size_t)r->repeats[i].id;
        if (!r->banned || !r->banned[id])
            list[w->repeat_count++] = r->repeats[i];
        bits[id / 32] |= 1u << (id % 32);
    }
}

static void fill_asks(const device_asked *asked, const ask_parts *at, char *to)
{
    device_draw *draws = (device_draw *)(void *)(to + at->draws);
    sample_repeat *repeats = (sample_repeat *)(void *)(to + at->repeats);
    uint32_t *skips = (uint32_t *)(void *)(to + at->skips);
    int listed = 0, words = 0;
    for (int i = 0; i < asked->n; i++) {
        const device_ask *ask = &asked->of[i];
        const sample_row *r = ask->row;
        device_draw w = device_draw();
        w.row = ask->at;
        w.given = r ? -1 : ask->id;
        w.scored = !r || r->vocabulary;
        w.skip = -1;
        if (r) {
            w.candidates = (int)r->candidates;
            w.top_k = r->top_k;
            w.repeat_penalty = r->repeat_penalty;
            w.presence_penalty = r->presence_penalty;
            w.frequency_penalty = r->frequency_penalty;
            w.temperature = r->temperature;
            w.top_p = r->top_p;
            w.min_p = r->min_p;
            w.random = r->random;
            w.repeat_first = listed;
        }
        if (r && leaves_out(r)) {
            w.skip = words;
            fill_left_out(r, &w, repeats + listed, skips + words);
            listed += w.repeat_count;
            words += (int)((r->candidates + 31) / 32);
        }
        draws[i] = w;
    }
}

/* Enqueues all of one list, and the way back. */
static void ask_device(cuda_backend *d, const tensor *logits, device_asked *asked)
{
    ask_parts at = cut_asks(asked);
    draw_room room = lay_out(logits->cols, asked->of[0].row != NULL);
    size_t n = (size_t)asked->n, drawn = n * sizeof(device_drawn);
    char *host = (char *)device_staging(d, at.bytes);
    char *to = (char *)device_need(d, USE_DRAWS, at.bytes);
    char *work = (char *)device_need(d, USE_DRAW_WORK, n * room.bytes);
    device_drawn *back = (device_drawn *)device_need(d, USE_DRAWN, drawn);
    if (!device_well(d))
        return;
    fill_asks(asked, &at, host);
    device_upload(d, to, host, at.bytes);
    for (size_t i = 0; i < n; i++)
        device_check(d, cudaMemsetAsync(work + i * room.bytes, 0, room.best, d->stream), "a draw");
    draw_batch in = {(const float *)floats_of(logits),
                     logits->cols,
                     (const device_draw *)(void *)(to + at.draws),
                     (const sample_repeat *)(void *)(to + at.repeats),
                     (const uint32_t *)(void *)(to + at.skips),
                     work,
                     back};
    size_t parts = logits->cols / (8 * PART_THREADS) + 1;
    parts = parts < PARTS ? parts : (size_t)PARTS;
    dim3 grid((unsigned)parts, (unsigned)n);
    if (device_well(d))
        LAUNCH(d, find_best, grid, PART_THREADS, in, room);
    if (device_well(d))
        LAUNCH(d, weigh, grid, PART_THREADS, in, room);
    if (device_well(d))
        LAUNCH(d, draw, dim3(1, (unsigned)n), THREADS, in, room, (int)parts);
    if (device_well(d))
        device_check(d,
                     cudaMemcpyAsync(asked->drawn, back, drawn, cudaMemcpyDeviceToHost, d->stream),
                     "reading what was chosen");
}

/* An empty list among those that wait for cuda_sync(); NULL without memory, which is kept. */
static device_asked *next_asked(cuda_backend *d)
{
    device_asked **place = &d->asked;
    while (*place && (*place)->n)
        place = &(*place)->next;
    if (!*place && !(*place = (device_asked *)calloc(1, sizeof **place)) && device_well(d))
        error_memory(&d->failure, "the tokens of a step");
    return *place;
}

/* Rows of the logits, MOST_ASKED at a time; rows or ids is NULL. */
static void ask_all(cuda_backend *d, const tensor *logits, sample_row *const *rows, const int *ids,
                    double *const *to, int n)
{
    for (int i = 0; i < n && device_well(d);) {
        device_asked *asked = next_asked(d);
        if (!asked)
            return;
        for (; i < n && asked->n < MOST_ASKED; i++)
            if (rows ? rows[i] != NULL : to[i] != NULL)
                asked->of[asked->n++] =
                    device_ask{i, ids ? ids[i] : -1, rows ? rows[i] : NULL, to ? to[i] : NULL};
        if (asked->n)
            ask_device(d, logits, asked);
    }
}

void cuda_sample_logits(backend *b, const tensor *logits, sample_row *const *rows, int n)
{
    ask_all(cuda_of(b), logits, rows, NULL, NULL, n);
}

void cuda_score_logits(backend *b, const tensor *logits, const int *ids, double *const *logprobs,
                       int n)
{
    ask_all(cuda_of(b), logits, NULL, ids, logprobs, n);
}

static double logprob_of(const device_drawn *d)
{
    return (double)d->logit - (double)d->most - log(d->sum);
}

static void tell_row(sample_row *r, const device_drawn *d)
{
    r->broken = d->broken == NOT_THERE ? SAMPLE_ALL_FINITE : (size_t)d->broken;
    r->fault = d->bad != NOT_THERE ? SAMPLE_NOT_FINITE : d->none ? SAMPLE_NONE_LEFT : SAMPLE_OK;
    r->id = r->fault == SAMPLE_OK ? d->id : -1;
    if (r->fault == SAMPLE_NOT_FINITE) {
        r->at = (size_t)d->bad;
        r->bad = d->bad_logit;
    }
    if (r->vocabulary && r->fault == SAMPLE_OK)
        r->logprob = logprob_of(d);
}

void device_tell(cuda_backend *d, bool well)
{
    for (device_asked *a = d->asked; a; a = a->next) {
        for (int i = 0; i < a->n && well; i++) {
            if (a->of[i].row)
                tell_row(a->of[i].row, &a->drawn[i]);
            else
                *a->of[i].logprob = logprob_of(&a->drawn[i]);
        }
        a->n = 0;
    }
}
