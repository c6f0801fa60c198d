/* turn.c - see turn.h.
 *
 * Copies go into the memory of the turn that they become part of, all that they point to with
 * them. Versions of an answer are linked by sorting once by name and time, because a file may
 * hold any number of them in one turn. A merge knows how many answers there were when it was
 * made, and counts as long as there are no more. What is current is asked anew each time and
 * stored nowhere, so adding a version can make nothing stale.
 */
#include "turn.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *pass_stop_name(pass_stop s)
{
    static const char *const names[] = {"end", "length", "loop", "interrupted", "error"};
    return names[s];
}

const char *context_policy_name(context_policy c)
{
    static const char *const names[] = {"own", "merged", "picked"};
    return names[c];
}

/* ---- its life ---------------------------------------------------------------------------------- */

void turn_release(struct turn *t)
{
    region_release(&t->memory);
    *t = (struct turn){0};
}

void turn_move(struct turn *to, struct turn *from)
{
    *to = *from;
    *from = (struct turn){0};
}

static int copy_before(const struct turn *t, int n, struct turn *out, error *err)
{
    for (int i = 0; i < t->answer_count; i++)
        if (t->answers[i].n < n && turn_add_answers(out, &t->answers[i], 1, err))
            return -1;
    for (int i = 0; i < t->merge_count; i++)
        if (t->merges[i].n < n && turn_add_merge(out, &t->merges[i], err))
            return -1;
    out->picked = n == INT_MAX ? t->picked : NULL;
    for (int i = 0; i < t->pick_count && n < INT_MAX; i++) {
        const char *name = t->picks[i].name;
        if (t->picks[i].n < n && (!name || name[0]))
            out->picked = name;
    }
    return 0;
}

int turn_before(const struct turn *t, int n, struct turn *out, error *err)
{
    *out = *t;
    out->memory = (region){0};
    out->answers = NULL;
    out->merges = NULL;
    out->picks = NULL;
    out->answer_count = out->merge_count = out->pick_count = 0;
    out->undone = t->undone && t->undone_n < n;
    if (copy_before(t, n, out, err) == 0)
        return 0;
    turn_release(out);
    return -1;
}

static turn_text copy_text(region *memory, turn_text text, error *err)
{
    return (turn_text){region_keep(memory, text.v, text.len, err), text.len};
}

static turn_ids copy_ids(region *memory, turn_ids ids, error *err)
{
    int *copy = region_take(memory, (ids.len + 1) * sizeof *copy, err);
    if (copy && ids.v)
        memcpy(copy, ids.v, ids.len * sizeof *copy);
    return (turn_ids){copy, ids.len};
}

static const double *copy_numbers(region *memory, const double *v, size_t n, error *err)
{
    double *copy = v ? region_take(memory, (n + 1) * sizeof *copy, err) : NULL;
    return copy ? memcpy(copy, v, n * sizeof *copy) : NULL;
}

int turn_answer_copy(region *memory, const turn_answer *from, turn_answer *out, error *err)
{
    turn_answer a = *from;
    a.name = region_keep_text(memory, from->name, err);
    a.acts_by = region_keep_text(memory, from->acts_by, err);
    a.color = region_keep_text(memory, from->color, err);
    a.failure = region_keep_text(memory, from->failure, err);
    a.text = copy_text(memory, from->text, err);
    a.thought = copy_text(memory, from->thought, err);
    a.ids = copy_ids(memory, from->ids, err);
    a.allowed = copy_ids(memory, from->allowed, err);
    a.used = copy_ids(memory, from->used, err);
    a.logprobs = copy_numbers(memory, from->logprobs, from->ids.len, err);
    bool words = !a.name == !from->name && !a.acts_by == !from->acts_by &&
                 !a.color == !from->color && !a.failure == !from->failure;
    bool rest = a.text.v && a.thought.v && a.ids.v && a.allowed.v && a.used.v;
    if (!words || !rest || (from->logprobs && !a.logprobs))
        return -1;
    *out = a;
    return 0;
}

/* ---- what is added ----------------------------------------------------------------------------- */

static void take_off_pick(struct turn *t, const turn_answer *a)
{
    if (t->picked &&
        (strcmp(t->picked, "merge") == 0 || (strcmp(t->picked, a->name) == 0 && !a->continued)))
        t->picked = NULL;
}

int turn_add_answers(struct turn *t, const turn_answer *a, int n, error *err)
{
    turn_answer *new =
        region_add(&t->memory, &t->answers, &t->answer_count, n, sizeof *t->answers, err);
    if (!new)
        return -1;
    memcpy(new, a, (size_t)n * sizeof *new);
    for (int i = 0; i < n; i++)
        take_off_pick(t, &a[i]);
    return 0;
}

int turn_add_merge(struct turn *t, const turn_merge *m, error *err)
{
    turn_merge *new =
        region_add(&t->memory, &t->merges, &t->merge_count, 1, sizeof *t->merges, err);
    if (!new)
        return -1;
    *new = *m;
    return 0;
}

/* By name, then in order of time. */
static int by_name(const void *a, const void *b)
{
    const turn_answer *x = *(turn_answer *const *)a, *y = *(turn_answer *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

/* Sorted: a file may hold any number of answers in one turn. */
int turn_link(struct turn *t, error *err)
{
    turn_answer **sorted = calloc((size_t)t->answer_count + 1, sizeof(turn_answer *));
    if (!sorted)
        return error_memory(err, "a transcript");
    for (int i = 0; i < t->answer_count; i++)
        sorted[i] = &t->answers[i];
    qsort(sorted, (size_t)t->answer_count, sizeof(turn_answer *), by_name);
    for (int i = 0; i < t->answer_count; i++) {
        turn_answer *a = sorted[i], *before = i ? sorted[i - 1] : NULL;
        int own = (int)(a - t->answers);
        bool again = before && strcmp(before->name, a->name) == 0;
        a->first = again ? before->first : own;
        a->earlier = again ? before->earlier + 1 : 0;
        t->answers[a->first].last = own;
        if (again)
            before->next = own;
    }
    free(sorted);
    return 0;
}

/* ---- what is current --------------------------------------------------------------------------- */

const turn_answer *turn_answer_of(const struct turn *t, const char *name)
{
    for (int i = t->answer_count; i > 0; i--)
        if (strcmp(t->answers[i - 1].name, name) == 0)
            return &t->answers[i - 1];
    return NULL;
}

bool turn_is_current(const struct turn *t, const turn_answer *a)
{
    return turn_answer_of(t, a->name) == a;
}

/* A file whose answers are lost says nothing of what a merge joined: then it counts. */
static bool counts(const struct turn *t, const turn_merge *m)
{
    return !m->failure && (m->answers == 0 || m->answers == t->answer_count);
}

const turn_merge *turn_merged(const struct turn *t)
{
    for (int i = t->merge_count; i > 0; i--)
        if (counts(t, &t->merges[i - 1]))
            return &t->merges[i - 1];
    return NULL;
}

const turn_merge *turn_last_merge(const struct turn *t)
{
    return t->merge_count ? &t->merges[t->merge_count - 1] : NULL;
}

const char *turn_merge_cut(const turn_merge *m)
{
    return m->stop == STOP_END || m->failure || m->revised ? NULL : pass_stop_name(m->stop);
}

const turn_answer *turn_winner(const struct turn *t, const turn_merge *m)
{
    if (!m->of || m->winner < 0 || m->winner >= m->passes || !m->text.len)
        return NULL;
    const turn_answer *a = turn_answer_of(t, m->of[m->winner]);
    bool same = a && a->text.len == m->text.len && memcmp(a->text.v, m->text.v, m->text.len) == 0;
    return same ? a : NULL;
}

int turn_next_share(const turn_merge *m, int before)
{
    double above = before < 0 ? INFINITY : m->shares[before];
    int best = -1;
    for (int i = 0; i < m->passes; i++) {
        bool later = m->shares[i] < above || (m->shares[i] == above && i > before);
        if (later && (best < 0 || m->shares[i] > m->shares[best]))
            best = i;
    }
    return best;
}

static int joined_as(const turn_merge *m, const char *name)
{
    for (int i = 0; m->of && i < m->passes; i++)
        if (strcmp(m->of[i], name) == 0)
            return i;
    return -1;
}

/* What the debate within a group that it is in made of it, the innermost first, or NULL. */
static const turn_text *revised_within(const struct turn *t, const char *name)
{
    for (size_t n = strlen(name); n > 0; n--)
        for (int i = name[n] == '/' ? t->answer_count : 0; i > 0; i--) {
            const turn_answer *a = &t->answers[i - 1];
            if (strncmp(a->name, name, n) != 0 || a->name[n])
                continue;
            int at = a->joined && a->joined->revised ? joined_as(a->joined, name) : -1;
            if (at >= 0)
                return &a->joined->revised[at];
            break; /* earlier versions do not count */
        }
    return NULL;
}

/* What the last debate that counts made of the answer, or NULL. */
static const turn_text *revised(const struct turn *t, const char *name)
{
    for (int i = t->merge_count; i > 0; i--) {
        const turn_merge *m = &t->merges[i - 1];
        int at = counts(t, m) && m->revised ? joined_as(m, name) : -1;
        if (at >= 0)
            return &m->revised[at];
    }
    return revised_within(t, name);
}

bool turn_words(const struct turn *t, const char *name, turn_text *out)
{
    const turn_answer *a = turn_answer_of(t, name);
    const turn_text *better = revised(t, name);
    *out = better && better->len ? *better : a ? a->text : (turn_text){"", 0};
    return out->len > 0;
}

bool turn_asked(const char *only, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = only; at && *at;) {
        size_t len = strcspn(at, ",");
        if (len <= n && memcmp(at, name, len) == 0 && (len == n || (len && name[len] == '/')))
            return true;
        at += len + (at[len] == ',');
    }
    return !only;
}

/* ---- by answer --------------------------------------------------------------------------------- */

/* from[joined] -> [answers]; with a row for each where it is a matrix. */
static double *spread_numbers(const int *at, int n, const double *from, int rows, int passes,
                              region *a, error *err)
{
    double *out = region_take(a, (size_t)rows * (size_t)n * sizeof *out + 1, err);
    for (int j = 0; out && j < rows; j++)
        for (int i = 0; i < n; i++) {
            int judge = rows > 1 ? at[j] : 0;
            out[j * n + i] = judge < 0 || at[i] < 0 ? NAN : from[judge * passes + at[i]];
        }
    return out;
}

int turn_spread(const struct turn *t, const turn_merge *m, region *a, turn_merge *out, error *err)
{
    int n = t->answer_count;
    size_t room = (size_t)n + 1;
    int *at = region_take(a, room * sizeof *at, err);
    const char **of = region_take(a, room * sizeof *of, err);
    turn_text *texts = region_take(a, room * sizeof *texts, err);
    *out = *m;
    if (!at || !of || !texts)
        return -1;
    for (int i = 0; i < n; i++) {
        of[i] = t->answers[i].name;
        at[i] = joined_as(m, of[i]);
        if (m->revised && at[i] >= 0)
            texts[i] = m->revised[at[i]];
    }
    out->of = of;
    out->passes = n;
    out->winner = -1;
    out->revised = m->revised ? texts : NULL;
    if (m->scores && !(out->scores = spread_numbers(at, n, m->scores, n, m->passes, a, err)))
        return -1;
    if (m->shares && !(out->shares = spread_numbers(at, n, m->shares, 1, m->passes, a, err)))
        return -1;
    return 0;
}
