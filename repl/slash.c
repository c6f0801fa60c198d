/* slash.c - what a line is, and running it when it is a command. See slash.h. */
#include "slash.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "slash_commands.h"

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_spaces(const char *text)
{
    while (space(*text))
        text++;
    return text;
}

/* Other names that people type. */
static const struct {
    const char *name, *command;
} OTHERS[] = {{"?", "help"}, {"h", "help"}, {"exit", "quit"}, {"bye", "quit"}, {"q", "quit"}};

const slash_command *slash_find(const char *name, size_t len)
{
    size_t count;
    const slash_command *table = slash_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strlen(OTHERS[i].name) == len && memcmp(OTHERS[i].name, name, len) == 0)
            return slash_find(OTHERS[i].command, strlen(OTHERS[i].command));
    return NULL;
}

/* "@coder text": a name and something to say. "@" alone, "@@" and the like are text. */
static slash_kind classify_address(const char *typed, const char **word, size_t *word_len,
                                   const char **rest)
{
    size_t n = 0;
    while (letter(typed[1 + n]) || (typed[1 + n] >= '0' && typed[1 + n] <= '9') ||
           typed[1 + n] == '_' || typed[1 + n] == '-' || typed[1 + n] == ':')
        n++;
    if (!n || (typed[1 + n] && !space(typed[1 + n])))
        return SLASH_TEXT;
    *word = typed + 1;
    *word_len = n;
    *rest = skip_spaces(typed + 1 + n);
    return SLASH_ADDRESS;
}

/* Without the blanks and newlines at its end. */
static size_t trimmed(const char *typed, size_t len)
{
    while (len && space(typed[len - 1]))
        len--;
    return len;
}

bool slash_one_line(const char *typed, size_t len)
{
    size_t n = trimmed(typed, len);
    return !n || !memchr(typed, '\n', n);
}

static slash_kind classify_bare(const char *typed, size_t len, const slash_command **command)
{
    static const char *const words[] = {"exit", "quit", "help"};
    size_t n = trimmed(typed, len);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncasecmp(words[i], typed, n) == 0) {
            *command = slash_find(words[i], n);
            return SLASH_BARE;
        }
    return SLASH_TEXT;
}

slash_kind slash_classify(const char *typed, size_t len, const slash_command **command,
                          const char **word, size_t *word_len, const char **rest)
{
    *rest = typed;
    if (len && typed[0] == '@')
        return classify_address(typed, word, word_len, rest);
    if (!len || typed[0] != '/')
        return classify_bare(typed, len, command);
    if (!slash_one_line(typed, len))
        return SLASH_TEXT;
    if (typed[1] == '/') {
        *rest = typed + 1;
        return SLASH_TEXT;
    }
    size_t n = 0;
    while (typed[1 + n] && !space(typed[1 + n]))
        n++;
    *word = typed + 1;
    *word_len = n;
    *command = slash_find(typed + 1, n);
    if (!*command && memchr(typed + 1, '/', n))
        return SLASH_TEXT;
    *rest = skip_spaces(typed + 1 + n);
    return *command ? SLASH_COMMAND : SLASH_UNKNOWN;
}

int slash_hint(talk *t, const slash_command *c, error *err)
{
    (void)err;
    bool leave = strcmp(c->name, "quit") == 0;
    return talk_say(t, "%s; a space in front sends the word as text",
                    leave ? "Ctrl-D or /quit leaves" : "/help tells what there is");
}

int slash_unknown(const char *word, size_t len, error *err)
{
    char name[65] = "";
    const char *names[64];
    size_t count, n = 0;
    const slash_command *table = slash_table(&count);
    for (size_t i = 0; i < count && n < sizeof names / sizeof *names; i++)
        names[n++] = table[i].name;
    if (len < sizeof name)
        memcpy(name, word, len);
    const char *near = options_nearest(name, names, n);
    return error_set(
        err, ERROR_USAGE,
        "there is no command /%.*s%s%s%s; /help lists them, and //%.*s sends it as text",
        (int)(len < 60 ? len : 60), word, near ? "; did you mean /" : "", near ? near : "",
        near ? "?" : "", (int)(len < 60 ? len : 60), word);
}

/* ---- running ----------------------------------------------------------------------------------- */

int slash_run(talk *t, const slash_command *c, const char *rest, error *err)
{
    char *words[SLASH_WORDS], *whole = strndup(rest, trimmed(rest, strlen(rest)));
    char *copy = whole ? strdup(whole) : NULL;
    int count = 0;
    if (!copy) {
        free(whole);
        return error_memory(err, "a command");
    }
    for (char *at = copy; *(at = (char *)skip_spaces(at)) && count < SLASH_WORDS;) {
        words[count++] = at;
        while (*at && !space(*at))
            at++;
        if (*at)
            *at++ = '\0';
    }
    int result = c->run(t, whole, words, count, err);
    free(copy);
    free(whole);
    return result;
}

/* ---- help -------------------------------------------------------------------------------------- */

enum { WIDTH = 80, ABOUT_COLUMN = 31 };

/* Appends words of `text`, wrapped; the first line goes on at `column`. */
static int wrap(buf *out, size_t column, const char *text, error *err)
{
    size_t at = column;
    for (bool first = true; *text; first = false) {
        size_t n = strcspn(text, " ");
        bool fits = first || at + 1 + n <= WIDTH;
        if (!fits)
            at = column;
        if (buf_format(out, err, fits ? "%*s" : "\n%*s", fits ? !first : (int)column, "") ||
            buf_add(out, text, n, err))
            return -1;
        at += n + (fits && !first);
        text += n + strspn(text + n, " ");
    }
    return buf_text(out, "\n", err);
}

static int help_line(const slash_command *c, buf *out, error *err)
{
    size_t before = out->len;
    if (buf_format(out, err, "  /%s%s%s", c->name, *c->arguments ? " " : "", c->arguments))
        return -1;
    size_t used = out->len - before;
    bool fits = used + 2 <= ABOUT_COLUMN;
    if (buf_format(out, err, "%s%*s", fits ? "" : "\n",
                   (int)(fits ? ABOUT_COLUMN - used : ABOUT_COLUMN), ""))
        return -1;
    return wrap(out, ABOUT_COLUMN, c->about, err);
}

int slash_help_text(const slash_command *c, buf *out, error *err)
{
    if (c)
        return buf_format(out, err, "/%s%s%s\n", c->name, *c->arguments ? " " : "", c->arguments) ||
                       wrap(out, 0, c->details ? c->details : c->about, err)
                   ? -1
                   : 0;
    size_t count;
    const slash_command *table = slash_table(&count);
    for (size_t i = 0; i < count; i++)
        if (help_line(&table[i], out, err))
            return -1;
    return buf_text(out, "\n  ", err) ||
                   wrap(out, 2,
                        "@NAME TEXT asks one persona alone. //x is text, and so is what begins "
                        "with a space or has a second line. Alt-Enter, Ctrl-J or a backslash at "
                        "the end begin a new line; Ctrl-X Ctrl-E opens your editor; Ctrl-C stops "
                        "an answer, Ctrl-D leaves.",
                        err)
               ? -1
               : 0;
}
