/* slash_train.c - /train and /untrain: a persona learns while the conversation goes on.
 *
 * What is typed behind the name are the options of `consilium train`, checked here by the same
 * table before anything starts, as are the lessons; model and processor are the conversation's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../engine/base/folder.h"
#include "../../options/open_lessons.h"
#include "../talk_training.h"
#include "slash_commands.h"

/* ---- what is asked for ------------------------------------------------------------------------- */

/* The options as the command line would take them; some are the conversation's affair. */
static int check_options(const char *name, char *const *words, int count, error *err)
{
    static char program[] = "consilium", command[] = "train";
    static const char *const ours[] = {"model",  "isa",   "backend",   "chat-format",
                                       "format", "plain", "no-sandbox"};
    char *argv[SLASH_WORDS + 3] = {program, command, (char *)(uintptr_t)name};
    options opt;
    for (int i = 0; i < count; i++)
        argv[3 + i] = words[i];
    int result = options_parse(&opt, count + 3, argv, err);
    if (!result && (opt.help || opt.version))
        result = error_set(err, ERROR_USAGE, "/help train tells; so does `consilium train --help`");
    for (size_t i = 0; i < sizeof ours / sizeof *ours && !result; i++)
        if (options_find(ours[i], strlen(ours[i]), options_command(&opt)) &&
            options_source(&opt, ours[i]) == SOURCE_COMMAND)
            result = error_set(err, ERROR_USAGE, "--%s is the conversation's here", ours[i]);
    options_release(&opt);
    return result ? -1 : 0;
}

static bool names_texts(char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strncmp(words[i], "--lessons", 9) == 0 || strncmp(words[i], "--text", 6) == 0)
            return true;
    return false;
}

/* All faults before it starts, rather than one when it has. */
static int check_lessons(talk *t, const char *name, error *err)
{
    lessons all = {0};
    persona *p = persona_find(name, err);
    if (!p)
        return -1;
    int result = p->lesson_count
                     ? 0
                     : error_set(err, ERROR_LOAD,
                                 "%s has no lessons: /teach %s keeps answers as such, `consilium "
                                 "personas new %s --lessons` begins a file",
                                 name, name, name);
    for (int i = 0; i < p->lesson_count && !result; i++)
        result = open_lessons(p->lessons[i].text, &all, t->con, err);
    lessons_release(&all);
    persona_close(p);
    return result;
}

static int add_word(buf *out, const char *option, const char *value, error *err)
{
    if (!value)
        return 0;
    if (strchr(value, '\n'))
        return error_set(err, ERROR_USAGE, "/train: a newline in \"%.40s\"", value);
    return buf_format(out, err, "\n%s%s", option, value);
}

/* NAME and options, a line each. */
static int make_words(const talk *t, const char *name, char *const *words, int count, buf *out,
                      error *err)
{
    const options *set = &t->set;
    if (buf_text(out, name, err) || add_word(out, "--model=", set->model, err) ||
        add_word(out, "--isa=", set->isa, err) ||
        add_word(out, "--chat-format=", set->chat_format, err) || buf_text(out, "\n-q", err) ||
        (set->max_adapter && buf_format(out, err, "\n--max-adapter=%d", set->max_adapter)))
        return -1;
    for (int i = 0; i < count; i++)
        if (add_word(out, "", words[i], err))
            return -1;
    return 0;
}

static int start(talk *t, char *const *words, int count, error *err)
{
    buf all = {0};
    char *path = NULL;
    if (talk_training_none(t, err))
        return -1;
    int result = check_options(words[0], words + 1, count - 1, err);
    if (!result && !names_texts(words + 1, count - 1))
        result = check_lessons(t, words[0], err);
    if (!result)
        result = slash_own_persona(t, words[0], &path, err) ||
                 make_words(t, words[0], words + 1, count - 1, &all, err) ||
                 talk_train(t, words[0], all.v, err);
    buf_release(&all);
    free(path);
    return result ? -1 : 0;
}

/* ---- what was made ----------------------------------------------------------------------------- */

int slash_use_persona(talk *t, const char *name, error *err)
{
    char word[72];
    char *const words[] = {word};
    if (!slash_is_seated(t, name)) {
        (void)snprintf(word, sizeof word, "+%.64s", name);
        return slash_personas(t, word, words, 1, err);
    }
    if (talk_seat(t, err))
        return error_prefix(err, "the old %s goes on: ", name);
    int seat_at = dialogue_find(t->dialogue, name);
    return talk_say(t, "%s acts by %s now", name,
                    roster_seat(dialogue_roster(t->dialogue), seat_at)->acts_by);
}

int slash_train(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (!count)
        return talk_training_tell(t, err);
    if (strcmp(words[0], "stop") == 0 && count == 1)
        return talk_training_stop(t, err);
    if (strcmp(words[0], "use") == 0 && count <= 2)
        return count == 2 ? slash_use_persona(t, words[1], err)
                          : error_set(err, ERROR_USAGE, "/train use needs a persona's name");
    return start(t, words, count, err);
}

/* The file of what was trained; NULL with a sentence when nothing was. Caller frees. */
static char *trained_file(const char *name, const char *fingerprint, error *err)
{
    char *path = NULL;
    persona *p = persona_find(name, err);
    if (p && persona_find_adapter(p, fingerprint, &path, err) == 0 && !path)
        (void)error_set(err, ERROR_USAGE, "nothing was trained for %s on this model", name);
    persona_close(p);
    return path;
}

/* What was trained before it lies beside it. */
static bool has_previous(const char *path, error *err)
{
    char *previous = string_format(err, "%s.previous", path);
    bool found = previous && access(previous, F_OK) == 0;
    free(previous);
    return found;
}

static int take_back(talk *t, const char *name, const char *fingerprint, bool previous, error *err)
{
    if (broker_untrain(t->broker, name, fingerprint, err))
        return -1;
    talk_training_forget(t, name);
    if (talk_say(t,
                 previous ? "what was trained for %s before is back"
                          : "what was trained for %s is gone",
                 name))
        return -1;
    return slash_is_seated(t, name) ? slash_use_persona(t, name, err) : 0;
}

int slash_untrain(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    bool sure = count == 2 && strcmp(words[1], "yes") == 0;
    if (count != 1 && !sure)
        return error_set(err, ERROR_USAGE, "/untrain needs a persona's name");
    const char *name = words[0];
    const char *fingerprint = engine_fingerprint(t->engine, err);
    char *path = fingerprint ? trained_file(name, fingerprint, err) : NULL;
    if (!path)
        return -1;
    bool previous = has_previous(path, err);
    int result =
        sure ? take_back(t, name, fingerprint, previous, err)
             : talk_say(t,
                        previous ? "what was trained for %s last goes, and what was trained "
                                   "before returns: /untrain %s yes"
                                 : "what was trained for %s goes, and nothing was trained "
                                   "before: /untrain %s yes",
                        name, name);
    free(path);
    return result;
}
