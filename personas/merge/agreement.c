/* agreement.c - see agreement.h. */
#include "agreement.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/utf8.h"
#include "words.h"

enum {
    STEM_MOST = 6, /* letters */
    STEM_LEAST = 3,
};

/* Words without content, sorted by nothing but habit; a blank on both sides of each. */
static const char EMPTY[] =
    " the and for are was were been being has have had did does done doing this that these those"
    " with from into onto upon but not nor yet they them their theirs there here then than its it's"
    " you your yours our ours his her hers him she who whom whose which what when where why how"
    " can could will would shall should may might must about above after again all also any"
    " because before below between both each few more most much many other others some such only"
    " own same too very just over under until while through during out off down once one even"
    " still let get got make makes made like well often always thing things way ways people"
    " cannot never nothing none neither yes first second third next last"
    " это что как так его она они оно или для при без над под про все всё весь вся еще ещё уже"
    " был была было были быть есть нет чтобы если когда где кто чем тем том той эти этот эта этого"
    " того тот та те мне мой моя твой ваш наш вам нам них ним ней ему ей их вы мы ты он же ли бы"
    " можно нужно надо очень также только более менее может могут который которая которые потому"
    " поэтому нельзя никогда ничего не ни и в на с по к у о от до за из а но ";

/* Words that turn a sentence round. */
static const char DENIALS[] =
    " not no never cannot nothing none neither nor without не нет ни нельзя никогда ничего без ";

/* Endings that a word loses, the longest first. */
static const char *const ENDINGS[] = {
    "иями", "ings", "ями", "ами", "ого", "его", "ому", "ему", "ыми", "ими", "ing",
    "ies",  "ied",  "ов",  "ев",  "ах",  "ях",  "ом",  "ем",  "ам",  "ям",  "ых",
    "их",   "ым",   "им",  "ой",  "ый",  "ий",  "ая",  "яя",  "ое",  "ее",  "ые",
    "ие",   "ую",   "юю",  "ть",  "ed",  "es",  "ly",  "s",   "e",   "y",   "а",
    "е",    "и",    "о",   "у",   "ы",   "ю",   "я",   "ь",   "й"};

/* ---- sets -------------------------------------------------------------------------------------- */

static int add(word_set *set, uint64_t word, error *err)
{
    uint64_t *v = array_room(set->v, set->len, &set->cap, sizeof *v, "words", err);
    if (!v)
        return -1;
    set->v = v;
    v[set->len++] = word;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void make_distinct(word_set *set)
{
    size_t n = 0;
    if (set->len)
        qsort(set->v, set->len, sizeof *set->v, by_value);
    for (size_t i = 0; i < set->len; i++)
        if (!n || set->v[n - 1] != set->v[i])
            set->v[n++] = set->v[i];
    set->len = n;
}

static size_t shared(const word_set *a, const word_set *b)
{
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a->len && j < b->len;) {
        n += a->v[i] == b->v[j];
        uint64_t x = a->v[i], y = b->v[j];
        i += x <= y;
        j += y <= x;
    }
    return n;
}

static int leave_out(const word_set *set, const word_set *but, word_set *out, error *err)
{
    for (size_t i = 0, j = 0; i < set->len; i++) {
        while (but && j < but->len && but->v[j] < set->v[i])
            j++;
        bool there = but && j < but->len && but->v[j] == set->v[i];
        if (!there && add(out, set->v[i], err))
            return -1;
    }
    return 0;
}

/* ---- words ------------------------------------------------------------------------------------- */

typedef struct reading {
    claim *claim;
    int denials;
} reading;

/* Whether the word stands in a list with a blank on both sides of each. */
static bool stands_in(const char *list, const char *word, size_t len)
{
    const char *at = list;
    while ((at = strstr(at + 1, word)) != NULL)
        if (at[-1] == ' ' && at[len] == ' ')
            return true;
    return false;
}

/* Its length without a common ending, and then of its first letters. */
static size_t stem(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        size_t n = strlen(ENDINGS[i]);
        if (n >= len || memcmp(word + len - n, ENDINGS[i], n) != 0 ||
            words_letters(word, len - n) < STEM_LEAST)
            continue;
        len -= n;
        break;
    }
    size_t end = 0;
    for (int letters = 0; end < len && letters < STEM_MOST; letters++)
        end += utf8_character(word + end, len - end);
    return end;
}

static int take_dense(reading *r, const text_word *w, error *err)
{
    static const uint32_t deny[] = {0x4E0D, 0x6CA1, 0x6C92, 0x7121, 0x65E0};
    for (size_t i = 0; i < sizeof deny / sizeof *deny; i++)
        r->denials += w->dense == deny[i];
    return w->before ? add(&r->claim->words, words_hash(w), err) : 0;
}

static int take(void *user, const text_word *w, error *err)
{
    reading *r = user;
    if (!w->v)
        return take_dense(r, w, err);
    bool contracted = w->len > 3 && memcmp(w->v + w->len - 3, "n't", 3) == 0;
    r->denials += contracted || stands_in(DENIALS, w->v, w->len);
    if (!w->number && (contracted || w->letters < STEM_LEAST || stands_in(EMPTY, w->v, w->len)))
        return 0;
    uint64_t hash = hash_bytes(HASH_START, w->v, w->number ? w->len : stem(w->v, w->len));
    if (w->number && add(&r->claim->numbers, hash, err))
        return -1;
    return add(&r->claim->words, hash, err);
}

/* ---- public ------------------------------------------------------------------------------------ */

int claim_read(const char *text, size_t len, const claim *question, claim *out, error *err)
{
    reading r = {.claim = out};
    word_set numbers = {0};
    *out = (claim){0};
    if (words_read(text, len, take, &r, err))
        return -1;
    make_distinct(&out->words);
    make_distinct(&out->numbers);
    int result =
        leave_out(&out->words, question ? &question->words : NULL, &out->fresh, err) ||
                leave_out(&out->numbers, question ? &question->numbers : NULL, &numbers, err)
            ? -1
            : 0;
    free(out->numbers.v);
    out->numbers = numbers;
    out->denies = r.denials % 2 == 1;
    return result;
}

void claim_release(claim *c)
{
    free(c->words.v);
    free(c->fresh.v);
    free(c->numbers.v);
    *c = (claim){0};
}

bool claims_agree(const claim *a, const claim *b)
{
    enum { WHOLE = 2, SHARED = 3 };
    static const double MOST = 0.6;
    size_t numbers = shared(&a->numbers, &b->numbers);
    size_t fewer = a->numbers.len < b->numbers.len ? a->numbers.len : b->numbers.len;
    size_t same = shared(&a->words, &b->words);
    if (a->denies != b->denies || numbers < fewer)
        return false;
    if (same >= WHOLE && same == a->words.len && same == b->words.len)
        return true;
    return shared(&a->fresh, &b->fresh) >= SHARED && claims_share(a, b) >= MOST;
}

double claims_share(const claim *a, const claim *b)
{
    size_t all = a->fresh.len + b->fresh.len;
    return all ? 2.0 * (double)shared(&a->fresh, &b->fresh) / (double)all : 0;
}
