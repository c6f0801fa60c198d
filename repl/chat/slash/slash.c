/* slash.c - what a line is, and running it when it is a command. See slash.h.
 *
 * slash_classify() looks at the first character and the first word, and at nothing of the
 * conversation. slash_run() cuts what stands behind the command at blanks, and hands it over
 * uncut as well, for commands that take a text.
 */
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

/* "coder", "coder,critic", "coder,": how long the names are; 0 when it is no such list. */
static size_t address_names(const char *at)
{
    size_t n = 0, name = 0;
    for (;; n++) {
        char c = at[n];
        if (letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ':')
            name++;
        else if (c == ',' && name)
            name = 0;
        else
            break;
    }
    return n && (name || at[n - 1] == ',') && (!at[n] || space(at[n])) ? n : 0;
}

/* "@coder text", "@coder,critic text" or "@coder @critic text": names and something to say; *word has
 * all of them. "@" alone, "@@" and the like are text. */
static slash_kind classify_address(const char *typed, const char **word, size_t *word_len,
                                   const char **rest)
{
    size_t n = address_names(typed + 1);
    if (!n)
        return SLASH_TEXT;
    *word = typed + 1;
    for (const char *next = typed;; next = *rest) {
        *word_len = (size_t)(next + 1 + n - *word);
        *rest = skip_spaces(next + 1 + n);
        bool below = memchr(next, '\n', (size_t)(*rest - next)) != NULL;
        if (below || **rest != '@' || !(n = address_names(*rest + 1)))
            return SLASH_MENTION;
    }
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
            return SLASH_OMITTED;
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
    /* "/new ideas for the garden" is no wish to leave this conversation */
    int result =
        count && !*c->arguments
            ? error_set(err, ERROR_USAGE,
                        "/%s stands alone; //%s, or a space in front, sends the line as text",
                        c->name, c->name)
            : c->run(t, whole, words, count, err);
    free(copy);
    free(whole);
    return result;
}
