/* options_bind.c - the text of a value, read as its kind says. See options_bind.h. */
#include "options_bind.h"
#include "../../engine/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits with an optional minus, nothing else, up to `end`. */
static int parse_number(const option_info *row, const char *text, const char *end, int *out,
                        error *err)
{
    int shown = end - text > 40 ? 40 : (int)(end - text);
    const char *digits = text + (*text == '-');
    if (digits == end)
        return error_set(err, ERROR_USAGE, "--%s: \"%.*s\" is no whole number", row->name, shown,
                         text);
    for (const char *c = digits; c < end; c++)
        if (*c < '0' || *c > '9')
            return error_set(err, ERROR_USAGE, "--%s: \"%.*s\" is no whole number", row->name,
                             shown, text);
    errno = 0;
    long long value = strtoll(text, NULL, 10); /* stops at `end`: a comma or the NUL */
    if (errno || value < row->min || value > row->max)
        return error_set(err, ERROR_USAGE, "--%s: %.*s is outside %lld..%lld", row->name, shown,
                         text, row->min, row->max);
    *out = (int)value;
    return 0;
}

static int parse_numbers(const option_info *row, const char *text, tokens *out, error *err)
{
    out->len = 0;
    for (;;) {
        const char *end = text + strcspn(text, ",");
        int value;
        if (parse_number(row, text, end, &value, err) || tokens_push(out, value, err))
            return -1;
        if (!*end)
            return 0;
        text = end + 1;
    }
}

static int parse_choice(const option_info *row, const char *text, const char **out, error *err)
{
    size_t length = strlen(text);
    for (const char *word = row->argument; *word;) {
        size_t n = strcspn(word, "|");
        if (n == length && memcmp(word, text, n) == 0) {
            *out = text;
            return 0;
        }
        word += n + (word[n] == '|');
    }
    return error_set(err, ERROR_USAGE, "--%s: \"%s\" is none of %s", row->name, text,
                     row->argument);
}

static int parse_real(const option_info *row, const char *text, real *out, error *err)
{
    char *end;
    double value = strtod(text, &end);
    bool decimal = *text && strspn(text, "+-.0123456789eE") == strlen(text);
    if (!decimal || *end)
        return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" is no number", row->name, text);
    if (!(value >= (double)row->min && value <= (double)row->max))
        return error_set(err, ERROR_USAGE, "--%s: %.40s is outside %lld..%lld", row->name, text,
                         row->min, row->max);
    *out = (real){value, true};
    return 0;
}

static int parse_seed(const option_info *row, const char *text, long long *out, error *err)
{
    size_t n = strlen(text);
    errno = 0;
    long long value =
        n && n <= 18 && strspn(text, "0123456789") == n ? strtoll(text, NULL, 10) : -1;
    if (value < row->min || value > row->max)
        return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" is no whole number in %lld..%lld",
                         row->name, text, row->min, row->max);
    *out = value;
    return 0;
}

int options_add_text(texts *list, const char *text, error *err)
{
    const char **v = array_room(list->v, list->len, &list->cap, sizeof *v, "the command line", err);
    if (!v)
        return -1;
    list->v = v;
    list->v[list->len++] = text;
    return 0;
}

/* What stands for a file, a folder or a model, and is empty: also "coder=" of "[NAME=]FILE". */
static int check_name(const option_info *row, const char *value, error *err)
{
    static const char *const things[] = {"FILE", "DIR", "MODEL"};
    size_t n = strlen(value);
    const char *thing = strrchr(row->argument, ']');
    thing = thing ? thing + 1 : row->argument;
    if (n && (thing == row->argument || value[n - 1] != '='))
        return 0;
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        if (strcmp(thing, things[i]) == 0)
            return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" names no %s", row->name, value,
                             thing);
    return 0;
}

/* field: row's place in a struct options. */
int options_bind(char *field, const option_info *row, const char *value, error *err)
{
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)field = value;
        return check_name(row, value, err);
    case OPTION_CHOICE:
        return parse_choice(row, value, (const char **)field, err);
    case OPTION_NUMBER:
        return parse_number(row, value, value + strlen(value), (int *)field, err);
    case OPTION_NUMBERS:
        return parse_numbers(row, value, (tokens *)field, err);
    case OPTION_TEXTS:
        return check_name(row, value, err) ? -1
                                           : options_add_text((texts *)(void *)field, value, err);
    case OPTION_REAL:
        return parse_real(row, value, (real *)(void *)field, err);
    case OPTION_SEED:
        return parse_seed(row, value, (long long *)(void *)field, err);
    case OPTION_OPTIONAL:
        *(const char **)field = value;
        return 0;
    }
    return 0;
}
