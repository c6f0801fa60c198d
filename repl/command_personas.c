/* command_personas.c - `personas list` and `personas new`.
 *
 * A broken persona file is listed with what is wrong with it: one bad file hides no other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "personas_model.h"
#include "safe_text.h"

typedef struct listed {
    persona *persona; /* NULL when it is broken */
    const char *acts_by;
    error problem;
} listed;

/* ---- looking ----------------------------------------------------------------------------------- */

static void load_all(const persona_list *all, listed *v)
{
    for (size_t i = 0; i < all->len; i++)
        v[i].persona = persona_find(all->names[i], &v[i].problem);
}

/* acts_by points into static text of the roster. */
static void seat_all(engine *e, const persona_list *all, listed *v)
{
    for (size_t i = 0; i < all->len && e; i++) {
        if (!v[i].persona)
            continue;
        roster *r = personas_seat(e, v[i].persona, NULL, NULL, &v[i].problem);
        if (r)
            v[i].acts_by = roster_seat(r, 0)->acts_by;
        roster_close(r);
    }
}

/* ---- printing ---------------------------------------------------------------------------------- */

static int print_json(const persona_list *all, const listed *v, console *con, error *err)
{
    buf b = {0};
    emitter e = {.out = &b, .err = err};
    emit_array(&e, NULL);
    for (size_t i = 0; i < all->len; i++) {
        emit_object(&e, NULL);
        emit_text(&e, "name", all->names[i]);
        emit_text(&e, "about", v[i].persona ? v[i].persona->about : NULL);
        emit_text(&e, "acts_by", v[i].acts_by);
        emit_text(&e, "path", all->paths[i]);
        emit_text(&e, "problem", v[i].problem.code ? v[i].problem.text : NULL);
        emit_end(&e);
    }
    emit_end(&e);
    int result = console_json(con, &e, err);
    buf_release(&b);
    return result;
}

static int print_one(const persona_list *all, const listed *v, size_t i, int width, bool model,
                     console *con, buf *b, error *err)
{
    const char *about = v[i].problem.code     ? v[i].problem.text
                        : v[i].persona->about ? v[i].persona->about
                                              : "";
    int result =
        buf_format(b, err, "%s%-*s%s", console_bold(con), width, all->names[i], console_plain(con));
    if (!result && model)
        result = buf_format(b, err, "  %-11s",
                            v[i].problem.code ? "broken"
                            : v[i].acts_by    ? v[i].acts_by
                                              : "");
    if (result || buf_text(b, "  ", err) || console_quote(con, b, about, err) ||
        buf_format(b, err, "\n%-*s  %s", width, "", console_dim(con)) ||
        console_quote(con, b, all->paths[i], err) || buf_format(b, err, "%s\n", console_plain(con)))
        return -1;
    return 0;
}

static int print_text(const persona_list *all, const listed *v, bool model, console *con,
                      error *err)
{
    buf b = {0};
    int width = 0, result = 0;
    for (size_t i = 0; i < all->len; i++)
        if ((int)strlen(all->names[i]) > width)
            width = (int)strlen(all->names[i]);
    for (size_t i = 0; i < all->len && !result; i++)
        result = print_one(all, v, i, width, model, con, &b, err);
    if (!result)
        result = console_text(con, &b, err);
    buf_release(&b);
    return result;
}

int command_personas_list(const options *opt, console *con, error *err)
{
    persona_list all;
    if (persona_list_all(&all, err))
        return -1;
    listed *v = calloc(all.len ? all.len : 1, sizeof *v);
    engine *e = NULL;
    int result = v ? 0 : error_memory(err, "the personas");
    if (!result)
        result = personas_model(opt, con, &e, err);
    if (!result) {
        load_all(&all, v);
        seat_all(e, &all, v);
        result = options_want_json(opt) ? print_json(&all, v, con, err)
                                        : print_text(&all, v, e != NULL, con, err);
    }
    for (size_t i = 0; v && i < all.len; i++)
        persona_close(v[i].persona);
    free(v);
    engine_close(e);
    persona_list_release(&all);
    return result;
}

/* ---- a new one --------------------------------------------------------------------------------- */

/* JSON has no comments, so every field says by example what it is for. */
static const char TEMPLATE[] =
    "{\n"
    "  \"persona\": 1,\n"
    "  \"name\": \"%s\",\n"
    "  \"about\": \"one line for lists: how %s answers\",\n"
    "  \"instruction\": {\n"
    "    \"en\": \"You are %s. Say here who speaks, what to look at first, and how to end.\"\n"
    "  },\n"
    "  \"sampling\": {\"temperature\": 0.7, \"top_p\": 0.95},\n"
    "  \"router\": {\"mode\": \"auto\", \"strength\": 1.0, \"rules\": []},\n"
    "  \"color\": \"cyan\"\n"
    "}\n";

static int write_new(const char *path, const buf *text, error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_RUN, "%s is there already and was left alone", path);
    if (fd < 0)
        return error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(errno));
    size_t done = 0;
    while (done < text->len) {
        ssize_t n = write(fd, text->v + done, text->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        done += (size_t)n;
    }
    bool failed = done < text->len || fsync(fd) != 0;
    int why = errno;
    failed = close(fd) != 0 || failed;
    if (!failed)
        return 0;
    (void)unlink(path);
    return error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(why));
}

static void tell_next(console *con, const char *name, const char *path, bool shadows)
{
    console_note(con, "%s is yours to edit.", path);
    if (shadows)
        console_note(con, "It comes before the persona of that name that was there.");
    console_note(con,
                 "`consilium personas check %s` checks it; `consilium ask PROMPT -p %s` asks it.",
                 name, name);
}

int command_personas_new(const options *opt, console *con, error *err)
{
    const char *name = opt->words[0];
    bool there = false;
    if (!persona_name_ok(name))
        return error_set(
            err, ERROR_USAGE,
            "\"%.64s\" is no persona's name: 1 to 64 of A-Z a-z 0-9 _ -, and not none, "
            "merge or control",
            name);
    char *path = NULL;
    buf text = {0};
    int result = persona_exists(name, &there, err) || persona_new_path(name, &path, err) ||
                         buf_format(&text, err, TEMPLATE, name, name, name) ||
                         write_new(path, &text, err)
                     ? -1
                     : 0;
    buf_clear(&text);
    if (!result)
        result = console_quote(con, &text, path, err) || buf_text(&text, "\n", err) ||
                         console_text(con, &text, err)
                     ? -1
                     : 0;
    if (!result)
        tell_next(con, name, path, there);
    buf_release(&text);
    free(path);
    return result;
}
