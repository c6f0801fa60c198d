/* ask_prepare.c - what `ask` must know of the personas before a model is opened. See ask.h.
 *
 * A persona's file that is broken, or not there, is told before a large model is touched.
 */
#include "../engine/utf8.h"
#include "ask.h"

static int look_into_personas(ask *a)
{
    for (int i = 0; i < a->persona_count; i++) {
        persona *p = persona_find(a->personas[i], a->err);
        if (!p)
            return -1;
        persona_close(p);
    }
    return 0;
}

/* The chair is a persona too, so that its words can be changed; without one the merge has its own. */
static int find_chair(ask *a)
{
    static const char CHAIR[] = "chair";
    if (a->merge != MERGE_AUTO && a->merge != MERGE_SYNTH)
        return 0;
    bool there = false;
    if (persona_exists(CHAIR, &there, a->err))
        return -1;
    if (there)
        a->chair = persona_find(CHAIR, a->err);
    return there && !a->chair ? -1 : 0;
}

/* Letters outside Latin script outnumber those inside. Signs, digits and pictures are no letters. */
static bool mostly_foreign(const char *text, size_t len)
{
    size_t latin = 0, other = 0;
    for (size_t at = 0; at < len;) {
        uint32_t c = utf8_next(text, &at);
        bool sign = (c >= 0x2000 && c < 0x2C00) || (c >= 0x3000 && c < 0x3040) ||
                    (c >= 0xFE00 && c < 0xFE70) || c >= 0x1F000;
        latin += (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= 0xC0 && c < 0x250);
        other += c >= 0x370 && !sign;
    }
    return other > latin;
}

int ask_prepare(ask *a)
{
    size_t bad;
    if (!utf8_check(a->prompt.v, a->prompt.len, &bad))
        return error_set(a->err, ERROR_USAGE, "the prompt is no UTF-8 at byte %zu", bad);
    return look_into_personas(a) || find_chair(a) ? -1 : 0;
}

void ask_warn_of_script(ask *a)
{
    if (!a->opt->model && mostly_foreign(a->prompt.v, a->prompt.len))
        console_note(a->con,
                     "the built-in model knows English only; name another one with -m MODEL");
}
