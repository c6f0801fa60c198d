/* template_notes.c - see template_notes.h. */
#include "template_notes.h"

#include <string.h>

const char *template_notes_thinking(const engine *e, const council_options *o)
{
    const chat_format *f = engine_chat(e);
    if (o->raw)
        return "--think has no effect: text that is continued (--raw) has no place for a thought";
    return f && !chat_can_think(f)
               ? "--think has no effect: the model's chat template knows no thinking"
               : NULL;
}

static bool any_instruction(const roster *seats)
{
    for (int i = 0; i < roster_seats(seats); i++)
        if (strstr(roster_seat(seats, i)->acts_by, "prompt"))
            return true;
    return false;
}

void template_notes_variables(const chat_format *f, console *con)
{
    const char *variable;
    for (int i = 0; (variable = chat_variable(f, i)); i++) {
        char name[64] = "";
        size_t n = strcspn(variable, "=");
        if (n >= sizeof name)
            continue;
        memcpy(name, variable, n);
        if (!chat_reads(f, name))
            console_note(con, "--template %s: the chat template reads no such variable", name);
    }
}

void template_notes(const engine *e, const roster *seats, const council_options *o, console *con)
{
    const chat_format *f = engine_chat(e);
    const char *why = o->think ? template_notes_thinking(e, o) : NULL;
    if (why)
        console_note(con, "%s", why);
    if (o->raw || !f)
        return;
    template_notes_variables(f, con);
    if (!o->think && chat_always_thinks(f))
        console_note(con, "the model's chat template begins every answer with a thought; it is "
                          "closed at once (--think lets the model think)");
    if (chat_drops_system(f) && any_instruction(seats))
        console_note(con, "the model's chat template leaves out system messages: instructions "
                          "stand in front of the first question");
}
