/* tool_chat.c - conversations through a model's chat template, many of them in one run.
 *
 *     tool_chat MODEL DAY [KEY=VALUE].. < LINES
 *
 * A line of input is {"messages": "<JSON text>", "reply": true, "think": 0}; one of output is the
 * list of ids, or "refused: " and the reason. A template that cannot be opened refuses every line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/json.h"
#include "../engine/text/chat.h"

static void print_ids(const tokens *ids)
{
    (void)putchar('[');
    for (size_t i = 0; i < ids->len; i++)
        (void)printf("%s%d", i ? "," : "", ids->v[i]);
    (void)puts("]");
}

static void answer(const chat_format *f, const char *line, size_t len, const error *why)
{
    error err = *why;
    tokens ids = {0};
    json_document *d = json_parse("line", line, len, &err);
    const json *root = d ? json_root(d) : NULL;
    const json *messages = json_member(root, "messages");
    int64_t think = 0;
    int result = -1;
    if (messages && f && json_get_int(root, "think", -1, 1 << 20, &think, &err) >= 0)
        result =
            chat_render_json(f, json_string(messages), strlen(json_string(messages)), "messages",
                             json_true(json_member(root, "reply")), (int)think, &ids, &err);
    if (result == 0)
        print_ids(&ids);
    else
        (void)printf("refused: %s\n", f ? err.text : why->text);
    tokens_release(&ids);
    json_close(d);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t size = 0;
    error err = {0};
    if (argc < 3)
        return 2;
    checkpoint *c = checkpoint_open(argv[1], NULL, NULL, &err);
    tokenizer *t = NULL;
    chat_format *f = NULL;
    chat_options o = {
        .day = argv[2], .variables = (const char *const *)argv + 3, .variable_count = argc - 3};
    if (!c || tokenizer_open(c, &t, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)chat_open(c, t, &o, &f, &err);
    for (ssize_t n; (n = getline(&line, &size, stdin)) > 0;)
        answer(f, line, (size_t)n, &err);
    free(line);
    chat_close(f);
    tokenizer_close(t);
    checkpoint_close(c);
    return 0;
}
