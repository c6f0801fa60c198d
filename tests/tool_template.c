/* tool_template.c - renders a chat template with variables from JSON.
 *
 * usage: tool_template [--origins] [--day YYYY-MM-DD] TEMPLATE CONTEXT.json
 *        tool_template [--origins] [--day YYYY-MM-DD] --cases CASES.jsonl
 *
 * Of the variables, bos_token and eos_token are the template's, everything else is of origin 1. A
 * line of CASES is {"template": "...", "context": {...}} and is answered with a line {"text": "..."}
 * or {"error": "..."}; with --origins also "runs": [[bytes, origin], ...]. "-" is standard input.
 * Exit status 1 and the sentence on standard error when the one template is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/buf.h"
#include "../engine/base/json.h"
#include "../engine/text/jinja/data.h"
#include "../engine/text/jinja/jinja.h"

static void fail(const char *what)
{
    fprintf(stderr, "tool_template: %s\n", what);
    exit(2);
}

static char *read_file(const char *path, size_t *len)
{
    buf b = {0};
    char piece[65536];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (f == NULL)
        fail(path);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        if (buf_add(&b, piece, n, NULL))
            fail("no memory");
    if (f != stdin)
        fclose(f);
    *len = b.len;
    return b.v ? buf_detach(&b) : calloc(1, 1);
}

/* The template's own: as if the program had given them. */
static void trust(jinja_data *d, const char *name)
{
    value *v = dict_find_name(jinja_root(d)->v.u.dict, name, strlen(name));
    if (v != NULL && v->kind == V_TEXT)
        jinja_set(d, name, jinja_text(d, text_bytes(v->u.t), v->u.t.len, JINJA_TEMPLATE));
}

static int render(const char *source, size_t len, jinja_data *d, jinja_value *context,
                  const struct tm *day, jinja_output *out, error *err)
{
    jinja_template *t = NULL;
    jinja_set_all(d, context);
    trust(d, "bos_token");
    trust(d, "eos_token");
    int failed = jinja_parse(source, len, &t, err) || jinja_render(t, d, day, NULL, out, err);
    jinja_close(t);
    return failed;
}

static void print_json(const char *key, const char *bytes, size_t len)
{
    buf b = {0};
    if (json_quote(&b, bytes, len, NULL))
        fail("no memory");
    printf("{\"%s\": %s", key, b.v);
    buf_release(&b);
}

static void print_runs(const jinja_output *out)
{
    printf(", \"runs\": [");
    for (size_t i = 0; i < out->n_runs; i++)
        printf("%s[%zu, %u]", i ? ", " : "", out->runs[i].len, out->runs[i].origin);
    printf("]");
}

static void one_case(const char *line, size_t len, const struct tm *day, bool origins)
{
    error err = {0};
    jinja_output out = {0};
    jinja_data *d = jinja_data_open();
    jinja_value *all = d ? jinja_json(d, "case", line, len, 1, &err) : NULL;
    if (all == NULL)
        fail(err.text);
    value *source = dict_find_name(all->v.u.dict, "template", 8);
    value *context = dict_find_name(all->v.u.dict, "context", 7);
    if (source == NULL || context == NULL)
        fail("a case has a template and a context");
    jinja_value handle = {*context};
    if (render(text_bytes(source->u.t), source->u.t.len, d, &handle, day, &out, &err))
        print_json("error", err.text, strlen(err.text));
    else
        print_json("text", out.text, out.len);
    if (origins)
        print_runs(&out);
    printf("}\n");
    jinja_output_release(&out);
    jinja_data_close(d);
}

static void all_cases(const char *path, const struct tm *day, bool origins)
{
    size_t len;
    char *lines = read_file(path, &len);
    for (char *line = lines, *end = lines + len; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        if (stop > line)
            one_case(line, (size_t)(stop - line), day, origins);
        line = stop + 1;
    }
    free(lines);
}

static int one_template(const char *path, const char *context, const struct tm *day, bool origins)
{
    size_t len, n;
    error err = {0};
    jinja_output out = {0};
    char *source = read_file(path, &len), *variables = read_file(context, &n);
    jinja_data *d = jinja_data_open();
    jinja_value *all = d ? jinja_json(d, context, variables, n, 1, &err) : NULL;
    int failed = all == NULL || render(source, len, d, all, day, &out, &err);
    if (failed)
        fprintf(stderr, "%s\n", err.text);
    for (size_t i = 0, at = 0; !failed && i < (origins ? out.n_runs : 0); i++) {
        printf("%u\t", out.runs[i].origin);
        fwrite(out.text + at, 1, out.runs[i].len, stdout);
        printf("\n");
        at += out.runs[i].len;
    }
    if (!failed && !origins)
        fwrite(out.text, 1, out.len, stdout);
    jinja_output_release(&out);
    jinja_data_close(d);
    free(source);
    free(variables);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct tm day = {0};
    bool has_day = false, origins = false, cases = false;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--origins") == 0)
            origins = true;
        else if (strcmp(argv[at], "--cases") == 0)
            cases = true;
        else if (strcmp(argv[at], "--day") == 0 && at + 1 < argc)
            has_day = strptime(argv[++at], "%Y-%m-%d", &day) != NULL;
        else
            fail(argv[at]);
    }
    if (argc - at != (cases ? 1 : 2))
        fail("usage: tool_template [--origins] [--day YYYY-MM-DD] TEMPLATE CONTEXT.json | "
             "--cases CASES.jsonl");
    if (!cases)
        return one_template(argv[at], argv[at + 1], has_day ? &day : NULL, origins);
    all_cases(argv[at], has_day ? &day : NULL, origins);
    return 0;
}
