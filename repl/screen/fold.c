/* fold.c - see fold.h.
 *
 * Characters gather in `word` until a blank or a newline decides; then the word is placed
 * behind the blanks that wait, or on a new line under `hang`, the indent that the line's
 * own beginning or its last table column set. A number and its blank stay in `word` for one
 * word more: if that is short enough to be a unit the two are placed as one, else as two.
 * Wide characters may be parted, so each is placed by itself.
 */
#include "fold.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "display_width.h"

enum { USUAL = 80, FEWEST = 20, UNIT_CELLS = 12 };
/* Three blanks or a deep indent begin a column of a table, which needs some room to be one. */
enum { GAP = 3, DEEP = 16, ROOM = 20, SHALLOW = 4 };

/* ---- one word ---------------------------------------------------------------------------------- */

static int new_line(fold *f, buf *out, error *err)
{
    bool narrow = f->hang >= f->width / 2 && f->hang + ROOM > f->width;
    f->column = !narrow ? f->hang : f->width >= 2 * ROOM ? SHALLOW : 0;
    f->blanks = 0;
    f->filled = false;
    return buf_text(out, "\n", err) || display_repeat(out, " ", f->column, err) ? -1 : 0;
}

static int place(fold *f, const char *word, size_t n, size_t cells, buf *out, error *err)
{
    if (!n)
        return 0;
    if (f->width && f->filled && cells && f->column + f->blanks + cells > f->width &&
        new_line(f, out, err))
        return -1;
    if (f->filled && f->hang && f->blanks >= GAP && f->column + f->blanks + ROOM <= f->width)
        f->hang = f->column + f->blanks;
    if (display_repeat(out, " ", f->blanks, err) || buf_add(out, word, n, err))
        return -1;
    f->column += f->blanks + cells;
    f->blanks = 0;
    f->filled = f->filled || cells;
    return 0;
}

/* The word, alone or behind its number: they stay together when what follows may be a unit. */
static int put_word(fold *f, buf *out, error *err)
{
    size_t rest = f->number ? f->word.len - f->number - 1 : 0;
    size_t rest_cells = f->number ? f->cells - f->number_cells - 1 : 0;
    bool parted =
        f->number && (!rest || rest_cells > UNIT_CELLS || (f->width && f->cells > f->width));
    int result = 0;
    if (parted) {
        result = place(f, f->word.v, f->number, f->number_cells, out, err);
        f->blanks = 1;
        result = result || place(f, f->word.v + f->number + 1, rest, rest_cells, out, err);
    } else {
        result = place(f, f->word.v, f->word.len, f->cells, out, err);
    }
    buf_clear(&f->word);
    f->cells = f->number = f->number_cells = 0;
    return result ? -1 : 0;
}

/* "45", "1,234.5", "(0.41", "~3", "11/12"; the sequences of a look do not count. */
static bool is_number(const buf *word)
{
    bool digit = false;
    for (size_t i = 0; i < word->len; i++) {
        char c = word->v[i];
        if (c == '\033') {
            while (i < word->len && word->v[i] != 'm')
                i++;
            continue;
        }
        digit = c >= '0' && c <= '9';
        if (!digit && !strchr("+-.,:/~<>=(", c))
            return false;
    }
    return digit; /* it ends in one: "3," is followed by another thing */
}

/* ---- text -------------------------------------------------------------------------------------- */

/* "- ", "* ", "12. " and an indent: where a line goes on. */
static bool is_mark(const buf *word)
{
    size_t n = word->len;
    if (n == 1)
        return strchr("-*+>", word->v[0]) != NULL;
    return n > 1 && n < 4 && (word->v[n - 1] == '.' || word->v[n - 1] == ')') &&
           strspn(word->v, "0123456789") == n - 1;
}

static int blank(fold *f, buf *out, error *err)
{
    if (!f->filled && !f->word.len) {
        f->column++;
        f->hang = f->column + (f->column < DEEP ? 2 : 0);
        return buf_text(out, " ", err);
    }
    if (!f->filled && is_mark(&f->word))
        f->hang = f->column + f->cells + 1;
    if (f->word.len && !f->number && is_number(&f->word)) {
        f->number = f->word.len;
        f->number_cells = f->cells++;
        return buf_text(&f->word, " ", err);
    }
    if (put_word(f, out, err))
        return -1;
    f->blanks++;
    return 0;
}

static int newline(fold *f, buf *out, error *err)
{
    if (put_word(f, out, err))
        return -1;
    f->column = f->hang = f->blanks = 0;
    f->filled = false;
    return buf_text(out, "\n", err);
}

/* A cluster, or a sequence of ours: the bytes taken, 0 when memory is out. */
static size_t put(fold *f, const char *text, size_t n, buf *out, error *err)
{
    int cells = 0;
    size_t used;
    if (*text == '\033') {
        const char *end = memchr(text, 'm', n);
        used = end ? (size_t)(end - text) + 1 : n;
    } else {
        used = display_next_cluster(text, n, &cells);
    }
    if (cells == 2 && !f->number && put_word(f, out, err))
        return 0;
    if (buf_add(&f->word, text, used, err))
        return 0;
    f->cells += (size_t)cells;
    return cells == 2 && put_word(f, out, err) ? 0 : used;
}

int fold_add(fold *f, const char *text, size_t n, buf *out, error *err)
{
    if (!f->width)
        return n ? buf_add(out, text, n, err) : 0;
    for (size_t i = 0; i < n;) {
        if (text[i] == '\n' || text[i] == ' ' || text[i] == '\t') {
            int result = text[i] == '\n' ? newline(f, out, err) : blank(f, out, err);
            for (int k = 0; text[i] == '\t' && k < 3 && !result; k++)
                result = blank(f, out, err);
            if (result)
                return -1;
            i++;
            continue;
        }
        size_t used = put(f, text + i, n - i, out, err);
        if (!used)
            return -1;
        i += used;
    }
    return 0;
}

int fold_end(fold *f, buf *out, error *err)
{
    size_t blanks = f->word.len ? 0 : f->blanks; /* a question that waits for its answer */
    int result = put_word(f, out, err) || display_repeat(out, " ", blanks, err) ? -1 : 0;
    buf_release(&f->word);
    *f = (fold){.width = f->width};
    return result;
}

int fold_text(buf *text, size_t width, error *err)
{
    buf out = {0};
    fold f = {.width = width};
    if (!width)
        return 0;
    int added = fold_add(&f, text->v, text->len, &out, err);
    int result = fold_end(&f, &out, err) || added ? -1 : 0;
    buf whole = *text;
    *text = result ? whole : out;
    buf_release(result ? &out : &whole);
    return result;
}

size_t fold_columns(int fd)
{
    struct winsize size;
    if (isatty(fd) != 1)
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col < FEWEST ? FEWEST : size.ws_col;
    const char *setting = getenv("COLUMNS");
    int columns = setting ? atoi(setting) : 0;
    return columns >= FEWEST && columns < 10000 ? (size_t)columns : USUAL;
}
