/* command_model_map.c - `consilium model map [MODEL [MODEL]]`: one model as rows, bars and a grid of whose
 * experts stand where; or how two differ. With -o FILE the same as SVG.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/output_file.h"
#include "commands.h"
#include "model_map.h"

enum { BAR = 24, STRIP = 32, LABEL = 14 };

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    options one; /* of the model at hand */
    engine *engines[2];
    model_map maps[2];
    int count;
} task;

/* ---- one model --------------------------------------------------------------------------------- */

static void put_many(text_writer *w, const char *what, int n)
{
    for (int i = 0; i < n; i++)
        text_put(w, what);
}

static void put_bar(const console *con, text_writer *w, uint64_t part, uint64_t whole)
{
    int n = whole ? (int)((double)part / (double)whole * BAR + 0.5) : 0;
    put_many(w, con->ascii ? "#" : "█", n);
    put_many(w, con->ascii ? "." : "░", BAR - n);
}

static void put_row(const console *con, text_writer *w, const model_map *m, const map_row *r)
{
    char bytes[HUMAN_TEXT];
    text_format(w, "  %s%-*s%s", console_dim(con), LABEL, r->label, console_reset(con));
    if (r->bytes) {
        put_bar(con, w, r->bytes, m->total);
        text_format(w, " %9s  ", human_bytes(bytes, r->bytes));
    } else {
        text_format(w, "%*s", BAR + 12, "");
    }
    console_put_quoted(con, w, r->what);
    text_put(w, "\n");
}

/* Experts [from, to) of a layer in one cell: all may be called, some, none. */
static const char *cell(const console *con, const mask_view_layer *l, int from, int to)
{
    int may = 0;
    for (int e = from; e < to; e++)
        may += !l->may || l->may[e];
    if (con->ascii)
        return may == to - from ? "#" : may ? "+" : ".";
    return may == to - from ? "█" : may ? "▒" : "·";
}

static int cells_of(const mask_view *v)
{
    return v->experts < STRIP ? v->experts : STRIP;
}

static void put_strip(const console *con, text_writer *w, const mask_view *v, int layer)
{
    int n = cells_of(v);
    for (int i = 0; i < n; i++)
        text_put(w, cell(con, &v->layers[layer], i * v->experts / n, (i + 1) * v->experts / n));
    text_put(w, "  ");
}

/* "  0-29    ████····  ····████" */
static void put_layers(const console *con, text_writer *w, const model_map *m, int first, int last)
{
    const mask_view *v = &m->personas[0].view;
    char name[32];
    if (first == last)
        (void)snprintf(name, sizeof name, "%d", v->layers[first].layer);
    else
        (void)snprintf(name, sizeof name, "%d-%d", v->layers[first].layer, v->layers[last].layer);
    text_format(w, "  %-9s", name);
    for (int p = 0; p < m->persona_count; p++)
        put_strip(con, w, &m->personas[p].view, first);
    text_put(w, "\n");
}

static void put_grid(const console *con, text_writer *w, const model_map *m)
{
    int layers = model_map_layers(m);
    if (!m->persona_count)
        return;
    text_format(
        w,
        "\n  experts that each persona's program lets through (layers down, experts 0 to %d "
        "across)\n  %-9s",
        m->config.experts - 1, "layers");
    for (int p = 0; p < m->persona_count; p++) {
        int wide = cells_of(&m->personas[p].view);
        text_format(w, "%s%-*.*s%s  ", console_bold(con), wide, wide, m->personas[p].name,
                    console_reset(con));
    }
    text_put(w, "\n");
    for (int first = 0, i = 1; i <= layers; i++)
        if (i == layers || !model_map_repeats(m, i)) {
            put_layers(con, w, m, first, i - 1);
            first = i;
        }
    text_format(w, "  %-9s", "share");
    for (int p = 0; p < m->persona_count; p++) {
        char share[48];
        const mask_view *v = &m->personas[p].view;
        (void)snprintf(share, sizeof share, "%.0f %%%s", 100 * v->share,
                       v->rules ? ", and rules" : "");
        text_format(w, "%-*s  ", cells_of(v), share);
    }
    text_put(w, "\n");
}

static void put_title(const console *con, text_writer *w, const model_map *m)
{
    char bytes[HUMAN_TEXT];
    text_put(w, console_bold(con));
    console_put_quoted(con, w, m->title);
    text_format(w, "%s  %s of weights\n", console_reset(con), human_bytes(bytes, m->total));
}

static void put_map(const console *con, text_writer *w, const model_map *m)
{
    put_title(con, w, m);
    for (int i = 0; i < m->row_count; i++)
        put_row(con, w, m, &m->rows[i]);
    put_grid(con, w, m);
}

/* ---- two --------------------------------------------------------------------------------------- */

static void put_side(const console *con, text_writer *w, const char *sign, const map_row *r)
{
    char bytes[HUMAN_TEXT] = "";
    if (r && r->bytes)
        (void)human_bytes(bytes, r->bytes);
    text_format(w, "    %s ", sign);
    console_put_quoted(con, w, r ? r->what : "nothing of the kind");
    text_format(w, "%s%s\n", *bytes ? ", " : "", bytes);
}

static bool alike(const map_row *a, const map_row *b)
{
    return a && b && a->bytes == b->bytes && strcmp(a->what, b->what) == 0;
}

static int put_difference(const console *con, text_writer *w, const model_map *a,
                          const model_map *b)
{
    int same = 0;
    for (int i = 0; i < a->row_count; i++) {
        const map_row *x = &a->rows[i], *y = model_map_row(b, x->label);
        same += alike(x, y);
        if (alike(x, y))
            continue;
        text_format(w, "  %s\n", x->label);
        put_side(con, w, "-", x);
        put_side(con, w, "+", y);
    }
    for (int i = 0; i < b->row_count; i++) {
        if (model_map_row(a, b->rows[i].label))
            continue;
        text_format(w, "  %s\n", b->rows[i].label);
        put_side(con, w, "-", NULL);
        put_side(con, w, "+", &b->rows[i]);
    }
    return same;
}

static void put_two(const console *con, text_writer *w, const model_map *maps)
{
    text_put(w, "- ");
    put_title(con, w, &maps[0]);
    text_put(w, "+ ");
    put_title(con, w, &maps[1]);
    int same = put_difference(con, w, &maps[0], &maps[1]);
    if (same == maps[0].row_count && same == maps[1].row_count)
        text_put(w, "  the same structure\n");
    else
        text_format(w, "  alike in %d of %d rows\n", same, maps[0].row_count);
    for (int i = 0; i < 2; i++)
        put_grid(con, w, &maps[i]);
}

/* ---- the command ------------------------------------------------------------------------------- */

static int open_one(task *t, int i)
{
    int context = 0;
    t->one = *t->opt;
    if (t->opt->word_count)
        t->one.model = t->opt->words[i];
    engine *e = t->engines[i] = open_model(&t->one, t->con, t->err);
    if (!e || open_model_context(&t->one, e, &context, t->err))
        return -1;
    t->count = i + 1;
    return model_map_gather(e, open_model_title(&t->one, e), context,
                            open_model_kv(&t->one, DTYPE_F16), &t->maps[i], t->err);
}

static int show(task *t)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = t->err};
    const model_map *maps[2] = {&t->maps[0], &t->maps[1]};
    if (t->opt->output) {
        model_map_svg(maps, t->count, &w);
        int result =
            w.failed ? -1
                     : output_file_put(t->con, t->opt->output, t->opt->force, b.v, b.len, t->err);
        buf_release(&b);
        return result;
    }
    if (t->count == 2)
        put_two(t->con, &w, t->maps);
    else
        put_map(t->con, &w, &t->maps[0]);
    return console_written(t->con, &w);
}

int command_model_map(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    if (opt->word_count && opt->model)
        return error_set(err, ERROR_USAGE, "model map: name the model by -m or as an argument");
    if (opt->output && output_file_check(opt->output, opt->force, err))
        return -1;
    int wanted = opt->word_count > 1 ? 2 : 1, result = 0;
    for (int i = 0; i < wanted && !result; i++)
        result = open_one(&t, i);
    if (!result)
        result = show(&t);
    for (int i = 0; i < 2; i++) {
        model_map_release(&t.maps[i]);
        engine_close(t.engines[i]);
    }
    return result;
}
