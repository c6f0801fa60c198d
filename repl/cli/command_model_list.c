/* command_model_list.c - the models found on this machine, and whether each can be run.
 *
 * A model counts as runnable when its checkpoint opens and holds what its configuration asks for, no
 * less and no more: its weights are only mapped, so a shelf of large models is listed at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/run/weights.h"
#include "../../engine/sources/sources.h"
#include "../options/open_model.h"
#include "../screen/human.h"
#include "../screen/safe_text.h"
#include "commands.h"

typedef struct verdict {
    bool runnable;
    model_config config; /* of a runnable one */
    error problem;       /* of another */
} verdict;

typedef int visit_fn(void *user, const source *found, const verdict *v, error *err);

/* Of many models at once even warnings are details: all of it under -v. */
static void show_detail(void *user, checkpoint_note note, const char *sentence)
{
    console *con = user;
    (void)note;
    if (con->verbose)
        console_note(con, "%s", sentence);
}

static void judge(const source *found, console *con, verdict *v)
{
    *v = (verdict){0};
    if (strchr(found->name, ':')) { /* what stands beside the weights counts too */
        source_found whole;
        int result = source_find(found->name, &whole, &v->problem);
        source_found_release(&whole);
        if (result)
            return;
    }
    checkpoint *c = checkpoint_open(found->path, show_detail, con, &v->problem);
    v->runnable = c && weights_check(c, show_detail, con, &v->problem) == 0;
    if (v->runnable)
        v->config = *checkpoint_config(c);
    checkpoint_close(c);
}

static int visit_each(const sources *all, console *con, visit_fn *visit, void *user, error *err)
{
    verdict *v = malloc(sizeof *v);
    if (!v)
        return error_memory(err, "the list of models");
    int result = 0;
    for (size_t i = 0; result == 0 && i < all->len; i++) {
        if (console_cancelled(con)) {
            result = console_interrupted(err);
            break;
        }
        console_progress(con, "opening %s", all->v[i].name);
        judge(&all->v[i], con, v);
        result = visit(user, &all->v[i], v, err);
    }
    free(v);
    return result;
}

/* ---- the built-in model ----------------------------------------------------------------------- */

/* Puts the built-in model in front of *all when it has been built. */
static int add_built_in(sources *all, error *err)
{
    char *path;
    struct stat about;
    if (open_model_built_in_path(&path, err))
        return -1;
    if (stat(path, &about) != 0) {
        free(path);
        return 0;
    }
    source *v = realloc(all->v, (all->len + 1) * sizeof *v);
    char *name = strdup("built-in");
    if (v)
        all->v = v;
    if (!v || !name) {
        free(path);
        free(name);
        return error_memory(err, "the list of models");
    }
    memmove(v + 1, v, all->len * sizeof *v);
    v[0] = (source){.name = name, .path = path, .bytes = (uint64_t)about.st_size};
    all->cap = ++all->len;
    return 0;
}

/* ---- printing --------------------------------------------------------------------------------- */

typedef struct listing {
    console *con;
    buf out;
    json_writer json;
    size_t name_width;
} listing;

static int visit_json(void *user, const source *found, const verdict *v, error *err)
{
    listing *l = user;
    json_writer *e = &l->json;
    (void)err;
    json_begin_object(e, NULL);
    json_put_text(e, "name", found->name);
    json_put_text(e, "path", found->path);
    json_put_count(e, "bytes", found->bytes);
    json_put_bool(e, "runnable", v->runnable);
    json_put_text(e, "problem", v->runnable ? NULL : v->problem.text);
    json_put_text(e, "architecture", v->runnable ? architecture_name(v->config.arch) : NULL);
    json_put_int(e, "layers", v->config.layers);
    json_put_int(e, "experts", v->config.experts);
    json_put_int(e, "experts_per_token", v->config.experts_per_token);
    json_put_int(e, "context", v->config.context);
    json_end(e);
    return 0;
}

/* The problem without the path in front of it, which a table has no room for. */
static const char *problem(const source *found, const verdict *v)
{
    size_t n = strlen(found->path);
    bool named = strncmp(v->problem.text, found->path, n) == 0;
    return named && strncmp(v->problem.text + n, ": ", 2) == 0 ? v->problem.text + n + 2
                                                               : v->problem.text;
}

static void describe(char *text, size_t size, const source *found, const verdict *v)
{
    const model_config *c = &v->config;
    if (!v->runnable)
        (void)snprintf(text, size, "%s", problem(found, v));
    else if (c->experts)
        (void)snprintf(text, size, "%s, %d layers, %d of %d experts", architecture_name(c->arch),
                       c->layers, c->experts_per_token, c->experts);
    else
        (void)snprintf(text, size, "%s, %d layers, dense", architecture_name(c->arch), c->layers);
}

/* One line: name, size, yes or no, what it is or why not. */
static int visit_text(void *user, const source *found, const verdict *v, error *err)
{
    listing *l = user;
    char bytes[HUMAN_TEXT], about[sizeof v->problem.text];
    describe(about, sizeof about, found, v);
    buf name = {0};
    int result = console_quote(l->con, &name, found->name, err);
    size_t width = result ? 0 : safe_text_width(name.v ? name.v : "", name.len);
    int pad = width < l->name_width ? (int)(l->name_width - width) : 0;
    if (result == 0)
        result = buf_format(&l->out, err, "%s%*s  %10s  %-8s  ", name.v ? name.v : "", pad, "",
                            human_bytes(bytes, found->bytes), v->runnable ? "yes" : "no");
    buf_release(&name);
    if (result || console_quote(l->con, &l->out, about, err) || buf_text(&l->out, "\n", err))
        return -1;
    return console_text(l->con, &l->out, err);
}

static int print_json(listing *l, const sources *all, error *err)
{
    l->json = (json_writer){.out = &l->out, .err = err};
    json_begin_object(&l->json, NULL);
    json_begin_array(&l->json, "models");
    if (visit_each(all, l->con, visit_json, l, err))
        return -1;
    json_end(&l->json);
    json_end(&l->json);
    return console_json(l->con, &l->json, err);
}

static int print_text(listing *l, const sources *all, error *err)
{
    if (!all->len) {
        console_note(l->con, "No models found on this machine. -m takes the path of a GGUF file "
                             "or of a Hugging Face folder.");
        return 0;
    }
    l->name_width = strlen("name for -m");
    for (size_t i = 0; i < all->len; i++) {
        size_t width = safe_text_width(all->v[i].name, strlen(all->v[i].name));
        if (width > l->name_width && width <= 48)
            l->name_width = width;
    }
    if (buf_format(&l->out, err, "%s%-*s  %10s  %-8s  %s%s\n", console_dim(l->con),
                   (int)l->name_width, "name for -m", "size", "runnable", "what, or why not",
                   console_reset(l->con)) ||
        console_text(l->con, &l->out, err))
        return -1;
    return visit_each(all, l->con, visit_text, l, err);
}

int command_model_list(const options *opt, console *con, error *err)
{
    sources all = {0};
    listing l = {.con = con};
    int result = sources_list(&all, err) || add_built_in(&all, err) ? -1 : 0;
    if (result == 0)
        result = options_want_json(opt) ? print_json(&l, &all, err) : print_text(&l, &all, err);
    sources_release(&all);
    buf_release(&l.out);
    return result;
}
