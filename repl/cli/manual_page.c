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

static bool line_begins(const buf *out)
{
    return !out->len || out->v[out->len - 1] == '\n';
}

/* Text for troff: its escape and its hyphen, and no line that looks like a request. */
static void add_bytes(text_writer *w, const char *text, size_t n)
{
    if (n && line_begins(w->out) && (*text == '.' || *text == '\''))
        text_put(w, "\\&");
    for (const char *end = text + n; text < end; text++) {
        const char *as = *text == '\\'   ? "\\e"
                         : *text == '-'  ? "\\-"
                         : *text == '\'' ? "\\(aq"
                         : *text == '`'  ? "\\(ga"
                         : *text == '^'  ? "\\(ha"
                         : *text == '~'  ? "\\(ti"
                                         : NULL;
        text_put_bytes(w, as ? as : text, as ? strlen(as) : 1);
    }
}

static void add(text_writer *w, const char *text)
{
    add_bytes(w, text, strlen(text));
}

/* A paragraph: a line for each sentence, as troff wants it, none longer than LINE, and no blanks at the
 * ends of lines. */
static void prose(text_writer *w, const char *text)
{
    size_t line = w->out->len;
    for (bool fresh = true; *text;) {
        size_t n = strcspn(text, " ");
        buf word = {0};
        text_writer safe = {.out = &word, .err = w->err, .failed = w->failed};
        add_bytes(&safe, text, n);
        w->failed = safe.failed;
        bool ends = n && text[n - 1] == '.' && text[n];
        if (!fresh && w->out->len - line + 1 + word.len > LINE) {
            text_put(w, "\n");
            line = w->out->len;
            fresh = true;
        }
        if (!fresh)
            text_put(w, " ");
        text_put_bytes(w, word.v ? word.v : "", word.len);
        text += n + strspn(text + n, " ");
        fresh = ends || !*text;
        if (fresh) {
            text_put(w, "\n");
            line = w->out->len;
        }
        buf_release(&word);
    }
}

/* ".TP" and its head: what is typed in bold, what it takes in italics; "[=X]" goes on where the name
 * ends. */
static void head(text_writer *w, const char *bold, const char *argument)
{
    text_put(w, ".TP\n\\fB");
    add(w, bold);
    text_put(w, "\\fR");
    if (argument && *argument) {
        text_put(w, argument[0] == '[' && argument[1] == '=' ? "\\fI" : " \\fI");
        add(w, argument);
        text_put(w, "\\fR");
    }
    text_put(w, "\n");
}

/* Blocks whose lines stay as they are, indented; NULL ends them before n. */
static void as_it_stands(text_writer *w, const char *const *blocks, size_t n)
{
    text_put(w, ".RS\n.PP\n.nf\n");
    for (size_t i = 0; i < n && blocks[i]; i++) {
        add(w, blocks[i]);
        if (!line_begins(w->out))
            text_put(w, "\n");
    }
    text_put(w, ".fi\n.RE\n");
}

/* ---- sections ---------------------------------------------------------------------------------- */

static void commands_section(text_writer *w)
{
    const command_info *all = options_commands();
    text_put(w, ".SH COMMANDS\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        head(w, all[i].name, all[i].arguments);
        prose(w, all[i].details);
        as_it_stands(w, all[i].example, 3);
    }
}

/* "For ask, talk." unless every command takes it. */
static void takers(text_writer *w, uint64_t wanted)
{
    const command_info *all = options_commands();
    buf text = {0};
    text_writer names = {.out = &text, .err = w->err, .failed = w->failed};
    if (wanted == COMMAND_EVERY)
        return;
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (wanted & COMMAND_BIT(i))
            text_format(&names, "%s%s", text.len ? ", " : "For ", all[i].name);
    text_put(&names, ".");
    w->failed = names.failed;
    prose(w, text.v ? text.v : "");
    buf_release(&text);
}

static void option_entry(text_writer *w, const option_info *row)
{
    char name[80];
    char letter[8] = "";
    if (row->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(name, sizeof name, "%s--%s", letter, row->name);
    head(w, name, row->argument);
    prose(w, row->help);
    takers(w, row->commands);
}

static void options_section(text_writer *w)
{
    static const char *const titles[] = {[GROUP_COMMAND] = "What a command does",
                                         [GROUP_MODEL] = "The model",
                                         [GROUP_EVERY] = "Everywhere"};
    size_t count;
    const option_info *rows = options_table(&count);
    text_put(w, ".SH OPTIONS\nOptions may stand anywhere; \\fB\\-\\-\\fR ends them.\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        text_format(w, ".SS %s\n", titles[group]);
        for (size_t i = 0; i < count; i++)
            if ((int)rows[i].group == group)
                option_entry(w, &rows[i]);
    }
}

static void talk_section(text_writer *w)
{
    size_t count;
    const slash_command *table = slash_table(&count);
    text_put(w, ".SH CONVERSATION\n");
    prose(w,
          "In a terminal, consilium alone holds a conversation. A line is a question to all who "
          "speak. @NAME TEXT asks one of them, @A @B TEXT or @A,B TEXT only these. A line whose "
          "first word is / and a command does "
          "something else; /usr/bin is text, and so is //help or a line that begins with a "
          "space. Alt-Enter, Ctrl-J or a backslash at the end begin a new line, what is pasted "
          "is never sent by itself, Ctrl-X Ctrl-E opens the editor, Ctrl-R searches the history. "
          "Ctrl-C stops what runs and keeps what was said, and Ctrl-D leaves.");
    for (size_t i = 0; i < count; i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "/%s", table[i].name);
        head(w, name, table[i].arguments);
        prose(w, table[i].details ? table[i].details : table[i].about);
    }
}

/* One of each file that people write. */
static void files_section(text_writer *w)
{
    size_t count;
    const example *all = examples(&count);
    text_put(w, ".SH PERSONAS, MASKS, RULES, LESSONS\n");
    for (size_t i = 0; i < count; i++) {
        head(w, all[i].kind, all[i].file);
        prose(w, all[i].about);
        buf text = {0};
        w->failed = w->failed || example_text(i, &text, w->err);
        const char *const block = text.v;
        as_it_stands(w, &block, 1);
        buf_release(&text);
    }
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

void manual_page(text_writer *w)
{
    text_put(w,
             ".TH CONSILIUM 1 " CONSILIUM_DATE " \"consilium " CONSILIUM_VERSION "\"\n"
             ".SH NAME\nconsilium \\- a council of personas in one mixture\\-of\\-experts model\n"
             ".SH SYNOPSIS\n\\fBconsilium\\fR [\\fIOPTION\\fR...]\n.br\n"
             "\\fBconsilium\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n"
             ".SH DESCRIPTION\n");
    prose(w, "consilium loads one mixture-of-experts language model and turns it into a council. "
             "Each persona is a router program over the model's experts. One prompt runs through "
             "all personas in lockstep, the answers stream side by side, a merge joins them, and "
             "everything is saved as a transcript that can be searched, exported and replayed. "
             "Nothing is ever sent anywhere.");
    commands_section(w);
    options_section(w);
    talk_section(w);
    files_section(w);
    for (size_t i = 0; i < sizeof LAST / sizeof *LAST; i++)
        text_put(w, LAST[i]);
}
