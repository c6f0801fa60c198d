/* open_model.c - see open_model.h. */
#include "open_model.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/sources.h"
#include "../personas/builtin.h"
#include "human.h"

enum { DEFAULT_CONTEXT = 8192, CHUNK_BYTES = 64 << 20 };

/* HOME, else the password file: a service may run without an environment. */
static const char *home_folder(void)
{
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return home;
    const struct passwd *user = getpwuid(getuid());
    return user && user->pw_dir ? user->pw_dir : "/";
}

int open_model_default(char **path, error *err)
{
    buf b = {0};
    const char *cache = getenv("XDG_CACHE_HOME");
    /* The XDG specification: a path that is not absolute is to be ignored. */
    int result = cache && cache[0] == '/' ? buf_text(&b, cache, err)
                                          : buf_format(&b, err, "%s/.cache", home_folder());
    if (result || buf_text(&b, "/consilium/built-in.gguf", err)) {
        buf_release(&b);
        return -1;
    }
    *path = buf_detach(&b);
    return 0;
}

int open_model_path(const options *opt, char **path, error *err)
{
    if (opt->model)
        return source_resolve(opt->model, path, err);
    if (open_model_default(path, err))
        return -1;
    if (access(*path, F_OK) == 0)
        return 0;
    free(*path);
    *path = NULL;
    return error_set(err, ERROR_LOAD,
                     "no model: the built-in one has not been built yet (`consilium model "
                     "build-default` does that); or name one with -m (`consilium model list` shows "
                     "what is on this machine)");
}

/* A built-in model that an older program made still runs; whoever runs it shall know. */
static void tell_stale(const engine *e, console *con)
{
    char *experts = NULL;
    const struct gguf *model = checkpoint_gguf(engine_checkpoint(e));
    if (builtin_experts(&experts, NULL) == 0 && !(model && builtin_is_from(model, experts)))
        console_note(con, "the built-in model was made by another version of this program; "
                          "`consilium model build-default` makes it anew");
    free(experts);
}

engine *open_model(const options *opt, console *con, error *err)
{
    return open_model_on(opt, NULL, con, err);
}

engine *open_model_on(const options *opt, const char *day, console *con, error *err)
{
    char *path;
    if (open_model_path(opt, &path, err))
        return NULL;
    console_progress(con, "opening %s", path);
    engine_options o = {
        .path = path,
        .backend = {.name = opt->backend ? opt->backend : "auto",
                    .isa = opt->isa ? opt->isa : "auto",
                    .threads = opt->threads},
        .chat_format = opt->chat_format,
        .day = day,
        .cancel = con->cancel,
        .warn = console_warn,
        .warn_user = con,
    };
    engine *e = engine_open(&o, err);
    console_progress_end(con);
    free(path);
    if (e && !opt->model)
        tell_stale(e, con);
    return e;
}

const char *open_model_title(const options *opt, const engine *e)
{
    const char *path = checkpoint_path(engine_checkpoint(e));
    if (!opt->model)
        return "built-in model";
    return strcmp(opt->model, path) == 0 ? human_file_name(path) : opt->model;
}

int open_model_context(const options *opt, const model_config *model, int *context, error *err)
{
    if (opt->context > model->context)
        return error_set(err, ERROR_USAGE, "--context: %d is outside 1..%d, the model's context",
                         opt->context, model->context);
    *context = opt->context                       ? opt->context
               : model->context < DEFAULT_CONTEXT ? model->context
                                                  : DEFAULT_CONTEXT;
    return 0;
}

int open_model_chunk(const engine *e)
{
    size_t row = (size_t)engine_config(e)->vocabulary * sizeof(float);
    size_t fits = CHUNK_BYTES / row, most = (size_t)engine_max_rows(e);
    return (int)(fits > most ? most : fits ? fits : 1);
}

dtype open_model_kv(const options *opt, dtype standard)
{
    if (!opt->kv)
        return standard;
    return strcmp(opt->kv, "f32") == 0    ? DTYPE_F32
           : strcmp(opt->kv, "q8_0") == 0 ? DTYPE_Q8_0
                                          : DTYPE_F16;
}
