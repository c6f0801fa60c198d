/* slash_help.c - /help: the sections, one of them, one command, or all. See slash.h.
 *
 * Words come from the table of commands; here are the sections, which name the commands in the
 * order of their help, and the columns: a text begins at ABOUT_COLUMN, on the next row when name
 * and arguments reach that far.
 */
#include <string.h>

#include "../../options/help_text.h"
#include "slash.h"

enum { ABOUT_COLUMN = 31, SECTION_COLUMN = 12 };

/* ---- sections ---------------------------------------------------------------------------------- */

static const slash_section sections[] = {
    {"asking", "questions and answers, again and further",
     "file retry continue edit undo new think system"},
    {"merging", "one answer of several, and which was best",
     "merge vote debate blend pick diverge compare context"},
    {"voices", "who speaks, on which model and how",
     "personas mask experts strength control mode model set"},
    {"learning", "personas of your own: what they learn from, and how",
     "teach train untrain derive"},
    {"screen", "how it looks; texts to take along",
     "view show copy blind routing history stats help quit"},
    {"record", "conversations that are kept", "save trace sessions resume fork title search"},
};

const slash_section *slash_sections(size_t *count)
{
    *count = sizeof sections / sizeof *sections;
    return sections;
}

static const slash_section *find_section(const char *name)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (strcmp(sections[i].name, name) == 0)
            return &sections[i];
    return NULL;
}

/* The next command of a section; *at moves behind it. NULL at the end. */
const slash_command *slash_next(const char **at)
{
    size_t n = strcspn(*at, " ");
    const slash_command *c = n ? slash_find(*at, n) : NULL;
    *at += n + strspn(*at + n, " ");
    return c;
}

/* ---- text -------------------------------------------------------------------------------------- */

static int help_line(const slash_command *c, buf *out, error *err)
{
    buf name = {0};
    int result =
        buf_format(&name, err, "  /%s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
    if (!result)
        result = help_entry(out, name.v, ABOUT_COLUMN, c->about, err);
    buf_release(&name);
    return result;
}

static int section_lines(const slash_section *s, buf *out, error *err)
{
    if (buf_format(out, err, "%s: %s\n", s->name, s->about))
        return -1;
    const slash_command *c;
    for (const char *at = s->commands; (c = slash_next(&at)) != NULL;)
        if (help_line(c, out, err))
            return -1;
    if (strcmp(s->name, "asking") != 0)
        return 0;
    return buf_text(
        out,
        "  @NAME TEXT asks one alone, @A @B TEXT or @A,B TEXT only these; //x is text,\n"
        "  and so is what begins with a space or has a second line.\n",
        err);
}

static const char KEYS[] =
    "  Alt-Enter, Ctrl-J or a backslash at the end begin a new line; Ctrl-X Ctrl-E\n"
    "  opens your editor; Ctrl-C stops an answer, Ctrl-D leaves.\n";

/* "  asking     /file /retry ..." */
static int section_names(const slash_section *s, buf *out, error *err)
{
    buf name = {0}, names = {0};
    const slash_command *c;
    int result = buf_format(&name, err, "  %s", s->name);
    for (const char *at = s->commands; (c = slash_next(&at)) != NULL && !result;)
        result = buf_format(&names, err, "%s/%s", names.len ? " " : "", c->name);
    if (!result)
        result = help_entry(out, name.v, SECTION_COLUMN, names.v ? names.v : "", err);
    buf_release(&name);
    buf_release(&names);
    return result;
}

int slash_help_text(const slash_command *c, buf *out, error *err)
{
    if (buf_format(out, err, "/%s%s%s\n", c->name, *c->arguments ? " " : "", c->arguments))
        return -1;
    return help_wrap(out, 0, c->details ? c->details : c->about, err);
}

int slash_help_sections(buf *out, error *err)
{
    if (buf_text(out, "Ask anything; all personas answer. What else there is, by section:\n", err))
        return -1;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (section_names(&sections[i], out, err))
            return -1;
    if (buf_text(out,
                 "  /help SECTION says what each does, /help COMMAND all about one, /help all\n"
                 "  everything. @NAME TEXT asks one alone, @A,B TEXT two.\n",
                 err))
        return -1;
    return buf_text(out, KEYS, err);
}

static int help_all(buf *out, error *err)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (section_lines(&sections[i], out, err) || buf_text(out, "\n", err))
            return -1;
    return buf_text(out, KEYS, err);
}

int slash_help_about(const char *word, buf *out, error *err)
{
    const char *name = word + (*word == '/');
    const slash_section *s = name == word ? find_section(word) : NULL;
    const slash_command *c = slash_find(name, strlen(name));
    if (s)
        return section_lines(s, out, err);
    if (strcmp(word, "all") == 0)
        return help_all(out, err);
    return c ? slash_help_text(c, out, err) : slash_unknown(name, strlen(name), err);
}
