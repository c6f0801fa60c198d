/* trace_lessons.c - see trace_lessons.h. */
#include "trace_lessons.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../personas/roster/persona.h"
#include "../options/open_lessons.h"

static int read_number(const options *opt, size_t *most, error *err)
{
    char *end = NULL;
    const char *text = opt->trace_lessons;
    *most = TRACE_LESSONS_TOKENS;
    if (!*text)
        return 0;
    long n = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
    if (n < 1 || n > TRACE_LESSONS_MOST || *end)
        return error_set(err, ERROR_USAGE,
                         "--lessons: \"%.40s\" is no whole number in 1..%d, of tokens", text,
                         TRACE_LESSONS_MOST);
    *most = (size_t)n;
    return 0;
}

static int join(const lessons *l, buf *out, error *err)
{
    bool held = lessons_held_out(l) > 0;
    for (size_t i = 0; i < l->len; i++)
        if ((!held || l->v[i].held_out) && buf_format(out, err, "%s\n\n", l->v[i].answer))
            return -1;
    return 0;
}

static int add(trace_lessons *out, const char *name, console *con, error *err)
{
    lessons l = {0};
    trace_lesson_text *t = &out->v[out->len++];
    persona *p = persona_find(name, err);
    const char *path = p ? persona_lessons(p, "", 0) : NULL;
    int result = p ? 0 : -1;
    if (p && !path) {
        console_note(con, "%s has no lessons, which are left out", name);
        out->len--;
    } else if (p) {
        t->name = string_format(err, "%s.lessons", name);
        result = !t->name || open_lessons(path, &l, con, err) || join(&l, &t->text, err) ? -1 : 0;
    }
    lessons_release(&l);
    persona_close(p);
    return result;
}

int trace_lessons_load(const options *opt, const char *const *personas, int n, console *con,
                       trace_lessons *out, error *err)
{
    *out = (trace_lessons){0};
    if (!opt->trace_lessons)
        return 0;
    if (read_number(opt, &out->tokens, err))
        return -1;
    out->v = calloc((size_t)n + 1, sizeof *out->v);
    if (!out->v)
        return error_memory(err, "the lessons");
    for (int i = 0; i < n; i++)
        if (add(out, personas[i], con, err))
            return -1;
    if (!out->len)
        return error_set(err, ERROR_LOAD, "--lessons: nobody who speaks has lessons");
    return 0;
}

void trace_lessons_release(trace_lessons *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->v[i].name);
        buf_release(&l->v[i].text);
    }
    free(l->v);
    *l = (trace_lessons){0};
}
