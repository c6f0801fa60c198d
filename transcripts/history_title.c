/* history_title.c - what a conversation is called in lists and exports. */
#include <string.h>

#include "../engine/base/utf8.h"
#include "clean_text.h"
#include "history.h"

int history_title(const history *h, buf *out, error *err)
{
    const struct turn *first = NULL;
    for (int i = 0; i < h->turn_count && !first; i++)
        if (!h->turns[i].undone)
            first = &h->turns[i];
    buf clean = {0};
    int result = h->title ? clean_text(&clean, h->title, strlen(h->title), err)
                 : first  ? clean_text(&clean, first->prompt.v, first->prompt.len, err)
                          : 0;
    const char *text = clean.v ? clean.v : "";
    size_t blank = strspn(text, " \t\n"), line = strcspn(text + blank, "\n"), end = 0;
    for (int n = 0; n < HISTORY_TITLE && end < line; n++)
        end += utf8_character(text + blank + end, line - end);
    if (!result)
        result = buf_add(out, text + blank, end, err) ||
                 buf_text(out, end < line || text[blank + line] ? "…" : "", err);
    buf_release(&clean);
    return result ? -1 : 0;
}
