/* personas_group.c - see personas_group.h. */
#include "personas_group.h"

#include "../../personas/roster/persona_tree.h"
#include "../../personas/roster/roster.h"
#include "../screen/safe_text.h"
#include "personas_measure.h"
#include "personas_model.h"

static bool is_party(const seat *s, int group)
{
    return s->group == group && !seat_is_control(s);
}

static int put_json(const persona *p, const roster *r, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    int seats = r ? roster_seats(r) : 0, columns = r ? seats + roster_groups(r) : 0;
    json_begin_object(&e, NULL);
    json_put_text(&e, "persona", p->name);
    json_put_text(&e, "path", p->path);
    json_put_text(&e, "merge", merge_name(p->group->merge));
    json_begin_array(&e, "columns");
    for (int i = 0; i < columns; i++) {
        json_begin_object(&e, NULL);
        json_put_text(&e, "name", roster_seat(r, i)->name);
        json_put_text(&e, "acts_by", roster_seat(r, i)->acts_by);
        json_end(&e);
    }
    json_end(&e);
    json_end(&e);
    int result = console_json(con, &e, err);
    buf_release(&b);
    return result;
}

/* "  team/coder   mask", and "  team   vote of team/coder, team/critic" */
static void put_columns(text_writer *w, const roster *r)
{
    int seats = roster_seats(r), columns = seats + roster_groups(r);
    for (int i = 0; i < seats; i++)
        text_format(w, "  %-20s %s\n", roster_seat(r, i)->name, roster_seat(r, i)->acts_by);
    for (int g = 0; g < columns - seats; g++) {
        const char *between = " of";
        text_format(w, "  %-20s %s", roster_seat(r, seats + g)->name,
                    merge_name(roster_group(r, g)->merge));
        for (int i = 0; i < columns; i++) {
            if (!is_party(roster_seat(r, i), g))
                continue;
            text_format(w, "%s %s", between, roster_seat(r, i)->name);
            between = ",";
        }
        text_put(w, "\n");
    }
}

static int put_text(const persona *p, const roster *r, console *con, error *err)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    text_format(&w, "%s%s%s is in order: ", console_bold(con), p->name, console_reset(con));
    console_put_quoted(con, &w, p->path);
    text_put(&w, "\n");
    if (r)
        put_columns(&w, r);
    else
        for (int i = 0; i < p->group->count; i++)
            text_format(&w, "  %s\n", p->group->members[i]);
    return console_written(con, &w);
}

static int check(const persona *p, engine *e, const options *opt, console *con, error *err)
{
    roster_options o = {.personas = (const char *const *)&p->name,
                        .persona_count = 1,
                        .groups = true,
                        .sampling = sampling_defaults(),
                        .prompt = ""};
    persona_tree t;
    int result = persona_tree_open(&t, o.personas, 1, err);
    persona_tree_close(&t);
    roster *r = !result && e ? roster_open(e, &o, console_sentence, con, err) : NULL;
    if (result || (e && !r))
        return -1;
    result = options_want_json(opt) ? put_json(p, r, con, err) : put_text(p, r, con, err);
    roster_close(r);
    return result;
}

int personas_check_group(persona *p, const options *opt, console *con, error *err)
{
    engine *e = NULL;
    int result = personas_measure_wanted(opt)
                     ? error_set(err, ERROR_USAGE,
                                 "%s is a group: its members are measured one by one, as %s",
                                 p->name, p->group->members[0])
                     : personas_model(opt, con, &e, err);
    if (!result)
        result = check(p, e, opt, con, err);
    engine_close(e);
    persona_close(p);
    return result;
}
