/* ask_prepare.c - what `ask` must know before a model is opened. See ask.h. */
#include "../../engine/base/utf8.h"
#include "../options/open_model.h"
#include "ask.h"

int ask_prepare(ask *a)
{
    size_t bad;
    if (!utf8_check(a->prompt.v, a->prompt.len, &bad))
        return error_set(a->err, ERROR_USAGE, "the prompt is no UTF-8 at byte %zu", bad);
    return ask_options_prepare(&a->how, a->err);
}

void ask_warn_of_script(ask *a)
{
    if (open_model_is_built_in(a->opt) && ask_options_foreign(a->prompt.v, a->prompt.len))
        console_note(a->con,
                     "the built-in model knows English only; name another one with -m MODEL");
}
