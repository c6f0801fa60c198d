/* slash.h - the commands of the conversation, written down once.
 *
 * One table knows each command's name, arguments, what may complete them, its help and its function.
 * /help, Tab completion and the man page are made from it. A line is a command only when its first
 * word is '/' and a word without another '/': "/usr/bin" and "//x" are text, as is a line that begins
 * with a space, and everything that has a second line: what is pasted may begin with any word. An
 * unknown command gets its nearest neighbour and never reaches a model, nor do the words by which
 * other programs are left.
 */
#ifndef REPL_SLASH_H
#define REPL_SLASH_H

#include "../talk.h"

enum { SLASH_WORDS = 32 };

typedef enum slash_completion {
    COMPLETE_NOTHING,
    COMPLETE_PERSONA, /* any persona on disk */
    COMPLETE_MODE,    /* any mode on disk, auto and off */
    COMPLETE_PUPIL,   /* the same, besides the choices */
    COMPLETE_SEAT,    /* who speaks now, and "merge" */
    COMPLETE_FILE,
    COMPLETE_SESSION, /* transcript ids */
    COMPLETE_OPTION,  /* long names that /set takes */
    COMPLETE_COMMAND, /* the commands, without their slash */
} slash_completion;

typedef struct slash_command {
    const char *name;      /* without the slash */
    const char *arguments; /* "[NAME] [seed=N]" */
    const char *about;     /* one line */
    const char *details;   /* for /help NAME and the man page, or NULL */
    slash_completion complete;
    const char *choices; /* words that may come first, "cols|stack|focus"; NULL = `complete` does */
    /* words: [count] behind the command; rest: the same text uncut. 0 or -1 (shown, the loop goes
     * on). */
    int (*run)(talk *t, const char *rest, char *const *words, int count, error *err);
} slash_command;

const slash_command *slash_table(size_t *count);
const slash_command *slash_find(const char *name, size_t len); /* also by its other names: /exit */

typedef enum slash_kind {
    SLASH_TEXT,
    SLASH_COMMAND,
    SLASH_MENTION,
    SLASH_UNKNOWN,
    SLASH_OMITTED, /* "exit", "quit" or "help" and nothing else: a command that lacks its slash */
} slash_kind;
/* What a line is. *rest = where its text begins (behind "@coder ", "/word " or the slash that escapes
 * another); *command for SLASH_COMMAND and SLASH_OMITTED; *word, *word_len the name for the others: of an
 * address all names, with what parts them ("coder,critic", "coder @critic"). Blanks and empty lines at
 * the end are nothing. */
bool slash_one_line(const char *typed, size_t len);
slash_kind slash_classify(const char *typed, size_t len, const slash_command **command,
                          const char **word, size_t *word_len, const char **rest);

/* Runs a line that is a command. */
int slash_run(talk *t, const slash_command *c, const char *rest, error *err);
/* What SLASH_OMITTED is told. */
int slash_hint(talk *t, const slash_command *c, error *err);
/* The sentence for a command that does not exist, with the one that was meant: by meaning (/export is
 * /save), else by spelling. Returns -1. (slash_synonyms.c) */
int slash_unknown(const char *word, size_t len, error *err);

/* ---- help (slash_help.c): at most 80 columns ----------------------------------------------------- */

/* A part of the help that fits a screen of 24 lines. */
typedef struct slash_section {
    const char *name, *about;
    const char *commands; /* their names, a blank between two */
} slash_section;
const slash_section *slash_sections(size_t *count);
/* The next command of a section's list; *at moves behind it. NULL at the end. */
const slash_command *slash_next(const char **at);

int slash_help_sections(buf *out, error *err); /* /help: what there is, by section */
int slash_help_text(const slash_command *c, buf *out, error *err); /* of one command */
/* A section's name, a command's, or "all". ERROR_USAGE as slash_unknown(). */
int slash_help_about(const char *word, buf *out, error *err);

/* line.h's completion; user: the talk. */
void slash_complete_word(void *user, const char *text, size_t start, size_t end,
                         line_completions *out);

#endif
