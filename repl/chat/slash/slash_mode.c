/* slash_mode.c - /mode: a way of working for what is asked from now on. */
#include <string.h>

#include "slash_commands.h"

static void pass_over(void *user, const error *why)
{
    (void)user;
    (void)why;
}

static int put_held(const talk *t, buf *out, error *err)
{
    if (!t->mode.on)
        return buf_text(out, "no mode: all is as it was set", err);
    if (t->mode.fixed >= 0)
        return buf_format(out, err, "mode %s", t->mode.all.v[t->mode.fixed]->name);
    if (buf_text(out, "mode auto: chosen for each question", err))
        return -1;
    return t->mode.guess.choice < 0 ? 0
                                    : buf_format(out, err, "; the last was %s",
                                                 t->mode.all.v[t->mode.guess.choice]->name);
}

/* What holds, and which there are. */
static int show_modes(talk *t, error *err)
{
    buf out = {0};
    mode_list all = {0};
    int result = mode_list_load(&all, pass_over, NULL, err);
    if (!result)
        result = put_held(t, &out, err) || buf_text(&out, "\n", err) ? -1 : 0;
    for (int i = 0; i < all.n && !result; i++)
        result = buf_format(&out, err, "  %-12s %s\n", all.v[i]->name,
                            all.v[i]->about ? all.v[i]->about : "");
    if (!result)
        result = talk_write(t, &out, err);
    mode_list_release(&all);
    buf_release(&out);
    return result;
}

int slash_mode(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (!count)
        return show_modes(t, err);
    if (count > 1)
        return error_set(err, ERROR_USAGE, "/mode NAME, auto or off");
    if (talk_set(t, "mode", words[0], err))
        return -1;
    buf out = {0};
    int result = put_held(t, &out, err);
    if (!result)
        result = talk_say(t, "%s", out.v);
    buf_release(&out);
    return result;
}
