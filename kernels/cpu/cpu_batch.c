/* cpu_batch.c - op_batch: the rows of a step, copied, so that nothing of the caller's is looked at later.
 *
 * Rows of one session stand together and bring the same page list; it is copied once, and its rows
 * point to the same copy, which is how attention knows that they may share a pass over the pages.
 * Room is taken with some to spare: a decoded token that begins a page allocates nothing.
 */
#include <string.h>

#include "cpu_state.h"

enum { ROWS = 512, PAGES = 4096, ANGLE_ROWS = 64 }; /* the least that is taken */

static size_t at_least(size_t n, size_t least)
{
    return n > least ? n : least;
}

/* Memory in a held block; when it must grow it at least doubles. */
static void *hold(cpu_backend *cpu, int i, size_t bytes)
{
    scratch *s = &cpu->held[i];
    return cpu_scratch(cpu, s, bytes > s->bytes ? at_least(bytes, 2 * s->bytes) : bytes, "a batch");
}

static size_t pages_of(const batch_row *row)
{
    return row->pages ? (size_t)row->position / KV_PAGE + 1 : 0;
}

/* Rows of one session, from row i on: returns how many, *pages = those that the farthest one needs. */
static int run_of(const batch_row *rows, int i, int n, size_t *pages)
{
    int end = i + 1;
    *pages = pages_of(&rows[i]);
    for (; end < n && rows[end].pages == rows[i].pages; end++)
        *pages = at_least(pages_of(&rows[end]), *pages);
    return end - i;
}

static size_t count_pages(const batch_row *rows, int n)
{
    size_t total = 0, pages;
    for (int i = 0; i < n; i += run_of(rows, i, n, &pages), total += pages)
        ;
    return total;
}

static void copy_rows(const batch_row *rows, int n, batch_row *to, void **list)
{
    size_t pages;
    for (int i = 0, run; i < n; i += run, list += pages) {
        run = run_of(rows, i, n, &pages);
        if (pages)
            memcpy(list, rows[i].pages, pages * sizeof *list);
        for (int j = i; j < i + run; j++)
            to[j] = (batch_row){rows[j].position, pages ? list : NULL, rows[j].routing};
    }
}

void cpu_batch(backend *b, const kv_layout *layout, const batch_row *rows, int n,
               const float *cosines, const float *sines, int half)
{
    cpu_backend *cpu = cpu_of(b);
    size_t count = (size_t)n, pages = count_pages(rows, n);
    size_t angles = cosines ? (size_t)half * sizeof(float) : 0;
    batch_row *to = hold(cpu, 0, at_least(count, ROWS) * sizeof *to);
    void **list = hold(cpu, 1, at_least(pages, PAGES) * sizeof *list);
    float *turned[2] = {NULL, NULL};
    bool held = to && list;
    for (int i = 0; i < 2 && angles && held; i++) {
        turned[i] = hold(cpu, 2 + i, at_least(count, ANGLE_ROWS) * angles);
        if ((held = turned[i] != NULL))
            memcpy(turned[i], i ? sines : cosines, count * angles);
    }
    cpu->layout = *layout;
    cpu->batch = held ? n : -1;
    cpu->rows = to;
    cpu->cosines = turned[0];
    cpu->sines = turned[1];
    if (held)
        copy_rows(rows, n, to, list);
}
