/* draws.cuh - what the kernels that choose tokens share: a row's question, and the walk to a border.
 *
 * The order of the candidates is by falling logit, then by id. A border is the first candidate with which
 * the prefix of the order has some count or some weight. It is found without sorting: the bin in which it
 * lies by a prefix sum over the bins, whose order is that of the candidates, coarsely; inside it digit by
 * digit of the logit, then of the id, until one candidate is left. Counts and weights are integers, so
 * which thread adds what does not matter.
 */
#ifndef KERNELS_CUDA_DRAWS_CUH
#define KERNELS_CUDA_DRAWS_CUH

#include "device.cuh"

enum {
    THREADS = 512, /* of a block that draws */
    BINS_PER_NAT = 16,
    BINS = SAMPLE_REACH * BINS_PER_NAT, /* one to a thread */
    NO_BIN = 0xFFFF,
    DIGITS = 256,
    LOGIT_LEVELS = 8,
    LEVELS = LOGIT_LEVELS + 3, /* a logit's bytes, then an id's */
    NOT_THERE = 0x7FFFFFFF
};

typedef unsigned long long weight_sum;

/* One row's question. */
struct device_draw {
    int row, candidates;
    int given;  /* the id whose likelihood alone is asked for; -1 = a token is to be chosen */
    int scored; /* whether a likelihood is */
    int top_k, repeat_first, repeat_count;
    int skip; /* where its bits begin in `skips`, words; -1 = nothing is left out */
    double repeat_penalty, presence_penalty, frequency_penalty, temperature, top_p, min_p;
    uint64_t random;
};

/* All that one launch is asked. */
struct draw_batch {
    global<const float> logits;
    size_t cols;
    global<const device_draw> draws;
    global<const sample_repeat> repeats;
    global<const uint32_t> skips; /* a bit for each candidate that is banned or penalised */
    global<char> work;
    global<device_drawn> drawn;
};

/* Where a draw's intermediate results lie in its part of `work`. */
struct draw_room {
    size_t best, most, best_id, bad, broken; /* [PARTS] */
    size_t sums, counts, below;              /* [BINS] */
    size_t exps;                             /* [blocks of SCORE_BLOCK] */
    size_t bin;                              /* [candidates] */
    size_t logit, weight, id;                /* [candidates] members of one bin */
    size_t bytes;
};

template <class T>
__device__ inline global<T> work_at(const draw_batch &in, const draw_room &room, size_t place)
{
    return global_as<T>(in.work + (size_t)blockIdx.y * room.bytes + place);
}

/* ---- one candidate ---------------------------------------------------------------------------------- */

/* exp(-d) for 0 <= d < SAMPLE_REACH in units of 2^-SAMPLE_WEIGHT_BITS: cpu/sample_weight.h. */
__device__ inline uint64_t weight_of(double d)
{
    const double two52 = 0x1p52;
    double shifted = d * 0x1.71547652b82fep+0 + two52;
    double n = shifted - two52;
    double r = (n * 0x1.62e42feep-1 - d) + n * 0x1.a39ef35793c76p-33;
    double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    double low = (1 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    double high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800)) +
                  r4 * (1.0 / 479001600 + r * (1.0 / 6227020800));
    double sum = low + r4 * middle + r8 * high;
    uint64_t power = (1023 + SAMPLE_WEIGHT_BITS - (bits_as<uint64_t>(shifted) & 0xFF)) << 52;
    double weight = sum * bits_as<double>(power) + two52;
    return bits_as<uint64_t>(weight) & (((uint64_t)1 << 52) - 1);
}

__device__ inline bool skipped(const draw_batch &in, const device_draw &w, int i)
{
    return w.skip >= 0 && (in.skips[(size_t)w.skip + (size_t)i / 32] >> (i % 32) & 1);
}

/* cpu/sample.c: CTRL's repetition, then presence and frequency. */
__device__ inline double penalised(const device_draw &w, float z, const sample_repeat &r)
{
    double logit = (double)z;
    logit = logit > 0 ? logit / w.repeat_penalty : logit * w.repeat_penalty;
    return logit - w.presence_penalty - w.frequency_penalty * (double)r.times;
}

__device__ inline bool stands_before(double a, int a_id, double b, int b_id)
{
    return a > b || (a == b && a_id < b_id);
}

/* ---- a border ---------------------------------------------------------------------------------------- */

/* What makes a candidate the border: with it, the prefix of the order has */
enum border {
    HAS_COUNT, /* so many candidates */
    HAS_BELOW, /* one whose weight is below min-p's */
    HAS_SHARE, /* a weight, as double, that is not below `share` */
    PASSES     /* a weight above `weight` */
};

struct border_ask {
    border kind;
    unsigned count;
    double share, least;
    weight_sum weight;
};

/* How much stands before something. */
struct prefix {
    weight_sum sum;
    unsigned count;
};

__device__ inline bool reaches(const border_ask &a, const prefix &p)
{
    if (a.kind == HAS_SHARE)
        return (double)p.sum >= a.share;
    return a.kind == PASSES ? p.sum > a.weight : p.count >= a.count;
}

/* What the threads of a drawing block share. */
struct draw_tools {
    global<weight_sum> sums; /* [DIGITS] */
    global<unsigned> counts; /* [DIGITS] */
    global<prefix> warps;    /* [THREADS / WARP] */
    global<prefix> before;   /* [1] of the slot that was found */
    global<int> found;       /* [1] its number, -1 = none */
    global<int> members;     /* [1] */
    global<double> logit;    /* members of the bin at hand */
    global<weight_sum> weight;
    global<int> id;
};

/* The slot, one to a thread in their order, in which the border lies; -1 = in none. What stands before it
 * is added to *before. */
__device__ inline int find_slot(const draw_tools &t, const border_ask &a, prefix own,
                                prefix *before)
{
    int thread = (int)threadIdx.x, lane = lane_of_warp(), warp = thread / WARP;
    prefix with = own;
    for (int step = 1; step < WARP; step *= 2) {
        weight_sum sum = __shfl_sync(ALL_LANES, with.sum, lane - step);
        unsigned count = __shfl_sync(ALL_LANES, with.count, lane - step);
        if (lane >= step) {
            with.sum += sum;
            with.count += count;
        }
    }
    if (lane == WARP - 1)
        t.warps[(size_t)warp] = with;
    if (thread == 0)
        t.found[0] = -1;
    __syncthreads();
    with.sum += before->sum;
    with.count += before->count;
    for (int i = 0; i < warp; i++) {
        prefix p = t.warps[(size_t)i];
        with.sum += p.sum;
        with.count += p.count;
    }
    prefix without = {with.sum - own.sum, with.count - own.count};
    if (reaches(a, with) && !reaches(a, without)) {
        t.found[0] = thread;
        t.before[0] = without;
    }
    __syncthreads();
    int found = t.found[0];
    if (found >= 0)
        *before = t.before[0];
    __syncthreads();
    return found;
}

/* A logit so that larger ones have smaller numbers. */
__device__ inline uint64_t falling(double logit)
{
    uint64_t bits = bits_as<uint64_t>(logit + 0.0); /* -0 is 0 */
    return bits >> 63 ? bits : ~(bits | (uint64_t)1 << 63);
}

__device__ inline int digit_of(double logit, int id, int level)
{
    if (level < LOGIT_LEVELS)
        return (int)(falling(logit) >> (56 - 8 * level) & 255);
    int shift = 8 * (LEVELS - 1 - level);
    return (PLANTED(TIE) ? ~id : id) >> shift & 255;
}

__device__ inline void add_member(const draw_tools &t, const device_draw &w, double logit, int id,
                                  double best)
{
    size_t at = (size_t)atomicAdd(t.members, 1);
    t.logit[at] = logit;
    t.weight[at] = (weight_sum)weight_of((best - logit) / w.temperature);
    t.id[at] = id;
}

/* Lists the members of a bin, in no order. */
__device__ inline void list_members(const draw_batch &in, const draw_room &room,
                                    const draw_tools &t, const device_draw &w, double best, int bin)
{
    global<const float> z = in.logits + (size_t)w.row * in.cols;
    global<uint16_t> bins = work_at<uint16_t>(in, room, room.bin);
    if (threadIdx.x == 0)
        t.members[0] = 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < w.candidates; i += THREADS)
        if ((int)bins[(size_t)i] == bin)
            add_member(t, w, (double)z[(size_t)i], i, best);
    for (int i = (int)threadIdx.x; i < w.repeat_count; i += THREADS) {
        sample_repeat r = in.repeats[(size_t)(w.repeat_first + i)];
        double logit = penalised(w, z[(size_t)r.id], r), d = (best - logit) / w.temperature;
        if (d < SAMPLE_REACH && (int)(d * BINS_PER_NAT) == bin)
            add_member(t, w, logit, r.id, best);
    }
    __syncthreads();
}

/* The first digits of a border, as numbers. */
struct digits {
    int level; /* how many */
    uint64_t logit;
    unsigned id;
};

__device__ inline void add_digit(digits *d, int digit)
{
    if (d->level++ < LOGIT_LEVELS)
        d->logit = d->logit << 8 | (uint64_t)digit;
    else
        d->id = d->id << 8 | (unsigned)digit;
}

/* Whether a candidate has them. */
__device__ inline bool still_in(double logit, int id, const digits &d)
{
    int levels = d.level < LOGIT_LEVELS ? d.level : (int)LOGIT_LEVELS;
    if (levels && falling(logit) >> (64 - 8 * levels) != d.logit)
        return false;
    unsigned all = (unsigned)(PLANTED(TIE) ? ~id : id) & 0xFFFFFFu;
    return d.level <= LOGIT_LEVELS || all >> (8 * (LEVELS - d.level)) == d.id;
}

/* The next digit of the members that have those, counted. */
__device__ inline void count_digits(const draw_tools &t, const border_ask &a, const digits &d)
{
    int members = t.members[0];
    if (threadIdx.x < DIGITS) {
        t.sums[threadIdx.x] = 0;
        t.counts[threadIdx.x] = 0;
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < members; i += THREADS) {
        double logit = t.logit[(size_t)i];
        int id = t.id[(size_t)i];
        if (!still_in(logit, id, d))
            continue;
        size_t digit = (size_t)digit_of(logit, id, d.level);
        weight_sum weight = t.weight[(size_t)i];
        atomicAdd(t.sums + digit, weight);
        if (a.kind != HAS_BELOW || (double)weight < a.least)
            atomicAdd(t.counts + digit, 1u);
    }
    __syncthreads();
}

/* What the border is. */
struct border_found {
    bool there;
    prefix before;
    weight_sum weight;
    int id;
};

/* Inside a bin whose members are listed. */
__device__ inline border_found find_member(const draw_tools &t, const border_ask &a, prefix before)
{
    digits d = {0, 0, 0};
    border_found f = {true, before, 0, -1};
    int left = t.members[0];
    while (d.level < LEVELS && left != 1) {
        count_digits(t, a, d);
        prefix own = {0, 0};
        if (threadIdx.x < DIGITS)
            own = prefix{t.sums[threadIdx.x], t.counts[threadIdx.x]};
        int digit = find_slot(t, a, own, &f.before);
        if (digit < 0)
            return border_found{false, before, 0, -1};
        add_digit(&d, digit);
        left = a.kind == HAS_BELOW ? left : (int)t.counts[(size_t)digit];
        __syncthreads();
    }
    int members = t.members[0];
    for (int i = (int)threadIdx.x; i < members; i += THREADS)
        if (still_in(t.logit[(size_t)i], t.id[(size_t)i], d))
            t.found[0] = i;
    __syncthreads();
    int at = t.found[0];
    f.weight = t.weight[(size_t)at];
    f.id = t.id[(size_t)at];
    __syncthreads();
    return f;
}

__device__ inline border_found find_border(const draw_batch &in, const draw_room &room,
                                           const draw_tools &t, const device_draw &w, double best,
                                           const border_ask &a)
{
    prefix own = {0, 0}, before = {0, 0};
    size_t thread = threadIdx.x;
    if (thread < BINS) {
        size_t counts = a.kind == HAS_BELOW ? room.below : room.counts;
        own = prefix{work_at<weight_sum>(in, room, room.sums)[thread],
                     work_at<unsigned>(in, room, counts)[thread]};
    }
    int bin = find_slot(t, a, own, &before);
    if (bin < 0)
        return border_found{false, before, 0, -1};
    list_members(in, room, t, w, best, bin);
    return find_member(t, a, before);
}

#endif
