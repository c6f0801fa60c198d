/* tool_routes.c - print what the router chose, for comparison with a reference.
 *
 * usage: tool_routes MODEL K ID,ID,...      (K = 0: the trained number of experts)
 *
 * Reads the tokens in one go with an f32 cache and prints one JSON object a line for each layer
 * with experts and each token: {"layer","position","ids","gates","margin"}. Test code: it exits and
 * prints, which nothing below repl/ may.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../engine/run/engine.h"

static void print_route(void *user, const session *s, const route_trace *trace)
{
    (void)s;
    FILE *out = user;
    fprintf(out, "{\"layer\":%d,\"position\":%d,\"ids\":[", trace->layer, trace->position);
    for (int i = 0; i < trace->slots; i++)
        fprintf(out, "%s%d", i ? "," : "", (int)trace->ids[i]);
    fputs("],\"gates\":[", out);
    for (int i = 0; i < trace->slots; i++)
        fprintf(out, "%s%.9g", i ? "," : "", (double)trace->gates[i]);
    /* JSON knows no infinity: nothing was left out when all experts were chosen. */
    if (trace->margin < 1e30f)
        fprintf(out, "],\"margin\":%.9g}\n", (double)trace->margin);
    else
        fputs("],\"margin\":null}\n", out);
}

static int parse_ids(const char *text, tokens *out, error *err)
{
    char *end = NULL;
    do {
        long id = strtol(text, &end, 10);
        if (end == text || tokens_push(out, (int)id, err) != 0)
            return -1;
        text = end + 1;
    } while (*end == ',');
    return 0;
}

static int trace_routes(engine *e, int k, const tokens *ids, error *err)
{
    int rc = -1;
    router_program *program = NULL;
    session *s = session_open(e, (int)ids->len, DTYPE_F32, err);
    if (s == NULL)
        return -1;
    program = router_program_plain(engine_config(e), k, err);
    if (program != NULL && session_set_program(s, program, err) == 0) {
        engine_trace(e, print_route, stdout);
        step one = {.session = s, .tokens = ids->v, .n = (int)ids->len, .want = LOGITS_NONE};
        rc = engine_advance(e, &one, 1, err);
    }
    session_close(s);
    router_program_close(program);
    return rc;
}

int main(int argc, char **argv)
{
    error err = {0};
    tokens ids = {0};
    if (argc != 4 || parse_ids(argv[3], &ids, &err) != 0) {
        fprintf(stderr, "usage: tool_routes MODEL K ID,ID,...\n");
        return 2;
    }
    int k = atoi(argv[2]);
    engine_options options = {.path = argv[1], .max_slots = k};
    engine *e = engine_open(&options, &err);
    int rc = e != NULL ? trace_routes(e, k, &ids, &err) : -1;
    if (rc != 0)
        fprintf(stderr, "tool_routes: %s\n", err.text);
    engine_close(e);
    tokens_release(&ids);
    return rc == 0 ? 0 : (int)err.code;
}
