/* open_model.c - see open_model.h.
 *
 * First from a name to a path: no name and "built-in" mean the file in the cache, "~" is
 * expanded, all else engine/sources looks up. With the path in hand the process gives its rights
 * up (sandbox_policy_enter()), and only then is the model opened, with the defaults that its
 * source brings; what a user should know about it is told behind that. The last part reads the
 * options that need the model's figures: context, keys and values.
 */
#include "open_model.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/available_memory.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../../engine/formats/model_defaults.h"
#include "../../engine/run/engine_tokenizer.h"
#include "../../engine/sources/sources.h"
#include "../../personas/built_in/builtin.h"
#include "../screen/human.h"
#include "sandbox_policy.h"

enum { DEFAULT_CONTEXT = 8192, CHUNK_BYTES = 64 << 20 };

int open_model_built_in_path(char **path, error *err)
{
    if (paths_own(PATHS_CACHE, "built-in.gguf", path, err))
        return -1;
    if (!*path)
        *path = string_format(err, "%s/.cache/consilium/built-in.gguf", paths_account_home());
    return *path ? 0 : -1;
}

bool open_model_is_built_in(const options *opt)
{
    return !opt->model || strcmp(opt->model, "built-in") == 0;
}

/* "~/x" and "~user/x" as a shell would expand them; other names are copied. Caller frees. */
static char *expand_home(const char *name, error *err)
{
    const char *rest = name + strcspn(name, "/");
    if (*name != '~')
        return string_format(err, "%s", name);
    if (rest == name + 1)
        return string_format(err, "%s%s", paths_account_home(), rest);
    char *user = string_format(err, "%.*s", (int)(rest - name - 1), name + 1);
    const struct passwd *entry = user ? getpwnam(user) : NULL;
    char *path = !user                    ? NULL
                 : entry && entry->pw_dir ? string_format(err, "%s%s", entry->pw_dir, rest)
                                          : string_format(err, "%s", name);
    free(user);
    return path;
}

static int built_in_path(char **path, error *err)
{
    if (open_model_built_in_path(path, err))
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

/* What -m names, or the built-in model; "~/" is the home folder. Caller releases *found, on failure
 * too. */
static int find_model(const options *opt, source_found *found, error *err)
{
    *found = (source_found){0};
    if (open_model_is_built_in(opt))
        return built_in_path(&found->path, err);
    char *name = expand_home(opt->model, err);
    int result = name ? source_find(name, found, err) : -1;
    free(name);
    return result;
}

int open_model_path(const options *opt, char **path, error *err)
{
    source_found found;
    int result = find_model(opt, &found, err);
    *path = result ? NULL : found.path;
    if (!result)
        found.path = NULL;
    source_found_release(&found);
    return result;
}

/* A built-in model that an older program made still runs; whoever runs it shall know. */
static void note_stale(const engine *e, console *con)
{
    char *experts = NULL;
    const struct gguf *model = checkpoint_gguf(engine_checkpoint(e));
    if (builtin_experts(&experts, NULL) == 0 && !(model && builtin_is_from(model, experts)))
        console_note(con, "the built-in model was made by another version of this program; "
                          "`consilium model build-default` makes it anew");
    free(experts);
}

void open_model_warn(void *user, checkpoint_note note, const char *sentence)
{
    console *con = user;
    if (note == CHECKPOINT_WARNING)
        console_warn(con, sentence);
    else if (con->verbose)
        console_note(con, "%s", sentence);
}

engine *open_model(const options *opt, console *con, error *err)
{
    return open_model_on(opt, NULL, con, err);
}

/* In one line what an Ollama model brings, and what of it is not used. */
static void note_defaults(const options *opt, const engine *e, console *con)
{
    const model_defaults *m = engine_defaults(e);
    if (!m)
        return;
    bool unfit = m->own_template && !checkpoint_chat_template(engine_checkpoint(e));
    bool honoured = m->honoured.len > 0, left = m->left_out.len > 0;
    if (honoured || left)
        console_note(con, "%s: %s%s%s%s%s", opt->model,
                     honoured ? "defaults of its Modelfile: " : "", honoured ? m->honoured.v : "",
                     m->system ? " (SYSTEM is said where a pass has no instruction)" : "",
                     !left      ? ""
                     : honoured ? "; not used: "
                                : "not used of its Modelfile: ",
                     left ? m->left_out.v : "");
    if (unfit)
        console_note(
            con,
            "%s: its TEMPLATE is in Ollama's language, which is not run, and the model brings "
            "no other: name a chat format with --chat-format",
            opt->model);
    else if (m->own_template && con->verbose)
        console_note(con, "%s: its TEMPLATE is not run; the model's own chat template is",
                     opt->model);
    if (m->projector && con->verbose)
        console_note(con, "%s: its vision part is not used", opt->model);
}

/* Bytes that the engine may take: what --memory says, else what was left when this was first asked (a
 * model that takes another's place finds that one's experts still there), with a little to spare for
 * all that is not its own. */
static uint64_t memory_bound(const options *opt)
{
    if (opt->memory.given)
        return (uint64_t)(opt->memory.v * (1 << 30));
    if (opt->memory_found)
        return opt->memory_found;
    uint64_t left = available_memory("");
    return left == UINT64_MAX ? 0 : left - left / 32;
}

static engine *open_with(const options *opt, const char *day, const model_tweaks *tweaks,
                         engine *beside, console *con, error *err)
{
    source_found found;
    if (find_model(opt, &found, err)) {
        source_found_release(&found);
        return NULL;
    }
    char *path = found.path;
    uint64_t memory = beside ? 0 : memory_bound(opt); /* asked while all files may be looked at */
    if (sandbox_policy_enter(opt, path, con, err)) {
        source_found_release(&found);
        return NULL;
    }
    console_progress(con, "opening %s", path);
    engine_options o = {
        .path = path,
        .defaults = found.defaults,
        .backend = {.name = opt->backend ? opt->backend : "auto",
                    .isa = opt->isa ? opt->isa : "auto",
                    .threads = opt->threads},
        .chat = {.name = opt->chat_format,
                 .prefer_template = opt->own_template,
                 .day = day,
                 .variables = opt->variables.v,
                 .variable_count = (int)opt->variables.len},
        .tweaks = *tweaks,
        .adapter_bytes = open_model_adapter_bytes(opt),
        .memory = memory,
        .memory_asked = opt->memory.given,
        .beside = beside,
        .cancel = con->cancel,
        .warn = open_model_warn,
        .warn_user = con,
    };
    engine *e = engine_open(&o, err);
    console_progress_end(con);
    free(path);
    if (e && opt->tokenizer &&
        engine_set_tokenizer(e, opt->tokenizer, &o.chat, open_model_warn, con, err)) {
        engine_close(e);
        return NULL;
    }
    if (e && open_model_is_built_in(opt))
        note_stale(e, con);
    if (e)
        note_defaults(opt, e, con);
    return e;
}

engine *open_model_on(const options *opt, const char *day, console *con, error *err)
{
    static const model_tweaks none = {0};
    return open_with(opt, day, &none, NULL, con, err);
}

engine *open_model_tweaked(const options *opt, const char *model, const char *words,
                           const model_tweaks *tweaks, engine *beside, console *con, error *err)
{
    options other = *opt;
    if (model)
        other.model = model;
    if (words)
        other.tokenizer = words;
    return open_with(&other, NULL, tweaks, beside, con, err);
}

uint64_t open_model_adapter_bytes(const options *opt)
{
    return opt->max_adapter ? (uint64_t)opt->max_adapter << 20 : ADAPTER_BYTES;
}

const char *open_model_title(const options *opt, const engine *e)
{
    const char *path = checkpoint_path(engine_checkpoint(e));
    if (open_model_is_built_in(opt))
        return "built-in model";
    bool is_path = *opt->model == '~' || strncmp(path, opt->model, strlen(opt->model)) == 0;
    return is_path ? paths_name(path) : opt->model;
}

int open_model_context(const options *opt, const engine *e, int *context, error *err)
{
    const model_config *model = engine_config(e);
    const model_defaults *m = engine_defaults(e);
    int64_t usual = m && m->context > 0 ? m->context : DEFAULT_CONTEXT;
    if (opt->context > model->context)
        return error_set(err, ERROR_USAGE, "--context: %d is outside 1..%d, the model's context",
                         opt->context, model->context);
    *context = opt->context ? opt->context : model->context < usual ? model->context : (int)usual;
    return 0;
}

int open_model_logit_rows(const engine *e)
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
