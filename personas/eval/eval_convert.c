/* eval_convert.c - see eval_convert.h.
 *
 * Each format has a function from a row to an item; what they read are lines of JSON, rows of CSV (RFC
 * 4180), or one JSON array.
 */
#include "eval_convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/json.h"
#include "../../engine/base/paths.h"
#include "../../engine/base/utf8.h"

typedef struct converter {
    eval_converted *out;
    const char *format, *path;
    char topic[128]; /* the file's name without its ending */
    size_t row;      /* of CSV, from 1 */
    error *err;
} converter;

void eval_converted_release(eval_converted *c)
{
    buf_release(&c->text);
    *c = (eval_converted){0};
}

/* ---- items ------------------------------------------------------------------------------------- */

static int put(converter *c, const eval_item *item)
{
    char id[64];
    eval_item named = *item;
    (void)snprintf(id, sizeof id, "%s-%zu", c->format, c->out->items + c->out->left_out + 1);
    if (!named.id)
        named.id = id;
    c->out->items++;
    return eval_set_write(&named, &c->out->text, c->err);
}

/* Choices of which number 0 is right; what stands twice is left out, and so is an item without a wrong
 * one. */
static int put_choices(converter *c, const char *question, const char **choices, int n, int right,
                       bool turn, const char *topic)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(choices[i], choices[k]) == 0 || !*choices[i] || !*choices[k]) {
                c->out->left_out++;
                return 0;
            }
    if (n < 2 || n > EVAL_CHOICES || !*question) {
        c->out->left_out++;
        return 0;
    }
    const char *turned[EVAL_CHOICES];
    size_t by = turn ? hash_bytes(HASH_START, question, strlen(question)) % (size_t)n : 0;
    for (size_t i = 0; i < (size_t)n; i++)
        turned[(i + by) % (size_t)n] = choices[i];
    eval_item item = {.kind = EVAL_CHOICE,
                      .question = question,
                      .topic = topic,
                      .choices = {turned, n},
                      .right = (int)(((size_t)right + by) % (size_t)n)};
    return put(c, &item);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static int need(const json *object, const char *key, const char **out, error *err)
{
    int found = json_get_string(object, key, out, err);
    return found > 0 ? 0 : found < 0 ? -1 : error_set(err, ERROR_LOAD, "%s: missing", key);
}

static int take_gsm8k(converter *c, const json *root, error *why)
{
    const char *question, *answer;
    if (need(root, "question", &question, why) || need(root, "answer", &answer, why))
        return -1;
    const char *mark = strstr(answer, "####");
    if (!mark)
        return error_set(why, ERROR_LOAD, "answer: has no \"####\"");
    mark += 4 + strspn(mark + 4, " ");
    size_t n = strcspn(mark, "\n\r");
    char key[64];
    if (n == 0 || n >= sizeof key || !*question)
        return error_set(why, ERROR_LOAD, "answer: there is no number behind \"####\"");
    (void)snprintf(key, sizeof key, "%.*s", (int)n, mark);
    const char *keys[] = {key};
    eval_item item = {.kind = EVAL_EXACT, .question = question, .topic = "", .keys = {keys, 1}};
    return put(c, &item);
}

static int take_humaneval(converter *c, const json *root, error *why)
{
    const char *id, *prompt, *test, *entry;
    if (need(root, "task_id", &id, why) || need(root, "prompt", &prompt, why) ||
        need(root, "test", &test, why) || need(root, "entry_point", &entry, why))
        return -1;
    char *question = string_format(c->err,
                                   "Complete this Python function. Write the whole of it, with its "
                                   "imports, in one block of code.\n\n```python\n%s\n```",
                                   prompt);
    char *check = string_format(c->err, "%s\ncheck(%s)\n", test, entry);
    eval_item item = {
        .id = id, .kind = EVAL_PROGRAM, .question = question, .topic = "", .check = check};
    int result = question && check ? put(c, &item) : -1;
    free(question);
    free(check);
    return result;
}

/* {"a choice": 1, "another": 0}; the one with 1 first. */
static int take_targets(converter *c, const json *root, error *why)
{
    const char *question, *choices[EVAL_CHOICES];
    const json *targets = NULL;
    int n = 1;
    if (need(root, "question", &question, why) ||
        json_get_object(root, "mc1_targets", &targets, why) < 0)
        return -1;
    if (!targets)
        return error_set(why, ERROR_LOAD, "mc1_targets: missing");
    choices[0] = "";
    for (const json *t = json_first(targets); t; t = json_next(t)) {
        bool right = json_type(t) == JSON_NUMBER && json_number(t) == 1;
        if (right)
            choices[0] = json_key(t);
        else if (n < EVAL_CHOICES)
            choices[n++] = json_key(t);
    }
    return put_choices(c, question, choices, n, 0, true, "");
}

typedef int take_fn(converter *c, const json *root, error *why);

static int take_json_line(void *user, jsonl *lines, const char *line, size_t len)
{
    converter *c = user;
    error why = {0};
    take_fn *take = strcmp(c->format, "gsm8k") == 0 ? take_gsm8k : take_humaneval;
    json_document *d = json_parse("JSON", line, len, &why);
    if (d && json_type(json_root(d)) != JSON_OBJECT)
        (void)error_set(&why, ERROR_LOAD, "must be an object");
    else if (d)
        (void)take(c, json_root(d), &why);
    json_close(d);
    return c->err->code && !why.code ? -1 : jsonl_tell(lines, &why);
}

static int convert_lines(converter *c, const buf *text)
{
    buf faults = {0};
    jsonl lines = {.where = c->path, .faults = &faults, .err = c->err};
    int result = jsonl_each(&lines, text->v, text->len, take_json_line, c);
    if (!result)
        result = jsonl_finish(&lines);
    buf_release(&faults);
    return result;
}

static int convert_array(converter *c, const buf *text)
{
    json_document *d = json_parse(c->path, text->v, text->len, c->err);
    int result = d ? 0 : -1;
    size_t number = 1;
    if (d && json_type(json_root(d)) != JSON_ARRAY)
        result = error_set(c->err, ERROR_LOAD, "%s: must be an array", c->path);
    for (const json *v = d ? json_first(json_root(d)) : NULL; v && !result; v = json_next(v)) {
        result = take_targets(c, v, c->err);
        if (result)
            (void)error_prefix(c->err, "%s: number %zu: ", c->path, number);
        number++;
    }
    json_close(d);
    return result;
}

/* ---- CSV --------------------------------------------------------------------------------------- */

enum { COLUMNS = 16 };

/* The row that begins at *at, its fields cut out of text in place; *at moves behind it. Returns how
 * many, or -1 for a quote that is never closed. */
static int next_row(char *text, size_t len, size_t *at, char *fields[COLUMNS])
{
    int n = 0;
    size_t to = *at;
    bool more = true;
    while (more) {
        char *field = text + to;
        bool quoted = *at < len && text[*at] == '"';
        *at += quoted;
        for (;; (*at)++) {
            bool quote = *at < len && text[*at] == '"';
            if (*at >= len && quoted)
                return -1;
            if (quoted && quote && *at + 1 < len && text[*at + 1] == '"')
                (*at)++;
            else if (quoted && quote)
                quoted = false;
            else if (*at >= len || (!quoted && strchr(",\r\n", text[*at])))
                break;
            if (quoted || !quote)
                text[to++] = text[*at];
        }
        more = *at < len && text[*at] == ',';
        bool carriage = *at + 1 < len && text[*at] == '\r' && text[*at + 1] == '\n';
        *at += *at < len ? 1 + carriage : 0;
        text[to++] = '\0'; /* at most where the field's end was */
        if (n < COLUMNS)
            fields[n++] = field;
    }
    return n;
}

static int take_mmlu(converter *c, char **f, int n)
{
    const char *choices[] = {f[1], f[2], f[3], f[4]};
    if (n != 6 || strlen(f[5]) != 1 || f[5][0] < 'A' || f[5][0] > 'D')
        return error_set(c->err, ERROR_LOAD,
                         "%s: row %zu: must be a question, four choices and a letter of A to D",
                         c->path, c->row);
    return put_choices(c, f[0], choices, 4, f[5][0] - 'A', false, c->topic);
}

/* "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source"; the last but one is
 * several, with semicolons between them. */
static int take_truthfulqa(converter *c, char **f, int n)
{
    const char *choices[EVAL_CHOICES];
    int count = 1;
    if (n < 6)
        return error_set(c->err, ERROR_LOAD, "%s: row %zu: has %d columns; TruthfulQA has 7",
                         c->path, c->row, n);
    if (c->row == 1) {
        if (strcmp(f[2], "Question") == 0 && strcmp(f[3], "Best Answer") == 0)
            return 0;
        return error_set(c->err, ERROR_LOAD, "%s: is not headed as TruthfulQA.csv is", c->path);
    }
    choices[0] = f[3];
    for (char *rest = f[5], *one; (one = strsep(&rest, ";")) != NULL && count < EVAL_CHOICES;) {
        one += strspn(one, " ");
        for (size_t end = strlen(one); end > 0 && one[end - 1] == ' ';)
            one[--end] = '\0';
        if (*one)
            choices[count++] = one;
    }
    return put_choices(c, f[2], choices, count, 0, true, f[1]);
}

static int convert_rows(converter *c, buf *text)
{
    bool mmlu = strcmp(c->format, "mmlu") == 0;
    int result = 0;
    for (size_t at = 0; at < text->len && !result;) {
        char *fields[COLUMNS];
        int n = next_row(text->v, text->len, &at, fields);
        c->row++;
        if (n < 0)
            return error_set(c->err, ERROR_LOAD, "%s: row %zu: a quote is never closed", c->path,
                             c->row);
        if (n == 1 && !*fields[0])
            continue;
        result = (mmlu ? take_mmlu : take_truthfulqa)(c, fields, n);
    }
    return result;
}

/* ---- public ------------------------------------------------------------------------------------ */

static int convert(converter *c, buf *text)
{
    static const char mark[] = "\xEF\xBB\xBF";
    size_t bad;
    if (text->len >= 3 && memcmp(text->v, mark, 3) == 0)
        memset(text->v, ' ', 3);
    const char *first = text->v ? text->v + strspn(text->v, " \t\r\n") : "";
    if (!*first || strlen(text->v) != text->len)
        return error_set(c->err, ERROR_LOAD, "%s: is empty, or no text", c->path);
    if (!utf8_check(text->v, text->len, &bad))
        return error_set(c->err, ERROR_LOAD, "%s: is no UTF-8 at byte %zu", c->path, bad);
    if (strcmp(c->format, "gsm8k") == 0 || strcmp(c->format, "humaneval") == 0)
        return convert_lines(c, text);
    if (strcmp(c->format, "truthfulqa") == 0 && *first == '[')
        return convert_array(c, text);
    return convert_rows(c, text);
}

int eval_convert(const char *format, const char *path, eval_converted *out, error *err)
{
    error none = {0};
    converter c = {.out = out, .format = format, .path = path, .err = err ? err : &none};
    const char *name = paths_name(path);
    buf text = {0};
    (void)snprintf(c.topic, sizeof c.topic, "%.*s", (int)strcspn(name, "."), name);
    int result = jsonl_load(path, EVAL_SET_BYTES, &text, c.err);
    if (result)
        (void)error_prefix(c.err, "%s: ", path);
    else
        result = convert(&c, &text);
    if (!result && !out->items)
        result = error_set(c.err, ERROR_LOAD, "%s: nothing in it can be asked", path);
    buf_release(&text);
    return result ? -1 : 0;
}
