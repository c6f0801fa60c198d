/* command_compare_set.c - `consilium compare --file SET`: every question of a set to all columns. See
 * compare_task.h.
 *
 * Questions follow one another; only the figures and texts of answers are kept. Ctrl-C ends the run with
 * a report of what was asked whole.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/paths.h"
#include "../../personas/compare/compare_guide.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/output_file.h"
#include "compare_set_report.h"
#include "compare_task.h"
#include "shipped_set.h"

/* All faults of a set, not the first alone. */
int compare_task_read_set(compare_task *t)
{
    const options *opt = t->opt;
    if (opt->word_count)
        return error_set(t->err, ERROR_USAGE, "compare takes a PROMPT or --file SET, not both");
    if (opt->html && output_file_check(opt->html, opt->force, t->err))
        return -1;
    if (shipped_set(opt->file, "prompts/", &t->set_path, t->err))
        return -1;
    int result = compare_set_load(t->set_path, &t->set, t->err);
    if (t->set.fault_count > 1)
        for (char *at = t->set.faults.v, *end; at && *at && (end = strchr(at, '\n')); at = end + 1)
            console_loss(t->con, "%.*s", (int)(end - at), at);
    return result;
}

/* ---- one question ------------------------------------------------------------------------------ */

/* The guide of the last question that had one: most of a set share it. */
typedef struct asker {
    compare_task *task;
    int guide; /* tokens */
    buf text;  /* the guide and the question */
    size_t guide_bytes;
    region kept; /* texts of answers */
} asker;

static int write_question(asker *a, const compare_item *item)
{
    error *err = a->task->err;
    if (item->guide != a->guide || !a->text.len) {
        buf_clear(&a->text);
        a->guide = item->guide;
        const tokenizer *t = engine_tokenizer(a->task->engine);
        if (item->guide && !t)
            return error_set(err, ERROR_LOAD, "a guide needs a model with a tokenizer");
        if (item->guide &&
            (compare_guide(t, item->guide, &a->text, err) || buf_text(&a->text, "\n", err)))
            return -1;
        a->guide_bytes = a->text.len;
    }
    if (a->text.v)
        a->text.v[a->text.len = a->guide_bytes] = '\0';
    return buf_text(&a->text, item->question, err);
}

static int ask_item(asker *a, const compare_item *item, const compare_events *events,
                    compare_sample *out)
{
    compare_task *t = a->task;
    compare_result x = {0};
    size_t n = (size_t)item->before_count;
    chat_message *all = calloc(n + 1, sizeof *all);
    if (!all)
        return error_memory(t->err, "a question");
    int result = write_question(a, item);
    if (!result) {
        memcpy(all, item->before, n * sizeof *all);
        all[n] = (chat_message){CHAT_USER, a->text.v, a->text.len};
        compare_question q = {all, n + 1};
        error why = {0};
        result = compare_ask(t->compare, &q, true, events, &x, &why);
        /* That no column could hold it is a result too. */
        if (result && why.code == ERROR_RUN && x.answers && x.answers[0].stop == STOP_ERROR)
            result = 0;
        if (result)
            *t->err = why;
    }
    if (!result)
        result = compare_sample_take(item, &x, &a->kept, out, t->err);
    compare_result_release(&x);
    free(all);
    return result;
}

/* ---- while it works ---------------------------------------------------------------------------- */

static void tell(compare_task *t)
{
    char left[HUMAN_TEXT];
    double spent = console_seconds() - t->start;
    if (t->item)
        console_progress(t->con, "%d of %d questions, %s left", t->item, t->set.len,
                         human_seconds(left, spent / t->item * (t->set.len - t->item)));
    else
        console_progress(t->con, "%d of %d questions", t->item, t->set.len);
}

static void on_prefill(void *user, int done, int total)
{
    (void)done;
    (void)total;
    tell(user);
}

static void on_token(void *user, int column, const char *bytes, size_t len, bool thinking)
{
    (void)column;
    (void)bytes;
    (void)len;
    (void)thinking;
    tell(user);
}

/* ---- the report -------------------------------------------------------------------------------- */

static int print(compare_task *t, const compare_set_report *r)
{
    buf b = {0};
    if (options_want_json(t->opt)) {
        json_writer e = {.out = &b, .err = t->err};
        return compare_set_report_json(r, t->engine, &e, t->err) ? -1
                                                                 : console_json(t->con, &e, t->err);
    }
    text_writer w = {.out = &b, .err = t->err};
    if (t->opt->format && strcmp(t->opt->format, "md") == 0)
        compare_set_report_markdown(r, t->con, &w);
    else
        compare_set_report_text(r, t->con, &w);
    return console_written(t->con, &w);
}

static int write_page(compare_task *t, const compare_set_report *r)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = t->err};
    compare_set_report_html(r, &w);
    int result =
        w.failed ? -1 : output_file_put(t->con, t->opt->html, t->opt->force, b.v, b.len, t->err);
    buf_release(&b);
    return result;
}

static int report(compare_task *t, const compare_sample *samples)
{
    compare_set_report r = {.compare = t->compare,
                            .set = &t->set,
                            .samples = samples,
                            .count = t->item,
                            .name = paths_name(t->set_path),
                            .model = open_model_title(t->opt, t->engine),
                            .seed = t->how.seed};
    int result = compare_set_report_count(&r, t->err) || print(t, &r);
    if (!result && t->opt->html)
        result = write_page(t, &r);
    compare_set_report_release(&r);
    return result ? -1 : 0;
}

int compare_task_ask_set(compare_task *t)
{
    size_t cells = (size_t)t->set.len * (size_t)t->count;
    compare_sample *samples = calloc(cells, sizeof *samples);
    compare_events events = {.user = t, .prefill = on_prefill, .token = on_token};
    asker a = {.task = t};
    int result = samples ? 0 : error_memory(t->err, "a set");
    t->start = console_seconds();
    for (t->item = 0; !result && t->item < t->set.len; t->item += !result) {
        tell(t);
        result = ask_item(&a, &t->set.v[t->item], &events, samples + t->item * t->count);
    }
    console_progress_end(t->con);
    error why = *t->err;
    if ((!result || why.code == ERROR_CANCELLED) && t->item > 0 && report(t, samples))
        result = -1;
    else if (result)
        *t->err = why;
    buf_release(&a.text);
    region_release(&a.kept);
    free(samples);
    return result;
}
