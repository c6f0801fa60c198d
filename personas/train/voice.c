/* voice.c - see voice.h. A mark is kept as a hash of 64 bits: at a few thousand marks two that
 * are taken for one do no harm. */
#include "voice.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/hash.h"

/* A mark needs so many answers, and such a share of them. */
enum { LEAST_ANSWERS = 2 };
static const double LEAST_SHARE = 0.15, LEAST_RATIO = 2;

typedef struct marks {
    uint64_t *v;
    size_t len, cap;
} marks;

typedef struct text_marks {
    marks found; /* ascending, each once */
    voice_side side;
} text_marks;

typedef struct weighed {
    uint64_t mark;
    double weight;
} weighed;

struct voice {
    text_marks *texts;
    size_t len, cap;
    weighed *marks; /* ascending by mark */
    size_t mark_count;
    double zero, one; /* sums that likeness 0 and 1 stand for */
};

voice *voice_open(error *err)
{
    voice *v = calloc(1, sizeof *v);
    if (!v)
        (void)error_memory(err, "the marks of a voice");
    return v;
}

void voice_close(voice *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->len; i++)
        free(v->texts[i].found.v);
    free(v->texts);
    free(v->marks);
    free(v);
}

/* ---- finding marks ----------------------------------------------------------------------------- */

enum { KIND_WORD = 1, KIND_PAIR, KIND_FIRST, KIND_FIRST_TWO, KIND_SIGN, KIND_LAST, KIND_LINE };

/* FNV-1a of a kind and up to two pieces of text, ASCII letters in lower case. */
static uint64_t hash_text(uint64_t h, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        h = hash_byte(h, c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c);
    }
    return h;
}

static uint64_t hash_mark(int kind, const char *text, size_t n)
{
    return hash_text(hash_byte(HASH_START, (unsigned char)kind), text, n);
}

static int put(marks *m, uint64_t mark, error *err)
{
    uint64_t *v = array_room(m->v, m->len, &m->cap, sizeof *v, "the marks of a voice", err);
    if (!v)
        return -1;
    m->v = v;
    v[m->len++] = mark;
    return 0;
}

static bool in_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '\'' || c >= 0x80;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int put_words(marks *m, const char *text, size_t len, error *err)
{
    size_t last = 0, last_len = 0, words = 0;
    int result = 0;
    for (size_t at = 0; at < len && !result;) {
        size_t from = at;
        while (at < len && in_word((unsigned char)text[at]))
            at++;
        size_t n = at - from;
        if (n == 0) {
            at++;
            continue;
        }
        uint64_t pair = hash_text(hash_mark(KIND_PAIR, text + last, last_len) * 31, text + from, n);
        result = put(m, hash_mark(KIND_WORD, text + from, n), err) ||
                 (words > 0 && put(m, pair, err)) ||
                 (words == 0 && put(m, hash_mark(KIND_FIRST, text + from, n), err)) ||
                 (words == 1 && put(m, pair * 31 + KIND_FIRST_TWO, err));
        words++;
        last = from;
        last_len = n;
    }
    return result ? -1 : 0;
}

/* Signs, the last of them, and how lines begin. */
static int put_signs(marks *m, const char *text, size_t len, error *err)
{
    int result = 0;
    bool line_begins = true;
    for (size_t at = 0; at < len && !result; at++) {
        unsigned char c = (unsigned char)text[at];
        bool sign = !in_word(c) && !is_blank(c), digit = c >= '0' && c <= '9';
        if (sign)
            result = put(m, hash_mark(KIND_SIGN, text + at, 1), err);
        if (line_begins && !is_blank(c) && (sign || digit) && !result)
            result = put(m, hash_mark(KIND_LINE, digit ? "1" : text + at, 1), err);
        if (c == '\n' && at + 1 < len && text[at + 1] == '\n' && !result)
            result = put(m, hash_mark(KIND_LINE, "\n", 1), err);
        line_begins = c == '\n';
    }
    size_t end = len;
    while (end > 0 && is_blank((unsigned char)text[end - 1]))
        end--;
    if (end > 0 && !result && !in_word((unsigned char)text[end - 1]))
        result = put(m, hash_mark(KIND_LAST, text + end - 1, 1), err);
    return result;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Of one text, ascending, each once. */
static int find_marks(marks *m, const char *text, size_t len, error *err)
{
    if (put_words(m, text, len, err) || put_signs(m, text, len, err))
        return -1;
    if (m->len == 0)
        return 0;
    qsort(m->v, m->len, sizeof *m->v, by_value);
    size_t kept = 1;
    for (size_t i = 1; i < m->len; i++)
        if (m->v[i] != m->v[kept - 1])
            m->v[kept++] = m->v[i];
    m->len = kept;
    return 0;
}

int voice_add(voice *v, voice_side side, const char *text, size_t len, error *err)
{
    text_marks *room = array_room(v->texts, v->len, &v->cap, sizeof *room, "a voice", err);
    if (!room)
        return -1;
    v->texts = room;
    text_marks *t = &v->texts[v->len];
    *t = (text_marks){.side = side};
    if (find_marks(&t->found, text, len, err)) {
        free(t->found.v);
        return -1;
    }
    v->len++;
    return 0;
}

/* ---- weighing ---------------------------------------------------------------------------------- */

static size_t texts_of(const voice *v, voice_side side)
{
    size_t n = 0;
    for (size_t i = 0; i < v->len; i++)
        n += v->texts[i].side == side;
    return n;
}

static bool has_mark(const marks *m, uint64_t mark)
{
    return m->len && bsearch(&mark, m->v, m->len, sizeof *m->v, by_value) != NULL;
}

/* Texts of a side that have the mark. */
static size_t having(const voice *v, voice_side side, uint64_t mark)
{
    size_t n = 0;
    for (size_t i = 0; i < v->len; i++)
        n += v->texts[i].side == side && has_mark(&v->texts[i].found, mark);
    return n;
}

static double sum_of(const voice *v, const marks *m)
{
    double sum = 0;
    for (size_t i = 0; i < v->mark_count; i++)
        if (has_mark(m, v->marks[i].mark))
            sum += v->marks[i].weight;
    return sum;
}

static double mean_of(const voice *v, voice_side side)
{
    double sum = 0;
    size_t n = texts_of(v, side);
    for (size_t i = 0; i < v->len; i++)
        if (v->texts[i].side == side)
            sum += sum_of(v, &v->texts[i].found);
    return n ? sum / (double)n : 0;
}

/* All marks of the learned answers, ascending, as often as answers have them. */
static int own_marks(const voice *v, marks *all, error *err)
{
    for (size_t i = 0; i < v->len; i++)
        for (size_t k = 0; v->texts[i].side == VOICE_OWN && k < v->texts[i].found.len; k++)
            if (put(all, v->texts[i].found.v[k], err))
                return -1;
    if (all->len)
        qsort(all->v, all->len, sizeof *all->v, by_value);
    return 0;
}

int voice_settle(voice *v, error *err)
{
    marks all = {0};
    double own_texts = (double)texts_of(v, VOICE_OWN);
    double control_texts = (double)texts_of(v, VOICE_CONTROL);
    if (own_marks(v, &all, err)) {
        free(all.v);
        return -1;
    }
    v->marks = calloc(all.len + 1, sizeof *v->marks);
    for (size_t i = 0, n; v->marks && i < all.len; i += n) {
        for (n = 1; i + n < all.len && all.v[i + n] == all.v[i];)
            n++;
        double own = (double)n, share = own / own_texts;
        if (n < LEAST_ANSWERS || share < LEAST_SHARE)
            continue;
        double control = (double)having(v, VOICE_CONTROL, all.v[i]);
        double p = (own + 0.5) / (own_texts + 1), q = (control + 0.5) / (control_texts + 1);
        if (p >= LEAST_RATIO * q)
            v->marks[v->mark_count++] = (weighed){all.v[i], share * log(p / q)};
    }
    free(all.v);
    if (!v->marks)
        return error_memory(err, "the marks of a voice");
    v->zero = mean_of(v, VOICE_CONTROL);
    v->one = mean_of(v, texts_of(v, VOICE_HELD) ? VOICE_HELD : VOICE_OWN);
    if (!(v->one > v->zero))
        v->mark_count = 0;
    return 0;
}

int voice_marks(const voice *v)
{
    return (int)v->mark_count;
}

double voice_likeness(const voice *v, const char *text, size_t len)
{
    marks m = {0};
    double likeness = 0;
    if (v->mark_count && find_marks(&m, text, len, NULL) == 0)
        likeness = (sum_of(v, &m) - v->zero) / (v->one - v->zero);
    free(m.v);
    return likeness < 0 ? 0 : likeness > 1 ? 1 : likeness;
}
