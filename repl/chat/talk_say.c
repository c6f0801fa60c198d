/* talk_say.c - the conversation's own words, and what the user's words for passes mean. See
 * talk.h.
 *
 * What is said may quote files, models and transcripts, so it is made harmless on its way out,
 * here once for all callers. A pass may be meant by its name, a beginning of it, or, while an
 * exchange is blind, by its letter; talk_find_name() reads what the user typed,
 * talk_display_name() says how a pass is called now.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "../screen/display_width.h"
#include "../screen/safe_text.h"
#include "talk.h"

static int add_harmless(const talk *t, const char *text, size_t n, buf *out)
{
    if (safe_text_copy(out, SAFE_PROSE, t->con->ascii, text, n, NULL))
        return -1;
    return buf_text(out, "\n", NULL);
}

/* Sentences quote paths, names and what a resumed session says: harmless here, once for all. */
int talk_say(talk *t, const char *format, ...)
{
    char *text = NULL;
    buf out = {0};
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    int result = n < 0 ? -1 : add_harmless(t, text, (size_t)n, &out);
    if (!result)
        result = terminal_write_folded(t->term, &out, NULL);
    buf_release(&out);
    if (n >= 0)
        free(text);
    return result;
}

int talk_write(talk *t, buf *text, error *err)
{
    buf out = {0};
    int result = safe_text_copy(&out, SAFE_PROSE, false, text->v ? text->v : "", text->len, err);
    if (!result)
        result = terminal_write_folded(t->term, &out, err);
    buf_release(&out);
    buf_clear(text);
    return result;
}

int talk_dim(talk *t, buf *text, error *err)
{
    buf out = {0};
    bool color = terminal_color(t->term);
    const char *dim = color ? "\033[2m" : "", *normal = color ? "\033[0m\n" : "\n";
    size_t body = text->len && text->v[text->len - 1] == '\n' ? text->len - 1 : text->len;
    int result = buf_text(&out, dim, err);
    if (!result)
        result = buf_add(&out, text->v, body, err);
    if (!result)
        result = buf_text(&out, normal, err);
    if (!result)
        result = terminal_write_folded(t->term, &out, err);
    buf_release(&out);
    buf_clear(text);
    return result;
}

void talk_error(talk *t, const error *err)
{
    buf out = {0};
    if (!err->text[0])
        return;
    console_progress_end(t->con);
    if (buf_text(&out, t->con->err_color ? "\033[33m" : "", NULL) == 0 &&
        console_quote(t->con, &out, err->text, NULL) == 0 &&
        buf_text(&out, t->con->err_color ? "\033[0m\n" : "\n", NULL) == 0)
        console_say(t->con, &out);
    buf_release(&out);
}

int talk_turn(talk *t, struct turn **turn, error *err)
{
    *turn = dialogue_last(t->dialogue);
    return *turn ? 0 : error_set(err, ERROR_USAGE, "nothing was asked yet");
}

/* ---- names ------------------------------------------------------------------------------------- */

/* "A" or "b" while a blind exchange waits: the seat behind it, or NULL. */
static const char *behind_letter(const talk *t, const char *word)
{
    int column = (word[0] | 0x20) - 'a';
    if (!t->blind_names || word[1] || column < 0 || column >= t->blind_count)
        return NULL;
    return t->blind_names[column];
}

static int no_such_answer(talk *t, const struct turn *turn, const char *word, error *err)
{
    buf names = {0};
    for (int i = 0; i < turn->answer_count; i++) {
        const char *name = turn->answers[i].name;
        char letter[2];
        if (turn_answer_of(turn, name) == &turn->answers[i])
            (void)buf_format(&names, NULL, "%s%s", names.len ? ", " : "",
                             talk_display_name(t, name, letter));
    }
    (void)error_set(err, ERROR_USAGE, "\"%.40s\" did not answer; %s did", word,
                    names.v ? names.v : "nobody");
    buf_release(&names);
    return -1;
}

const char *talk_find_name(talk *t, const char *word, error *err)
{
    struct turn *turn;
    const char *found = NULL;
    if (talk_turn(t, &turn, err))
        return NULL;
    if (strcmp(word, "merge") == 0)
        return "merge";
    if ((found = behind_letter(t, word)))
        return found;
    size_t n = strlen(word);
    for (int i = 0; i < turn->answer_count && !t->blind_names; i++)
        if (strcmp(turn->answers[i].name, word) == 0)
            return turn->answers[i].name;
    for (int i = 0; i < turn->answer_count && n; i++) {
        const char *name = turn->answers[i].name;
        if (strncmp(name, word, n) != 0 || (found && strcmp(found, name) == 0))
            continue;
        if (found) {
            error_set(err, ERROR_USAGE, "\"%s\" may be %s or %s", word, found, name);
            return NULL;
        }
        found = name;
    }
    if (!found || t->blind_names) { /* a beginning would tell who is who */
        (void)no_such_answer(t, turn, word, err);
        return NULL;
    }
    return found;
}

const char *talk_display_name(const talk *t, const char *name, char letter[2])
{
    for (int i = 0; t->blind_names && i < t->blind_count; i++) {
        if (strcmp(t->blind_names[i], name) != 0)
            continue;
        letter[0] = (char)('A' + i);
        letter[1] = '\0';
        return letter;
    }
    return name;
}

int talk_reveal(talk *t, error *err)
{
    buf text = {0};
    int result = 0;
    for (int i = 0; t->blind_names && i < t->blind_count && !result; i++)
        result = buf_format(&text, err, "%s%c was %s", i ? ", " : "", 'A' + i, t->blind_names[i]);
    if (!result && text.len)
        result = talk_say(t, "%s", text.v);
    buf_release(&text);
    talk_forget_blind(t);
    return result;
}

void talk_forget_blind(talk *t)
{
    for (int i = 0; t->blind_names && i < t->blind_count; i++)
        free(t->blind_names[i]);
    free(t->blind_names);
    t->blind_names = NULL;
    t->blind_count = 0;
}

/* ---- tokens ------------------------------------------------------------------------------------ */

enum { PIECES = 4 }; /* a character has at most four bytes */

static bool inside(const buf *text, size_t at)
{
    return at < text->len && ((unsigned char)text->v[at] & 0xC0) == 0x80;
}

/* The bytes of ids[at] and of its neighbours; text[*start..*end) are those that are its own. */
static int spell(const talk *t, const int *ids, size_t count, size_t at, buf *text, size_t *start,
                 size_t *end, error *err)
{
    size_t from = at < PIECES ? 0 : at - PIECES, to = at + PIECES < count ? at + PIECES : count - 1;
    for (size_t i = from; i <= to; i++) {
        size_t n = 0;
        const char *bytes = tokenizer_piece(engine_tokenizer(t->engine), ids[i], &n);
        *start = i == at ? text->len : *start;
        if (n && buf_add(text, bytes, n, err))
            return -1;
        *end = i == at ? text->len : *end;
    }
    return 0;
}

/* Blanks and newlines of a token are what it is about: they stay. */
static int add_piece(const talk *t, const char *text, size_t n, size_t cells, buf *out, error *err)
{
    buf safe = {0};
    int result =
        safe_text_copy(&safe, SAFE_LINE, t->con->ascii, text, n, err) ||
        display_fit(out, safe.v ? safe.v : "", safe.len, cells, terminal_utf8(t->term), NULL, err);
    buf_release(&safe);
    return result ? -1 : 0;
}

int talk_token(const talk *t, const int *ids, size_t count, size_t at, int cells, buf *out,
               error *err)
{
    buf text = {0};
    size_t start = 0, end = 0, bad = 0;
    int result = buf_text(&text, "", err) || spell(t, ids, count, at, &text, &start, &end, err);
    while (!result && start && end > start && inside(&text, start))
        start--;
    while (!result && end > start && inside(&text, end))
        end++;
    size_t n = end - start;
    bool goes_on = n && !utf8_check(text.v + start, n, &bad) && end == text.len && n - bad < 4 &&
                   ((unsigned char)text.v[start + bad] & 0xC0) == 0xC0;
    result = result || buf_text(out, "\"", err) ||
             add_piece(t, text.v + start, goes_on ? bad : n, (size_t)cells, out, err) ||
             buf_text(out, goes_on ? terminal_utf8(t->term) ? "…\"" : "...\"" : "\"", err);
    buf_release(&text);
    return result ? -1 : 0;
}

int talk_excerpt(const talk *t, const char *text, size_t cells, buf *out, error *err)
{
    return safe_text_excerpt(out, text, strlen(text), cells, t->con->ascii, err);
}
