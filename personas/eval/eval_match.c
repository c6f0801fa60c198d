/* eval_match.c - see eval_match.h.
 *
 * The form that is compared is a string of words with one blank between them and at both ends, so that
 * "a key's words in a row" is a search for " lima ", and the beginning of a word one for " cost".
 */
#include "eval_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/markdown_blocks.h"
#include "../../engine/base/utf8.h"
#include "../merge/extract.h"

/* ---- words ------------------------------------------------------------------------------------- */

/* The text that is walked: folded, well-formed UTF-8. */
typedef struct walk {
    const char *text;
    size_t len, at;
    buf *out;
    bool articles;
    size_t word; /* where the word at hand begins in out */
} walk;

static bool is_digit_at(const walk *w, size_t at)
{
    return at < w->len && w->text[at] >= '0' && w->text[at] <= '9';
}

static bool is_letter(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO;
}

static bool is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019;
}

/* Ends the word at hand with a blank; an article goes. */
static int end_word(walk *w, error *err)
{
    static const char *const articles[] = {"a", "an", "the"};
    size_t n = w->out->len - w->word;
    if (!n)
        return 0;
    for (size_t i = 0; i < 3 && !w->articles; i++) {
        if (strlen(articles[i]) == n && memcmp(w->out->v + w->word, articles[i], n) == 0) {
            w->out->len = w->word;
            w->out->v[w->word] = '\0';
            return 0;
        }
    }
    int result = buf_text(w->out, " ", err);
    w->word = w->out->len;
    return result;
}

/* "," with three digits and no fourth behind it. */
static bool separates_thousands(const walk *w)
{
    return w->text[w->at] == ',' && is_digit_at(w, w->at + 1) && is_digit_at(w, w->at + 2) &&
           is_digit_at(w, w->at + 3) && !is_digit_at(w, w->at + 4);
}

/* "st", "nd", "rd" or "th" at the walk's place, and no further letter. */
static bool is_ordinal(const walk *w)
{
    static const char *const ends[] = {"st", "nd", "rd", "th"};
    for (size_t i = 0; i < 4; i++) {
        size_t at = w->at + 2;
        if (w->len < at || memcmp(w->text + w->at, ends[i], 2) != 0)
            continue;
        return at == w->len || !is_letter(utf8_next(w->text, &at));
    }
    return false;
}

/* Zeros behind the point, and then the point. */
static void trim_fraction(walk *w, size_t point)
{
    buf *b = w->out;
    while (b->len > point && b->v[b->len - 1] == '0')
        b->len--;
    if (b->len == point)
        b->len--;
    b->v[b->len] = '\0';
}

/* A number that begins at the walk's place; what sticks to it becomes the next word. */
static int take_number(walk *w, error *err)
{
    size_t point = 0;
    while (w->at < w->len) {
        char c = w->text[w->at];
        if (!point && separates_thousands(w)) {
            w->at++;
            continue;
        }
        if (c == '.' && !point && is_digit_at(w, w->at + 1))
            point = w->out->len + 1;
        else if (!is_digit_at(w, w->at))
            break;
        if (buf_add(w->out, &c, 1, err))
            return -1;
        w->at++;
    }
    if (point)
        trim_fraction(w, point);
    return is_ordinal(w) ? 0 : end_word(w, err);
}

static int take_character(walk *w, error *err)
{
    size_t before = w->at;
    bool within = w->out->len > w->word;
    uint32_t c = utf8_next(w->text, &w->at);
    bool minus = c == '-' || c == 0x2212;
    if (minus && !within && is_digit_at(w, w->at) &&
        (before == 0 || strchr(" \n\t(=:$*", w->text[before - 1])))
        return buf_text(w->out, "-", err);
    if (!within && c >= '0' && c <= '9') {
        w->at = before;
        return take_number(w, err);
    }
    if (is_letter(c))
        return buf_add(w->out, w->text + before, w->at - before, err);
    return within && is_apostrophe(c) ? 0 : end_word(w, err);
}

/* A sign is no word yet: the number behind it belongs to it. */
static int walk_all(walk *w, error *err)
{
    while (w->at < w->len) {
        bool sign = w->out->len == w->word + 1 && w->out->v[w->word] == '-';
        if (sign ? take_number(w, err) : take_character(w, err))
            return -1;
    }
    return end_word(w, err);
}

/* Appends text in the form that is compared: words with a blank on both sides of each. */
static int write_words(const char *text, size_t len, bool articles, buf *out, error *err)
{
    static const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPAT |
                                             UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                                             UTF8PROC_STRIPMARK;
    buf mended = {0};
    utf8proc_uint8_t *folded = NULL;
    int result = buf_mend(&mended, text, len, err);
    utf8proc_ssize_t n = result ? -1
                                : utf8proc_map((const utf8proc_uint8_t *)(mended.v ? mended.v : ""),
                                               (utf8proc_ssize_t)mended.len, &folded, options);
    if (!result && n < 0)
        result = error_memory(err, "an answer");
    if (!result)
        result = buf_text(out, " ", err);
    if (!result) {
        walk w = {.text = (const char *)folded,
                  .len = (size_t)n,
                  .out = out,
                  .articles = articles,
                  .word = out->len};
        result = walk_all(&w, err);
    }
    free(folded);
    buf_release(&mended);
    return result;
}

/* ---- keys -------------------------------------------------------------------------------------- */

/* An answer, and its two forms. */
typedef struct answer {
    buf said;         /* without its code */
    buf words, whole; /* whole: with articles */
} answer;

/* The text without what stands in its blocks of code; all of it where there is nothing else. */
static int write_said(const char *text, size_t len, buf *out, error *err)
{
    markdown_reader r = {.at = text, .end = text + len};
    markdown_block b;
    const char *from = text;
    bool says = false;
    int result = 0;
    while (!result && markdown_next(&r, &b)) {
        says |= b.kind != MARKDOWN_OPEN;
        if (b.kind == MARKDOWN_OPEN) {
            result = buf_add(out, from, (size_t)(b.text - from), err);
            from = b.text + b.len;
        }
    }
    if (!says) {
        buf_clear(out);
        from = text;
    }
    return result ? -1 : buf_add(out, from, (size_t)(text + len - from), err);
}

static int read_answer(answer *a, const char *text, size_t len, error *err)
{
    *a = (answer){0};
    return write_said(text, len, &a->said, err) ||
                   write_words(a->said.v, a->said.len, false, &a->words, err) ||
                   write_words(a->said.v, a->said.len, true, &a->whole, err)
               ? -1
               : 0;
}

static void release_answer(answer *a)
{
    buf_release(&a->said);
    buf_release(&a->words);
    buf_release(&a->whole);
}

/* Whether the key stands there; 1, 0, or -1. open: its last word may go on. */
static int has_key(const answer *a, const char *key, bool open, error *err)
{
    buf k = {0};
    const char *in = a->words.v;
    int result = write_words(key, strlen(key), false, &k, err);
    if (!result && k.len <= 1) { /* an article is all there is */
        buf_clear(&k);
        in = a->whole.v;
        result = write_words(key, strlen(key), true, &k, err);
    }
    if (!result && k.len > 1) {
        if (open)
            k.v[k.len - 1] = '\0';
        result = strstr(in, k.v) != NULL;
    }
    buf_release(&k);
    return result;
}

static int has_any(const answer *a, const eval_words *keys, bool open, error *err)
{
    int found = 0;
    for (int i = 0; i < keys->len && !found; i++)
        found = has_key(a, keys->v[i], open, err);
    return found;
}

/* The same for a part of an answer. */
static int part_has_any(const char *text, size_t len, const eval_words *keys, error *err)
{
    answer a;
    int found = read_answer(&a, text, len, err) ? -1 : has_any(&a, keys, false, err);
    release_answer(&a);
    return found;
}

/* The first or the last number among the words of text, into value: 1; 0 when there is none; -1. */
static int find_number(const char *text, size_t len, bool last, char *value, error *err)
{
    buf words = {0};
    int result = write_words(text, len, true, &words, err);
    bool found = false;
    for (const char *at = words.v; !result && !(found && !last) && at && at[1];) {
        size_t n = strcspn(at + 1, " ");
        char c = at[1] == '-' ? at[2] : at[1];
        if (c >= '0' && c <= '9') {
            found = true;
            (void)snprintf(value, EVAL_VALUE, "%.*s", (int)(n < 60 ? n : 60), at + 1);
        }
        at += 1 + n;
    }
    buf_release(&words);
    return result ? -1 : found;
}

static int first_number(const char *text, size_t len, char *value, error *err)
{
    return find_number(text, len, false, value, err);
}

/* ---- rules ------------------------------------------------------------------------------------- */

typedef struct span {
    const char *v;
    size_t len;
} span;

static const char *last_of(const char *text, size_t len, const char *mark)
{
    size_t m = strlen(mark);
    for (size_t i = len >= m ? len - m + 1 : 0; i-- > 0;)
        if (strncasecmp(text + i, mark, m) == 0)
            return text + i;
    return NULL;
}

/* Behind the last `mark`, up to one of `ends`. */
static bool behind_last(const answer *a, const char *mark, const char *ends, span *out)
{
    const char *at = last_of(a->said.v, a->said.len, mark);
    if (!at)
        return false;
    at += strlen(mark);
    size_t n = 0, room = (size_t)(a->said.v + a->said.len - at);
    while (n < room && !strchr(ends, at[n]))
        n++;
    *out = (span){at, n};
    return true;
}

/* Rule 1. 1 = it has spoken, 0 = not, -1. */
static int by_mark(const eval_item *item, const answer *a, eval_verdict *out, error *err)
{
    span s;
    if (!behind_last(a, "####", "\n", &s) && !behind_last(a, "\\boxed{", "}\n", &s))
        return 0;
    int found = part_has_any(s.v, s.len, &item->keys, err);
    out->right = found > 0;
    if (found == 0 && first_number(s.v, s.len, out->value, err) < 0)
        return -1;
    return found < 0 ? -1 : 1;
}

static const char *const CLOSED[][2] = {{"yes", "no"}, {"true", "false"}, {"да", "нет"}};

/* Rule 2: which set the keys belong to, or -1. */
static int closed_set(const eval_words *keys)
{
    for (int i = 0; i < keys->len; i++)
        for (int s = 0; s < 3; s++)
            if (strcasecmp(keys->v[i], CLOSED[s][0]) == 0 ||
                strcasecmp(keys->v[i], CLOSED[s][1]) == 0)
                return s;
    return -1;
}

static int by_first(const eval_item *item, const answer *a, eval_verdict *out, error *err)
{
    int set = closed_set(&item->keys);
    const char *first = NULL, *word = NULL;
    for (int i = 0; set >= 0 && i < 2; i++) {
        char padded[16];
        (void)snprintf(padded, sizeof padded, " %s ", CLOSED[set][i]);
        const char *at = strstr(a->words.v, padded);
        if (at && (!first || at < first)) {
            first = at;
            word = CLOSED[set][i];
        }
    }
    if (!first)
        return 0;
    (void)snprintf(out->value, sizeof out->value, "%s", word);
    int found = part_has_any(word, strlen(word), &item->keys, err);
    out->right = found > 0;
    return found < 0 ? -1 : 1;
}

/* Behind the last "=" that a number follows. */
static bool behind_equals(const answer *a, span *out)
{
    const char *said = a->said.v;
    for (size_t i = a->said.len; i-- > 0;) {
        if (said[i] != '=')
            continue;
        size_t at = i + 1, end;
        while (at < a->said.len && strchr(" $*-", said[at]) && said[at])
            at++;
        for (end = at; end < a->said.len && strchr("0123456789.,", said[end]) && said[end];)
            end++;
        if (end > at && said[at] >= '0' && said[at] <= '9') {
            *out = (span){said + i + 1, end - i - 1};
            return true;
        }
    }
    return false;
}

/* Whether one of the keys is a number and nothing else: 1, 0, or -1. */
static int asks_number(const eval_words *keys, error *err)
{
    bool number = false;
    int result = 0;
    for (int i = 0; i < keys->len && !number && !result; i++) {
        buf words = {0};
        result = write_words(keys->v[i], strlen(keys->v[i]), true, &words, err);
        const char *at = words.v ? words.v + 1 : "";
        at += *at == '-';
        number = !result && *at >= '0' && *at <= '9' && at[strspn(at, "0123456789.")] == ' ' &&
                 at[strspn(at, "0123456789.") + 1] == '\0';
        buf_release(&words);
    }
    return result ? -1 : number;
}

/* "2 + 3 = 5": the number that comes first is not what is said. */
static bool is_sum(const span *s)
{
    size_t i = 0;
    while (i < s->len && !(s->v[i] >= '0' && s->v[i] <= '9'))
        i++;
    while (i < s->len && s->v[i] && strchr("0123456789.+-*/^x() $", s->v[i]))
        i++;
    return i < s->len && s->v[i] == '=';
}

/* Rule 3. */
static int by_number(const eval_item *item, const answer *a, eval_verdict *out, error *err)
{
    span s;
    int numeric = asks_number(&item->keys, err), said = 0;
    if (numeric <= 0)
        return numeric;
    if ((behind_last(a, "answer is", "\n", &s) || behind_last(a, "answer:", "\n", &s)) &&
        !is_sum(&s))
        said = first_number(s.v, s.len, out->value, err);
    if (said == 0 && behind_equals(a, &s))
        said = first_number(s.v, s.len, out->value, err);
    if (said <= 0)
        return said;
    int found = part_has_any(out->value, strlen(out->value), &item->keys, err);
    out->right = found > 0;
    return found < 0 ? -1 : 1;
}

/* ---- verdicts ---------------------------------------------------------------------------------- */

/* What is said by an answer that is not right and that no rule has read. */
static void fallback_value(const answer *a, eval_verdict *out)
{
    char value[EXTRACT_BYTES];
    if (out->value[0])
        return;
    if (extract_answer(a->said.v, a->said.len, value))
        (void)snprintf(out->value, sizeof out->value, "%s", value);
    else
        (void)snprintf(out->value, sizeof out->value, "#%016llx",
                       (unsigned long long)hash_bytes(HASH_START, a->words.v, a->words.len));
}

static int match_exact(const eval_item *item, const answer *a, eval_verdict *out, error *err)
{
    int said = by_mark(item, a, out, err);
    if (said == 0)
        said = by_first(item, a, out, err);
    if (said == 0)
        said = by_number(item, a, out, err);
    if (said == 0) {
        said = has_any(a, &item->keys, false, err);
        out->right = said > 0;
    }
    if (said < 0)
        return -1;
    if (out->right)
        (void)snprintf(out->value, sizeof out->value, "=%.64s", item->keys.v[0]);
    fallback_value(a, out);
    return 0;
}

static int count_groups(const eval_item *item, const answer *a, error *err)
{
    int met = 0;
    for (int i = 0; i < item->group_count; i++) {
        int found = has_any(a, &item->groups[i], true, err);
        if (found < 0)
            return -1;
        met += found;
    }
    return met;
}

static int match_rubric(const eval_item *item, const answer *a, eval_verdict *out, error *err)
{
    int met = count_groups(item, a, err);
    out->right = met >= item->need;
    (void)snprintf(out->value, sizeof out->value, "%s", out->right ? "right" : "wrong");
    return met < 0 ? -1 : 0;
}

int eval_match(const eval_item *item, const char *text, size_t len, eval_verdict *out, error *err)
{
    answer a;
    *out = (eval_verdict){0};
    int result = read_answer(&a, text, len, err);
    if (!result)
        result = (item->kind == EVAL_RUBRIC ? match_rubric : match_exact)(item, &a, out, err);
    release_answer(&a);
    return result ? -1 : 0;
}

int eval_match_short(const char *text, size_t len, char *value, error *err)
{
    answer a;
    span s;
    char extracted[EXTRACT_BYTES];
    int said = read_answer(&a, text, len, err) ? -1 : 0;
    value[0] = '\0';
    if (said == 0 &&
        (behind_last(&a, "####", "\n", &s) || behind_last(&a, "\\boxed{", "}\n", &s))) {
        buf words = {0};
        said = write_words(s.v, s.len, true, &words, err) ? -1 : 1;
        (void)snprintf(value, EVAL_VALUE, "%.70s", words.v ? words.v : "");
        buf_release(&words);
    }
    if (said == 0 && extract_answer(a.said.v, a.said.len, extracted))
        said = 1 + (snprintf(value, EVAL_VALUE, "%s", extracted) < 0);
    if (said == 0 && behind_equals(&a, &s))
        said = first_number(s.v, s.len, value, err);
    if (said == 0)
        said = find_number(a.said.v, a.said.len, true, value, err);
    if (said == 0)
        (void)snprintf(value, EVAL_VALUE, "#%016llx",
                       (unsigned long long)hash_bytes(HASH_START, a.words.v, a.words.len));
    release_answer(&a);
    return said < 0 ? -1 : 0;
}

bool eval_match_code(const char *text, size_t len, const char **code, size_t *n)
{
    static const char fence[] = "```";
    const char *end = text + len, *open = memmem(text, len, fence, 3);
    const char *begin = open ? memchr(open, '\n', (size_t)(end - open)) : NULL;
    if (!begin)
        return false;
    *code = ++begin;
    const char *close = begin;
    while ((close = memmem(close, (size_t)(end - close), fence, 3)) != NULL) {
        if (close == begin || close[-1] == '\n')
            break;
        close += 3;
    }
    *n = (size_t)((close ? close : end) - begin);
    return true;
}
