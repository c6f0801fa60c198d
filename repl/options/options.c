/* options.c - argv to struct options. See options.h.
 *
 * Three steps, because an option may stand before the command that it belongs to: argv is split
 * into mentions of options and words (whether a name takes an argument is, but for a few, the same for
 * every command, and those stand behind theirs), then the first words name the command, then each
 * mention is bound to the row that the command takes.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_bind.h"

typedef struct mention {
    const option_info *row; /* a row of that name: its argument or not, not yet its command's */
    const char *value;      /* "" for flags */
} mention;

typedef struct line {
    mention *mentions;
    size_t mention_count;
    const char **words;
    size_t word_count;
} line;

/* ---- step one: options and words ------------------------------------------------------------ */

static const option_info *row_named(const char *name, size_t length)
{
    for (int c = 0; c < COMMAND_COUNT; c++) {
        const option_info *row = options_find(name, length, (command_id)c);
        if (row)
            return row;
    }
    return NULL;
}

static const option_info *row_lettered(char letter)
{
    size_t count;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].letter && rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

int options_unknown(const char *name, size_t length, error *err)
{
    size_t count;
    const option_info *rows = options_table(&count);
    const char *names[OPTIONS_MOST];
    size_t n = 0;
    for (size_t i = 0; i < count && n < sizeof names / sizeof *names; i++)
        names[n++] = rows[i].name;
    char word[64] = "";
    if (length < sizeof word)
        memcpy(word, name, length);
    const char *near = options_nearest(word, names, n);
    if (near)
        return error_set(err, ERROR_USAGE, "unknown option --%.*s; did you mean --%s?", (int)length,
                         name, near);
    return error_set(err, ERROR_USAGE, "unknown option --%.*s", (int)length, name);
}

static void mention_option(line *l, const option_info *row, const char *value)
{
    l->mentions[l->mention_count++] = (mention){row, value};
}

static const option_info *row_here(const line *l, const char *name, size_t length);

/* argv[*at] is "--name" or "--name=value"; *at moves on when the value is the next one. */
static int split_long(line *l, int argc, char *const *argv, int *at, error *err)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const option_info *row = row_here(l, name, length);
    if (!row)
        return options_unknown(name, length, err);
    const char *value = equals ? equals + 1 : NULL;
    if (row->kind == OPTION_FLAG && value)
        return error_set(err, ERROR_USAGE, "--%s takes no value", row->name);
    if (row->kind == OPTION_OPTIONAL && !value)
        value = "";
    if (row->kind != OPTION_FLAG && !value) {
        if (*at + 1 == argc)
            return error_set(err, ERROR_USAGE, "--%s needs a value: %s", row->name, row->argument);
        value = argv[++*at];
    }
    mention_option(l, row, value ? value : "");
    return 0;
}

/* argv[*at] is "-x", "-xvalue", "-x" before its value, or several flags "-xyz". */
static int split_short(line *l, int argc, char *const *argv, int *at, error *err)
{
    for (const char *letter = argv[*at] + 1; *letter; letter++) {
        const option_info *row = row_lettered(*letter);
        if (!row)
            return error_set(
                err, ERROR_USAGE,
                "unknown option -%c in \"%s\" (a word that begins with - goes after --)", *letter,
                argv[*at]);
        if (row->kind == OPTION_FLAG) {
            mention_option(l, row, "");
            continue;
        }
        if (!letter[1] && *at + 1 == argc)
            return error_set(err, ERROR_USAGE, "-%c needs a value: %s", row->letter, row->argument);
        mention_option(l, row, letter[1] ? letter + 1 : argv[++*at]);
        return 0;
    }
    return 0;
}

static int split(line *l, int argc, char *const *argv, error *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                l->words[l->word_count++] = argv[i];
        } else if (strncmp(argv[i], "--", 2) == 0) {
            if (split_long(l, argc, argv, &i, err))
                return -1;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            if (split_short(l, argc, argv, &i, err))
                return -1;
        } else {
            l->words[l->word_count++] = argv[i];
        }
    }
    return 0;
}

/* ---- step two: the command ------------------------------------------------------------------ */

/* How many of the first words are the command's name. */
static size_t matches(const command_info *c, const char *const *words, size_t n)
{
    const char *space = strchr(c->name, ' ');
    if (!space)
        return strcmp(words[0], c->name) == 0 ? 1 : 0;
    size_t first = (size_t)(space - c->name);
    if (strlen(words[0]) != first || memcmp(words[0], c->name, first) != 0)
        return 0;
    return n > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

/* The first command of a group: "model" alone is "model info". NULL when `word` names no group. */
static const command_info *first_of_group(const char *word)
{
    const command_info *commands = options_commands();
    size_t n = strlen(word);
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
            return &commands[i];
    return NULL;
}

/* "tokenise" -> "tokenize", "model lst" -> "model list", "modle" -> "model". */
static const char *nearest_command(const char *first, const char *second)
{
    static const char *const others[] = {"model", "personas", "transcripts"};
    enum { OTHERS = sizeof others / sizeof *others };
    const command_info *commands = options_commands();
    const char *names[COMMAND_COUNT + OTHERS];
    for (int i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    for (int i = 0; i < OTHERS; i++)
        names[COMMAND_COUNT + i] = others[i];
    char both[65];
    (void)snprintf(both, sizeof both, "%s %s", first, second);
    const char *near = *second ? options_nearest(both, names, COMMAND_COUNT) : NULL;
    if (near || first_of_group(first))
        return near;
    return options_nearest(first, names, COMMAND_COUNT + OTHERS);
}

static int unknown_command(const char *const *words, size_t n, error *err)
{
    const char *second = n > 1 ? words[1] : "";
    const char *near = nearest_command(words[0], second);
    bool both = *second && first_of_group(words[0]);
    return error_set(err, ERROR_USAGE, "unknown command \"%s%s%s\"%s%s%s", words[0],
                     both ? " " : "", both ? second : "", near ? "; did you mean \"" : "",
                     near ? near : "", near ? "\"?" : "");
}

/* The command that the first of n words name, and in *used how many of them do; NULL = none. */
static const command_info *command_named(const char *const *words, size_t n, size_t *used)
{
    const command_info *commands = options_commands();
    for (int i = 0; i < COMMAND_COUNT; i++)
        if ((*used = matches(&commands[i], words, n)) != 0)
            return &commands[i];
    *used = 1;
    return n == 1 ? first_of_group(words[0]) : NULL;
}

/* The row of the command that the words so far name; before them, of any. */
static const option_info *row_here(const line *l, const char *name, size_t length)
{
    size_t used;
    const command_info *c = l->word_count ? command_named(l->words, l->word_count, &used) : NULL;
    const option_info *own =
        c ? options_find(name, length, (command_id)(c - options_commands())) : NULL;
    return own ? own : row_named(name, length);
}

static int choose_command(options *opt, line *l, error *err)
{
    size_t used = 0, n = l->word_count;
    if (n == 0)
        return 0;
    opt->command = command_named(l->words, n, &used);
    if (opt->command && options_command(opt) == COMMAND_HELP) {
        opt->help = true;
        opt->command = n > used ? command_named(l->words + used, n - used, &used) : NULL;
        return opt->command || n == 1 ? 0 : unknown_command(l->words + 1, n - 1, err);
    }
    if (!opt->command)
        return unknown_command(l->words, n, err);
    opt->word_count = n - used;
    memmove(opt->words, l->words + used, opt->word_count * sizeof *opt->words);
    return 0;
}

static int check_words(const options *opt, error *err)
{
    const command_info *c = opt->command;
    if (opt->word_count < c->min_words)
        return error_set(err, ERROR_USAGE, "%s needs %s", c->name, c->arguments);
    if (opt->word_count > c->max_words && c->max_words == 0)
        return error_set(err, ERROR_USAGE, "%s takes no argument, but there is \"%s\"", c->name,
                         opt->words[0]);
    if (opt->word_count > c->max_words)
        return error_set(err, ERROR_USAGE,
                         "%s takes one argument, but there is also \"%s\" (quote a text that has "
                         "spaces)",
                         c->name, opt->words[1]);
    for (size_t i = 0; i < opt->word_count; i++)
        if (!*opt->words[i] && strncmp(c->arguments, "FILE", 4) == 0)
            return error_set(err, ERROR_USAGE, "%s: \"\" names no FILE", c->name);
    return 0;
}

/* ---- step three: values --------------------------------------------------------------------- */

/* The option exists, but not for this command: say for which. */
static int wrong_command(const option_info *row, const command_info *command, error *err)
{
    char takers[256] = "";
    for (int c = 0; c < COMMAND_COUNT; c++) {
        if (!options_find(row->name, strlen(row->name), (command_id)c))
            continue;
        size_t used = strlen(takers);
        (void)snprintf(takers + used, sizeof takers - used, "%s%s", used ? ", " : "",
                       options_commands()[c].name);
    }
    return error_set(err, ERROR_USAGE, "%s takes no --%s; it belongs to: %s", command->name,
                     row->name, takers);
}

static int bind_all(options *opt, const line *l, error *err)
{
    for (size_t i = 0; i < l->mention_count; i++) {
        const option_info *row = l->mentions[i].row;
        if (opt->command) {
            command_id id = options_command(opt);
            const option_info *own = options_find(row->name, strlen(row->name), id);
            if (!own)
                return wrong_command(row, opt->command, err);
            if ((own->kind == OPTION_FLAG) != (row->kind == OPTION_FLAG))
                return error_set(err, ERROR_USAGE, "--%s goes behind `%s`", row->name,
                                 opt->command->name);
            row = own;
        }
        if (options_bind((char *)opt + row->field, row, l->mentions[i].value, err))
            return -1;
        size_t count;
        opt->source[row - options_table(&count)] = SOURCE_COMMAND;
    }
    return 0;
}

/* Letters of one cluster are mentions too. */
static size_t most_mentions(int argc, char *const *argv)
{
    size_t most = 1;
    for (int i = 1; i < argc; i++)
        most += argv[i][0] == '-' ? strlen(argv[i]) : 1;
    return most;
}

static int parse(options *opt, line *l, int argc, char *const *argv, error *err)
{
    if (split(l, argc, argv, err)) {
        (void)choose_command(opt, l, NULL); /* whose help to point at */
        return -1;
    }
    if (choose_command(opt, l, err) || bind_all(opt, l, err))
        return -1;
    return opt->help || opt->version || !opt->command ? 0 : check_words(opt, err);
}

int options_parse(options *opt, int argc, char *const *argv, error *err)
{
    *opt = (options){.words = calloc((size_t)argc + 1, sizeof *opt->words),
                     .sampling.top_k = -1,
                     .configured.top_k = -1,
                     .seed = -1};
    line l = {.mentions = calloc(most_mentions(argc, argv), sizeof *l.mentions),
              .words = opt->words};
    int result;
    if (l.words && l.mentions)
        result = parse(opt, &l, argc, argv, err);
    else
        result = error_memory(err, "the command line");
    free(l.mentions);
    return result;
}

/* ---- the configuration ---------------------------------------------------------------------- */

/* Where a value of the configuration goes: sampling has a place of its own. */
static char *configured_field(options *opt, const option_info *row)
{
    size_t first = offsetof(options, sampling), at = row->field;
    if (at >= first && at < first + sizeof opt->sampling)
        at += offsetof(options, configured) - first;
    return (char *)opt + at;
}

/* Whether `row` takes the values at all. */
static int try_values(const option_info *row, const char *const *values, size_t n, error *err)
{
    options scratch = {0};
    int result = 0;
    for (size_t i = 0; i < n && !result; i++)
        result = options_bind((char *)&scratch + row->field, row, values[i], err);
    options_release(&scratch);
    return result;
}

/* Commands that measure the model measure it plain: there, what routes a pass must be asked for. */
static bool must_be_asked(const option_info *row, command_id id)
{
    static const size_t routing[] = {offsetof(options, personas), offsetof(options, masks),
                                     offsetof(options, adapters), offsetof(options, named_experts),
                                     offsetof(options, named_strengths)};
    bool routes = false;
    for (size_t i = 0; i < sizeof routing / sizeof *routing; i++)
        routes = routes || row->field == routing[i];
    return routes && (id == COMMAND_LOGITS || id == COMMAND_PERPLEXITY);
}

int options_configure(options *opt, const char *name, const char *const *values, size_t n,
                      error *err)
{
    size_t count;
    const option_info *rows = options_table(&count);
    command_id id = options_command(opt);
    const option_info *own = options_find(name, strlen(name), id);
    bool valid = false;
    error why = {0};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (try_values(&rows[i], values, n, &why) == 0)
            valid = true;
        else if (own == &rows[i])
            own = NULL;
    }
    if (own && must_be_asked(own, id))
        own = NULL;
    if (!valid) {
        *err = why;
        return -1;
    }
    if (!own || opt->source[own - rows] == SOURCE_COMMAND)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (options_bind(configured_field(opt, own), own, values[i], err))
            return -1;
    opt->source[own - rows] = SOURCE_CONFIG;
    return 0;
}

/* What the rows of the table filled; several rows may have one field. */
void options_release(options *opt)
{
    size_t count;
    const option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++) {
        void *field = (char *)opt + rows[i].field;
        if (rows[i].kind == OPTION_NUMBERS)
            tokens_release(field);
        if (rows[i].kind != OPTION_TEXTS)
            continue;
        free(((texts *)field)->v);
        *(texts *)field = (texts){0};
    }
    free(opt->words);
    *opt = (options){0};
}

bool options_want_json(const options *opt)
{
    return opt->format && strcmp(opt->format, "json") == 0;
}

bool options_saves(const options *opt)
{
    const char *none = getenv("CONSILIUM_NOHISTORY");
    bool named = opt->session || opt->resume;
    return !opt->no_save && (named || !none || !*none);
}
