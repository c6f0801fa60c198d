/* report_page.c - see report_page.h. */
#include "report_page.h"

#include <string.h>

#include "../../engine/base/html_page.h"
#include "../screen/safe_text.h"

void report_put_foreign(text_writer *w, const char *text)
{
    buf clean = {0};
    if (safe_text_copy(&clean, SAFE_LINE, false, text, strlen(text), w->err))
        w->failed = true;
    else if (clean.len)
        html_put_text(w, clean.v, clean.len);
    buf_release(&clean);
}
