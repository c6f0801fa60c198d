/* slash_trace.c - /routing and /trace: what the routers did with the last turn.
 *
 * Both read the turn's tokens again (dialogue_trace.h); nothing was recorded while the answers came.
 * /routing shows pictures and figures, /trace writes all of it to a file of the user's choosing, by the
 * process that may. /routing live has pictures grow with the answers to come (live_routes.h).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../personas/conversation/dialogue_trace.h"
#include "../../../personas/trace/trace_output.h"
#include "../../options/open_model.h"
#include "../../screen/human.h"
#include "../../system/save.h"
#include "../route_report.h"
#include "slash_commands.h"

/* The last turn's routes; route_log_release in any case. */
static int read_routes(talk *t, route_log *log, error *err)
{
    struct turn *turn;
    *log = (route_log){0};
    if (talk_turn(t, &turn, err))
        return -1;
    if (!engine_config(t->engine)->experts)
        return error_set(err, ERROR_USAGE, "this model is dense: it routes nothing");
    route_log_open(log, t->engine);
    return dialogue_trace(t->dialogue, log, err);
}

static int show(talk *t, const route_log *log, error *err)
{
    buf out = {0};
    text_writer w = {.out = &out, .err = err};
    heat_style style = heatmap_style(terminal_color(t->term), terminal_utf8(t->term));
    int result = route_report_pictures(log, -1, terminal_columns(t->term), style, &w, err);
    if (!result && !w.failed)
        result = terminal_write(t->term, &out, err);
    buf_clear(&out);
    if (!result)
        result = route_report_figures(log, &w, err) ||
                 route_report_parts(t->con, log, t->engine, &w, err) || w.failed ||
                 terminal_write_folded(t->term, &out, err);
    buf_release(&out);
    return result ? -1 : 0;
}

static int set_live(talk *t, bool live, error *err)
{
    if (live && !engine_config(t->engine)->experts)
        return error_set(err, ERROR_USAGE, "this model is dense: it routes nothing");
    if (live && terminal_linear(t->term))
        return error_set(err, ERROR_USAGE,
                         "nothing moves on this terminal; /routing draws the last turn");
    t->live_routing = live;
    return talk_say(t, live
                           ? "the experts that are called stand below the answers while they grow; "
                             "/routing off takes them away"
                           : "routing is not shown while answers grow; /routing draws the last "
                             "turn");
}

int slash_routing(talk *t, const char *rest, char *const *words, int count, error *err)
{
    route_log log;
    (void)rest;
    bool live = count == 1 && strcmp(words[0], "live") == 0;
    if (live || (count == 1 && strcmp(words[0], "off") == 0))
        return set_live(t, live, err);
    if (count)
        return error_set(err, ERROR_USAGE,
                         "/routing alone draws the last turn; /routing live and off; /trace FILE "
                         "writes it");
    int result = read_routes(t, &log, err) || show(t, &log, err);
    route_log_release(&log);
    return result ? -1 : 0;
}

static int write_routes(talk *t, const route_log *log, trace_format format, const char *path,
                        bool over, error *err)
{
    const struct turn *turn = dialogue_last(t->dialogue);
    trace_heading h = {.engine = t->engine,
                       .model = open_model_title(&t->set, t->engine),
                       .prompt = turn->prompt.v,
                       .prompt_len = turn->prompt.len};
    char size[HUMAN_TEXT];
    buf file = {0};
    int result = trace_put(log, &h, format, &file, err) ||
                 save_put(t->broker, t->con, path, over, file.v, file.len, err) ||
                 talk_say(t, "wrote %s, %s", path, human_bytes(size, file.len));
    buf_release(&file);
    return result ? -1 : 0;
}

int slash_trace(talk *t, const char *rest, char *const *words, int count, error *err)
{
    trace_format format;
    route_log log;
    (void)rest;
    if (count != 1)
        return error_set(err, ERROR_USAGE,
                         "/trace needs one file: routes.html, .npz, .jsonl or .json");
    size_t n = strlen(words[0]);
    bool over = n > 1 && words[0][n - 1] == '!';
    const char *path = talk_path(t, words[0], n - over, err);
    if (!path || trace_format_of(path, &format, err))
        return -1;
    if (!over && access(path, F_OK) == 0)
        return error_set(err, ERROR_USAGE, "%s is there already; /trace %s! writes over it", path,
                         path);
    int result = read_routes(t, &log, err) || write_routes(t, &log, format, path, over, err);
    route_log_release(&log);
    return result ? -1 : 0;
}
