/* manual_page.c - consilium(1) in man(7) macros. See manual.h.
 *
 * The sections that come of tables first: commands, options, the conversation, the files that
 * people write; then what no table knows (LAST). Every text passes add(), which spells what
 * troff would obey; prose() ends a line behind each sentence, as troff wants it to set the space
 * between two.
 */
#include <stdio.h>
#include <string.h>

#include "../../engine/base/version.h"
#include "../chat/slash/slash.h"
#include "../options/examples.h"
#include "manual.h"

enum { LINE = 78 };

/* Text for troff: its escape and its hyphen, and no line that looks like a request. */
static int add(buf *out, const char *text, error *err)
{
    bool start = !out->len || out->v[out->len - 1] == '\n';
    if (start && (*text == '.' || *text == '\'') && buf_text(out, "\\&", err))
        return -1;
    for (; *text; text++) {
        const char *as = *text == '\\'   ? "\\e"
                         : *text == '-'  ? "\\-"
                         : *text == '\'' ? "\\(aq"
                         : *text == '`'  ? "\\(ga"
                         : *text == '^'  ? "\\(ha"
                         : *text == '~'  ? "\\(ti"
                                         : NULL;
        if (as ? buf_text(out, as, err) : buf_add(out, text, 1, err))
            return -1;
    }
    return 0;
}

/* A paragraph: a line for each sentence, as troff wants it, none longer than LINE, and no blanks at the
 * ends of lines. */
static int prose(buf *out, const char *text, error *err)
{
    size_t line = out->len;
    for (bool fresh = true; *text;) {
        size_t n = strcspn(text, " ");
        buf word = {0}, safe = {0};
        int result = buf_add(&word, text, n, err) || add(&safe, word.v, err) ? -1 : 0;
        bool ends = n && text[n - 1] == '.' && text[n];
        if (!result && !fresh && out->len - line + 1 + safe.len > LINE) {
            result = buf_text(out, "\n", err);
            line = out->len;
            fresh = true;
        }
        if (!result && !fresh)
            result = buf_text(out, " ", err);
        if (!result && safe.len)
            result = buf_add(out, safe.v, safe.len, err);
        text += n + strspn(text + n, " ");
        fresh = ends || !*text;
        if (!result && fresh) {
            result = buf_text(out, "\n", err);
            line = out->len;
        }
        buf_release(&word);
        buf_release(&safe);
        if (result)
            return -1;
    }
    return 0;
}

/* " ARGUMENT" in italics; "[=X]" goes on where the name ends. */
static int add_argument(buf *out, const char *argument, error *err)
{
    bool behind_equals = argument[0] == '[' && argument[1] == '=';
    if (buf_text(out, behind_equals ? "\\fI" : " \\fI", err) || add(out, argument, err))
        return -1;
    return buf_text(out, "\\fR", err);
}

/* ".TP" and its head: what is typed in bold, what it takes in italics. */
static int head(buf *out, const char *bold, const char *argument, error *err)
{
    if (buf_text(out, ".TP\n\\fB", err) || add(out, bold, err) || buf_text(out, "\\fR", err))
        return -1;
    if (argument && *argument && add_argument(out, argument, err))
        return -1;
    return buf_text(out, "\n", err);
}

/* Blocks whose lines stay as they are, indented; NULL ends them before n. */
static int as_it_stands(buf *out, const char *const *blocks, size_t n, error *err)
{
    if (buf_text(out, ".RS\n.PP\n.nf\n", err))
        return -1;
    for (size_t i = 0; i < n && blocks[i]; i++)
        if (add(out, blocks[i], err) || (out->v[out->len - 1] != '\n' && buf_text(out, "\n", err)))
            return -1;
    return buf_text(out, ".fi\n.RE\n", err);
}

/* ---- sections ---------------------------------------------------------------------------------- */

static int commands_section(buf *out, error *err)
{
    const command_info *all = options_commands();
    if (buf_text(out, ".SH COMMANDS\n", err))
        return -1;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const command_info *c = &all[i];
        if (head(out, c->name, c->arguments, err) || prose(out, c->details, err) ||
            as_it_stands(out, c->example, 3, err))
            return -1;
    }
    return 0;
}

/* "For ask, talk." unless every command takes it. */
static int takers(buf *out, uint32_t wanted, error *err)
{
    const command_info *all = options_commands();
    buf text = {0};
    int result = 0;
    if (wanted == (1u << COMMAND_COUNT) - 1)
        return 0;
    for (int i = 0; i < COMMAND_COUNT && !result; i++)
        if (wanted & (1u << i))
            result = buf_format(&text, err, "%s%s", text.len ? ", " : "For ", all[i].name);
    result = result || buf_text(&text, ".", err) || prose(out, text.v, err) ? -1 : 0;
    buf_release(&text);
    return result;
}

static int option_entry(buf *out, const option_info *row, error *err)
{
    char name[80];
    char letter[8] = "";
    if (row->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(name, sizeof name, "%s--%s", letter, row->name);
    if (head(out, name, row->argument, err) || prose(out, row->help, err))
        return -1;
    return takers(out, row->commands, err);
}

static int options_section(buf *out, error *err)
{
    static const char *const titles[] = {[GROUP_COMMAND] = "What a command does",
                                         [GROUP_MODEL] = "The model",
                                         [GROUP_EVERY] = "Everywhere"};
    size_t count;
    const option_info *rows = options_table(&count);
    if (buf_text(out, ".SH OPTIONS\nOptions may stand anywhere; \\fB\\-\\-\\fR ends them.\n", err))
        return -1;
    for (int group = 0; group < GROUP_COUNT; group++) {
        if (buf_format(out, err, ".SS %s\n", titles[group]))
            return -1;
        for (size_t i = 0; i < count; i++)
            if ((int)rows[i].group == group && option_entry(out, &rows[i], err))
                return -1;
    }
    return 0;
}

static int talk_section(buf *out, error *err)
{
    size_t count;
    const slash_command *table = slash_table(&count);
    if (buf_text(out, ".SH CONVERSATION\n", err) ||
        prose(
            out,
            "In a terminal, consilium alone holds a conversation. A line is a question to all who "
            "speak. @NAME TEXT asks one of them, @A @B TEXT or @A,B TEXT only these. A line whose "
            "first word is / and a command does "
            "something else; /usr/bin is text, and so is //help or a line that begins with a "
            "space. Alt-Enter, Ctrl-J or a backslash at the end begin a new line, what is pasted "
            "is never sent by itself, Ctrl-X Ctrl-E opens the editor, Ctrl-R searches the history. "
            "Ctrl-C stops what runs and keeps what was said, and Ctrl-D leaves.",
            err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "/%s", table[i].name);
        const char *about = table[i].details ? table[i].details : table[i].about;
        if (head(out, name, table[i].arguments, err) || prose(out, about, err))
            return -1;
    }
    return 0;
}

/* One of each file that people write. */
static int files_section(buf *out, error *err)
{
    size_t count;
    const example *all = examples(&count);
    if (buf_text(out, ".SH PERSONAS, MASKS, RULES, LESSONS\n", err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (head(out, all[i].kind, all[i].file, err) || prose(out, all[i].about, err))
            return -1;
        buf text = {0};
        int result = example_text(i, &text, err);
        const char *const block = text.v;
        if (!result)
            result = as_it_stands(out, &block, 1, err);
        buf_release(&text);
        if (result)
            return -1;
    }
    return 0;
}

static const char *const LAST[] = {
    ".SH ENVIRONMENT\n",
    ".TP\n\\fBXDG_CONFIG_HOME\\fR, \\fBXDG_DATA_HOME\\fR, \\fBXDG_STATE_HOME\\fR, "
    "\\fBXDG_CACHE_HOME\\fR\nWhere files are kept; see FILES.\n",
    ".TP\n\\fBLC_ALL\\fR, \\fBLC_CTYPE\\fR, \\fBLANG\\fR\nText is read as UTF\\-8 whatever they "
    "say. "
    "In C and POSIX marks and lines are drawn in ASCII; with another character set all is shown in "
    "ASCII.\n",
    ".TP\n\\fBVISUAL\\fR, \\fBEDITOR\\fR\nThe editor that Ctrl\\-X Ctrl\\-E and /personas edit "
    "open.\n",
    ".TP\n\\fBNO_COLOR\\fR\nNo colours when it is set and not empty.\n",
    ".TP\n\\fBCONSILIUM_NOHISTORY\\fR\nNo history of prompts is kept when it is set and not "
    "empty.\n",
    ".SH FILES\n",
    ".TP\n\\fI$XDG_CONFIG_HOME/consilium/config.json\\fR\nDefaults, by the long names of options: "
    "{\\(dqtemperature\\(dq: 0.5}.\n",
    ".TP\n\\fI$XDG_CONFIG_HOME/consilium/personas/\\fR\nPersonas of your own.\n",
    ".TP\n\\fI$XDG_DATA_HOME/consilium/transcripts/\\fR\nConversations, one JSON object a line.\n",
    ".TP\n\\fI$XDG_STATE_HOME/consilium/history\\fR\nWhat was typed at the prompt.\n",
    ".TP\n\\fI$XDG_CACHE_HOME/consilium/\\fR\nThe built\\-in model, derived masks, the search "
    "index.\n",
    ".SH EXIT STATUS\n",
    ".TP\n0\nDone.\n.TP\n1\nFailed at run time.\n.TP\n2\nWrong usage.\n",
    ".TP\n3\nA model, mask or persona cannot be loaded.\n",
    ".TP\n4\nAnswered, but a pass, the merge or the saving failed.\n.TP\n130\nInterrupted.\n",
};

int manual_page(buf *out, error *err)
{
    if (buf_text(
            out,
            ".TH CONSILIUM 1 " CONSILIUM_DATE " \"consilium " CONSILIUM_VERSION "\"\n"
            ".SH NAME\nconsilium \\- a council of personas in one mixture\\-of\\-experts model\n"
            ".SH SYNOPSIS\n\\fBconsilium\\fR [\\fIOPTION\\fR...]\n.br\n"
            "\\fBconsilium\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n"
            ".SH DESCRIPTION\n",
            err) ||
        prose(out,
              "consilium loads one mixture-of-experts language model and turns it into a council. "
              "Each persona is a router program over the model's experts. One prompt runs through "
              "all personas in lockstep, the answers stream side by side, a merge joins them, and "
              "everything is saved as a transcript that can be searched, exported and replayed. "
              "Nothing is ever sent anywhere.",
              err) ||
        commands_section(out, err) || options_section(out, err) || talk_section(out, err) ||
        files_section(out, err))
        return -1;
    for (size_t i = 0; i < sizeof LAST / sizeof *LAST; i++)
        if (buf_text(out, LAST[i], err))
            return -1;
    return 0;
}
