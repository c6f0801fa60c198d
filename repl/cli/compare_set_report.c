/* compare_set_report.c - tables of a comparison over a set: for a terminal, as Markdown, as JSON. See
 * compare_set_report.h.
 */
#include "compare_set_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../personas/conversation/record_setting.h"
#include "../chat/compare_report.h"
#include "../screen/human.h"

enum { CELL = 48 };

/* ---- counting ---------------------------------------------------------------------------------- */

const compare_figures *compare_set_report_of(const compare_set_report *r, int level, int column)
{
    return &r->figures[(level + 1) * compare_columns(r->compare) + column];
}

int compare_set_report_count(compare_set_report *r, error *err)
{
    int columns = compare_columns(r->compare);
    r->level_count = compare_levels(r->set, r->count, r->levels);
    r->figures = calloc(((size_t)r->level_count + 1) * (size_t)columns, sizeof *r->figures);
    if (!r->figures)
        return error_memory(err, "a report");
    for (int level = -1; level < r->level_count; level++)
        for (int i = 0; i < columns; i++)
            if (compare_tally(r->set, r->samples, r->count, columns, i,
                              level < 0 ? NULL : r->levels[level],
                              &r->figures[(level + 1) * columns + i], err))
                return -1;
    return 0;
}

void compare_set_report_release(compare_set_report *r)
{
    free(r->figures);
    r->figures = NULL;
}

/* ---- cells ------------------------------------------------------------------------------------- */

/* "31/40 78 [62, 88]" */
static const char *share(const compare_share *s, char *out)
{
    if (!s->of)
        return "-";
    (void)snprintf(out, CELL, "%d/%d %.0f %% [%.0f, %.0f]", s->n, s->of, 100.0 * s->n / s->of,
                   100 * s->low, 100 * s->high);
    return out;
}

/* "2.1 [1.8, 2.5]"; how many digits, by how large it is. */
static const char *mean(const compare_mean *m, char *out)
{
    int digits = fabs(m->value) < 1 ? 3 : fabs(m->value) < 10 ? 2 : fabs(m->value) < 100 ? 1 : 0;
    if (!m->n)
        return "-";
    (void)snprintf(out, CELL, "%.*f [%.*f, %.*f]", digits, m->value, digits, m->low, digits,
                   m->high);
    return out;
}

/* The figures of a column, one a row of a table. */
static const char *const rows[] = {"finished",
                                   "loops",
                                   "cut",
                                   "failed",
                                   "s to finish",
                                   "tokens",
                                   "structure depth",
                                   "linked sentences",
                                   "repeated",
                                   "recalled",
                                   "loss",
                                   "loss of others",
                                   "KL",
                                   "experts",
                                   "memory"};
enum { ROWS = sizeof rows / sizeof *rows };

static const char *cell(const compare_figures *f, int row, char *out)
{
    const compare_share *shares[] = {&f->finished, &f->loops, &f->cut, &f->failed};
    const compare_mean *means[] = {&f->seconds, &f->tokens, &f->depth,   &f->links, &f->repeated,
                                   NULL,        &f->loss,   &f->foreign, &f->kl,    &f->experts};
    if (row < 4)
        return share(shares[row], out);
    if (row == 9)
        return share(&f->recall, out);
    return row == ROWS - 1 ? human_bytes(out, f->bytes) : mean(means[row - 4], out);
}

static const char *const LEGEND[] = {
    "brackets: 95 %, Wilson's of shares, resampled of means",
    "s to finish: of answers that ended by themselves; structure depth: levels of headings and of "
    "lists; "
    "linked: sentences that say how they follow (because, however, first ...); repeated: stretches "
    "of 4 "
    "tokens that stood there before; recalled: facts of early turns that the answer says",
    "loss: nats a token, of its own answers and the others' mean of them; KL: from the model as it "
    "is; "
    "experts: distinct ones over all layers; memory: weights read, keys and values, the most of "
    "any answer",
    "the tokenizers differ: loss is nats a byte here, of the answers' texts as each column's own "
    "cuts "
    "them"};

/* The last one where it is so. */
static size_t legend_lines(const compare_set_report *r)
{
    return sizeof LEGEND / sizeof *LEGEND - compare_one_vocabulary(r->compare);
}

/* ---- text -------------------------------------------------------------------------------------- */

static void put_head(const compare_set_report *r, const console *con, text_writer *w)
{
    console_put_quoted(con, w, r->name);
    text_put(w, " on ");
    console_put_quoted(con, w, r->model);
    text_format(w, ": %d questions%s, seed %llu\n\n", r->count,
                r->count < r->set->len ? " (interrupted)" : "", (unsigned long long)r->seed);
}

/* So many columns stand beside each other as 118 cells hold. */
static void put_block(const compare_set_report *r, int level, text_writer *w)
{
    enum { ACROSS = 4 };
    int columns = compare_columns(r->compare);
    char c[CELL];
    for (int from = 0; from < columns; from += ACROSS) {
        int to = from + ACROSS < columns ? from + ACROSS : columns;
        text_format(w, "  %-16s", "");
        for (int i = from; i < to; i++)
            text_format(w, "  %-22.22s", compare_column_at(r->compare, i)->setup->name);
        text_put(w, "\n");
        for (int row = 0; row < ROWS; row++) {
            text_format(w, "  %-16s", rows[row]);
            for (int i = from; i < to; i++)
                text_format(w, "  %-22s", cell(compare_set_report_of(r, level, i), row, c));
            while (w->out->len && w->out->v[w->out->len - 1] == ' ')
                w->out->v[--w->out->len] = '\0';
            text_put(w, "\n");
        }
        text_put(w, "\n");
    }
}

void compare_set_report_text(const compare_set_report *r, const console *con, text_writer *w)
{
    put_head(r, con, w);
    for (int level = -1; level < (r->level_count > 1 ? r->level_count : 0); level++) {
        if (level >= 0) {
            text_put(w, "level ");
            console_put_quoted(con, w, *r->levels[level] ? r->levels[level] : "(none)");
            text_put(w, "\n");
        }
        put_block(r, level, w);
    }
    for (size_t i = 0; i < legend_lines(r); i++)
        text_format(w, "%s\n", LEGEND[i]);
}

void compare_set_report_markdown(const compare_set_report *r, const console *con, text_writer *w)
{
    int columns = compare_columns(r->compare);
    char c[CELL];
    put_head(r, con, w);
    for (int level = -1; level < (r->level_count > 1 ? r->level_count : 0); level++) {
        if (level >= 0) {
            text_put(w, "\n## ");
            console_put_quoted(con, w, *r->levels[level] ? r->levels[level] : "(none)");
            text_put(w, "\n\n");
        }
        text_put(w, "| |");
        for (int i = 0; i < columns; i++)
            text_format(w, " %s |", compare_column_at(r->compare, i)->setup->name);
        text_put(w, "\n|---|");
        for (int i = 0; i < columns; i++)
            text_put(w, "---|");
        text_put(w, "\n| setting |");
        for (int i = 0; i < columns; i++) {
            text_put(w, " ");
            console_put_quoted(con, w, compare_acts(compare_column_at(r->compare, i)));
            text_put(w, " |");
        }
        for (int row = 0; row < ROWS; row++) {
            text_format(w, "\n| %s |", rows[row]);
            for (int i = 0; i < columns; i++)
                text_format(w, " %s |", cell(compare_set_report_of(r, level, i), row, c));
        }
        text_put(w, "\n");
    }
    text_put(w, "\n");
    for (size_t i = 0; i < legend_lines(r); i++)
        text_format(w, "- %s\n", LEGEND[i]);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void put_share(json_writer *e, const char *key, const compare_share *s)
{
    json_begin_object(e, key);
    json_put_int(e, "n", s->n);
    json_put_int(e, "of", s->of);
    json_put_number(e, "low", s->low);
    json_put_number(e, "high", s->high);
    json_end(e);
}

static void put_mean(json_writer *e, const char *key, const compare_mean *m)
{
    json_begin_object(e, key);
    json_put_int(e, "n", m->n);
    json_put_number(e, "mean", m->value);
    json_put_number(e, "low", m->low);
    json_put_number(e, "high", m->high);
    json_end(e);
}

static void put_figures(json_writer *e, const char *key, const compare_figures *f)
{
    json_begin_object(e, key);
    put_share(e, "finished", &f->finished);
    put_share(e, "loops", &f->loops);
    put_share(e, "cut", &f->cut);
    put_share(e, "failed", &f->failed);
    put_share(e, "recall", &f->recall);
    put_mean(e, "seconds_to_finish", &f->seconds);
    put_mean(e, "tokens", &f->tokens);
    put_mean(e, "structure_depth", &f->depth);
    put_mean(e, "linked_sentences", &f->links);
    put_mean(e, "repeated", &f->repeated);
    put_mean(e, "loss", &f->loss);
    put_mean(e, "foreign_loss", &f->foreign);
    put_mean(e, "kl", &f->kl);
    put_mean(e, "experts", &f->experts);
    json_put_count(e, "bytes", f->bytes);
    json_end(e);
}

static void put_sample(json_writer *e, const char *column, const compare_sample *s)
{
    json_begin_object(e, NULL);
    json_put_text(e, "column", column);
    json_put_text(e, "stop", pass_stop_name(s->stop));
    json_put_int(e, "tokens", s->tokens);
    json_put_int(e, "prompt_tokens", s->prompt_tokens);
    json_put_number(e, "seconds", s->seconds);
    json_put_number(e, "loss", s->loss);
    json_put_number(e, "foreign_loss", s->foreign);
    json_put_number(e, "kl", s->kl);
    json_put_int(e, "experts", s->experts);
    json_put_int(e, "headings", s->built.headings);
    json_put_int(e, "items", s->built.items);
    json_put_int(e, "depth", s->built.depth);
    json_put_int(e, "sentences", s->built.sentences);
    json_put_int(e, "links", s->built.links);
    json_put_int(e, "facts", s->facts);
    json_put_int(e, "recalled", s->found);
    json_put_text(e, "failure", s->failure);
    json_put_bytes(e, "text", s->text.v, s->text.len);
    json_end(e);
}

static void put_item(const compare_set_report *r, int i, json_writer *e)
{
    int columns = compare_columns(r->compare);
    json_begin_object(e, NULL);
    json_put_text(e, "id", r->set->v[i].id);
    json_put_text(e, "level", r->set->v[i].level);
    json_begin_array(e, "answers");
    for (int k = 0; k < columns; k++)
        put_sample(e, compare_column_at(r->compare, k)->setup->name, &r->samples[i * columns + k]);
    json_end(e);
    json_end(e);
}

static void put_column(const compare_set_report *r, int i, json_writer *e)
{
    const compare_column *k = compare_column_at(r->compare, i);
    json_begin_object(e, NULL);
    json_put_text(e, "name", k->setup->name);
    json_put_text(e, "setting", k->setup->said);
    json_put_text(e, "acts_by", k->seat->acts_by);
    json_put_text(e, "model", checkpoint_path(engine_checkpoint(k->engine)));
    json_put_int(e, "batch", k->batch);
    json_put_int(e, "context", k->context);
    json_put_int(e, "max_tokens", k->max_tokens);
    put_figures(e, "all", compare_set_report_of(r, -1, i));
    json_begin_object(e, "levels");
    for (int level = 0; level < r->level_count; level++)
        put_figures(e, r->levels[level], compare_set_report_of(r, level, i));
    json_end(e);
    json_end(e);
}

int compare_set_report_json(const compare_set_report *r, engine *e, json_writer *out, error *err)
{
    transcript_model m;
    if (record_model(e, &m, err))
        return -1;
    json_begin_object(out, NULL);
    json_put_int(out, "consilium", 1);
    json_put_int(out, "compare_set", 1);
    records_put_model(out, "model", &m);
    json_put_text(out, "set", r->name);
    json_put_int(out, "questions", r->set->len);
    json_put_int(out, "asked", r->count);
    json_put_count(out, "seed", r->seed);
    json_begin_array(out, "columns");
    for (int i = 0; i < compare_columns(r->compare); i++)
        put_column(r, i, out);
    json_end(out);
    json_begin_array(out, "items");
    for (int i = 0; i < r->count; i++)
        put_item(r, i, out);
    json_end(out);
    json_end(out);
    return 0;
}
