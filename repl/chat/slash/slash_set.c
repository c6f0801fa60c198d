/* slash_set.c - /set: what the options of the command line are, and who said so; other values. */
#include <stdlib.h>
#include <string.h>

#include "slash_commands.h"

/* ---- names ------------------------------------------------------------------------------------- */

static bool settable(const option_info *row)
{
    return (row->commands & COMMAND_BIT(COMMAND_TALK)) && talk_may_set(row->name);
}

static bool known_elsewhere(const char *name)
{
    size_t count;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return true;
    return false;
}

/* The row of a name that may be set here, or NULL with the reason. */
static const option_info *row_named(const char *name, error *err)
{
    size_t count, n = 0;
    const char *names[OPTIONS_MOST];
    const option_info *rows = options_table(&count),
                      *row = options_find(name, strlen(name), COMMAND_TALK);
    if (row && settable(row))
        return row;
    for (size_t i = 0; i < count && n < OPTIONS_MOST; i++)
        if (settable(&rows[i]))
            names[n++] = rows[i].name;
    const char *near = options_nearest(name, names, n);
    if (row)
        error_set(err, ERROR_USAGE, "%s is settled when the program starts", name);
    else if (known_elsewhere(name))
        error_set(err, ERROR_USAGE, "--%s is no option of a conversation; /set lists those", name);
    else
        error_set(err, ERROR_USAGE, "no option is called \"%.40s\"%s%s%s; /set lists them", name,
                  near ? "; did you mean /set " : "", near ? near : "", near ? "?" : "");
    return NULL;
}

/* ---- telling ----------------------------------------------------------------------------------- */

/* "  temperature        0.2                    /set" */
static int add_row(const talk *t, const option_info *row, buf *out, error *err)
{
    buf value = {0}, from = {0}, shown = {0};
    int result = talk_value(t, row, &value, &from, err);
    if (!result)
        result = console_quote(t->con, &shown, value.v ? value.v : "", err);
    if (!result)
        result = buf_format(out, err, "  %-18s %-28s  %s\n", row->name, shown.v, from.v);
    buf_release(&value);
    buf_release(&from);
    buf_release(&shown);
    return result;
}

static int list_options(talk *t, error *err)
{
    size_t count;
    buf out = {0};
    int result = 0;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count && !result; i++)
        if (settable(&rows[i]))
            result = add_row(t, &rows[i], &out, err);
    if (!result)
        result = talk_write(t, &out, err);
    buf_release(&out);
    return result;
}

static int show_value(talk *t, const option_info *row, error *err)
{
    buf value = {0}, from = {0};
    int result = talk_value(t, row, &value, &from, err);
    if (!result)
        result = talk_say(t, "%s is %s (%s)", row->name, value.v ? value.v : "", from.v);
    buf_release(&value);
    buf_release(&from);
    return result;
}

/* ---- the command ------------------------------------------------------------------------------- */

static int set(talk *t, const char *name, const char *value, error *err)
{
    const option_info *row = row_named(name, err);
    return !row || talk_set(t, name, value, err) ? -1 : show_value(t, row, err);
}

int slash_set(talk *t, const char *rest, char *const *words, int count, error *err)
{
    if (!count)
        return list_options(t, err);
    const char *name = words[0] + (strncmp(words[0], "--", 2) == 0 ? 2 : 0);
    char *equals = strchr(words[0], '=');
    if (count == 1 && equals) {
        *equals = '\0';
        return set(t, name, equals + 1, err);
    }
    if (count == 1) {
        const option_info *row = row_named(name, err);
        return row ? show_value(t, row, err) : -1;
    }
    buf value = {0};
    int result = buf_text(&value, rest + strlen(words[0]), err);
    char *text = value.v;
    while (text && *text == ' ')
        text++;
    for (size_t n = text ? strlen(text) : 0; n && text[n - 1] == ' '; n--)
        text[n - 1] = '\0';
    if (!result)
        result = set(t, name, text, err);
    buf_release(&value);
    return result;
}
