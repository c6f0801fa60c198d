/* display_width.c - see display_width.h. */
#include "display_width.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

enum { EMOJI_SELECTOR = 0xFE0F };

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F;
}

/* The code point at text[0..n); a byte that begins none stands for itself. */
static size_t code_point(const char *text, size_t n, int32_t *c)
{
    utf8proc_ssize_t used =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, c);
    if (used > 0)
        return (size_t)used;
    *c = 0xFFFD;
    return 1;
}

static bool is_flag_half(int32_t c)
{
    return c >= 0x1F1E6 && c <= 0x1F1FF;
}

static bool is_pictograph(int32_t c)
{
    return utf8proc_get_property(c)->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

/* A code point that joins the one before it takes no cells of its own. */
static int width_of(int32_t c, bool first)
{
    if (!first && utf8proc_get_property(c)->boundclass == UTF8PROC_BOUNDCLASS_EXTEND)
        return 0;
    return c == 0xAD ? 1 : utf8proc_charwidth(c);
}

size_t display_next_cluster(const char *text, size_t n, int *cells)
{
    if (is_plain((unsigned char)*text) && (n == 1 || is_plain((unsigned char)text[1]))) {
        *cells = 1;
        return 1;
    }
    int32_t before, c, state = 0;
    size_t at = code_point(text, n, &before);
    int width = width_of(before, true);
    while (at < n && at < DISPLAY_CLUSTER - 4) {
        size_t used = code_point(text + at, n - at, &c);
        if (utf8proc_grapheme_break_stateful(before, c, &state))
            break;
        int more = c == EMOJI_SELECTOR || is_flag_half(c) ? 2 : width_of(c, false);
        width = more > width ? more : width;
        before = c;
        at += used;
    }
    *cells = width > 2 ? 2 : width;
    return at;
}

bool display_disputed(const char *cluster, size_t n)
{
    int32_t c;
    size_t at = code_point(cluster, n, &c);
    if (is_flag_half(c) || (at < n && is_pictograph(c)))
        return true;
    while (at < n && c != EMOJI_SELECTOR)
        at += code_point(cluster + at, n - at, &c);
    return c == EMOJI_SELECTOR;
}

size_t display_width(const char *text, size_t n)
{
    size_t width = 0;
    int cells;
    for (size_t at = 0; at < n; width += (size_t)cells)
        at += display_next_cluster(text + at, n - at, &cells);
    return width;
}

size_t display_cut(const char *text, size_t n, size_t room)
{
    size_t width = 0, at = 0;
    while (at < n) {
        int cells;
        size_t used = display_next_cluster(text + at, n - at, &cells);
        width += (size_t)cells;
        if (width > room)
            break;
        at += used;
    }
    return at;
}

int display_fit(buf *out, const char *text, size_t n, size_t room, bool utf8, size_t *used,
                error *err)
{
    const char *mark = "";
    size_t mark_cells = 0, keep = n;
    if (display_cut(text, n, room) < n) {
        mark = utf8 ? "…" : "...";
        mark_cells = utf8 ? 1 : 3;
        if (mark_cells > room) {
            mark = "";
            mark_cells = 0;
        }
        keep = display_cut(text, n, room - mark_cells);
    }
    if (used)
        *used = display_width(text, keep) + mark_cells;
    return buf_add(out, text, keep, err) || buf_text(out, mark, err) ? -1 : 0;
}

int display_repeat(buf *out, const char *text, size_t count, error *err)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < count; i++)
        if (buf_add(out, text, n, err))
            return -1;
    return 0;
}
