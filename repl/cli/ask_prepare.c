/* ask_prepare.c - what `ask` must know before anybody speaks. See ask.h. */
#include "../../engine/base/utf8.h"
#include "../../personas/modes/persona_choice.h"
#include "../options/open_model.h"
#include "ask.h"

int ask_prepare(ask *a)
{
    return ask_options_prepare(&a->how, a->err);
}

void ask_warn_of_script(ask *a)
{
    if (open_model_is_built_in(a->opt) && ask_options_foreign(a->prompt.v, a->prompt.len))
        console_note(a->con,
                     "the built-in model knows English only; name another one with -m MODEL");
}

static int choose(ask *a, persona_choice *c)
{
    guessed *g = &a->choice;
    buf line = {0};
    if (persona_choice_make(c, CHOICE_BY_ALL, a->prompt.v, a->prompt.len, g, a->err) ||
        persona_choice_line(c, g, &line, a->err)) {
        buf_release(&line);
        return -1;
    }
    console_sentence(a->con, line.v);
    buf_release(&line);
    ask_cut_tags(a, g);
    a->report.prompt_len = a->prompt.len;
    a->report.chosen = a->how.candidates[g->choice];
    a->report.chosen_why = g->why;
    (void)ask_options_settle(&a->how, a->report.chosen);
    return 0;
}

int ask_choose(ask *a)
{
    const ask_options *k = &a->how;
    if (!k->candidate_count)
        return 0;
    persona_choice *c =
        persona_choice_open(a->report.engine, k->candidates, k->candidate_count, a->err);
    int result = c ? choose(a, c) : -1;
    persona_choice_close(c);
    return result;
}
