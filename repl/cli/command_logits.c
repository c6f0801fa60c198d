/* command_logits.c - what the model expects after each of a list of tokens.
 *
 * The tokens are read in chunks, and each chunk's logits are written before the next is computed,
 * so a long list needs little memory. Chunks cannot change a byte: a row's numbers never depend on
 * the batch.
 *
 * The output is opened only when everything that can be refused has been checked, and is written in
 * place: it may be a pipe, a device or a link, so it is never replaced by renaming.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../transcripts/transcript.h"
#include "../options/open_model.h"
#include "../options/routing_options.h"
#include "commands.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the output is little-endian and written as it lies in memory"
#endif

static int check_ids(const tokens *ids, const model_config *model, error *err)
{
    for (size_t i = 0; i < ids->len; i++)
        if (ids->v[i] >= model->vocabulary)
            return error_set(err, ERROR_USAGE,
                             "--tokens: %d (number %zu) is outside 0..%d, the vocabulary",
                             ids->v[i], i + 1, model->vocabulary - 1);
    return 0;
}

static int check_room(const tokens *ids, int context, error *err)
{
    if (ids->len > (size_t)context)
        return error_set(err, ERROR_CONTEXT,
                         "--tokens: %zu tokens do not fit the context of %d tokens", ids->len,
                         context);
    return 0;
}

static int compute(engine *e, session *s, const tokens *ids, int fd, const char *name, console *con,
                   error *err)
{
    size_t row = (size_t)engine_config(e)->vocabulary * sizeof(float);
    size_t chunk = (size_t)open_model_logit_rows(e);
    float *logits = malloc(chunk * row);
    if (!logits)
        return error_memory(err, "logits");
    int result = 0;
    for (size_t at = 0; result == 0 && at < ids->len; at += chunk) {
        size_t n = ids->len - at < chunk ? ids->len - at : chunk;
        step st = {s, ids->v + at, (int)n, LOGITS_ALL, logits};
        console_progress(con, "logits: %zu of %zu tokens", at, ids->len);
        result =
            engine_advance(e, &st, 1, err) || console_write(con, fd, name, logits, n * row, err)
                ? -1
                : 0;
    }
    free(logits);
    return result;
}

/* Opens --output, computes into it, and notices a failure that only close() reports. */
static int write_output(engine *e, session *s, const options *opt, console *con, error *err)
{
    bool standard = strcmp(opt->output, "-") == 0;
    if (!standard && transcript_check_overwrite(opt->output, err))
        return -1;
    int fd = standard ? STDOUT_FILENO
                      : open(opt->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EINTR && console_cancelled(con))
        return console_interrupted(err);
    if (fd < 0)
        return error_set(err, ERROR_RUN, "cannot write %s: %s", opt->output, strerror(errno));
    int result =
        compute(e, s, &opt->ids, fd, standard ? "to standard output" : opt->output, con, err);
    if (!standard && close(fd) != 0 && result == 0)
        return error_set(err, ERROR_RUN, "cannot write %s: %s", opt->output, strerror(errno));
    return result;
}

static int run(engine *e, const options *opt, console *con, error *err)
{
    int context;
    if (open_model_context(opt, e, &context, err) || check_ids(&opt->ids, engine_config(e), err) ||
        check_room(&opt->ids, context, err))
        return -1;
    roster *one = routing_options_seat(opt, e, con, err);
    session *s = NULL;
    if (one)
        s = session_open(e, (int)opt->ids.len, open_model_kv(opt, DTYPE_F32), err);
    int result = -1;
    if (s && session_set_program(s, roster_seat(one, 0)->program, err) == 0)
        result = write_output(e, s, opt, con, err);
    session_close(s);
    roster_close(one);
    return result;
}

int command_logits(const options *opt, console *con, error *err)
{
    if (!opt->ids.len)
        return error_set(err, ERROR_USAGE, "logits needs --tokens N,N,...");
    if (!opt->output)
        return error_set(err, ERROR_USAGE, "logits needs --output FILE");
    if (routing_options_check(opt, err))
        return -1;
    engine *e = open_model(opt, con, err);
    int result = e ? run(e, opt, con, err) : -1;
    engine_close(e);
    return result;
}
