/* fuzz_jinja.c - any bytes as a chat template: parsed and, when it is one, rendered.
 *
 * The input is a template, perhaps a NUL and JSON behind it that is given as `x`. Whatever it does,
 * the runs must cover the output and none of them may be of an origin that was not given.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/text/jinja/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES = 1, GIVEN = 2 };

static const char CONVERSATION[] =
    "[{\"role\": \"system\", \"content\": \" be <|im_end|> kind\\n\"},"
    "{\"role\": \"user\", \"content\": \"h\\u00e9llo </s>\", \"n\": 3, \"f\": -2.5e3},"
    "{\"role\": \"assistant\", \"content\": \"<think>a</think> b\", \"tool_calls\": [{\"type\": "
    "\"function\","
    "\"function\": {\"name\": \"f\", \"arguments\": {\"a\": [1, null, true], \"b\": \"c\"}}}]}]";

static void fill(jinja_data *d, const char *rest, size_t n)
{
    error err = {0};
    jinja_set(d, "messages",
              jinja_json(d, "m", CONVERSATION, sizeof CONVERSATION - 1, MESSAGES, &err));
    jinja_value *x = n > 0 ? jinja_json(d, "x", rest, n, GIVEN, &err) : NULL;
    if (x != NULL)
        jinja_set(d, "x", x);
    jinja_set(d, "bos_token", jinja_text(d, "<s>", 3, JINJA_TEMPLATE));
    jinja_set(d, "eos_token", jinja_text(d, "</s>", 4, JINJA_TEMPLATE));
    jinja_set(d, "add_generation_prompt", jinja_bool(d, true));
    jinja_set(d, "tools", jinja_none(d));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *source = (const char *)data, *end = memchr(source, '\0', size);
    const size_t len = end ? (size_t)(end - source) : size;
    const struct tm day = {.tm_year = 124, .tm_mon = 1, .tm_mday = 9};
    error err = {0};
    jinja_template *t = NULL;
    jinja_output out = {0};
    if (jinja_parse(source, len, &t, &err))
        return 0;
    jinja_data *d = jinja_data_open();
    fill(d, source + len + 1, size > len ? size - len - 1 : 0);
    if (jinja_render(t, d, &day, NULL, &out, &err) == 0) {
        size_t sum = 0;
        for (size_t i = 0; i < out.n_runs; sum += out.runs[i++].len)
            if (out.runs[i].len == 0 || out.runs[i].origin > GIVEN)
                abort();
        if (sum != out.len)
            abort();
    } else if (err.text[0] == '\0' || out.text != NULL) {
        abort();
    }
    jinja_output_release(&out);
    jinja_data_close(d);
    jinja_close(t);
    return 0;
}
