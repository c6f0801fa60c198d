/* ask_input.c - the words of `ask`: its prompt, and whose answer alone is wanted. See ask.h. */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "ask.h"
#include "prompt_input.h"

static int read_prompt(ask *a)
{
    if (prompt_input(a->opt, &a->opt->files, a->con, &a->prompt, a->err))
        return -1;
    if (a->prompt.len)
        return 0;
    return error_set(a->err, ERROR_USAGE, "ask needs a PROMPT, a pipe or -f FILE");
}

/* ---- --only ------------------------------------------------------------------------------------- */

/* The persona that a column's name belongs to, or -1: "coder", "coder:prompt" with --control=prompt,
 * "team/coder" of the group team (whether it is there is known when all have sat down). */
static int persona_of_seat(const ask *a, const char *column)
{
    static const char *const more[] = {[CONTROL_PROMPT] = ":prompt", [CONTROL_MASK] = ":mask"};
    size_t n = strcspn(column, "/:"), behind = strcspn(column, ":");
    bool twin = a->how.control == CONTROL_PROMPT || a->how.control == CONTROL_MASK;
    if (column[behind] && (!twin || strcmp(column + behind, more[a->how.control]) != 0))
        return -1;
    for (int i = 0; i < a->how.persona_count; i++)
        if (strlen(a->how.personas[i]) == n && memcmp(a->how.personas[i], column, n) == 0)
            return i;
    return -1;
}

/* An empty output with status 0 would look like an empty merge. */
static int check_only_merge(const ask *a)
{
    const ask_options *how = &a->how;
    bool alone = how->persona_count < 2; /* a control takes no part */
    if (how->merge == MERGE_NONE)
        return error_set(a->err, ERROR_USAGE, "--only merge: there is none with --merge none");
    if (alone)
        return error_set(a->err, ERROR_USAGE, "--only merge: one answer alone is not merged");
    return 0;
}

/* --only a column and no merge asked for: the others need not speak at all. A pass gives the same
 * bytes alone. */
static int read_only(ask *a)
{
    const char *only = a->opt->only;
    if (!only)
        return 0;
    if (a->how.candidate_count)
        return error_set(a->err, ERROR_USAGE, "--only: with --personas auto the prompt says who");
    if (strcmp(only, "merge") == 0)
        return check_only_merge(a);
    bool control = a->how.control == CONTROL_NONE && strcmp(only, "control") == 0;
    bool everyone = a->opt->everyone && strcmp(only, "everyone") == 0;
    int kept = control ? -1 : persona_of_seat(a, only);
    if (kept < 0 && !control && !everyone)
        return error_set(a->err, ERROR_USAGE, "--only: %.80s is not among those who answer", only);
    if (a->opt->merge && options_source(a->opt, "merge") != SOURCE_MODE)
        return 0;
    a->how.merge = MERGE_NONE;
    if (control || everyone)
        return 0;
    (void)ask_options_settle(&a->how, a->how.personas[kept]);
    if (a->how.control == CONTROL_NONE)
        a->how.control = CONTROL_OFF;
    return 0;
}

void ask_cut_tags(ask *a, const guessed *g)
{
    memmove(a->prompt.v, a->prompt.v + g->from, g->to - g->from);
    a->prompt.len = g->to - g->from;
    a->prompt.v[a->prompt.len] = '\0';
}

/* The mode that was asked for, or that the prompt asks for, is laid over the options; its tags are no part
 * of the prompt. */
static int take_mode(ask *a)
{
    if (mode_options_open(&a->mode, a->opt->mode, a->err) ||
        mode_options_decide(&a->mode, a->prompt.v, a->prompt.len, NULL, a->err) ||
        mode_options_apply(&a->mode, &a->own, a->err))
        return -1;
    ask_cut_tags(a, &a->mode.guess);
    return 0;
}

int ask_read(ask *a)
{
    size_t bad;
    if (read_prompt(a))
        return -1;
    if (!utf8_check(a->prompt.v, a->prompt.len, &bad))
        return error_set(a->err, ERROR_USAGE, "the prompt is no UTF-8 at byte %zu", bad);
    if (take_mode(a) || ask_options_read(&a->how, a->opt, a->err) || read_only(a))
        return -1;
    return ask_prepare(a);
}

void ask_release(ask *a)
{
    buf_release(&a->prompt);
    ask_options_release(&a->how);
    mode_options_release(&a->mode);
}
