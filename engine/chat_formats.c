/* chat_formats.c - see chat_formats.h. The table comes first; below it is what compares a template's
 * pieces with it. To add a format, print the pieces of its templates and write them down as rules. */
#include "chat_formats.h"

#include <stdlib.h>
#include <string.h>

#define ROLE    CHAT_ROLE
#define TEXT    CHAT_TEXT
#define TRIMMED CHAT_TRIMMED
#define SYSTEM  CHAT_SYSTEM_
#define BOS     CHAT_BOS
#define EOS     CHAT_EOS
#define SET     CHAT_SET

enum {
    TURN = CHAT_SAYS_TURN,
    REPLY = CHAT_SAYS_REPLY,
    SAYS_BOS = CHAT_SAYS_BOS,
    IGNORED = CHAT_IGNORED,
};

/* Qwen, SmolLM2, Hermes, Yi and many more; the thoughts are Qwen3's and QwQ's. */
static const chat_family chatml = {
    .name = "chatml",
    .open = {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n"},
    .close = {"<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n"},
    .reply = "<|im_start|>assistant\n",
    .marks = {{"<|im_start|>", CHAT_MUST},
              {"<|im_end|>", CHAT_MUST},
              {"<think>", CHAT_IF_FOUND},
              {"</think>", CHAT_IF_FOUND}},
    .ends = {"<|im_end|>", "<|endoftext|>"},
    .rules = {{"<|im_start|>" ROLE "\n" TEXT "<|im_end|>\n", TURN},
              {"<|im_start|>user\n" TEXT "<|im_end|>\n", TURN},
              {"<|im_start|>assistant\n" TEXT "<|im_end|>\n", IGNORED},
              {"<|im_start|>system\n" TEXT "<|im_end|>\n", IGNORED},
              {"<|im_start|>system\n" SYSTEM "<|im_end|>\n", IGNORED},
              {"<|im_start|>system\n" SYSTEM, IGNORED},
              {"<|im_start|>" ROLE "\n" TEXT, IGNORED},
              {"<|im_start|>" ROLE, IGNORED},
              {"\n" TEXT, IGNORED},
              {"<|im_end|>\n", IGNORED},
              {"<|im_start|>assistant\n", REPLY},
              {"<|im_start|>assistant\n<think>\n", REPLY | CHAT_OPENS},
              {"<think>\n\n</think>\n\n", CHAT_CAN_CLOSE},
              {"content" SET CHAT_SPLIT, CHAT_CUTS},
              {CHAT_IF_THOUGHT, CHAT_SPARES},
              {CHAT_IF_KEPT, CHAT_ONLY_REAL},
              {CHAT_IF_NOT_LAST, CHAT_KEEPS_LAST},
              {"<|im_start|>" ROLE "\n<think>\n" CHAT_THOUGHT "\n</think>\n\n" TEXT, CHAT_WRAPS}},
};

static const chat_family llama3 = {
    .name = "llama3",
    .open = {"<|start_header_id|>system<|end_header_id|>\n\n",
             "<|start_header_id|>user<|end_header_id|>\n\n",
             "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    .close = {"<|eot_id|>", "<|eot_id|>", "<|eot_id|>"},
    .reply = "<|start_header_id|>assistant<|end_header_id|>\n\n",
    .trims = {true, true, true},
    .usual = SAYS_BOS,
    .marks = {{"<|start_header_id|>", CHAT_MUST},
              {"<|end_header_id|>", CHAT_MUST},
              {"<|eot_id|>", CHAT_MUST}},
    .ends = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"},
    .rules = {{"<|start_header_id|>" ROLE "<|end_header_id|>\n\n" TRIMMED "<|eot_id|>", TURN},
              {"content" SET "<|start_header_id|>" ROLE "<|end_header_id|>\n\n" TRIMMED
               "<|eot_id|>",
               TURN},
              {"content" SET BOS TEXT, SAYS_BOS},
              {TEXT, IGNORED},
              {"<|start_header_id|>assistant<|end_header_id|>\n\n", REPLY}},
};

/* Llama 3.1 to 3.3: always a system turn, which begins with two dates. */
static const chat_family llama31 = {
    .name = "llama3.1",
    .open = {"<|start_header_id|>system<|end_header_id|>\n\n",
             "<|start_header_id|>user<|end_header_id|>\n\n",
             "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    .close = {"<|eot_id|>", "<|eot_id|>", "<|eot_id|>"},
    .reply = "<|start_header_id|>assistant<|end_header_id|>\n\n",
    .trims = {true, true, true},
    .preamble = "Cutting Knowledge Date: December 2023\nToday Date: " CHAT_DATE "\n\n",
    .usual = SAYS_BOS,
    .marks = {{"<|start_header_id|>", CHAT_MUST},
              {"<|end_header_id|>", CHAT_MUST},
              {"<|eot_id|>", CHAT_MUST}},
    .ends = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"},
    .rules = {{"<|start_header_id|>" ROLE "<|end_header_id|>\n\n" TRIMMED "<|eot_id|>", IGNORED},
              {"<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December "
               "2023\nToday Date: " CHAT_DATE "\n\n" SYSTEM "<|eot_id|>",
               TURN},
              {"system_message" SET TRIMMED, IGNORED},
              {"<|start_header_id|>assistant<|end_header_id|>\n\n", REPLY}},
};

/* Mistral 7B v0.1 to v0.2 and Mixtral, as published first: no system message. */
static const chat_family mistral_v0 = {
    .name = "mistral-v0",
    .open = {NULL, "[INST] ", ""},
    .close = {NULL, " [/INST]", EOS},
    .reply = "",
    .place = CHAT_FIRST_USER,
    .usual = SAYS_BOS,
    .marks = {{"[INST]", CHAT_IF_SPECIAL}, {"[/INST]", CHAT_IF_SPECIAL}},
    .rules = {{"[INST] " TEXT " [/INST]", TURN | REPLY}, {TEXT EOS, IGNORED}},
};

/* The same models, as published later. */
static const chat_family mistral = {
    .name = "mistral",
    .open = {NULL, " [INST] ", " "},
    .close = {NULL, " [/INST]", EOS},
    .reply = "",
    .place = CHAT_FIRST_USER,
    .usual = SAYS_BOS,
    .marks = {{"[INST]", CHAT_IF_SPECIAL}, {"[/INST]", CHAT_IF_SPECIAL}},
    .rules = {{" [INST] " TEXT " [/INST]", TURN | REPLY},
              {" [INST] " SYSTEM "\n\n" TEXT " [/INST]", IGNORED},
              {" " TEXT EOS, IGNORED}},
};

/* Mistral 7B v0.3, Mixtral 8x22B, Large 2407: [INST] is a token, the system message moves. */
static const chat_family mistral_v3 = {
    .name = "mistral-v3",
    .open = {NULL, "[INST] ", " "},
    .close = {NULL, "[/INST]", EOS},
    .reply = "",
    .trims = {false, false, true},
    .place = CHAT_LAST_USER,
    .usual = SAYS_BOS,
    .marks = {{"[INST]", CHAT_MUST}, {"[/INST]", CHAT_MUST}},
    .rules = {{"[INST] " TEXT "[/INST]", TURN | REPLY},
              {"[INST] " SYSTEM "\n\n" TEXT "[/INST]", IGNORED},
              {" " TRIMMED EOS, IGNORED}},
};

/* Mistral Nemo: the same without spaces. */
static const chat_family mistral_tekken = {
    .name = "mistral-tekken",
    .open = {NULL, "[INST]", ""},
    .close = {NULL, "[/INST]", EOS},
    .reply = "",
    .place = CHAT_LAST_USER,
    .usual = SAYS_BOS,
    .marks = {{"[INST]", CHAT_MUST}, {"[/INST]", CHAT_MUST}},
    .rules = {{"[INST]" TEXT "[/INST]", TURN | REPLY},
              {"[INST]" SYSTEM "\n\n" TEXT "[/INST]", IGNORED},
              {TEXT EOS, IGNORED}},
};

/* OLMoE, OLMo 2 and Tulu 3. The role names are plain text in most of their vocabularies. */
static const chat_family olmo = {
    .name = "olmo",
    .open = {"<|system|>\n", "<|user|>\n", "<|assistant|>\n"},
    .close = {"\n", "\n", EOS "\n"},
    .close_last = EOS,
    .reply = "<|assistant|>\n",
    .usual = SAYS_BOS,
    .marks = {{"<|system|>", CHAT_IF_SPECIAL},
              {"<|user|>", CHAT_IF_SPECIAL},
              {"<|assistant|>", CHAT_IF_SPECIAL}},
    .rules = {{"<|user|>\n" TEXT "\n", TURN},
              {"<|system|>\n" TEXT "\n", IGNORED},
              {"<|assistant|>\n" TEXT EOS "\n", IGNORED},
              {"<|assistant|>\n" TEXT EOS, IGNORED},
              {CHAT_IF_NOT_LAST, IGNORED},
              {"<|assistant|>\n", REPLY}},
};

/* Zephyr and TinyLlama: like the last, with an end after every turn. */
static const chat_family zephyr = {
    .name = "zephyr",
    .open = {"<|system|>\n", "<|user|>\n", "<|assistant|>\n"},
    .close = {EOS "\n", EOS "\n", EOS "\n"},
    .reply = "<|assistant|>\n",
    .marks = {{"<|system|>", CHAT_IF_SPECIAL},
              {"<|user|>", CHAT_IF_SPECIAL},
              {"<|assistant|>", CHAT_IF_SPECIAL}},
    .rules = {{"<|user|>\n" TEXT EOS "\n", TURN},
              {"<|system|>\n" TEXT EOS "\n", IGNORED},
              {"<|assistant|>\n" TEXT EOS "\n", IGNORED},
              {"<|assistant|>\n", REPLY}},
};

static const chat_family granite = {
    .name = "granite",
    .open = {"<|start_of_role|>system<|end_of_role|>", "<|start_of_role|>user<|end_of_role|>",
             "<|start_of_role|>assistant<|end_of_role|>"},
    .close = {"<|end_of_text|>\n", "<|end_of_text|>\n", "<|end_of_text|>\n"},
    .reply = "<|start_of_role|>assistant<|end_of_role|>",
    .marks = {{"<|start_of_role|>", CHAT_MUST},
              {"<|end_of_role|>", CHAT_MUST},
              {"<|end_of_text|>", CHAT_MUST}},
    .ends = {"<|end_of_text|>"},
    .rules = {{"<|start_of_role|>" ROLE "<|end_of_role|>" TEXT "<|end_of_text|>\n", TURN},
              {"<|start_of_role|>user<|end_of_role|>" TEXT "<|end_of_text|>\n", TURN},
              {"<|start_of_role|>assistant<|end_of_role|>" TEXT "<|end_of_text|>\n", IGNORED},
              {"<|start_of_role|>system<|end_of_role|>" TEXT "<|end_of_text|>\n", IGNORED},
              {"<|start_of_role|>system<|end_of_role|>" SYSTEM "<|end_of_text|>\n", IGNORED},
              {"<|start_of_role|>assistant<|end_of_role|>", REPLY}},
};

static const chat_family *const families[] = {
    &chatml,         &llama3, &llama31, &mistral_v0, &mistral, &mistral_v3,
    &mistral_tekken, &olmo,   &zephyr,  &granite,    NULL,
};

const char *chat_shape_names(void)
{
    return "chatml, llama3, llama3.1, mistral-v0, mistral, mistral-v3, mistral-tekken, olmo, "
           "zephyr, granite";
}

/* ---- dates --------------------------------------------------------------------------------- */

/* strftime in English, whatever the locale, for the few letters that templates use; NULL in *out
 * for others. */
static int english_date(const char *format, size_t len, const struct tm *day, buf *out, error *err)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    const char *month = months[day->tm_mon >= 0 && day->tm_mon < 12 ? day->tm_mon : 0];
    for (size_t i = 0; i < len; i++) {
        int result;
        char letter = format[i] == '%' && i + 1 < len ? format[++i] : '\0';
        if (letter == 'Y')
            result = buf_format(out, err, "%d", day->tm_year + 1900);
        else if (letter == 'd' || letter == 'm')
            result = buf_format(out, err, "%02d", letter == 'd' ? day->tm_mday : day->tm_mon + 1);
        else if (letter == 'B' || letter == 'b')
            result = buf_add(out, month, letter == 'B' ? strlen(month) : 3, err);
        else
            result = buf_add(out, letter ? CHAT_OTHER : &format[i], 1, err);
        if (result)
            return -1;
    }
    return 0;
}

/* Text with NOW format NOW in it, the dates written out. */
static int with_dates(const char *text, const struct tm *day, buf *out, error *err)
{
    for (const char *at = text; *at;) {
        size_t plain = strcspn(at, CHAT_NOW);
        if (buf_add(out, at, plain, err))
            return -1;
        at += plain;
        if (!*at)
            return 0;
        size_t format = strcspn(++at, CHAT_NOW);
        if (english_date(at, format, day, out, err))
            return -1;
        at += format + (at[format] != '\0');
    }
    return 0;
}

/* ---- recognising --------------------------------------------------------------------------- */

/* Values that a template gives to its variables. More than one first text, or more than one
 * continuation, would depend on conditions that are not evaluated. */
typedef struct findings {
    const char *system, *more, *date;
    size_t system_len;
    int systems, mores;
} findings;

static const char *after(const char *piece, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(piece, prefix, n) == 0 ? piece + n : NULL;
}

/* Literal text, dates allowed: nothing else that is filled in. */
static bool literal(const char *text, size_t len)
{
    static const char values[] =
        ROLE TEXT TRIMMED SYSTEM BOS EOS CHAT_DATE CHAT_THOUGHT CHAT_SPLIT CHAT_OTHER SET;
    return strcspn(text, values) >= len;
}

/* The family's system turn around literal text, or the variable that holds it. */
static bool default_system(const chat_family *f, const char *piece, findings *found)
{
    const char *text = after(piece, "system_message" SET);
    const char *more = after(piece, "system_message" SET SYSTEM);
    const char *date = after(piece, "date_string" SET);
    if (more && literal(more, strlen(more))) {
        found->more = more;
        return ++found->mores == 1;
    }
    if (date && literal(date, strlen(date))) {
        if (!found->date || strstr(date, CHAT_NOW)) /* the fallback comes second */
            found->date = date;
        return f->preamble != NULL;
    }
    size_t len = text ? strlen(text) : 0;
    if (!text && f->open[CHAT_SYSTEM] && (text = after(piece, f->open[CHAT_SYSTEM]))) {
        size_t close = strlen(f->close[CHAT_SYSTEM]);
        len = strlen(text);
        if (len < close || strcmp(text + len - close, f->close[CHAT_SYSTEM]) != 0)
            return false;
        len -= close;
    }
    if (!text || len == 0 || !literal(text, len))
        return false;
    for (size_t i = 0; i < CHAT_MAX_MARKS && f->marks[i].name; i++) {
        const char *mark = strstr(text, f->marks[i].name);
        if (mark && mark < text + len)
            return false; /* a whole conversation, not one message */
    }
    found->system = text;
    found->system_len = len;
    return ++found->systems == 1;
}

/* The piece's meaning in family f; 0 when it has none. */
static unsigned meaning(const chat_family *f, const char *piece, findings *found)
{
    if (strcmp(piece, BOS) == 0)
        return SAYS_BOS;
    for (size_t i = 0; i < CHAT_MAX_RULES && f->rules[i].piece; i++)
        if (strcmp(f->rules[i].piece, piece) == 0)
            return f->rules[i].means;
    if (strcmp(piece, "reasoning_content" SET CHAT_SPLIT) == 0)
        return IGNORED;
    return default_system(f, piece, found) ? IGNORED : 0;
}

/* The meanings of all pieces together; 0 unless each has one. */
static unsigned explain(const chat_family *f, const chat_pieces *pieces, findings *found)
{
    unsigned means = 0;
    *found = (findings){0};
    for (size_t i = 0; i < pieces->len; i++) {
        unsigned one = meaning(f, pieces->v[i], found);
        if (!one)
            return 0;
        means |= one;
    }
    bool complete = (means & TURN) && (means & REPLY) && (found->system || !found->more);
    return complete && (!f->preamble || found->date) ? means : 0;
}

/* Writes the findings down. 0 when a date has a format that we do not know. */
static int keep_findings(chat_shape *s, const findings *found, const struct tm *today, error *err)
{
    buf system = {0}, date = {0}, raw = {0};
    int result = 0;
    if (found->system)
        result = buf_add(&raw, found->system, found->system_len, err) ||
                 buf_text(&raw, found->more ? found->more : "", err) ||
                 with_dates(raw.v, today, &system, err);
    if (result == 0 && found->date)
        result = with_dates(found->date, today, &date, err);
    bool known = result == 0 && !(system.v && strstr(system.v, CHAT_OTHER)) &&
                 !(date.v && strstr(date.v, CHAT_OTHER));
    s->dated = (raw.v && strstr(raw.v, CHAT_NOW)) || (found->date && strstr(found->date, CHAT_NOW));
    buf_release(&raw);
    s->system = buf_detach(&system);
    s->date = buf_detach(&date);
    return result ? -1 : known;
}

int chat_shape_recognise(const chat_pieces *pieces, const struct tm *today, chat_shape *out,
                         error *err)
{
    for (const chat_family *const *f = families; *f; f++) {
        findings found;
        unsigned means = explain(*f, pieces, &found);
        if (!means)
            continue;
        *out = (chat_shape){.family = *f, .means = means};
        int result = keep_findings(out, &found, today, err);
        if (result == 1)
            return 1;
        chat_shape_release(out);
        if (result < 0)
            return -1;
    }
    *out = (chat_shape){0};
    return 0;
}

int chat_shape_named(const char *name, const struct tm *today, chat_shape *out, error *err)
{
    *out = (chat_shape){0};
    for (const chat_family *const *f = families; *f; f++) {
        if (strcmp((*f)->name, name) != 0)
            continue;
        *out = (chat_shape){.family = *f, .means = (*f)->usual};
        findings found = {.date = (*f)->preamble ? CHAT_NOW "%d %b %Y" CHAT_NOW : NULL};
        return keep_findings(out, &found, today, err) < 0 ? -1 : 1;
    }
    return 0;
}

void chat_shape_release(chat_shape *s)
{
    free(s->system);
    free(s->date);
    *s = (chat_shape){0};
}
