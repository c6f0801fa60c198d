/* options.h - what may stand on the command line, written down once.
 *
 * Two tables, one of commands and one of options, are the only place that knows a name, its
 * argument, its range and its help. Parsing, `--help` of every command, the checks and the guesses
 * behind "did you mean" are all read from them.
 *
 * GNU manners: `--name=value` and `--name value`, `-x value` and `-xvalue`, flags in one cluster,
 * options anywhere, `--` ends them, `-` is a word. The last of a repeated option wins. Names are
 * never abbreviated, so that a script keeps its meaning when options are added.
 */
#ifndef REPL_OPTIONS_H
#define REPL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../engine/base/buf.h"
#include "../../engine/text/tokenizer.h"
#include "../../kernels/error.h"

#define CONSILIUM_DATE "2026-11-22"

typedef struct options options;

enum { OPTIONS_MOST = 256 }; /* rows of the table, at most */

typedef enum command_id {
    COMMAND_TALK,
    COMMAND_ASK,
    COMMAND_PERSONAS_LIST,
    COMMAND_PERSONAS_SHOW,
    COMMAND_PERSONAS_NEW,
    COMMAND_PERSONAS_DERIVE,
    COMMAND_PERSONAS_CHECK,
    COMMAND_PERSONAS_PACK,
    COMMAND_PERSONAS_ADD,
    COMMAND_PERSONAS_ADAPTER,
    COMMAND_TRAIN,
    COMMAND_EVAL,
    COMMAND_MODES_LIST,
    COMMAND_MODES_SHOW,
    COMMAND_MODES_CHECK,
    COMMAND_TRANSCRIPTS_LIST,
    COMMAND_TRANSCRIPTS_SHOW,
    COMMAND_TRANSCRIPTS_STATS,
    COMMAND_TRANSCRIPTS_SEARCH,
    COMMAND_TRANSCRIPTS_EXPORT,
    COMMAND_TRANSCRIPTS_RENAME,
    COMMAND_TRANSCRIPTS_DELETE,
    COMMAND_TRANSCRIPTS_REPLAY,
    COMMAND_MODEL_INFO,
    COMMAND_MODEL_LIST,
    COMMAND_MODEL_MAP,
    COMMAND_MODEL_FIT,
    COMMAND_MODEL_BUILD,
    COMMAND_MODEL_VOICES,
    COMMAND_MODEL_EXPORT,
    COMMAND_MODEL_CONVERT,
    COMMAND_EDIT,
    COMMAND_TOKENIZE,
    COMMAND_LOGITS,
    COMMAND_PERPLEXITY,
    COMMAND_TRACE,
    COMMAND_BENCH,
    COMMAND_COMPARE,
    COMMAND_MANUAL,
    COMMAND_HELP, /* as --help of the command behind it: options_parse() leaves that one */
    COMMAND_COUNT,
} command_id;

#define COMMAND_BIT(id) ((uint64_t)1 << (id))
#define COMMAND_EVERY   (COMMAND_BIT(COMMAND_COUNT) - 1)

typedef struct command_info {
    const char *name; /* "model info": one or two words; a group's first stands for the group */
    const char *arguments; /* "FILE", "[TEXT|-]", "" */
    size_t min_words, max_words;
    const char *about;      /* one line */
    const char *details;    /* a paragraph for --help, or NULL */
    const char *example[3]; /* command lines for --help; NULL ends them */
} command_info;

typedef enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, borrowed from the command line */
    OPTION_CHOICE,   /* const char *: one of the words in `argument`, "f16|f32|q8_0" */
    OPTION_NUMBER,   /* int in min..max */
    OPTION_NUMBERS,  /* tokens: one or more of them, joined by commas */
    OPTION_TEXTS,    /* texts: may stand several times */
    OPTION_REAL,     /* real: a decimal number in min..max */
    OPTION_SEED,     /* long long in min..max; -1 = not given */
    OPTION_OPTIONAL, /* const char *: a value only behind '='; "" without one */
} option_kind;

/* Values of an option that may stand several times; the list is owned, the texts are borrowed. */
typedef struct texts {
    const char **v;
    size_t len, cap;
} texts;

typedef struct real {
    double v;
    bool given;
} real;

/* Sampling has two places, because a persona stands between the flags and the configuration. */
typedef struct sampling_options {
    real temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
    int top_k; /* -1 = not given */
} sampling_options;

/* Who said what an option is. */
typedef enum option_source {
    SOURCE_DEFAULT,
    SOURCE_CONFIG,
    SOURCE_COMMAND,
    SOURCE_MODE,    /* a mode was laid over (mode_options.h) */
    SOURCE_SESSION, /* as a resumed session had it */
    SOURCE_SET,     /* /set, or a command that does the same */
} option_source;

typedef enum option_group { GROUP_COMMAND, GROUP_MODEL, GROUP_EVERY, GROUP_COUNT } option_group;

/* A name may have several rows as long as their commands differ (another default, other choices).
 * Where some of them take an argument and others none, the option stands behind its command. */
typedef struct option_info {
    const char *name; /* without the dashes */
    char letter;      /* 'm', or 0 */
    option_kind kind;
    option_group group;
    uint64_t commands; /* COMMAND_BIT()s: who takes it */
    const char *argument;
    const char *help;
    long long min, max; /* of numbers */
    size_t field;       /* offsetof(options, ...) */
} option_info;

struct options {
    const command_info *command; /* NULL: none named (then help, version or nothing at all) */
    const char **words;          /* [word_count] what is neither option nor command; borrowed */
    size_t word_count;

    const char *model;     /* NULL = the built-in model */
    const char *tokenizer; /* a file; NULL = the model's own */
    const char *kv;        /* NULL = the command's default */
    const char *backend, *isa, *chat_format, *format;
    int context, threads; /* 0 = default */
    real memory;          /* GiB */
    uint64_t
        memory_found; /* bytes that were left when a conversation opened its first model; 0 = ask */

    const char *file, *output, *messages;
    const char *from, *safetensors;
    tokens ids;    /* --tokens */
    tokens passes; /* --passes; empty = default */

    /* ask, and what is routed by a program */
    texts files, masks, adapters, stops, variables;
    const char *personas, *control, *named_experts, *named_strengths, *prefill, *think, *merge,
        *only, *loop;
    const char *mode;             /* a mode's name, auto or off; NULL = none */
    const char *router;           /* a shared object that routes; never from config.json */
    const char *norm_width;       /* "8" or "1x"; NULL = as the personas say */
    const char *adaptive;         /* "MIN:RATIO"; NULL = as the personas say */
    int recall;                   /* tokens of a prompt with its past; 0 = all that fit */
    const char *overflow;         /* of a conversation's context */
    const char *view;             /* how answers are laid out */
    const char *session, *resume; /* which transcript */
    bool own_template; /* of a replay: chat_format is only for a model without a template */
    bool no_reply, no_instruction, raw, no_input, plain, no_save;
    const char *gpu;             /* model info: a card's name, or GiB */
    int max_tokens;              /* 0 = default */
    int max_input;               /* MiB of one text; 0 = default */
    int max_adapter;             /* MiB of an adapter; 0 = default */
    sampling_options sampling;   /* of the command line */
    sampling_options configured; /* of the configuration */
    long long seed;              /* -1 = random */

    texts sets;                /* train --set, compare --set */
    texts lesson_texts;        /* personas derive and check --text */
    texts outputs;             /* trace --output */
    const char *tensorboard;   /* a folder, or NULL */
    texts tensor_types;        /* model convert --tensor-type */
    const char *trace_lessons; /* trace --lessons; "" = without a number */
    texts dumps;               /* trace --dump */
    const char *dump_to;       /* a folder; NULL = default */
    const char *lang;          /* languages of lessons, "en,ru"; NULL = all */
    const char *against;       /* whom to compare with; NULL = all others, of eval the best */
    /* personas derive */
    const char *derive_mode, *import;    /* NULL = the persona's; a file to be brought in */
    int import_most;                     /* experts of a ranking; 0 = default */
    real derive_coverage, derive_damage; /* of a keep-mask; what its own texts may lose */
    /* train */
    const char *lessons;   /* a file; NULL = the persona's */
    const char *what;      /* experts, lora, router, joined by commas; NULL = experts */
    const char *layers;    /* "A-B"; NULL = the trainer decides */
    const char *keep_near; /* a text on which the plain model is kept near; NULL = none */
    int train_experts, rank, steps, batch; /* 0 = default */
    real minutes, near, rate, repeat;

    /* eval */
    const char *arms;    /* "control,coder,vote"; NULL = all */
    const char *split;   /* dev, rest, all; NULL = all */
    const char *html;    /* a file for the report, or NULL */
    const char *convert; /* what kind of file is to become a set, or NULL */

    const char *persona; /* model export: whose program */
    const char *type;    /* model convert: "q8_0" */
    const char *to;      /* an export's format: NULL = by the output's ending */
    bool dry_run;        /* bench */
    bool asks_gpu;       /* no option: the GPU that is here is asked, whatever computes */
    bool no_sandbox;
    bool go_on;        /* --resume */
    bool everyone;     /* one more column: all personas at once */
    bool apart;        /* compare: one column after another */
    bool no_history;   /* edit, model export, model convert */
    bool no_tokenizer; /* model convert */
    bool bake;         /* model export */
    bool force, yes;
    bool run_code;    /* eval */
    bool learn;       /* eval: keep what it found for `auto` */
    bool empty;       /* personas new: not a copy */
    const char *as;   /* personas add: another name for it; NULL = its own */
    bool new_lessons; /* personas new --lessons: the file of lessons alone is asked for too */

    bool profile;        /* modes check, bench */
    bool check;          /* model fit */
    bool measure;        /* personas check */
    int measured_tokens; /* of a side; 0 = default */

    int depth;    /* tokens that stand before */
    int prompt;   /* tokens to read; 0 = default */
    int generate; /* tokens to write; 0 = default */

    bool help, version, quiet, verbose, no_color;
    uint8_t source[OPTIONS_MOST]; /* option_source of each row of the table */
};

/* The tables. commands: [COMMAND_COUNT], indexed by command_id. */
const command_info *options_commands(void);
const option_info *options_table(size_t *count);
/* Of opt's command, which must be there. */
command_id options_command(const options *opt);
/* The row of `name` that `command` takes, or NULL. */
const option_info *options_find(const char *name, size_t length, command_id command);

/* Fills *opt from argv[1..argc); ERROR_USAGE with the option, the value and what would be right.
 * With --help or --version the command's other needs are not checked. options_release in any
 * case. */
int options_parse(options *opt, int argc, char *const *argv, error *err);
void options_release(options *opt);

/* The option `name` as the configuration has it, with n texts (one unless it may stand several
 * times; for a flag the text is not looked at). Checked against every row of that name; taken when
 * the command has one that allows it and the command line did not give it (and, for what
 * routes a pass, the command is not one that measures the plain model). The texts are borrowed.
 * ERROR_USAGE as for the command line. */
int options_configure(options *opt, const char *name, const char *const *values, size_t n,
                      error *err);

/* The option `name` of opt's command as if `value` stood on the command line: it wins over the
 * configuration. A flag is "on" or "off"; a list gets one more. ERROR_USAGE as there. */
int options_set(options *opt, const char *name, const char *value, error *err);
/* Takes it back to what it is in *from (borrowed texts and all). */
int options_reset(options *opt, const options *from, const char *name, error *err);
/* Who said what this option is; marks it. name: one that opt's command takes. */
option_source options_source(const options *opt, const char *name);
void options_mark(options *opt, const char *name, option_source source);
/* Appends an option's value as it stands, or "default". */
int options_value(const options *opt, const option_info *row, buf *out, error *err);

/* A copy whose lists are its own; words and numbers in lists stay behind. options_release. */
int options_copy(options *out, const options *from, error *err);

bool options_want_json(const options *opt); /* --format json */
/* Whether a transcript is to be kept: not with --no-save, nor with CONSILIUM_NOHISTORY set and not
 * empty unless a session is named. */
bool options_saves(const options *opt);

/* Appends the help of one command, or the overview for NULL; at most 80 columns. */
int options_help(const command_info *command, buf *out, error *err);

/* Appends the few lines for someone who typed no command. */
int options_usage(buf *out, error *err);

/* The candidate (of n) nearest to `word` in spelling, or NULL when none is near. */
const char *options_nearest(const char *word, const char *const *candidates, size_t n);

#endif
