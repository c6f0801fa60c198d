/* sentences.c - see sentences.h. */
#include "sentences.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "../../engine/base/array.h"
#include "../../engine/base/markdown_blocks.h"
#include "../../engine/base/utf8.h"

/* ---- characters -------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_small(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL;
}

static bool is_letter(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

/* Ends a sentence where a blank follows. */
static bool is_end(uint32_t c)
{
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x61F || c == 0x964;
}

/* Ends one by itself: ideographic and fullwidth marks. */
static bool is_wide_end(uint32_t c)
{
    return c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0xFF61;
}

/* Quotes, brackets and emphasis that may close behind the mark. */
static bool is_closer(uint32_t c)
{
    static const uint32_t more[] = {0xBB,   0x2019, 0x201C, 0x201D, 0x300B, 0x300D,
                                    0x300F, 0x3011, 0xFF09, 0xFF02, 0xFF07};
    if (c < 0x80)
        return c && strchr(")]}\"'*_", (int)c);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (c == more[i])
            return true;
    return false;
}

/* ---- dots -------------------------------------------------------------------------------------- */

/* Behind which no sentence ends, without their last dot. */
static bool is_abbreviation(const char *word, size_t n)
{
    static const char *const list[] = {
        "mr",   "mrs", "ms",  "dr",   "prof", "st",   "vs",   "fig", "vol", "cf", "approx",
        "gen",  "rev", "gov", "capt", "sgt",  "dept", "ст",   "рис", "см",  "им", "ул",
        "напр", "стр", "гр",  "обл",  "тыс",  "проф", "акад", "пер", "ред"};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (strlen(list[i]) != n)
            continue;
        bool same = (word[0] | 0x20) == list[i][0] || word[0] == list[i][0];
        if (same && memcmp(word + 1, list[i] + 1, n - 1) == 0)
            return true;
    }
    return false;
}

/* "e.g", "U.S", "т.е": letters one by one with dots between. Those that lists and times end with
 * may end a sentence too, so they are none of them. */
static bool is_dotted(const char *word, size_t n)
{
    static const char *const ending[] = {"т.д", "т.п", "a.m", "p.m"};
    size_t letters = 0, dots = 0;
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (n == strlen(ending[i]) && memcmp(word, ending[i], n) == 0)
            return false;
    for (size_t at = 0; at < n;) {
        uint32_t c = utf8_next(word, &at);
        if (c == '.' ? letters != dots + 1 : !is_letter(c) || letters != dots)
            return false;
        dots += c == '.';
        letters += c != '.';
    }
    return dots > 0;
}

/* "J" of "J. Smith"; but "I" is a word, and behind it a sentence may end. */
static bool is_initial(const char *word, size_t n)
{
    size_t at = 0;
    if (!n || (n == 1 && word[0] == 'I'))
        return false;
    uint32_t c = utf8_next(word, &at);
    return at == n && is_letter(c) && !is_small(c);
}

static bool is_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return n > 0;
}

/* Whether the dot at text[dot] ends what text[from..) begins; next: the character behind the blank. */
static bool dot_ends(const char *text, size_t from, size_t dot, uint32_t next)
{
    size_t word = dot;
    while (word > from && !is_blank(text[word - 1]) && !strchr("([\"'*_", text[word - 1]))
        word--;
    size_t n = dot - word;
    if (is_digits(text + from, dot - from) || is_dotted(text + word, n) ||
        is_initial(text + word, n))
        return false;
    if (n == 2 && (text[word] | 0x20) == 'n' && text[word + 1] == 'o')
        return next < '0' || next > '9'; /* "No. 5", but "He said no. Then" */
    return n == 0 || !is_abbreviation(text + word, n);
}

/* ---- pieces ------------------------------------------------------------------------------------ */

static int add(sentence_list *out, const char *text, size_t len, sentence_kind kind, bool ended,
               error *err)
{
    while (len && is_blank(*text))
        text++, len--;
    while (len && is_blank(text[len - 1]))
        len--;
    if (!len)
        return 0;
    sentence *v = array_room(out->v, out->len, &out->cap, sizeof *v, "sentences", err);
    if (!v)
        return -1;
    out->v = v;
    sentence *s = &v[out->len++];
    *s = (sentence){.text = text, .len = len, .kind = kind, .ended = ended};
    if (kind == SENTENCE_CODE)
        return 0;
    static const char wide_question[] = "\xEF\xBC\x9F", wide_colon[] = "\xEF\xBC\x9A";
    while (len && strchr(")\"'*_", text[len - 1])) /* no NUL: strchr would find it */
        len--;
    bool wide = len >= 3;
    s->asks = len && (text[len - 1] == '?' || (wide && !memcmp(text + len - 3, wide_question, 3)));
    s->leads = len && (text[len - 1] == ':' || (wide && !memcmp(text + len - 3, wide_colon, 3)));
    return 0;
}

/* Behind all that closes at text[at]. */
static size_t behind_closers(const char *text, size_t len, size_t at)
{
    for (size_t next = at; at < len; at = next)
        if (!is_closer(utf8_next(text, &next)))
            break;
    return at;
}

/* Behind blanks; *lines says whether one of them ended a line. */
static size_t behind_blanks(const char *text, size_t len, size_t at, bool *line)
{
    for (*line = false; at < len && is_blank(text[at]); at++)
        *line = *line || text[at] == '\n' || text[at] == '\r';
    return at;
}

/* What text[at] begins with, behind what opens there; 0 at the end. */
static uint32_t first_of(const char *text, size_t len, size_t at)
{
    while (at < len && strchr("(\"'*_", text[at]) && text[at])
        at++;
    return at < len ? utf8_next(text, &at) : 0;
}

/* A mark at text[mark..at), of character c: where the sentence text[from..) ends, or 0. */
static size_t ends_at(const char *text, size_t len, size_t from, size_t mark, size_t at, uint32_t c)
{
    bool line;
    size_t end;
    for (size_t next = at; at < len; at = next) { /* "...", "?!" */
        uint32_t more = utf8_next(text, &next);
        if (!is_end(more) && !is_wide_end(more))
            break;
        mark = c == '.' && more == '.' ? mark : at;
        c = c == '.' && more == '.' ? 0x2026 : more;
    }
    end = behind_closers(text, len, at);
    size_t next = behind_blanks(text, len, end, &line);
    if (is_wide_end(c) || next == len)
        return end;
    uint32_t follows = first_of(text, len, next);
    if (next == end || (is_small(follows) && !line))
        return 0;
    return c == '.' && !dot_ends(text, from, mark, follows) ? 0 : end;
}

/* A line's end at text[at]: whether the sentence goes on in the next line. */
static bool goes_on(const char *text, size_t len, size_t at)
{
    bool line;
    return is_small(first_of(text, len, behind_blanks(text, len, at, &line)));
}

static int split_prose(const char *text, size_t len, sentence_kind kind, sentence_list *out,
                       error *err)
{
    uint64_t dead = 0;
    size_t from = 0;
    for (size_t at = 0; at < len;) {
        size_t mark = at, end = 0;
        markdown_span span;
        if (text[at] == '`') {
            bool code = markdown_code_span(text + at, len - at, &dead, &span);
            at += code ? span.length : markdown_run(text + at, len - at);
            continue;
        }
        uint32_t c = utf8_next(text, &at);
        if (is_end(c) || is_wide_end(c))
            end = ends_at(text, len, from, mark, at, c);
        else if ((c == '\n' || c == '\r') && !goes_on(text, len, mark))
            end = at;
        if (!end)
            continue;
        if (add(out, text + from, end - from, kind, c != '\n' && c != '\r', err))
            return -1;
        at = from = end > at ? end : at;
    }
    return add(out, text + from, len - from, kind, false, err);
}

/* From the line of the fence to what was read. */
static int add_code(const char *text, const markdown_block *b, const markdown_reader *r,
                    sentence_list *out, error *err)
{
    const char *from = b->info;
    while (from > text && from[-1] != '\n' && from[-1] != '\r')
        from--;
    return add(out, from, (size_t)(r->at - from), SENTENCE_CODE, !r->state.fence, err);
}

int sentences_split(const char *text, size_t len, sentence_list *out, error *err)
{
    markdown_reader r = {.at = text, .end = text + len};
    markdown_block b;
    int result = 0;
    out->len = 0;
    while (!result && markdown_next(&r, &b)) {
        bool table = b.kind == MARKDOWN_TEXT && b.len && b.text[0] == '|';
        if (b.kind == MARKDOWN_OPEN)
            result = add_code(text, &b, &r, out, err);
        else if (table)
            result = add(out, b.text, b.len, SENTENCE_TABLE, true, err);
        else if (b.kind == MARKDOWN_HEADING)
            result = add(out, b.text, b.len, SENTENCE_HEADING, false, err);
        else if (b.kind != MARKDOWN_RULE)
            result = split_prose(
                b.text, b.len, b.kind == MARKDOWN_ITEM ? SENTENCE_ITEM : SENTENCE_PROSE, out, err);
    }
    return result;
}

void sentences_release(sentence_list *list)
{
    free(list->v);
    *list = (sentence_list){0};
}
