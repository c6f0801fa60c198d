/* options_set.c - options that change while a conversation runs: /set and its kin. See options.h.
 *
 * One option is bound, taken back or written out, by its row of the table, as options.c does it
 * with a whole command line. /set works on a copy (options_copy()), which owns its lists and
 * borrows every text, and keeps it only when all that follows from the change went well.
 */
#include <stdlib.h>
#include <string.h>

#include "options_bind.h"

static const option_info *row_of(const options *opt, const char *name)
{
    return options_find(name, strlen(name), options_command(opt));
}

static const option_info *row_to_set(const options *opt, const char *name, error *err)
{
    const option_info *row = row_of(opt, name);
    if (!row)
        (void)options_unknown(name, strlen(name), err);
    return row;
}

int options_set(options *opt, const char *name, const char *value, error *err)
{
    size_t count;
    const option_info *row = row_to_set(opt, name, err);
    if (!row)
        return -1;
    char *field = (char *)opt + row->field;
    bool on = strcmp(value, "on") == 0, off = strcmp(value, "off") == 0;
    if (row->kind == OPTION_FLAG && !on && !off)
        return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" is neither on nor off", name, value);
    if (row->kind == OPTION_FLAG)
        *(bool *)field = on;
    else if (row->kind == OPTION_OPTIONAL && (on || off))
        *(const char **)field = on ? "" : NULL;
    else if (options_bind(field, row, value, err))
        return -1;
    opt->source[row - options_table(&count)] = SOURCE_SET;
    return 0;
}

static size_t field_size(option_kind kind)
{
    switch (kind) {
    case OPTION_FLAG:
        return sizeof(bool);
    case OPTION_NUMBER:
        return sizeof(int);
    case OPTION_REAL:
        return sizeof(real);
    case OPTION_SEED:
        return sizeof(long long);
    default:
        return sizeof(const char *);
    }
}

int options_reset(options *opt, const options *from, const char *name, error *err)
{
    const option_info *row = row_to_set(opt, name, err);
    if (!row)
        return -1;
    char *field = (char *)opt + row->field;
    const char *old = (const char *)from + row->field;
    size_t count, at = (size_t)(row - options_table(&count));
    opt->source[at] = from->source[at];
    if (row->kind == OPTION_TEXTS) {
        texts *list = (texts *)(void *)field;
        const texts *before = (const texts *)(const void *)old;
        list->len = 0;
        for (size_t i = 0; i < before->len; i++)
            if (options_add_text(list, before->v[i], err))
                return -1;
        return 0;
    }
    memcpy(field, old, field_size(row->kind));
    return 0;
}

option_source options_source(const options *opt, const char *name)
{
    size_t count;
    const option_info *row = row_of(opt, name);
    return row ? (option_source)opt->source[row - options_table(&count)] : SOURCE_DEFAULT;
}

void options_mark(options *opt, const char *name, option_source source)
{
    size_t count;
    const option_info *row = row_of(opt, name);
    if (row)
        opt->source[row - options_table(&count)] = (uint8_t)source;
}

static int texts_value(const texts *list, buf *out, error *err)
{
    for (size_t i = 0; i < list->len; i++)
        if (buf_format(out, err, "%s%s", i ? ", " : "", list->v[i]))
            return -1;
    return list->len ? 0 : buf_text(out, "default", err);
}

int options_value(const options *opt, const option_info *row, buf *out, error *err)
{
    const char *field = (const char *)opt + row->field;
    const char *text =
        row->kind == OPTION_TEXT || row->kind == OPTION_CHOICE || row->kind == OPTION_OPTIONAL
            ? *(const char *const *)(const void *)field
            : NULL;
    switch (row->kind) {
    case OPTION_FLAG:
        return buf_text(out, *(const bool *)field ? "on" : "off", err);
    case OPTION_NUMBER:
        if (*(const int *)(const void *)field > 0)
            return buf_format(out, err, "%d", *(const int *)(const void *)field);
        break;
    case OPTION_REAL:
        if (((const real *)(const void *)field)->given)
            return buf_format(out, err, "%g", ((const real *)(const void *)field)->v);
        break;
    case OPTION_SEED:
        if (*(const long long *)(const void *)field >= 0)
            return buf_format(out, err, "%lld", *(const long long *)(const void *)field);
        break;
    case OPTION_TEXTS:
        return texts_value((const texts *)(const void *)field, out, err);
    default:
        if (text)
            return buf_text(out, *text ? text : "on", err);
    }
    return buf_text(out, "default", err);
}

/* ---- a copy ------------------------------------------------------------------------------------ */

static int copy_texts(texts *list, error *err)
{
    const char **v = calloc(list->len + 1, sizeof *v);
    if (!v)
        return error_memory(err, "the options");
    if (list->len)
        memcpy(v, list->v, list->len * sizeof *v);
    *list = (texts){v, list->len, list->len + 1};
    return 0;
}

int options_copy(options *out, const options *from, error *err)
{
    *out = *from;
    out->words = NULL;
    out->word_count = 0;
    out->ids = out->passes = (tokens){0};
    texts *const lists[] = {&out->files, &out->masks,     &out->adapters,
                            &out->stops, &out->variables, &out->lesson_texts,
                            &out->sets,  &out->outputs,   &out->dumps};
    enum { LISTS = sizeof lists / sizeof *lists };
    int result = 0;
    for (int i = 0; i < LISTS; i++) {
        if (!result)
            result = copy_texts(lists[i], err);
        if (result)
            *lists[i] = (texts){0}; /* still the other's */
    }
    if (result)
        options_release(out);
    return result;
}
