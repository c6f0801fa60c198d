/* command_personas.c - `personas list` and `personas new`.
 *
 * Every persona of the search path is loaded, and with a model at hand each is seated by itself,
 * since what it acts by depends on the model. A broken file is listed with what is wrong with
 * it: one bad file hides no other.
 *
 * A new persona is written from the example (examples.h), or copied from one that came with the
 * program (persona_copy.h); files appear in the user's folder, and what is there is never
 * written over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../chat/persona_copy.h"
#include "../options/examples.h"
#include "../screen/safe_text.h"
#include "commands.h"
#include "personas_model.h"

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
    json_writer e = {.out = &b, .err = err};
    json_begin_array(&e, NULL);
    for (size_t i = 0; i < all->len; i++) {
        json_begin_object(&e, NULL);
        json_put_text(&e, "name", all->names[i]);
        json_put_text(&e, "about", v[i].persona ? v[i].persona->about : NULL);
        json_put_text(&e, "acts_by", v[i].acts_by);
        json_put_text(&e, "path", all->paths[i]);
        json_put_text(&e, "problem", v[i].problem.code ? v[i].problem.text : NULL);
        json_end(&e);
    }
    json_end(&e);
    return console_json(con, &e, err);
}

static void print_one(text_writer *w, const persona_list *all, const listed *v, size_t i, int width,
                      bool model, const console *con)
{
    const char *about = v[i].problem.code     ? v[i].problem.text
                        : v[i].persona->about ? v[i].persona->about
                                              : "";
    text_format(w, "%s%-*s%s", console_bold(con), width, all->names[i], console_reset(con));
    if (model)
        text_format(w, "  %-11s", v[i].problem.code ? "broken" : v[i].acts_by ? v[i].acts_by : "");
    text_put(w, "  ");
    console_put_quoted(con, w, about);
    text_format(w, "\n%-*s  %s", width, "", console_dim(con));
    console_put_quoted(con, w, all->paths[i]);
    text_format(w, "%s\n", console_reset(con));
}

static int print_text(const persona_list *all, const listed *v, bool model, console *con,
                      error *err)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    int width = 0;
    for (size_t i = 0; i < all->len; i++)
        if ((int)strlen(all->names[i]) > width)
            width = (int)strlen(all->names[i]);
    for (size_t i = 0; i < all->len; i++)
        print_one(&w, all, v, i, width, model, con);
    return console_written(con, &w);
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

static int write_new(const char *path, const buf *text, error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_RUN, "%s is there already and was left alone", path);
    if (fd < 0)
        return error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(errno));
    bool failed = file_write_all(fd, text->v, text->len) || fsync(fd) != 0;
    int why = errno;
    failed = close(fd) != 0 || failed;
    if (!failed)
        return 0;
    (void)unlink(path);
    return error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(why));
}

/* The file of lessons beside it; one that is there is the user's. */
static int write_lessons(const char *name, const char *path, console *con, error *err)
{
    buf text = {0};
    char *lessons = NULL;
    error why = {0};
    size_t place = strlen(path) - strlen(name) - strlen(".json");
    int result = example_lessons(name, &text, err);
    if (!result)
        result =
            (lessons = string_format(err, "%.*s%s.lessons.jsonl", (int)place, path, name)) ? 0 : -1;
    if (!result && access(lessons, F_OK) == 0)
        console_note(con, "%s is there already and was left alone.", lessons);
    else if (!result && write_new(lessons, &text, &why) == 0)
        console_note(con, "%s has three lessons to begin with, commented out.", lessons);
    else if (!result) {
        *err = why;
        result = -1;
    }
    buf_release(&text);
    free(lessons);
    return result;
}

static int write_empty(const char *name, const char *path, bool there, console *con, error *err)
{
    buf text = {0};
    int result = example_persona(name, &text, err) || write_new(path, &text, err) ? -1 : 0;
    if (!result && write_lessons(name, path, con, err)) {
        (void)unlink(path);
        result = -1;
    }
    if (!result) {
        console_note(con, "%s is yours to edit.", path);
        if (there)
            console_note(con,
                         "It comes before the persona of that name that came with the program.");
    }
    buf_release(&text);
    return result;
}

/* Never a stub in front of a persona that speaks: all of it is copied, as /personas edit does. */
static int write_copy(const char *name, const char *path, console *con, error *err)
{
    persona *p = persona_find(name, err);
    int result = p ? persona_copy(p, path, NULL, con, err) : -1;
    if (!result)
        console_note(con,
                     "%s is a copy of the %s that came with the program, with its masks and "
                     "lessons; --empty begins a bare one.",
                     path, name);
    persona_close(p);
    return result;
}

static int write_persona(const options *opt, const char *path, console *con, error *err)
{
    const char *name = opt->words[0];
    struct stat st;
    bool there = false;
    if (lstat(path, &st) == 0)
        return error_set(err, ERROR_RUN, "%s is there already and was left alone", path);
    if (persona_exists(name, &there, err))
        return -1;
    return there && !opt->empty ? write_copy(name, path, con, err)
                                : write_empty(name, path, there, con, err);
}

int command_personas_new(const options *opt, console *con, error *err)
{
    const char *name = opt->words[0];
    if (!persona_name_ok(name))
        return error_set(
            err, ERROR_USAGE,
            "\"%.64s\" is no persona's name: 1 to 64 of A-Z a-z 0-9 _ -, and not none, "
            "merge or control",
            name);
    char *path = NULL;
    int result = persona_new_path(name, &path, err) || write_persona(opt, path, con, err) ? -1 : 0;
    if (!result)
        result = console_line(con, path, err);
    if (!result)
        console_note(con,
                     "`consilium personas check %s` checks it; `consilium ask PROMPT -p %s` asks "
                     "it.",
                     name, name);
    free(path);
    return result;
}
