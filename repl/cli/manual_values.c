/* manual_values.c - see manual_values.h. */
#include "manual_values.h"

#include <string.h>

#include "../../engine/text/chat.h"

static void add_word(value_info *v, const char *word, size_t n)
{
    size_t used = strlen(v->words);
    if (!n || used + 1 + n + 1 > sizeof v->words)
        return;
    if (used)
        v->words[used++] = ' ';
    memcpy(v->words + used, word, n);
    v->words[used + n] = '\0';
}

static value_kind kind_of_capitals(const char *text, size_t n)
{
    static const struct {
        const char *name;
        value_kind kind;
    } kinds[] = {{"FILE", VALUE_FILE},        {"DIR", VALUE_FILE},        {"NAME", VALUE_PERSONA},
                 {"PATH", VALUE_FILE},        {"FOLDER", VALUE_FILE},     {"FILE.so", VALUE_FILE},
                 {"A,B,...", VALUE_PERSONAS}, {"ID", VALUE_SESSION},      {"MODEL", VALUE_MODEL},
                 {"[NAME=]FILE", VALUE_FILE}, {"ID TITLE", VALUE_SESSION}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == n && memcmp(kinds[i].name, text, n) == 0)
            return kinds[i].kind;
    return VALUE_TEXT;
}

/* "auto|debate[:N]", "NAME|merge", "[=none|prompt]", "FILE|-". */
static value_info read_argument(const char *argument)
{
    value_info v = {.kind = VALUE_TEXT};
    if (strncmp(argument, "[NAME=]FILE", 11) == 0)
        v.kind = VALUE_FILE;
    for (const char *at = argument; *at && v.kind != VALUE_FILE;) {
        at += strspn(at, "[=|");
        size_t n = strcspn(at, "|"), word = strcspn(at, "|[]");
        if (*at >= 'a' && *at <= 'z') {
            add_word(&v, at, word);
            v.kind = v.kind == VALUE_TEXT ? VALUE_WORDS : v.kind;
        } else if (n) {
            v.kind = kind_of_capitals(at, n);
        }
        at += n;
    }
    return v;
}

value_info manual_option_value(const option_info *row)
{
    value_info v = read_argument(row->argument ? row->argument : "");
    if (row->kind == OPTION_FLAG)
        v.kind = VALUE_NONE;
    v.maybe = row->kind == OPTION_OPTIONAL;
    if (strcmp(row->name, "session") == 0)
        v.kind = VALUE_SESSION;
    if (strcmp(row->name, "mode") == 0 && v.kind == VALUE_PERSONA)
        v = (value_info){.kind = VALUE_WORDS, .words = MANUAL_MODES};
    if (strcmp(row->name, "chat-format") == 0) {
        v.kind = VALUE_WORDS;
        for (const char *at = chat_names(); *at; at += strspn(at, ", ")) {
            size_t n = strcspn(at, ", ");
            add_word(&v, at, n);
            at += n;
        }
    }
    return v;
}

value_info manual_word_value(const command_info *c)
{
    value_info v = read_argument(c->arguments);
    if (c - options_commands() == COMMAND_PERSONAS_NEW)
        v.kind = VALUE_TEXT; /* a name that is not there yet */
    if (c - options_commands() == COMMAND_HELP) {
        v.kind = VALUE_WORDS;
        for (int i = 0; i < COMMAND_COUNT; i++) {
            bool two;
            char name[32];
            (void)manual_group(&options_commands()[i], name);
            if (manual_first_of_group(i, &two))
                add_word(&v, name, strlen(name));
        }
    }
    return v;
}

bool manual_first_of_name(const option_info *row)
{
    size_t count;
    const option_info *rows = options_table(&count);
    for (const option_info *r = rows; r < row; r++)
        if (strcmp(r->name, row->name) == 0)
            return false;
    return true;
}

void manual_quoted(text_writer *w, const char *text, const char *also)
{
    for (; *text; text++) {
        if (*text == '\'')
            text_put(w, "'\\'");
        else if (strchr(also, *text))
            text_put(w, "\\");
        text_put_bytes(w, text, 1);
    }
}

void manual_command_words(text_writer *w, const char *group)
{
    const command_info *all = options_commands();
    size_t n = group ? strlen(group) : 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        bool two;
        char name[32];
        if (!group && manual_first_of_group(i, &two))
            text_format(w, " %s", manual_group(&all[i], name));
        if (group && strncmp(all[i].name, group, n) == 0 && all[i].name[n] == ' ')
            text_format(w, " %s", all[i].name + n + 1);
    }
}
