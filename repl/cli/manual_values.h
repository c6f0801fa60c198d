/* manual_values.h - what may stand behind an option or a command, for the shells' completions.
 *
 * Read from the tables: an argument in small letters is itself a word ("auto|own|shared"), one in
 * capitals is a kind of thing (FILE, ID, NAME). Only four names need to be known here.
 *
 * Names of files are data to every shell: they are read in a loop, kept when they are names that the
 * program takes, [A-Za-z0-9_-]{1,64}, and never become part of a text that a shell expands.
 */
#ifndef REPL_MANUAL_VALUES_H
#define REPL_MANUAL_VALUES_H

#include "manual.h"

typedef enum value_kind {
    VALUE_NONE,  /* takes none */
    VALUE_TEXT,  /* anything */
    VALUE_WORDS, /* one of the words */
    VALUE_FILE,  /* and one of the words, if any; so for the others */
    VALUE_PERSONA,
    VALUE_PERSONAS, /* several, joined by commas */
    VALUE_SESSION,
    VALUE_MODEL,
} value_kind;

typedef struct value_info {
    value_kind kind;
    bool maybe;      /* only behind '=' */
    char words[128]; /* joined by blanks */
} value_info;

value_info manual_option_value(const option_info *row);
value_info manual_word_value(const command_info *c); /* its first word */

/* True for the first row of its name: it stands for all. */
bool manual_first_of_name(const option_info *row);
/* The personas that come with the program, joined by blanks; the modes, and what may stand for one. */
#define MANUAL_PERSONAS "philosopher coder critic chair"
#define MANUAL_MODES    "code dialog think auto off"

/* Appends the first words of commands, or the second words of one group (NULL: the first), each
 * behind a blank. */
void manual_command_words(text_writer *w, const char *group);
/* Inside single quotes of a shell; a backslash before what stands in `also`. */
void manual_quoted(text_writer *w, const char *text, const char *also);

#endif
