/* slash_compare.c - /compare: the last question, or another, to this model set up in several ways. See
 * personas/compare/compare.h.
 *
 * The question is asked alone, without the turns before it, and nothing of it is remembered or saved.
 */
#include <stdlib.h>
#include <string.h>

#include "../../options/open_model.h"
#include "../compare_report.h"
#include "../compare_view.h"
#include "slash_commands.h"

enum { TEMPLATE = 8192 }; /* positions that a template may take */

/* What columns run with where they do not say otherwise: what was set, without masks and counts. */
static int defaults(void *user, const engine *e, council_options *council_of, roster_options *seats,
                    error *err)
{
    talk *t = user;
    if (ask_options_council(&t->how, &t->set, e, council_of, err) ||
        ask_options_roster(&t->how, &t->set, e, seats, err))
        return -1;
    roster_options plain = {.given = seats->given,
                            .sampling = seats->sampling,
                            .no_instruction = seats->no_instruction,
                            .fallback = seats->fallback,
                            .system = t->system,
                            .prompt = ""};
    *seats = plain;
    return 0;
}

static void note(void *user, const char *sentence)
{
    const talk *t = user;
    console_sentence(t->con, sentence);
}

/* What stands behind "--", else the last question. */
static int choose_question(talk *t, const char *rest, const char *dashes, turn_text *out,
                           error *err)
{
    struct turn *turn;
    (void)rest;
    if (dashes) {
        *out = (turn_text){dashes + 2 + strspn(dashes + 2, " "), 0};
        out->len = strlen(out->v);
        return out->len ? 0 : error_set(err, ERROR_USAGE, "/compare: no question stands behind --");
    }
    if (talk_turn(t, &turn, err))
        return -1;
    *out = turn->prompt;
    return 0;
}

static int show(talk *t, compare *c, const turn_text *question, error *err)
{
    chat_message message = {CHAT_USER, question->v, question->len};
    compare_question q = {&message, 1};
    compare_result x = {0};
    compare_view v = {.compare = c,
                      .con = t->con,
                      .term = terminal_linear(t->term) ? NULL : t->term,
                      .layout = t->layout,
                      .err = err};
    bool shown = v.term != NULL;
    error why = {0};
    int result = compare_view_open(&v);
    compare_events events = compare_view_events(&v);
    int asked = result ? -1 : compare_ask(c, &q, true, &events, &x, &why);
    result = compare_view_close(&v) || result ? -1 : 0;
    if (!result && asked) {
        *err = why;
        result = -1;
    }
    buf out = {0};
    text_writer w = {.out = &out, .err = err};
    compare_report r = {.compare = c, .result = &x, .prompt = question->v};
    if (!result && !shown)
        compare_report_answers(&r, t->con, &w);
    if (!result)
        compare_report_table(&r, &w);
    if (!result)
        result = w.failed || terminal_write_folded(t->term, &out, err) ? -1 : 0;
    buf_release(&out);
    compare_result_release(&x);
    return result;
}

static int run(talk *t, const compare_setup *setups, int count, const turn_text *question,
               error *err)
{
    compare_source source = {.user = t,
                             .defaults = defaults,
                             .note = note,
                             .room = question->len < 1 << 23 ? (int)question->len + TEMPLATE : 0};
    terminal_signals *s = terminal_signal_flags(t->term);
    atomic_store(&s->interrupted, false);
    atomic_store(&s->cancel, false);
    compare *c = compare_open(t->engine, setups, count, false, &source, err);
    int result = c ? show(t, c, question, err) : -1;
    compare_close(c);
    atomic_store(&s->interrupted, false);
    atomic_store(&s->cancel, false);
    return result;
}

int slash_compare(talk *t, const char *rest, char *const *words, int count, error *err)
{
    compare_setup setups[COMPARE_COLUMNS];
    const char *dashes = strncmp(rest, "-- ", 3) == 0 ? rest : strstr(rest, " -- ");
    turn_text question;
    int n = 0, result = 0;
    if (dashes)
        dashes += *dashes == ' ';
    for (int i = 0; i < count && strcmp(words[i], "--") != 0 && !result; i++) {
        if (n == COMPARE_COLUMNS)
            result =
                error_set(err, ERROR_USAGE, "/compare takes at most %d columns", COMPARE_COLUMNS);
        else
            result = compare_setup_read(words[i], &setups[n++], err);
    }
    if (!result && !n)
        result = error_set(err, ERROR_USAGE,
                           "/compare needs columns: numbers of experts, as 2 4 8, presets (base, "
                           "extreme, smart, maximal) or NAME:KEY=VALUE,...");
    if (!result)
        result = choose_question(t, rest, dashes, &question, err);
    if (!result)
        result = run(t, setups, n, &question, err);
    for (int i = 0; i < n; i++)
        compare_setup_release(&setups[i]);
    return result;
}
