/* guess.c - see guess.h.
 *
 * The prompt is looked at twice: as it stands, for marks of code and punctuation, and as a row of
 * words in small letters with one blank around each, in which a word, a phrase or the beginning of
 * one is found by a plain search.
 */
#include "guess.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/utf8.h"

enum { REASONS = 3 };

const char *const guess_depths[DEPTHS] = {"usual", "fast", "deep"};

/* ---- words ------------------------------------------------------------------------------------- */

static bool in_word(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    bool letter = kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NO;
    return letter || c == '_' || c == '+' || c == '#';
}

/* " write a function in c++ " */
static int fold_words(const char *text, size_t len, buf *out, int *words, error *err)
{
    bool inside = false;
    *words = 0;
    if (buf_text(out, " ", err))
        return -1;
    for (size_t at = 0; at < len;) {
        char bytes[4];
        uint32_t c = utf8_next(text, &at);
        if (in_word(c)) {
            uint32_t small = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
            *words += !inside;
            inside = true;
            if (buf_add(out, bytes, utf8_put(small, bytes), err))
                return -1;
        } else if (inside) {
            inside = false;
            if (buf_text(out, " ", err))
                return -1;
        }
    }
    return inside ? buf_text(out, " ", err) : 0;
}

/* A word or a phrase; one that ends in * is a beginning. */
static bool holds(const buf *row, const char *sign)
{
    size_t n = strlen(sign);
    bool open = n > 1 && sign[n - 1] == '*';
    n -= open;
    for (const char *at = row->v; (at = strstr(at, " ")) != NULL; at++)
        if (strncmp(at + 1, sign, n) == 0 && (open || at[1 + n] == ' '))
            return true;
    return false;
}

/* ---- marks ------------------------------------------------------------------------------------- */

static int count(const char *text, const char *part)
{
    int n = 0;
    for (size_t len = strlen(part); (text = strstr(text, part)) != NULL; text += len)
        n++;
    return n;
}

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* name(, a_name, aName, name = , name.ext: as programs write names. */
static double names_of_code(const char *text)
{
    double points = 0;
    for (const char *at = text; *at;) {
        size_t n = 0;
        bool low = false, camel = false, snake = false;
        while (is_letter(at[n])) {
            camel = camel || (low && isupper((unsigned char)at[n]));
            snake = snake || (n && at[n] == '_' && is_letter(at[n + 1]));
            low = islower((unsigned char)at[n]);
            n++;
        }
        if (!n) {
            at++;
            continue;
        }
        const char *next = at + n;
        bool call = *next == '(' && !isdigit((unsigned char)*at);
        bool given = strncmp(next, " = ", 3) == 0 || strncmp(next, " += ", 4) == 0;
        bool member =
            *next == '.' && islower((unsigned char)next[1]) && islower((unsigned char)next[2]);
        points +=
            (call ? 1 : 0) + (given ? 1 : 0) + (snake || camel ? 0.7 : 0) + (member ? 0.7 : 0);
        at = next;
    }
    return points;
}

static double code_of(const char *text)
{
    static const struct {
        const char *part;
        double points;
    } parts[] = {{"```", 3},     {"`", 0.8},     {"==", 1},       {"!=", 1},     {"->", 1},
                 {"=>", 1},      {"::", 1},      {"&&", 1},       {"||", 1},     {"++", 0.7},
                 {"</", 2},      {"/>", 1},      {"();", 1},      {");", 1},     {";\n", 1},
                 {"{\n", 1},     {"\n    ", 1},  {"#include", 2}, {"def ", 1.5}, {"SELECT ", 1.5},
                 {"import ", 1}, {"return ", 1}, {"[i]", 1},      {"{\"", 1},    {" --", 0.7}};
    double points = names_of_code(text);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        points += parts[i].points * count(text, parts[i].part);
    return points < 2 ? points / 2 : 1;
}

static double unit(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* The last sign that is no blank: a question, a call. */
static void ending(const char *text, size_t len, double marks[SIGN_MARKS])
{
    while (len && (isspace((unsigned char)text[len - 1]) || text[len - 1] == '"'))
        len--;
    bool wide = len >= 3 && memcmp(text + len - 3, "\xEF\xBC\x9F", 3) == 0;
    marks[MARK_QUESTION] = len && (text[len - 1] == '?' || wide) ? 1 : 0;
    marks[MARK_CALL] = len && text[len - 1] == '!' ? 1 : 0;
}

static void letters(const char *text, size_t len, double marks[SIGN_MARKS])
{
    size_t latin = 0, other = 0, digits = 0;
    for (size_t at = 0; at < len;) {
        bool before = at > 0 && isdigit((unsigned char)text[at - 1]);
        uint32_t c = utf8_next(text, &at);
        utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
        bool letter = kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
        latin += letter && c < 0x250;
        other += letter && c >= 0x250;
        digits += c >= '0' && c <= '9' && !before;
    }
    marks[MARK_FOREIGN] = other > latin ? 1 : 0;
    marks[MARK_DIGITS] = unit((double)digits / 3);
}

/* text ends with a NUL. */
static void take_marks(const char *text, size_t len, int words, double marks[SIGN_MARKS])
{
    marks[MARK_CODE] = code_of(text);
    marks[MARK_SHORT] = unit(1 - words / 14.0);
    marks[MARK_LONG] = unit((words - 14) / 40.0);
    ending(text, len, marks);
    letters(text, len, marks);
}

void guess_marks(const char *text, size_t len, double marks[SIGN_MARKS], int *words)
{
    buf row = {0}, copy = {0};
    *words = 0;
    memset(marks, 0, SIGN_MARKS * sizeof *marks);
    if (fold_words(text, len, &row, words, NULL) == 0 && buf_text(&copy, "", NULL) == 0 &&
        buf_add(&copy, text, len, NULL) == 0)
        take_marks(copy.v, len, *words, marks);
    buf_release(&row);
    buf_release(&copy);
}

/* ---- tags -------------------------------------------------------------------------------------- */

static bool is_tag(const char *word, size_t n, const char *tag)
{
    return strlen(tag) == n && strncasecmp(word, tag, n) == 0;
}

/* What a tag says: a candidate, or a depth. False when it says nothing. */
static bool read_tag(const guess_among *l, const char *word, size_t n, guessed *out)
{
    for (int d = DEPTH_FAST; l->depths && d < DEPTHS; d++)
        if (n && is_tag(word + 1, n - 1, guess_depths[d]) && word[0] == '#') {
            out->depth = (guess_depth)d;
            return true;
        }
    for (int i = 0; i < l->n; i++)
        for (int t = 0; t < l->v[i].signs->tag_count; t++)
            if (is_tag(word, n, l->v[i].signs->tags[t])) {
                out->choice = out->tagged ? out->choice : i;
                out->tagged = true;
                return true;
            }
    return false;
}

static void say_tag(guessed *out, const char *word, size_t n)
{
    size_t used = strlen(out->why);
    (void)snprintf(out->why + used, sizeof out->why - used, "%s%.*s", used ? ", " : "",
                   n < 40 ? (int)n : 40, word);
}

/* Takes tags off both ends. A prompt of tags alone keeps the last one: something must be asked. */
static void take_tags(const guess_among *l, const char *prompt, guessed *out)
{
    for (;;) {
        size_t from = out->from, to = out->to;
        while (from < to && isspace((unsigned char)prompt[from]))
            from++;
        size_t n = 0;
        while (from + n < to && !isspace((unsigned char)prompt[from + n]))
            n++;
        if (from + n == to || !read_tag(l, prompt + from, n, out))
            break;
        say_tag(out, prompt + from, n);
        out->from = from + n;
        while (out->from < to && isspace((unsigned char)prompt[out->from]))
            out->from++;
    }
    for (;;) {
        size_t to = out->to, at;
        while (to > out->from && isspace((unsigned char)prompt[to - 1]))
            to--;
        for (at = to; at > out->from && !isspace((unsigned char)prompt[at - 1]);)
            at--;
        if (at == out->from || !read_tag(l, prompt + at, to - at, out))
            break;
        say_tag(out, prompt + at, to - at);
        for (out->to = at; out->to > out->from && isspace((unsigned char)prompt[out->to - 1]);)
            out->to--;
    }
}

/* ---- sums -------------------------------------------------------------------------------------- */

typedef struct reason {
    double weight;
    const char *text; /* borrowed */
    bool quoted, calls;
} reason;

typedef struct look {
    buf row;
    int words;
    double marks[SIGN_MARKS];
    const guess_calls *calls;
} look;

static void add_reason(reason *best, reason r)
{
    for (int i = 0; best && i < REASONS; i++)
        if (r.weight > best[i].weight) {
            reason pushed = best[i];
            best[i] = r;
            r = pushed;
        }
}

/* What of a candidate's signs the prompt shows; best [REASONS]: the heaviest of them, or NULL. */
static double sum_of(const signs *s, const look *k, reason *best)
{
    static const char *const said[SIGN_MARKS] = {"code in the prompt", "few words", "many words",
                                                 "a question",         "a call",    "numbers in it",
                                                 "no Latin script"};
    double sum = s->bias;
    for (int i = 0; i < SIGN_MARKS; i++) {
        double x = s->marks[i] * k->marks[i];
        sum += x;
        add_reason(best, (reason){x, said[i], false, false});
    }
    for (int i = 0; i < s->words.n; i++)
        if (holds(&k->row, s->words.v[i].text)) {
            sum += s->words.v[i].weight;
            add_reason(best, (reason){s->words.v[i].weight, s->words.v[i].text, true, false});
        }
    for (int i = 0; i < s->profile.n && k->calls; i++)
        for (int c = 0; c < k->calls->n; c++)
            if (strcmp(s->profile.v[i].text, k->calls->v[c].name) == 0) {
                double x = s->profile.v[i].weight * k->calls->v[c].excess;
                sum += x;
                add_reason(best, (reason){x, s->profile.v[i].text, false, true});
            }
    return sum;
}

static void say_reasons(const reason *best, guessed *out)
{
    for (int i = 0; i < REASONS && best[i].weight > 0.2; i++) {
        size_t used = strlen(out->why);
        const char *form = best[i].quoted  ? "%s\"%s\""
                           : best[i].calls ? "%sit calls %s's experts"
                                           : "%s%s";
        (void)snprintf(out->why + used, sizeof out->why - used, form, used ? ", " : "",
                       best[i].text);
    }
}

static void choose(const guess_among *l, const look *k, guessed *out)
{
    double most = -INFINITY, second = -INFINITY;
    for (int i = 0; i < l->n; i++) {
        if (!l->v[i].signs->given)
            continue;
        double sum = sum_of(l->v[i].signs, k, NULL);
        if (sum > most) {
            second = most;
            most = sum;
            out->choice = i;
        } else if (sum > second) {
            second = sum;
        }
    }
    out->lead = isfinite(second) ? most - second : 0;
    reason best[REASONS] = {{0}};
    if (out->choice >= 0) {
        (void)sum_of(l->v[out->choice].signs, k, best);
        say_reasons(best, out);
    }
}

/* By the number of words, where no tag asked for a depth. */
static void choose_depth(const signs *s, const look *k, guessed *out)
{
    if (out->depth != DEPTH_USUAL)
        return;
    if (s->fast_words && k->words <= s->fast_words)
        out->depth = DEPTH_FAST;
    else if (s->deep_words && k->words >= s->deep_words)
        out->depth = DEPTH_DEEP;
}

int guess_make(const guess_among *l, const char *prompt, size_t len, const guess_calls *calls,
               guessed *out, error *err)
{
    *out = (guessed){.choice = -1, .to = len};
    take_tags(l, prompt, out);
    size_t n = out->to - out->from;
    while (n > GUESS_READ_MOST ||
           (n && n < out->to - out->from && ((unsigned char)prompt[out->from + n] & 0xC0) == 0x80))
        n = n > GUESS_READ_MOST ? GUESS_READ_MOST : n - 1;
    look k = {.calls = calls};
    buf text = {0};
    int result = fold_words(prompt + out->from, n, &k.row, &k.words, err);
    if (!result)
        result = buf_text(&text, "", err) || buf_add(&text, prompt + out->from, n, err) ? -1 : 0;
    if (!result) {
        take_marks(text.v, n, k.words, k.marks);
        if (!out->tagged && l->fixed >= 0)
            out->choice = l->fixed;
        else if (!out->tagged)
            choose(l, &k, out);
        if (out->choice >= 0 && l->depths)
            choose_depth(l->v[out->choice].signs, &k, out);
    }
    buf_release(&k.row);
    buf_release(&text);
    return result;
}
