/* statistics_print.c - see statistics_print.h.
 *
 * Transcripts are loaded one at a time and added up (statistics.h); the sums are then written as
 * JSON, or as two tables: who was picked, of the turns in which they could have been, with the
 * interval that so few picks allow, and what each model wrote.
 */
#include "statistics_print.h"

#include <stdlib.h>
#include <string.h>

#include "../../transcripts/statistics.h"
#include "../../transcripts/transcript.h"
#include "../screen/human.h"
#include "transcript_lookup.h"

/* ---- reading ----------------------------------------------------------------------------------- */

/* One transcript that cannot be read is told, and hides no other. */
static int gather(statistics *s, console *con, error *err)
{
    char *place = NULL;
    transcript_list all = {0};
    int result = transcript_folder(&place, err) || transcript_list_all(place, &all, err) ? -1 : 0;
    for (size_t i = 0; i < all.len && !result; i++) {
        error problem = {0};
        if (console_cancelled(con)) {
            result = console_interrupted(err);
            break;
        }
        history *h = history_load(all.v[i].path, &problem);
        if (h)
            result = statistics_add(s, h, err);
        else
            console_note(con, "%s", problem.text);
        history_close(h);
    }
    statistics_sort(s);
    transcript_list_release(&all);
    free(place);
    return result;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void put_rate(json_writer *e, const char *key, statistics_rate r)
{
    double low, high;
    statistics_interval(r, &low, &high);
    json_begin_object(e, key);
    json_put_count(e, "picked", r.won);
    json_put_count(e, "of", r.could);
    if (r.could) {
        json_put_number(e, "share", (double)r.won / (double)r.could);
        json_put_number(e, "low", low);
        json_put_number(e, "high", high);
    }
    json_end(e);
}

static double speed_of(const statistics_model *m)
{
    return m->seconds > 0 ? (double)m->timed / m->seconds : 0;
}

static void put_model(json_writer *e, const statistics_model *m)
{
    json_begin_object(e, NULL);
    json_put_text(e, "name", m->name);
    json_put_text(e, "fingerprint", m->fingerprint);
    json_put_count(e, "answers", m->answers);
    json_put_count(e, "tokens", m->tokens);
    json_put_number(e, "tokens_per_second", speed_of(m));
    json_put_count(e, "loops", m->loops);
    json_put_count(e, "failures", m->failures);
    json_end(e);
}

static int print_json(const statistics *s, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_object(&e, NULL);
    json_put_count(&e, "transcripts", s->transcripts);
    json_put_count(&e, "turns", s->turns);
    json_put_count(&e, "picks", s->picks);
    json_put_count(&e, "blind_picks", s->blind_picks);
    json_put_count(&e, "damaged_lines", s->damaged);
    json_begin_array(&e, "candidates");
    for (size_t i = 0; i < s->candidate_count; i++) {
        json_begin_object(&e, NULL);
        json_put_text(&e, "name", s->candidates[i].name);
        put_rate(&e, "open", s->candidates[i].open);
        put_rate(&e, "blind", s->candidates[i].blind);
        json_end(&e);
    }
    json_end(&e);
    put_rate(&e, "vote_winner_picked", s->vote);
    json_begin_array(&e, "models");
    for (size_t i = 0; i < s->model_count; i++)
        put_model(&e, &s->models[i]);
    json_end(&e);
    json_end(&e);
    return console_json(con, &e, err);
}

/* ---- text -------------------------------------------------------------------------------------- */

/* Foreign text in a column of `width`. */
static void put_padded(text_writer *w, const console *con, const char *text, size_t width)
{
    size_t from = w->out->len;
    console_put_quoted(con, w, text);
    size_t used = w->out->len - from;
    text_format(w, "%*s", used < width ? (int)(width - used) : 0, "");
}

/* "  12 of 30   40 %  25 to 58 %", or blanks where nothing was counted. */
static void put_share(text_writer *w, statistics_rate r)
{
    double low, high;
    statistics_interval(r, &low, &high);
    if (r.could)
        text_format(w, "  %4zu of %-4zu %5.1f %%  %4.1f to %4.1f", r.won, r.could,
                    100.0 * (double)r.won / (double)r.could, 100 * low, 100 * high);
    else
        text_format(w, "  %-32s", "-");
}

static size_t name_width(const statistics *s)
{
    size_t width = 6;
    for (size_t i = 0; i < s->candidate_count; i++)
        if (strlen(s->candidates[i].name) > width)
            width = strlen(s->candidates[i].name);
    return width < 64 ? width : 64;
}

static void put_candidates(text_writer *w, const statistics *s, const console *con)
{
    size_t width = name_width(s);
    bool blind = s->blind_picks > 0;
    text_format(w, "\n%s%-*s  %-32s%s%s\n", console_dim(con), (int)width, "picked",
                "of turns with a pick, 95 %", blind ? "  blind" : "", console_reset(con));
    for (size_t i = 0; i < s->candidate_count; i++) {
        const statistics_candidate *c = &s->candidates[i];
        put_padded(w, con, c->name, width);
        put_share(w, c->open);
        if (blind)
            put_share(w, c->blind);
        text_put(w, "\n");
    }
    if (s->vote.could) {
        text_put(w, "\nThe vote's winner was picked");
        put_share(w, s->vote);
        text_put(w, " %\n");
    }
}

static void put_models(text_writer *w, const statistics *s, const console *con)
{
    text_format(w, "\n%s%8s %10s %10s %6s %7s  model%s\n", console_dim(con), "answers", "tokens",
                "tokens/s", "loops", "failed", console_reset(con));
    for (size_t i = 0; i < s->model_count; i++) {
        const statistics_model *m = &s->models[i];
        char tokens_text[HUMAN_TEXT];
        text_format(w, "%8zu %10s %10.1f %6zu %7zu  ", m->answers,
                    human_count(tokens_text, m->tokens), speed_of(m), m->loops, m->failures);
        console_put_quoted(con, w, m->name);
        text_put(w, "\n");
    }
}

static int print_text(const statistics *s, console *con, error *err)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    text_format(&w, "%zu conversation%s, %zu turn%s, %zu pick%s", s->transcripts,
                s->transcripts == 1 ? "" : "s", s->turns, s->turns == 1 ? "" : "s",
                s->picks + s->blind_picks, s->picks + s->blind_picks == 1 ? "" : "s");
    if (s->blind_picks)
        text_format(&w, ", %zu of them blind", s->blind_picks);
    if (s->damaged)
        text_format(&w, ", %zu damaged line%s left out", s->damaged, s->damaged == 1 ? "" : "s");
    text_put(&w, "\n");
    if (s->candidate_count)
        put_candidates(&w, s, con);
    if (s->model_count)
        put_models(&w, s, con);
    return console_written(con, &w);
}

int statistics_print(bool as_json, console *con, error *err)
{
    statistics s = {0};
    int result = gather(&s, con, err);
    if (!result)
        result = as_json ? print_json(&s, con, err) : print_text(&s, con, err);
    statistics_release(&s);
    return result;
}
