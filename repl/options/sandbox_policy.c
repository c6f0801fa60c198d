/* sandbox_policy.c - see sandbox_policy.h.
 *
 * For each kind of command one function names the paths, and sandbox.h makes rules for the
 * kernel of them. What is not there is passed over: who opens it will say so. A folder that is
 * to be written is made here, since nothing can be made beside it afterwards. Links lead out of
 * their folder, so in folders of personas, masks and split models what they lead to is named as
 * well (read_entries()).
 */
#include "sandbox_policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../../engine/sources/sources.h"
#include "../../kernels/devices/backend_open.h"
#include "../../transcripts/search.h"
#include "../../transcripts/transcript.h"
#include "../system/line_history.h"
#include "../system/sandbox.h"

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What links in a folder lead to is read as well: caches and dotfiles are made of them. `end`: only names that
 * end so, or NULL. */
static void read_entries(sandbox *s, const char *place, const char *end)
{
    DIR *d = opendir(place);
    for (const struct dirent *at; d && (at = readdir(d)) != NULL;) {
        size_t n = strlen(at->d_name), m = end ? strlen(end) : 0;
        bool wanted = end ? n >= m && strcmp(at->d_name + n - m, end) == 0
                          : at->d_type == DT_LNK || at->d_type == DT_UNKNOWN;
        char *path = wanted ? string_format(NULL, "%s/%s", place, at->d_name) : NULL;
        if (path && at->d_name[0] != '.')
            sandbox_allow_read(s, path);
        free(path);
    }
    if (d)
        (void)closedir(d);
}

/* A folder with all in it; of a file also the other parts of a split model. */
static void read_model(sandbox *s, const char *model)
{
    char *target = realpath(model, NULL);
    const char *slash = target ? strrchr(target, '/') : NULL;
    char *around = slash ? strndup(target, (size_t)(slash - target)) : NULL;
    sandbox_allow_read(s, model);
    if (is_folder(model)) {
        read_entries(s, model, NULL);
    } else {
        if (around)
            read_entries(s, around, ".gguf");
        const char *own = strrchr(model, '/');
        char *beside = own ? strndup(model, (size_t)(own - model)) : strdup(".");
        if (beside)
            read_entries(s, *beside ? beside : "/", ".gguf");
        free(beside);
    }
    free(around);
    free(target);
}

/* A tokenizer.json has a tokenizer_config.json beside it. */
static void read_tokenizer(sandbox *s, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *beside =
        slash  ? string_format(NULL, "%.*s/tokenizer_config.json", (int)(slash - path), path)
        : path ? strdup("tokenizer_config.json")
               : NULL;
    if (path)
        read_model(s, path);
    if (beside)
        sandbox_allow_read(s, beside);
    free(beside);
}

static void read_system(sandbox *s)
{
    static const char *const places[] = {"/usr",
                                         "/lib",
                                         "/lib64",
                                         "/opt",
                                         "/sys",
                                         "/dev",
                                         "/proc/self",
                                         "/proc/cpuinfo",
                                         "/proc/meminfo",
                                         "/proc/locks",
                                         "/proc/sys",
                                         "/etc/localtime",
                                         "/etc/timezone",
                                         "/etc/ld.so.cache",
                                         "/etc/ssl/openssl.cnf"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        sandbox_allow_read(s, places[i]);
}

/* The GPU's backend, its driver and its devices. */
static void allow_gpu(sandbox *s, const options *opt)
{
    char plugin[PATH_MAX];
    if ((opt->backend && strcmp(opt->backend, "cpu") == 0 && !opt->asks_gpu) ||
        !backend_find_plugin(plugin, sizeof plugin))
        return;
    sandbox_allow_read(s, plugin);
    sandbox_allow_read(s, "/proc/driver/nvidia");
    DIR *d = opendir("/dev");
    for (const struct dirent *at; d && (at = readdir(d)) != NULL;) {
        char *path = strncmp(at->d_name, "nvidia", 6) == 0
                         ? string_format(NULL, "/dev/%s", at->d_name)
                         : NULL;
        if (path)
            sandbox_allow_write(s, path);
        free(path);
    }
    if (d)
        (void)closedir(d);
}

static void write_devices(sandbox *s)
{
    static const char *const devices[] = {"/dev/null", "/dev/tty", "/dev/full"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        sandbox_allow_write(s, devices[i]);
}

/* Personas, masks, the built-in model; writes: masks may be made there. */
static void own_folders(sandbox *s, bool writes)
{
    static const paths_kind kinds[] = {PATHS_CONFIG, PATHS_CACHE, PATHS_DATA};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *path, *personas, *masks, *modes;
        (void)paths_own(kinds[i], NULL, &path, NULL);
        (void)paths_own(kinds[i], "personas", &personas, NULL);
        (void)paths_own(kinds[i], "masks", &masks, NULL);
        (void)paths_own(kinds[i], "modes", &modes, NULL);
        if (writes && path && kinds[i] != PATHS_DATA) {
            const char *made = kinds[i] == PATHS_CACHE ? masks : personas;
            (void)paths_make(made, strlen(made), NULL);
            sandbox_allow_write(s, path);
        }
        if (path)
            sandbox_allow_read(s, path);
        if (personas)
            read_entries(s, personas, NULL);
        if (masks)
            read_entries(s, masks, NULL);
        if (modes)
            read_entries(s, modes, NULL);
        free(path);
        free(personas);
        free(masks);
        free(modes);
    }
}

/* What came with the program. */
static void read_installation(sandbox *s)
{
    char *places[PATHS_SHIPPED];
    if (paths_shipped(places, NULL))
        return;
    for (int i = 0; i < PATHS_SHIPPED; i++) {
        sandbox_allow_read(s, places[i]);
        read_entries(s, places[i], NULL);
    }
    paths_shipped_release(places);
}

/* FILE, or NAME=FILE. */
static void read_named(sandbox *s, const char *text)
{
    const char *equals = text ? strchr(text, '=') : NULL;
    if (text)
        sandbox_allow_read(s, text);
    if (equals)
        sandbox_allow_read(s, equals + 1);
}

/* FILE of an adapter, or NAME=FILE, and what a LoRA of PEFT has beside it. */
static void read_adapter(sandbox *s, const char *text)
{
    const char *slash = text ? strrchr(text, '/') : NULL;
    char *around = slash ? strndup(text, (size_t)(slash - text) + 1) : strdup("");
    char *config = around ? string_format(NULL, "%sadapter_config.json", around) : NULL;
    read_named(s, text);
    read_named(s, config);
    free(config);
    free(around);
}

/* "[NAME=]FILE[:SCALE]" */
static void read_scaled(sandbox *s, const char *text)
{
    const char *colon = strrchr(text, ':');
    char *file = colon ? strndup(text, (size_t)(colon - text)) : NULL;
    read_adapter(s, text);
    read_adapter(s, file);
    free(file);
}

static void read_command_line(sandbox *s, const options *opt)
{
    const texts *lists[] = {&opt->files, &opt->masks, &opt->lesson_texts};
    read_named(s, opt->file);
    read_named(s, opt->lessons);
    read_named(s, opt->keep_near);
    read_named(s, opt->import);
    read_named(s, opt->router);
    for (size_t i = 0; i < opt->word_count; i++)
        read_named(s, opt->words[i]);
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (size_t i = 0; i < lists[k]->len; i++)
            read_named(s, lists[k]->v[i]);
    for (size_t i = 0; i < opt->adapters.len; i++)
        read_scaled(s, opt->adapters.v[i]);
}

/* A file that is there; of one to be, the folder that it appears in. */
static void write_output(sandbox *s, const char *path)
{
    if (!path || strcmp(path, "-") == 0)
        return;
    const char *slash = strrchr(path, '/');
    char *around = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (access(path, F_OK) == 0)
        sandbox_allow_write(s, path);
    else if (around)
        sandbox_allow_write(s, around);
    free(around);
}

static void write_transcripts(sandbox *s, const options *opt)
{
    char *place = NULL;
    if (!options_saves(opt) || transcript_folder(&place, NULL))
        return;
    (void)paths_make(place, strlen(place), NULL); /* what fails now will fail, and be told, then */
    sandbox_allow_write(s, place);
    free(place);
}

/* The folder of a file or folder that is written beside its place and then renamed. */
static void write_beside(sandbox *s, const char *path)
{
    size_t n = path ? strlen(path) : 0;
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    char *around = n ? strndup(path, n) : strdup(".");
    if (path && around)
        sandbox_allow_write(s, around);
    free(around);
}

/* The state of a run; and the library that training loads is found through these links. */
static void write_training(sandbox *s)
{
    char *place = NULL;
    sandbox_allow_read(s, "/etc/alternatives");
    if (paths_own(PATHS_STATE, "train", &place, NULL) || !place)
        return;
    (void)paths_make(place, strlen(place), NULL);
    sandbox_allow_write(s, place);
    free(place);
}

/* The records of evaluations. */
static void write_records(sandbox *s)
{
    char *place = NULL;
    if (paths_own(PATHS_STATE, "eval", &place, NULL) || !place)
        return;
    (void)paths_make(place, strlen(place), NULL);
    sandbox_allow_write(s, place);
    free(place);
}

/* What the columns of a comparison name: files of masks, adapters and rules, other models. */
static void read_columns(sandbox *s, const options *opt)
{
    for (size_t i = 0; i < opt->sets.len; i++) {
        char *text = strdup(opt->sets.v[i]), *next = NULL;
        for (char *at = text ? strtok_r(text, ",", &next) : NULL; at;
             at = strtok_r(NULL, ",", &next)) {
            char *value = strchr(at, '='), *path = NULL;
            if (!value)
                continue;
            read_scaled(s, ++value);
            if (strstr(at, "model=") && source_resolve(value, &path, NULL) == 0)
                read_model(s, path);
            if (strstr(at, "tokenizer="))
                read_tokenizer(s, value);
            free(path);
        }
        free(text);
    }
}

/* All that a command which answers and ends opens. */
static void name_files(sandbox *s, const options *opt, command_id id, const char *model)
{
    read_system(s);
    write_devices(s);
    allow_gpu(s, opt);
    read_installation(s);
    own_folders(s, id == COMMAND_PERSONAS_DERIVE || id == COMMAND_PERSONAS_ADD ||
                       id == COMMAND_TRAIN || opt->learn);
    read_model(s, model);
    read_tokenizer(s, opt->tokenizer);
    read_command_line(s, opt);
    write_output(s, opt->output);
    for (size_t i = 0; i < opt->outputs.len; i++)
        write_beside(s, opt->outputs.v[i]);
    write_beside(s, opt->tensorboard);
    if (opt->dumps.len)
        write_beside(s, opt->dump_to ? opt->dump_to : "activations");
    if (id == COMMAND_PERSONAS_ADAPTER) {
        read_adapter(s, opt->words[0]);
        write_beside(s, opt->output);
    }
    if (id == COMMAND_MODEL_EXPORT)
        write_beside(s, opt->output);
    if (id == COMMAND_ASK)
        write_transcripts(s, opt);
    if (id == COMMAND_TRAIN)
        write_training(s);
    if (id == COMMAND_EVAL && !opt->output)
        write_records(s);
    if (id == COMMAND_EVAL || id == COMMAND_COMPARE)
        write_beside(s, opt->html);
    if (id == COMMAND_COMPARE)
        read_columns(s, opt);
    if (id == COMMAND_MODEL_MAP)
        write_beside(s, opt->output);
}

/* The folder of a file that may be made there: the folder itself only with `make`. What the file is a link to
 * is written as well. */
static void write_around(sandbox *s, const char *path, bool make)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *around = slash ? strndup(path, (size_t)(slash - path)) : NULL;
    if (around && make)
        (void)paths_make(around, strlen(around), NULL);
    if (around) {
        sandbox_allow_write(s, around);
        sandbox_allow_write(s, path);
    }
    free(around);
}

/* With --no-save nothing is made, and only the index, a cache, may change. */
static void name_conversation(sandbox *s, const options *opt, const console *con)
{
    bool saves = !opt->no_save;
    char *transcripts = NULL, *index = NULL, *lines = NULL;
    sandbox_allow_read(s, "/");
    write_devices(s);
    allow_gpu(s, opt);
    if (con->private_folder)
        sandbox_allow_write(s, con->private_folder);
    write_transcripts(s, opt);
    if (saves && transcript_folder(&transcripts, NULL) == 0)
        sandbox_allow_write(s, transcripts); /* /resume writes there later on */
    if (search_path(&index, NULL) == 0)
        write_around(s, index, saves);
    if (saves && line_history_path(true, &lines, NULL) == 0)
        write_around(s, lines, false);
    free(transcripts);
    free(index);
    free(lines);
}

/* Models by any name, several of them; one is written. */
static void name_surgery(sandbox *s, const options *opt)
{
    sandbox_allow_read(s, "/");
    write_devices(s);
    write_beside(s, opt->output);
}

int sandbox_policy_enter(const options *opt, const char *model, console *con, error *err)
{
    char summary[160];
    command_id id = opt->command ? options_command(opt) : COMMAND_TALK;
    if (opt->no_sandbox || !con->may_sandbox)
        return 0;
    con->may_sandbox = false;
    sandbox s;
    sandbox_open(&s);
    if (id == COMMAND_TALK)
        name_conversation(&s, opt, con);
    else if (id == COMMAND_TRANSCRIPTS_REPLAY)
        sandbox_allow_read(&s, "/");
    else if (id == COMMAND_EDIT || id == COMMAND_MODEL_CONVERT)
        name_surgery(&s, opt);
    else
        name_files(&s, opt, id, model);
    int result = sandbox_enter(&s, summary, sizeof summary, err);
    if (!result && con->verbose)
        console_note(con, "%s%s", summary,
                     id == COMMAND_TALK
                         ? "; a second process writes for /save and runs editor and clipboard"
                         : "");
    return result;
}
