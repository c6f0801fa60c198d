/* compare_measure.c - what columns think of each other's answers, and how far each is from its model.
 *
 * Losses are score requests (council.h), all judges of a council in common batches. Where the
 * vocabularies differ, texts are read and not ids, and losses are of their bytes. The divergence needs
 * whole distributions: a branch of the column's session and a session of the plain model read the
 * answer side by side, a few rows at a time, because a row of logits is as long as the vocabulary. The
 * plain model keeps what it has read, so columns with one prompt have it read once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "../../engine/text/tokenizer_file.h"
#include "compare_state.h"

enum { ROWS = 8 };

/* ---- losses ------------------------------------------------------------------------------------ */

static bool can_judge(const compare_result *r, int i)
{
    return r->answers[i].stop != STOP_ERROR && r->answers[i].prompt_tokens > 0;
}

/* A judge with its answer to read: one cell of the matrix. */
typedef struct cell {
    int judge, answer;
} cell;

/* What the judges of a batch read, who share an engine: the ids that were written, or where these do not
 * mean the same to all, the answers' texts by the judges' own tokenizer. */
typedef struct readings {
    const tokenizer *by; /* NULL = ids as they are */
    tokens cut[COMPARE_COLUMNS];
    score_request *requests;
    cell *cells;
} readings;

/* An answer may end within a character: that is left out. */
static int cut_text(const tokenizer *by, turn_text text, tokens *out, error *err)
{
    size_t whole = text.len, bad;
    if (text.len && !utf8_check(text.v, text.len, &bad))
        whole = bad;
    return tokenizer_encode(by, text.v ? text.v : "", whole, out, NULL, err);
}

static int cut_answers(const compare *c, const batch *b, compare_result *r, readings *k, error *err)
{
    size_t sum = 0, bytes = 0;
    if (c->one_vocabulary)
        return 0;
    k->by = engine_tokenizer(c->columns[b->columns[0]].place->engine);
    for (int j = 0; j < c->count; j++) {
        if (!can_judge(r, j))
            continue;
        if (cut_text(k->by, r->answers[j].text, &k->cut[j], err))
            return -1;
        sum += k->cut[j].len;
        bytes += r->answers[j].text.len;
    }
    for (int i = 0; i < b->count; i++)
        r->text_tokens[b->columns[i]] = (int)sum;
    r->text_bytes = bytes;
    return 0;
}

static int fill_requests(const compare *c, const batch *b, const compare_result *r,
                         const readings *k)
{
    int n = 0;
    for (int i = 0; i < b->count; i++) {
        int judge = b->columns[i];
        for (int j = 0; j < c->count; j++) {
            const int *ids = k->by ? k->cut[j].v : r->answers[j].ids.v;
            size_t len = k->by ? k->cut[j].len : r->answers[j].ids.len;
            if (!can_judge(r, judge) || !can_judge(r, j) || !len)
                continue;
            k->requests[n] = (score_request){.judge = i, .ids = ids, .n = (int)len};
            k->cells[n++] = (cell){judge, j};
        }
    }
    return n;
}

/* Nats a token, or a byte. */
static double loss_of(const readings *k, const score_request *q)
{
    size_t bytes = k->by ? tokenizer_bytes(k->by, q->ids, (size_t)q->read) : 0;
    return !k->by ? -q->mean : bytes ? -q->mean * q->read / (double)bytes : NAN;
}

typedef struct reading {
    const compare_events *events;
    int done, total;
} reading;

static void on_read(void *user, int done, int total)
{
    const reading *r = user;
    if (r->events->measure)
        r->events->measure(r->events->user, done, total);
}

static int judge_batch(compare *c, batch *b, const compare_question *q,
                       const compare_events *events, compare_result *r, error *err)
{
    enum { MOST = COMPARE_COLUMNS * COMPARE_COLUMNS };
    council_request asked[COMPARE_COLUMNS];
    turn_answer replies[COMPARE_COLUMNS];
    cell cells[MOST];
    readings k = {.requests = calloc(MOST, sizeof *k.requests), .cells = cells};
    reading told = {.events = events};
    if (!k.requests)
        return error_memory(err, "a comparison");
    for (int i = 0; i < b->count; i++) {
        asked[i] = compare_request(&c->columns[b->columns[i]], q);
        replies[i] = *council_answer(b->council, i);
    }
    council_round round = {asked, replies, council_shared_prefill(b->council)};
    int result = cut_answers(c, b, r, &k, err);
    int n = result ? 0 : fill_requests(c, b, r, &k);
    if (n)
        result = council_score_batch(b->council, &round, k.requests, n, on_read, &told, err);
    for (int i = 0; i < n && !result; i++)
        if (k.requests[i].read)
            r->loss[cells[i].judge * r->count + cells[i].answer] = loss_of(&k, &k.requests[i]);
    for (int j = 0; j < COMPARE_COLUMNS; j++)
        tokens_release(&k.cut[j]);
    free(k.requests);
    return result;
}

/* ---- divergence -------------------------------------------------------------------------------- */

/* sum p (ln p - ln q) of two rows of logits. */
static double divergence(const float *p, const float *q, int n)
{
    double top_p = p[0], top_q = q[0], sum_p = 0, sum_q = 0, mixed = 0;
    for (int i = 1; i < n; i++) {
        top_p = fmax(top_p, p[i]);
        top_q = fmax(top_q, q[i]);
    }
    for (int i = 0; i < n; i++) {
        double e = exp(p[i] - top_p);
        sum_p += e;
        sum_q += exp(q[i] - top_q);
        mixed += e * ((double)p[i] - q[i]);
    }
    double log_p = top_p + log(sum_p), log_q = top_q + log(sum_q);
    return fmax(0, mixed / sum_p - log_p + log_q);
}

static int open_plain(const column *k, error *err)
{
    place *own = k->own;
    const model_config *m = engine_config(own->engine);
    int context = k->council.context < m->context ? k->council.context : m->context;
    if (own->plain && own->plain_kv == k->council.kv && session_context(own->plain) >= context)
        return 0;
    session_close(own->plain);
    own->plain = session_open(own->engine, context, k->council.kv, err);
    own->plain_kv = k->council.kv;
    return own->plain ? 0 : -1;
}

/* The plain model stands behind all of the prompt but its last token. */
static int read_prompt(session *s, const pass *p, error *err)
{
    int n = (int)p->prompt.len - 1;
    if (n < 1)
        session_rewind(s, 0);
    return n > 0 ? session_sync(s, p->prompt.v, n, n, NULL, NULL, NULL, err) : 0;
}

/* ids [n]: the prompt's last token and the answer's but the last; each row foretells the next. */
static int walk(const column *k, session *branch, const int *ids, int n, float *z, double *mean,
                error *err)
{
    int vocabulary = engine_config(k->place->engine)->vocabulary;
    double sum = 0;
    for (int at = 0; at < n; at += ROWS) {
        int rows = n - at < ROWS ? n - at : ROWS;
        float *own = z + (size_t)ROWS * (size_t)vocabulary;
        step a = {branch, ids + at, rows, LOGITS_ALL, z};
        step b = {k->own->plain, ids + at, rows, LOGITS_ALL, own};
        if (engine_advance(k->place->engine, &a, 1, err) ||
            engine_advance(k->own->engine, &b, 1, err))
            return -1;
        for (size_t i = 0; i < (size_t)rows; i++)
            sum += divergence(own + i * (size_t)vocabulary, z + i * (size_t)vocabulary, vocabulary);
    }
    *mean = sum / n;
    return 0;
}

static int follow(const column *k, pass *p, const turn_answer *a, double *kl, error *err)
{
    int n = (int)a->ids.len, last = (int)p->prompt.len - 1;
    size_t row = (size_t)engine_config(k->place->engine)->vocabulary;
    int room = session_context(k->own->plain) - last;
    if (room < n)
        return 0; /* the model as it is cannot hold it: not known */
    int *ids = malloc((size_t)n * sizeof *ids);
    float *z = malloc(2 * ROWS * row * sizeof *z);
    session *branch = NULL;
    int result = ids && z ? council_hold_prompt(p, last, err) : error_memory(err, "a comparison");
    if (!result && !(branch = session_branch(p->session, last, n, p->program, err)))
        result = -1;
    if (!result) {
        ids[0] = p->prompt.v[last];
        memcpy(ids + 1, a->ids.v, (size_t)(n - 1) * sizeof *ids);
        result = read_prompt(k->own->plain, p, err) || walk(k, branch, ids, n, z, kl, err);
    }
    session_close(branch);
    free(z);
    free(ids);
    return result ? -1 : 0;
}

/* A program that changes nothing is the plain model, bit for bit: nothing need be read. */
static int measure_kl(const compare *c, int i, const compare_result *r, error *err)
{
    const column *k = &c->columns[i];
    const turn_answer *a = &r->answers[i];
    pass *p = c->batches[k->shown.batch].council->passes[k->seat];
    if (!can_judge(r, i) || !a->ids.len)
        return 0;
    if (k->place == k->own && (!p->program || !router_program_hash(p->program))) {
        r->kl[i] = 0;
        return 0;
    }
    return open_plain(k, err) || follow(k, p, a, &r->kl[i], err) ? -1 : 0;
}

int compare_measure(compare *c, const compare_question *q, const compare_events *events,
                    compare_result *out, error *err)
{
    for (int i = 0; i < c->batch_count; i++)
        if (c->batches[i].asked && judge_batch(c, &c->batches[i], q, events, out, err))
            return -1;
    for (int i = 0; i < c->count; i++) {
        if (c->batches[c->columns[i].shown.batch].asked && measure_kl(c, i, out, err))
            return -1;
        if (events->measure)
            events->measure(events->user, i + 1, c->count);
    }
    return 0;
}
