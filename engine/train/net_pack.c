/* net_pack.c - see net_pack.h. */
#include "net_pack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float weight_at(const train_sequence *s, int i)
{
    return s->weight && i + 1 < s->n ? s->weight[i] : 0;
}

static bool is_near(const train_sequence *s, int i)
{
    return s->plain && s->near != 0 && i >= s->near_from;
}

static bool has_loss(const train_sequence *s, int i)
{
    return weight_at(s, i) != 0 || is_near(s, i);
}

/* Positions of s that are computed. */
static int used_length(const train_sequence *s)
{
    int n = s->n;
    while (n > 0 && !has_loss(s, n - 1))
        n--;
    return n;
}

static int first_loss(const train_sequence *s)
{
    int i = 0;
    while (i < s->n && !has_loss(s, i))
        i++;
    return i;
}

/* Positions from the beginning on that two sequences may share, at most `most`. */
static int common(const train_sequence *a, const train_sequence *b, int most, size_t width)
{
    int end = first_loss(a), other = first_loss(b), i = 0;
    end = other < end ? other : end;
    end = most < end ? most : end;
    while (i < end && a->ids[i] == b->ids[i] &&
           memcmp(a->hidden + (size_t)i * width, b->hidden + (size_t)i * width,
                  width * sizeof(float)) == 0)
        i++;
    return i;
}

static int check(const train_sequence *s, int index, const model_config *c, error *err)
{
    if (s->n < 1)
        return error_set(err, ERROR_USAGE, "text %d of the batch is empty", index);
    for (int i = 0; i < s->n; i++) {
        if (s->ids[i] < 0 || s->ids[i] >= c->vocabulary)
            return error_set(err, ERROR_USAGE, "token %d: the vocabulary has ids 0 to %d",
                             s->ids[i], c->vocabulary - 1);
        if (!isfinite(weight_at(s, i)))
            return error_set(err, ERROR_USAGE, "text %d of the batch: weight %d is not a number",
                             index, i);
    }
    return 0;
}

/* Finds the earlier text that shares most, and takes its rows. */
static void share_rows(pack *p, packed_text *t, const train_sequence *all, size_t width)
{
    for (packed_text *u = p->texts; u < t; u++) {
        int most = u->n < t->n ? u->n : t->n;
        int m = common(&all[t->index], &all[u->index], most, width);
        if (m <= t->shared)
            continue;
        t->shared = m;
        memcpy(t->rows, u->rows, (size_t)m * sizeof *t->rows);
    }
}

static void add_row(pack *p, packed_text *t, const train_sequence *s, int i, size_t width)
{
    int row = p->rows++;
    float weight = weight_at(s, i);
    t->rows[i] = row;
    p->position[row] = i;
    p->hidden[row] = s->hidden + (size_t)i * width;
    p->counted[row] = weight != 0;
    p->counted_count += weight != 0;
    p->weight += weight > 0 ? (double)weight : 0;
    if (has_loss(s, i))
        p->losses[p->loss_count++] =
            (loss_row){row, weight != 0 ? s->ids[i + 1] : -1, weight, s->near,
                       is_near(s, i) ? s->plain + (size_t)i * width : NULL};
}

static void add_text(pack *p, const train_sequence *all, int index, int n, size_t width)
{
    packed_text *t = &p->texts[p->text_count];
    *t = (packed_text){.index = index, .n = n, .offset = p->positions};
    t->rows = p->row_lists + p->positions;
    share_rows(p, t, all, width);
    for (int i = t->shared; i < n; i++)
        add_row(p, t, &all[index], i, width);
    p->positions += n;
    p->longest = n > p->longest ? n : p->longest;
    p->text_count++;
}

int pack_make(pack *p, const train_sequence *sequences, int count, const model_config *c,
              error *err)
{
    size_t most = 0;
    *p = (pack){0};
    for (int i = 0; i < count; i++) {
        if (check(&sequences[i], i, c, err))
            return -1;
        most += (size_t)sequences[i].n;
    }
    p->texts = calloc((size_t)count + 1, sizeof *p->texts);
    p->hidden = calloc(most + 1, sizeof *p->hidden);
    p->position = calloc(most + 1, sizeof *p->position);
    p->counted = calloc(most + 1, sizeof *p->counted);
    p->losses = calloc(most + 1, sizeof *p->losses);
    p->row_lists = calloc(most + 1, sizeof *p->row_lists);
    if (!p->texts || !p->hidden || !p->position || !p->counted || !p->losses || !p->row_lists) {
        pack_release(p);
        return error_memory(err, "a batch");
    }
    for (int i = 0; i < count; i++) {
        int n = used_length(&sequences[i]);
        if (n > 0)
            add_text(p, sequences, i, n, (size_t)c->width);
    }
    return 0;
}

void pack_release(pack *p)
{
    free(p->texts);
    free((void *)p->hidden);
    free(p->position);
    free(p->counted);
    free(p->losses);
    free(p->row_lists);
    *p = (pack){0};
}
