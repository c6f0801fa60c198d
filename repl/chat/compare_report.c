/* compare_report.c - see compare_report.h. */
#include "compare_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../personas/conversation/record_setting.h"
#include "../../transcripts/turn_json.h"
#include "../screen/human.h"
#include "../screen/safe_text.h"

enum { CELL = 32 };

const char *compare_acts(const compare_column *k)
{
    bool plain = strcmp(k->seat->acts_by, "none") == 0;
    return k->as_it_is || (plain && !*k->setup->said) ? "as it is"
           : plain                                    ? k->setup->said
                                                      : k->seat->acts_by;
}

/* "finished", "cut", "loop", "stopped", "failed" */
static const char *compare_end(const turn_answer *a)
{
    static const char *const ends[] = {[STOP_END] = "finished",
                                       [STOP_LENGTH] = "cut",
                                       [STOP_LOOP] = "loop",
                                       [STOP_INTERRUPTED] = "stopped",
                                       [STOP_ERROR] = "failed"};
    return ends[a->stop];
}

/* ---- cells ------------------------------------------------------------------------------------- */

static const char *number(double x, const char *format, char *out)
{
    if (isnan(x))
        return "-";
    (void)snprintf(out, CELL, format, x); /* NOLINT: the formats stand in this file */
    return out;
}

static double own_loss(const compare_result *r, int i)
{
    return r->loss[i * r->count + i];
}

/* Bytes of a text that a token of column i takes; "" where the tokenizers are one. */
static const char *per_token(const compare_report *r, int i, char *out)
{
    const compare_result *x = r->result;
    double n = x->text_tokens[i];
    return n > 0 ? number((double)x->text_bytes / n, " %.2f", out) : "";
}

/* The last column of the table is as wide as it is. */
static int memory_width(const compare_report *r)
{
    return compare_one_vocabulary(r->compare) ? 0 : 9;
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void put_foreign(const console *con, text_writer *w, turn_text text)
{
    if (!w->failed && safe_text_copy(w->out, SAFE_PROSE, con->ascii, text.v, text.len, w->err))
        w->failed = true;
}

void compare_report_answers(const compare_report *r, const console *con, text_writer *w)
{
    for (int i = 0; i < r->result->count; i++) {
        const turn_answer *a = &r->result->answers[i];
        const compare_column *k = compare_column_at(r->compare, i);
        text_format(w, "%s%s%s%s (", i ? "\n" : "", console_bold(con), k->setup->name,
                    console_reset(con));
        console_put_quoted(con, w, compare_acts(k));
        text_put(w, ")\n");
        if (a->failure)
            console_put_quoted(con, w, a->failure);
        else
            put_foreign(con, w, a->text);
        text_put(w, "\n");
    }
}

/* ---- the table --------------------------------------------------------------------------------- */

static void put_row(const compare_report *r, int i, text_writer *w)
{
    const compare_result *x = r->result;
    const turn_answer *a = &x->answers[i];
    char c[4][CELL], bytes[HUMAN_TEXT];
    text_format(w, "  %-12s %6zu %7.1f %6.1f  %-8s %6s %6s %6s %7d  %-*s%s\n",
                compare_column_at(r->compare, i)->setup->name, a->ids.len, a->seconds,
                a->tokens_per_second, compare_end(a), number(own_loss(x, i), "%.3f", c[0]),
                number(compare_foreign_loss(x, i), "%.3f", c[1]), number(x->kl[i], "%.3f", c[2]),
                x->experts[i], memory_width(r), human_bytes(bytes, x->bytes[i]),
                per_token(r, i, c[3]));
}

static void put_matrix(const compare_report *r, text_writer *w)
{
    const compare_result *x = r->result;
    char c[CELL];
    if (x->count < 3)
        return;
    text_format(w, "\n  %-12s", "reads:");
    for (int j = 0; j < x->count; j++)
        text_format(w, " %10.10s", compare_column_at(r->compare, j)->setup->name);
    text_put(w, "\n");
    for (int i = 0; i < x->count; i++) {
        text_format(w, "  %-12s", compare_column_at(r->compare, i)->setup->name);
        for (int j = 0; j < x->count; j++)
            text_format(w, " %10s", number(x->loss[i * x->count + j], "%.3f", c));
        text_put(w, "\n");
    }
}

static bool in_lockstep(const compare *c)
{
    for (int i = 1; i < compare_columns(c); i++)
        if (compare_column_at(c, i)->batch == compare_column_at(c, i - 1)->batch)
            return true;
    return false;
}

static void put_legend(const compare_report *r, const char *begin, text_writer *w)
{
    text_format(w,
                "%sloss: nats a %s, of its own answer and the others' mean of it; KL: from the "
                "model as it is, nats a token; experts: distinct ones over all layers; memory: "
                "weights that were read, keys and values\n",
                begin, compare_one_vocabulary(r->compare) ? "token" : "byte");
    if (in_lockstep(r->compare))
        text_format(w,
                    "%sseconds are shared where columns ran in lockstep; --apart measures each "
                    "alone\n",
                    begin);
    if (!compare_one_vocabulary(r->compare))
        text_format(w,
                    "%sthe tokenizers differ: each column reads the texts of all answers, as its "
                    "own cuts them; B/token: bytes of these texts for each token of it\n",
                    begin);
}

void compare_report_table(const compare_report *r, text_writer *w)
{
    text_format(w, "  %-12s %6s %7s %6s  %-8s %6s %6s %6s %7s  %-*s%s\n", "column", "tokens", "s",
                "t/s", "end", "loss", "others", "KL", "experts", memory_width(r), "memory",
                compare_one_vocabulary(r->compare) ? "" : " B/token");
    for (int i = 0; i < r->result->count; i++)
        put_row(r, i, w);
    put_matrix(r, w);
    text_put(w, "\n");
    put_legend(r, "", w);
}

/* ---- Markdown ---------------------------------------------------------------------------------- */

static void put_quoted_block(const console *con, text_writer *w, turn_text text)
{
    buf clean = {0};
    if (safe_text_copy(&clean, SAFE_PROSE, con->ascii, text.v, text.len, w->err))
        w->failed = true;
    for (char *at = clean.v, *end; at && *at; at = end) {
        end = at + strcspn(at, "\n");
        text_format(w, "> %.*s\n", (int)(end - at), at);
        end += *end == '\n';
    }
    buf_release(&clean);
}

void compare_report_markdown(const compare_report *r, const console *con, text_writer *w)
{
    const compare_result *x = r->result;
    char c[4][CELL], bytes[HUMAN_TEXT];
    put_quoted_block(con, w, (turn_text){r->prompt, r->prompt_len});
    for (int i = 0; i < x->count; i++) {
        const compare_column *k = compare_column_at(r->compare, i);
        text_format(w, "\n## %s\n\n", k->setup->name);
        put_quoted_block(con, w,
                         x->answers[i].failure
                             ? (turn_text){x->answers[i].failure, strlen(x->answers[i].failure)}
                             : x->answers[i].text);
    }
    bool one = compare_one_vocabulary(r->compare);
    text_format(w,
                "\n| column | setting | tokens | s | t/s | end | loss | others | KL | experts | "
                "memory |%s\n|---|---|---:|---:|---:|---|---:|---:|---:|---:|---:|%s\n",
                one ? "" : " B/token |", one ? "" : "---:|");
    for (int i = 0; i < x->count; i++) {
        const turn_answer *a = &x->answers[i];
        const compare_column *k = compare_column_at(r->compare, i);
        text_format(w, "| %s | ", k->setup->name);
        console_put_quoted(con, w, compare_acts(k));
        text_format(w, " | %zu | %.1f | %.1f | %s | %s | %s | %s | %d | %s |%s%s\n", a->ids.len,
                    a->seconds, a->tokens_per_second, compare_end(a),
                    number(own_loss(x, i), "%.3f", c[0]),
                    number(compare_foreign_loss(x, i), "%.3f", c[1]),
                    number(x->kl[i], "%.3f", c[2]), x->experts[i], human_bytes(bytes, x->bytes[i]),
                    one ? "" : per_token(r, i, c[3]), one ? "" : " |");
    }
    text_put(w, "\n");
    put_legend(r, "- ", w);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void put_column(const compare_report *r, int i, json_writer *e)
{
    const compare_column *k = compare_column_at(r->compare, i);
    const compare_result *x = r->result;
    json_begin_object(e, NULL);
    json_put_text(e, "name", k->setup->name);
    json_put_text(e, "setting", k->setup->said);
    json_put_bool(e, "as_it_is", k->as_it_is);
    json_put_text(e, "model", checkpoint_path(engine_checkpoint(k->engine)));
    json_put_int(e, "batch", k->batch);
    json_put_int(e, "context", k->context);
    json_put_int(e, "max_tokens", k->max_tokens);
    json_put_number(e, "loss", own_loss(x, i));
    json_put_number(e, "foreign_loss", compare_foreign_loss(x, i));
    json_put_number(e, "kl", x->kl[i]);
    json_put_int(e, "experts", x->experts[i]);
    json_put_count(e, "bytes", x->bytes[i]);
    if (!compare_one_vocabulary(r->compare)) {
        json_put_int(e, "text_tokens", x->text_tokens[i]);
        json_put_count(e, "text_bytes", x->text_bytes);
    }
    json_begin_object(e, "answer");
    turn_json_answer(e, TURN_REPORT, &x->answers[i]);
    json_end(e);
    json_end(e);
}

int compare_report_json(const compare_report *r, engine *e, json_writer *out, error *err)
{
    transcript_model m;
    const compare_result *x = r->result;
    if (record_model(e, &m, err))
        return -1;
    json_begin_object(out, NULL);
    json_put_int(out, "consilium", 1);
    json_put_int(out, "compare", 1);
    records_put_model(out, "model", &m);
    json_put_bytes(out, "prompt", r->prompt, r->prompt_len);
    json_put_bool(out, "one_vocabulary", compare_one_vocabulary(r->compare));
    json_begin_array(out, "columns");
    for (int i = 0; i < x->count; i++)
        put_column(r, i, out);
    json_end(out);
    json_put_text(out, "loss_by", compare_one_vocabulary(r->compare) ? "token" : "byte");
    json_begin_array(out, "losses"); /* [reader][answer] nats a token, or a byte */
    for (int i = 0; i < x->count; i++) {
        json_begin_array(out, NULL);
        for (int j = 0; j < x->count; j++)
            json_put_number(out, NULL, x->loss[i * x->count + j]);
        json_end(out);
    }
    json_end(out);
    json_end(out);
    return 0;
}
