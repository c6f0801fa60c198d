/* command_personas_new.c - `personas new`: a persona, its lessons, or a copy of one that came along.
 *
 * A new persona is written from the example (examples.h), or copied from one that came with the
 * program (persona_copy.h); files appear in the user's folder, and what is there is never
 * written over. With --lessons a persona that is there already gets the file of lessons that it
 * lacks: the one that it names, else NAME.lessons.jsonl beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../../personas/roster/persona_tree.h"
#include "../chat/persona_copy.h"
#include "../options/examples.h"
#include "commands.h"

static int left_alone(const char *path, error *err)
{
    return error_set(err, ERROR_RUN, "%s is there already and was left alone", path);
}

static int write_new(const char *path, const buf *text, error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return left_alone(path, err);
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

/* ---- lessons ----------------------------------------------------------------------------------- */

static int put_lessons(const char *name, const char *lessons, error *err)
{
    buf text = {0};
    int result = example_lessons(name, &text, err) || write_new(lessons, &text, err) ? -1 : 0;
    buf_release(&text);
    return result;
}

static void tell_lessons(const char *lessons, console *con)
{
    console_note(con, "%s beside it says what a lesson is, and waits for yours.",
                 paths_name(lessons));
}

static int write_lessons(const char *name, const char *lessons, console *con, error *err)
{
    if (put_lessons(name, lessons, err))
        return -1;
    tell_lessons(lessons, con);
    return 0;
}

/* NAME.lessons.jsonl beside the persona's file. Caller frees. */
static char *lessons_path(const char *name, const char *path, error *err)
{
    size_t place = strlen(path) - strlen(name) - strlen(".json");
    return string_format(err, "%.*s%s.lessons.jsonl", (int)place, path, name);
}

/* The persona of that name that is there needs a file of lessons. */
static int lessons_alone(const char *name, const char *path, console *con, error *err)
{
    persona *p = persona_load(path, err);
    if (!p)
        return -1;
    char *lessons = p->lesson_count ? strdup(p->lessons[0].text) : lessons_path(name, path, err);
    int result = lessons ? write_lessons(name, lessons, con, err) : error_memory(err, "a path");
    if (!result)
        result = console_line(con, lessons, err);
    free(lessons);
    persona_close(p);
    return result;
}

/* ---- a persona --------------------------------------------------------------------------------- */

/* With a file of lessons; one that is there is the user's. *lessons: its path; caller frees. */
static int write_empty(const char *name, const char *path, bool there, char **lessons, console *con,
                       error *err)
{
    buf text = {0};
    *lessons = lessons_path(name, path, err);
    int result =
        !*lessons || example_persona(name, &text, err) || write_new(path, &text, err) ? -1 : 0;
    buf_release(&text);
    if (result)
        return -1;
    bool kept = access(*lessons, F_OK) == 0;
    if (!kept && put_lessons(name, *lessons, err)) {
        (void)unlink(path);
        return -1;
    }
    console_note(con, "%s is yours to edit: about and instruction.", paths_name(path));
    if (there)
        console_note(con, "It comes before the persona of that name that came with the program.");
    if (kept)
        console_note(con, "%s is there already and was left alone.", paths_name(*lessons));
    else
        tell_lessons(*lessons, con);
    return 0;
}

/* Never a stub in front of a persona that speaks: all of it is copied, as /personas edit does. */
static int write_copy(const char *name, const char *path, char **lessons, console *con, error *err)
{
    persona *p = persona_find(name, err);
    int result = p ? persona_copy(p, path, NULL, con, err) : -1;
    *lessons = result ? NULL : lessons_path(name, path, err);
    if (!result && !*lessons)
        result = -1;
    if (!result)
        console_note(con,
                     "%s is a copy of the %s that came with the program, with its masks and "
                     "lessons; --empty begins a bare one.",
                     paths_name(path), name);
    if (!result && p->lesson_count == 0)
        result = write_lessons(name, *lessons, con, err);
    persona_close(p);
    return result;
}

/* ---- a group ----------------------------------------------------------------------------------- */

static int group_text(const char *name, const char *members, buf *out, error *err)
{
    if (buf_format(out, err,
                   "{\n  \"persona\": 1,\n  \"name\": \"%s\",\n  \"group\": {\n    \"members\": [",
                   name))
        return -1;
    for (const char *at = members, *between = ""; *at; between = ", ") {
        size_t n = strcspn(at, ",");
        char member[65] = "";
        if (n < sizeof member)
            memcpy(member, at, n);
        if (!persona_name_ok(member))
            return error_set(err, ERROR_USAGE, "\"%.64s\" is no persona's name", member);
        if (buf_format(out, err, "%s\"%s\"", between, member))
            return -1;
        at += n + (at[n] == ',');
    }
    return buf_text(out, "],\n    \"merge\": \"vote\"\n  }\n}\n", err);
}

/* What `ask` would refuse does not stay. */
static int write_group(const char *name, const char *members, const char *path, console *con,
                       error *err)
{
    buf text = {0};
    persona_tree t;
    int result = group_text(name, members, &text, err) || write_new(path, &text, err) ? -1 : 0;
    buf_release(&text);
    if (result)
        return -1;
    result = persona_tree_open(&t, &name, 1, err);
    persona_tree_close(&t);
    if (result) {
        (void)unlink(path);
        return -1;
    }
    console_note(con, "%s is a group of %s, joined by a vote; \"merge\" may be another way.",
                 paths_name(path), members);
    return console_line(con, path, err);
}

static void tell_next(const char *name, bool lessons, console *con)
{
    if (lessons)
        console_note(
            con,
            "`consilium personas check %s` checks it; `consilium train %s` learns from its "
            "lessons.",
            name, name);
    else
        console_note(con,
                     "`consilium personas check %s` checks it; `consilium ask PROMPT -p %s` asks "
                     "it.",
                     name, name);
}

static int write_persona(const options *opt, const char *path, console *con, error *err)
{
    const char *name = opt->words[0];
    char *lessons = NULL;
    bool there = false;
    if (opt->word_count > 1)
        return write_group(name, opt->words[1], path, con, err);
    if (persona_exists(name, &there, err))
        return -1;
    int result = there && !opt->empty ? write_copy(name, path, &lessons, con, err)
                                      : write_empty(name, path, there, &lessons, con, err);
    if (!result)
        result = console_line(con, path, err);
    if (!result && opt->new_lessons)
        result = console_line(con, lessons, err);
    free(lessons);
    return result;
}

int command_personas_new(const options *opt, console *con, error *err)
{
    const char *name = opt->words[0];
    struct stat st;
    char *path = NULL;
    if (!persona_name_ok(name))
        return error_set(
            err, ERROR_USAGE,
            "\"%.64s\" is no persona's name: 1 to 64 of A-Z a-z 0-9 _ -, and not none, "
            "merge or control",
            name);
    int result = persona_new_path(name, &path, err);
    if (!result && lstat(path, &st) == 0)
        result = opt->new_lessons && !opt->empty ? lessons_alone(name, path, con, err)
                                                 : left_alone(path, err);
    else if (!result)
        result = write_persona(opt, path, con, err);
    if (!result)
        tell_next(name, opt->new_lessons, con);
    free(path);
    return result;
}
