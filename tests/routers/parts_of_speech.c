/* parts_of_speech.c - an example for consilium_router.h: experts by part of speech.
 *
 * The model's experts are dealt out to four classes of words, a quarter each: function words, verbs,
 * describing words, and the rest (mostly nouns). While a token of a class is read, the experts of its
 * quarter are preferred by a logit bias. The class is told by a list of short words and by endings:
 * rough, but a function of the token and the one before it alone, as every router must be. A piece
 * that goes on inside a word keeps the model's own choice.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "consilium_router.h"

enum { FUNCTION, VERB, DESCRIBING, OTHER, CLASSES, WORD = 32 };
#define PREFERENCE 2.0f /* nats */

static const char *const function_words[] = {
    "a",   "an",   "the",  "and",  "or",   "but", "if",    "of",    "to",   "in",   "on",
    "at",  "by",   "for",  "with", "from", "as",  "that",  "this",  "it",   "its",  "he",
    "she", "they", "we",   "you",  "i",    "his", "her",   "their", "our",  "your", "my",
    "not", "no",   "than", "then", "when", "who", "which", "what",  "there"};
static const char *const verbs[] = {"is",     "are",   "was",  "were",  "be",   "been",
                                    "has",    "have",  "had",  "do",    "does", "did",
                                    "can",    "could", "will", "would", "may",  "must",
                                    "should", "go",    "make", "take",  "say",  "think"};

typedef struct state {
    consilium_model model;
} state;

static int listed(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, list[i]) == 0)
            return 1;
    return 0;
}

static int ends(const char *word, const char *ending)
{
    size_t n = strlen(word), m = strlen(ending);
    return n > m + 2 && strcmp(word + n - m, ending) == 0;
}

static int class_of(const char *word)
{
    if (listed(word, function_words, sizeof function_words / sizeof *function_words))
        return FUNCTION;
    if (listed(word, verbs, sizeof verbs / sizeof *verbs) || ends(word, "ing") ||
        ends(word, "ed") || ends(word, "ize"))
        return VERB;
    if (ends(word, "ly") || ends(word, "ous") || ends(word, "ful") || ends(word, "ive") ||
        ends(word, "able") || ends(word, "al"))
        return DESCRIBING;
    return OTHER;
}

/* The piece as a word in small letters; 0 when it does not begin one. */
static int word_of(const state *s, int token, char word[WORD])
{
    unsigned long length = 0, n = 0;
    const char *piece = s->model.piece(s->model.model, token, &length);
    if (length < 2 || piece[0] != ' ')
        return 0;
    for (unsigned long i = 1; i < length && n + 1 < WORD; i++) {
        if (!isalpha((unsigned char)piece[i]))
            return 0;
        word[n++] = (char)tolower((unsigned char)piece[i]);
    }
    word[n] = '\0';
    return 1;
}

static int open_state(const consilium_model *model, void **out, char *why, unsigned long size)
{
    state *s = malloc(sizeof *s);
    if (model->experts < CLASSES || !s) {
        if (size > 40)
            strcpy(why, "needs a model of four experts or more");
        free(s);
        return -1;
    }
    s->model = *model;
    *out = s;
    return 0;
}

static void close_state(void *s)
{
    free(s);
}

static int select_experts(void *user, const consilium_token *token, consilium_selection *selection)
{
    const state *s = user;
    char word[WORD];
    int experts = s->model.experts;
    if (!word_of(s, token->token, word))
        return 0;
    int class = class_of(word);
    for (int e = class * experts / CLASSES; e < (class + 1) * experts / CLASSES; e++)
        selection->bias[e] += PREFERENCE;
    return 1;
}

const consilium_router consilium_router_plugin = {.abi = CONSILIUM_ROUTER_ABI,
                                                  .name = "parts of speech",
                                                  .open = open_state,
                                                  .close = close_state,
                                                  .expert_selection = select_experts};
