/* command_personas.c - `personas list`.
 *
 * Every persona of the search path is loaded, and with a model at hand each is seated by itself,
 * since what it acts by depends on the model. A broken file is listed with what is wrong with
 * it: one bad file hides no other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../personas/roster/persona_tree.h"
#include "../screen/safe_text.h"
#include "commands.h"
#include "personas_model.h"

enum { ACTS_LEAST = 11 }; /* columns of what a persona acts by: "prompt+mask" */

typedef struct listed {
    persona *persona; /* NULL when it is broken */
    char acts_by[48]; /* "" = not known */
    error problem;
} listed;

/* ---- looking ----------------------------------------------------------------------------------- */

static void load_all(const persona_list *all, listed *v)
{
    for (size_t i = 0; i < all->len; i++)
        v[i].persona = persona_find(all->names[i], &v[i].problem);
}

/* A group acts by its members, on any model; one that cannot be taken apart is broken. */
static void open_groups(const persona_list *all, listed *v)
{
    for (size_t i = 0; i < all->len; i++) {
        const char *name = all->names[i];
        persona_tree t;
        if (!v[i].persona || !v[i].persona->group)
            continue;
        (void)snprintf(v[i].acts_by, sizeof v[i].acts_by, "group");
        (void)persona_tree_open(&t, &name, 1, &v[i].problem);
        persona_tree_close(&t);
    }
}

static void seat_all(engine *e, const persona_list *all, listed *v)
{
    for (size_t i = 0; i < all->len && e; i++) {
        if (!v[i].persona || v[i].persona->group)
            continue;
        roster *r = personas_seat(e, v[i].persona, NULL, NULL, &v[i].problem);
        if (r)
            (void)snprintf(v[i].acts_by, sizeof v[i].acts_by, "%s", roster_seat(r, 0)->acts_by);
        roster_close(r);
    }
}

/* ---- printing ---------------------------------------------------------------------------------- */

static int print_json(const persona_list *all, const listed *v, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_array(&e, NULL);
    for (size_t i = 0; i < all->len; i++) {
        json_begin_object(&e, NULL);
        json_put_text(&e, "name", all->names[i]);
        json_put_text(&e, "about", v[i].persona ? v[i].persona->about : NULL);
        json_put_text(&e, "acts_by", v[i].acts_by[0] ? v[i].acts_by : NULL);
        json_put_text(&e, "path", all->paths[i]);
        json_put_text(&e, "problem", v[i].problem.code ? v[i].problem.text : NULL);
        json_end(&e);
    }
    json_end(&e);
    return console_json(con, &e, err);
}

/* width, acts: of the names and of what they act by; 0 without a model. */
static void print_one(text_writer *w, const persona_list *all, const listed *v, size_t i, int width,
                      int acts, const console *con)
{
    const char *about = v[i].problem.code     ? v[i].problem.text
                        : v[i].persona->about ? v[i].persona->about
                                              : "";
    text_format(w, "%s%-*s%s", console_bold(con), width, all->names[i], console_reset(con));
    if (acts)
        text_format(w, "  %-*s", acts, v[i].problem.code ? "broken" : v[i].acts_by);
    text_put(w, "  ");
    console_put_quoted(con, w, about);
    text_format(w, "\n%-*s  %s", width, "", console_dim(con));
    console_put_quoted(con, w, all->paths[i]);
    text_format(w, "%s\n", console_reset(con));
}

static int print_text(const persona_list *all, const listed *v, bool model, console *con,
                      error *err)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    int width = 0, acts = model ? ACTS_LEAST : 0;
    for (size_t i = 0; i < all->len; i++) {
        int name = (int)strlen(all->names[i]), by = (int)strlen(v[i].acts_by);
        width = name > width ? name : width;
        acts = model && by > acts ? by : acts;
    }
    for (size_t i = 0; i < all->len; i++)
        print_one(&w, all, v, i, width, acts, con);
    return console_written(con, &w);
}

int command_personas_list(const options *opt, console *con, error *err)
{
    persona_list all;
    if (persona_list_all(&all, err))
        return -1;
    listed *v = calloc(all.len ? all.len : 1, sizeof *v);
    engine *e = NULL;
    int result = v ? 0 : error_memory(err, "the personas");
    if (!result)
        result = personas_model(opt, con, &e, err);
    if (!result) {
        load_all(&all, v);
        open_groups(&all, v);
        seat_all(e, &all, v);
        result = options_want_json(opt) ? print_json(&all, v, con, err)
                                        : print_text(&all, v, e != NULL, con, err);
    }
    for (size_t i = 0; v && i < all.len; i++)
        persona_close(v[i].persona);
    free(v);
    engine_close(e);
    persona_list_release(&all);
    return result;
}
