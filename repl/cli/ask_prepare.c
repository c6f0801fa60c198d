/* ask_prepare.c - what `ask` must know before a model is opened. See ask.h. */
#include "../../engine/base/utf8.h"
#include "../options/open_model.h"
#include "ask.h"

int ask_prepare(ask *a)
{
    return ask_options_prepare(&a->how, a->err);
}

void ask_warn_of_script(ask *a)
{
    if (open_model_is_built_in(a->opt) && ask_options_foreign(a->prompt.v, a->prompt.len))
        console_note(a->con,
                     "the built-in model knows English only; name another one with -m MODEL");
}
