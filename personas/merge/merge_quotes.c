/* merge_quotes.c - the synthesis of a model that cannot write one: what agrees, and the best of each.
 *
 * Below 1B parameters a chair repeats itself and its instruction; so nothing is written here, the
 * answers are quoted:
 *
 *     Agreed by philosopher and critic: Rivers carry minerals into the sea.
 *     - philosopher: ...
 *     - coder: ...
 *
 * First comes what counts (counted.h): the short answer that most give, and whether others give another.
 * Then the points that two or more make (agreement.h), those of most voices first, AGREED at most; of
 * each the wording that the vote scores best. Then of everybody, in the order of the columns, the best
 * that was not said yet, if there is anything left. Nothing is quoted twice, nor what agrees with what was
 * quoted.
 *
 * The best is what the other passes find most likely (vote_peers()), of the first SCORED pieces that
 * are the fittest (fitness_of()). Reading them costs no more than a vote on the whole answers. No
 * random number is drawn: the same answers give the same bytes.
 *
 * The fixed words are Russian when the question is, else English.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../engine/base/utf8.h"
#include "agreement.h"
#include "counted.h"
#include "merge_reading.h"
#include "sentences.h"

enum {
    PIECES = 24,    /* of an answer that are looked at */
    SCORED = 4,     /* of those, that are judged */
    AGREED = 3,     /* points that are told */
    LONGEST = 320,  /* bytes of a sentence that is quoted whole, */
    CODE_MOST = 600 /* and of code that is quoted at all */
};

/* How fit a piece is to be quoted, the fittest first: it has a word of the question; it can be read
 * alone; it points back, asks or is long; it is no statement, or a cut one; never. */
typedef enum fitness { ON_TOPIC, STANDS_ALONE, LEANS, POOR, UNFIT } fitness;

typedef struct piece {
    sentence s;
    claim claim;
    fitness fit;
    double score; /* mean ln p of the other passes; -INFINITY = not judged */
    bool cut;     /* the answer ends within it */
    bool said;    /* it was quoted, or what agrees with it was */
} piece;

typedef struct speaker {
    piece pieces[PIECES];
    int count;
    fitness fittest;
    char value[EXTRACT_BYTES]; /* "" = none */
    bool told;                 /* it was told */
} speaker;

typedef struct quoting {
    const merging *merge;
    merge_candidate *candidates; /* [passes] */
    buf texts, question, out;
    claim asked;
    speaker *speakers; /* [passes] */
    sentence_list list;
    int passes;
    bool russian;
} quoting;

/* ---- what can be quoted ------------------------------------------------------------------------ */

/* It points to what was said before: quoted alone it says nothing. */
static bool points_back(const sentence *s)
{
    static const char *const words[] = {"this", "that",    "these", "those", "it",   "it's", "they",
                                        "he",   "she",     "and",   "but",   "so",   "then", "also",
                                        "here", "however", "такой", "Это",   "Этот", "Эта",  "Эти",
                                        "Он",   "Она",     "Оно",   "Они",   "Но",   "А",    "И"};
    size_t n = 0;
    while (n < s->len && !strchr(" ,.:;!?\n", s->text[n]))
        n++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncasecmp(s->text, words[i], n) == 0)
            return true;
    return false;
}

/* Code is a point of its own only where it was asked for. */
static fitness fitness_of(const piece *p, bool first, bool code)
{
    enum { WORDS = 2 };
    const sentence *s = &p->s;
    if (s->kind == SENTENCE_CODE) {
        bool fenced = s->text[0] == '`' || s->text[0] == '~';
        return !fenced || !s->ended || s->len > CODE_MOST ? UNFIT : code ? ON_TOPIC : LEANS;
    }
    if (s->kind == SENTENCE_HEADING || s->kind == SENTENCE_TABLE || s->leads || p->cut ||
        !p->claim.words.len)
        return POOR;
    bool alone = first || !points_back(s);
    if (!alone || s->asks || p->claim.words.len < WORDS || s->len > LONGEST)
        return LEANS;
    return p->claim.fresh.len < p->claim.words.len ? ON_TOPIC : STANDS_ALONE;
}

static bool has_code(const sentence_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->v[i].kind == SENTENCE_CODE)
            return true;
    return false;
}

static int read_speaker(quoting *q, int i, bool code, error *err)
{
    speaker *k = &q->speakers[i];
    const merge_candidate *b = &q->candidates[i];
    bool whole = q->merge->parties[i].reply->stop == STOP_END;
    k->fittest = UNFIT;
    if (b->barred)
        return 0;
    if (sentences_split(b->text, b->len, &q->list, err))
        return -1;
    for (size_t n = 0; n < q->list.len && k->count < PIECES; n++) {
        piece *p = &k->pieces[k->count++];
        p->s = q->list.v[n];
        p->score = -INFINITY;
        if (claim_read(p->s.text, p->s.len, &q->asked, &p->claim, err))
            return -1;
        p->cut = !whole && n + 1 == q->list.len && !p->s.ended;
        p->fit = fitness_of(p, n == 0, code);
        k->fittest = p->fit < k->fittest ? p->fit : k->fittest;
    }
    if (!counted_answer(q->question.v, q->question.len, b->text, b->len, k->value))
        k->value[0] = '\0';
    return 0;
}

/* The question speaks of it; so do, in a way, two answers with some. */
static bool names_code(const buf *question)
{
    static const char *const words[] = {"function", "program", "script", "code",      "python",
                                        "regex",    "sql",     "функци", "программу", "скрипт"};
    for (size_t at = 0; question->v && at < question->len; at++)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strncasecmp(question->v + at, words[i], strlen(words[i])) == 0)
                return true;
    return false;
}

static int read_speakers(quoting *q, error *err)
{
    int coders = names_code(&q->question) ? 2 : 0;
    for (int i = 0; i < q->passes; i++) {
        const merge_candidate *b = &q->candidates[i];
        if (!b->barred && sentences_split(b->text, b->len, &q->list, err))
            return -1;
        coders += !b->barred && has_code(&q->list);
    }
    for (int i = 0; i < q->passes; i++)
        if (read_speaker(q, i, coders > 1, err))
            return -1;
    return 0;
}

/* ---- the vote's scores ------------------------------------------------------------------------- */

/* The n-th piece of those that may be the best of this answer, or NULL; alone it needs no judge. */
static piece *judged_piece(speaker *k, int n)
{
    piece *found = NULL;
    int count = 0;
    for (int i = 0; i < k->count && count < SCORED; i++)
        if (k->pieces[i].fit == k->fittest && k->fittest < POOR && count++ == n)
            found = &k->pieces[i];
    return count > 1 ? found : NULL;
}

/* The n-th pieces of all answers are read together; *any = there were some. */
static int judge_pieces(quoting *q, int n, merge_candidate *candidates, bool *any, error *err)
{
    vote_readings r = {0};
    *any = false;
    for (int i = 0; i < q->passes; i++) {
        const piece *p = judged_piece(&q->speakers[i], n);
        candidates[i] =
            p ? (merge_candidate){p->s.text, p->s.len, false} : (merge_candidate){"", 0, true};
        *any = *any || p;
    }
    int result = *any ? vote_read(q->merge, candidates, VOTE_BY_PEERS, &r, err) : 0;
    for (int i = 0; i < q->passes && *any && !result; i++) {
        piece *p = judged_piece(&q->speakers[i], n);
        if (p)
            p->score = vote_peers(&r, i);
    }
    vote_readings_release(&r);
    return result;
}

static int judge(quoting *q, error *err)
{
    merge_candidate *candidates = calloc((size_t)q->passes, sizeof *candidates);
    bool any = true;
    int result = 0;
    if (!candidates)
        return error_memory(err, "a merge");
    for (int n = 0; n < SCORED && any && !result; n++)
        result = judge_pieces(q, n, candidates, &any, err);
    free(candidates);
    return result;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static const char *word(const quoting *q, const char *english, const char *russian)
{
    return q->russian ? russian : english;
}

/* A sentence on one line, without the marks of bold type that it may have only half of; one that is
 * very long ends behind a word; that one and a cut one have an ellipsis. */
static int add_sentence(buf *out, const char *text, size_t len, bool cut, error *err)
{
    size_t end = len;
    if (len > LONGEST) {
        for (end = LONGEST; end > LONGEST / 2 && text[end] != ' ';)
            end--;
        end = text[end] == ' ' ? end : LONGEST;
        while (((unsigned char)text[end] & 0xC0) == 0x80)
            end--;
    }
    for (size_t at = 0; at < end; at++) {
        bool bold = text[at] == '*' && at + 1 < end && text[at + 1] == '*';
        bool line = text[at] == '\n' || text[at] == '\r';
        if (bold ? (at++, 0) : buf_add(out, line ? " " : text + at, 1, err))
            return -1;
    }
    return cut || end < len ? buf_text(out, "\xE2\x80\xA6", err) : 0;
}

static int add_piece(buf *out, const piece *p, error *err)
{
    const sentence *s = &p->s;
    if (s->kind != SENTENCE_CODE)
        return buf_text(out, " ", err) || add_sentence(out, s->text, s->len, p->cut, err) ? -1 : 0;
    return buf_text(out, "\n\n", err) || buf_add(out, s->text, s->len, err) ||
                   buf_text(out, "\n", err)
               ? -1
               : 0;
}

/* "philosopher, coder and critic" of those whose flag is set. */
static int add_names(const quoting *q, const bool *who, buf *out, error *err)
{
    int left = 0;
    for (int i = 0; i < q->passes; i++)
        left += who[i];
    for (int i = 0, total = left; i < q->passes; i++) {
        if (!who[i])
            continue;
        const char *between = left == total ? "" : left == 1 ? word(q, " and ", " и ") : ", ";
        if (buf_text(out, between, err) || buf_text(out, q->merge->parties[i].name, err))
            return -1;
        left--;
    }
    return 0;
}

static int add_agreed(quoting *q, const bool *who, error *err)
{
    return buf_text(&q->out, word(q, "Agreed by ", "Согласны "), err) ||
                   add_names(q, who, &q->out, err) || buf_text(&q->out, ":", err)
               ? -1
               : 0;
}

/* ---- counted answers --------------------------------------------------------------------------- */

static const char *value_word(const quoting *q, const char *value)
{
    bool yes = strcmp(value, "yes") == 0, no = strcmp(value, "no") == 0;
    return yes ? word(q, "yes", "да") : no ? word(q, "no", "нет") : value;
}

static int same_value(const quoting *q, const char *value, bool *who)
{
    int count = 0;
    for (int i = 0; i < q->passes; i++)
        count += who[i] = *value && strcmp(q->speakers[i].value, value) == 0;
    return count;
}

/* "They differ: a says 41, b says 40", of those that do not say what is agreed. */
static int add_others(quoting *q, const char *agreed, error *err)
{
    const char *between =
        *agreed ? word(q, "But ", "Но ") : word(q, "They differ: ", "Расходятся: ");
    for (int i = 0; i < q->passes; i++) {
        const char *mine = q->speakers[i].value;
        if (!*mine || strcmp(mine, agreed) == 0)
            continue;
        if (buf_format(&q->out, err, "%s%s%s%s", between, q->merge->parties[i].name,
                       word(q, " says ", ": "), value_word(q, mine)))
            return -1;
        between = ", ";
    }
    return buf_text(&q->out, "\n\n", err);
}

static int add_counted(quoting *q, bool *who, error *err)
{
    int most = 0, all = 0;
    const char *value = "";
    for (int i = 0; i < q->passes; i++) {
        int same = same_value(q, q->speakers[i].value, who);
        all += *q->speakers[i].value != '\0';
        if (same > most)
            value = q->speakers[i].value;
        most = same > most ? same : most;
    }
    for (int i = 0; i < q->passes; i++)
        q->speakers[i].told = all > 1 && *q->speakers[i].value;
    if (most > 1) {
        (void)same_value(q, value, who);
        if (add_agreed(q, who, err) || buf_format(&q->out, err, " %s\n\n", value_word(q, value)))
            return -1;
    }
    return all > most ? add_others(q, most > 1 ? value : "", err) : 0;
}

/* ---- points ------------------------------------------------------------------------------------ */

static bool may_agree(const piece *p)
{
    return p->fit < POOR && !p->said && !p->s.asks && p->s.kind != SENTENCE_CODE;
}

/* Who makes the point of this piece, its speaker included; returns how many. */
static int makers(const quoting *q, int speaker_of, const piece *p, bool *who)
{
    int count = 0;
    for (int i = 0; i < q->passes; i++) {
        who[i] = i == speaker_of;
        for (int n = 0; n < q->speakers[i].count && !who[i]; n++) {
            const piece *other = &q->speakers[i].pieces[n];
            who[i] = may_agree(other) && claims_agree(&p->claim, &other->claim);
        }
        count += who[i];
    }
    return count;
}

/* The point that most make; of its wordings the one that scores best, then the first. */
static piece *shared_point(const quoting *q, bool *who, int *by)
{
    piece *best = NULL;
    int most = 1;
    for (int i = 0; i < q->passes; i++)
        for (int n = 0; n < q->speakers[i].count; n++) {
            piece *p = &q->speakers[i].pieces[n];
            int count = may_agree(p) ? makers(q, i, p, who) : 0;
            if (count < 2 || count < most || (best && count == most && p->score <= best->score))
                continue;
            best = p;
            most = count;
            *by = i;
        }
    if (best)
        (void)makers(q, *by, best, who);
    return best;
}

static bool same_text(const sentence *a, const sentence *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* It was quoted; so nothing that says the same needs to be. */
static void mark_said(quoting *q, const piece *said)
{
    for (int i = 0; i < q->passes; i++)
        for (int n = 0; n < q->speakers[i].count; n++) {
            piece *p = &q->speakers[i].pieces[n];
            p->said = p->said || same_text(&p->s, &said->s) ||
                      (p->s.kind != SENTENCE_CODE && said->s.kind != SENTENCE_CODE &&
                       claims_agree(&p->claim, &said->claim));
        }
}

static int add_points(quoting *q, bool *who, error *err)
{
    int by = 0, told = 0;
    for (piece *p; told < AGREED && (p = shared_point(q, who, &by)); told++) {
        if (add_agreed(q, who, err) || add_piece(&q->out, p, err) || buf_text(&q->out, "\n\n", err))
            return -1;
        mark_said(q, p);
    }
    return 0;
}

/* What scores best of the fittest that are left; -INFINITY is the first of them. */
static piece *best_left(speaker *k)
{
    piece *best = NULL;
    for (int i = 0; i < k->count; i++) {
        piece *p = &k->pieces[i];
        if (p->said || p->fit == UNFIT || (p->fit == POOR && k->told))
            continue;
        if (!best || p->fit < best->fit || (p->fit == best->fit && p->score > best->score))
            best = p;
    }
    return best;
}

static int add_best(quoting *q, error *err)
{
    for (int i = 0; i < q->passes; i++) {
        piece *p = best_left(&q->speakers[i]);
        if (!p)
            continue;
        if (buf_format(&q->out, err,
                       p->s.kind == SENTENCE_CODE ? "%s:" : "- %s:", q->merge->parties[i].name) ||
            add_piece(&q->out, p, err) || buf_text(&q->out, "\n", err))
            return -1;
        mark_said(q, p);
    }
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static int open_quoting(quoting *q, error *err)
{
    const council_request *asked = &q->merge->round->requests[0];
    const chat_message *question = &asked->messages[asked->count - 1];
    size_t n = (size_t)q->passes;
    if (!(q->speakers = calloc(n, sizeof *q->speakers))) {
        (void)error_memory(err, "a merge");
        return -1;
    }
    if (buf_text(&q->question, "", err) ||
        buf_mend(&q->question, question->text, question->len, err) ||
        claim_read(q->question.v, q->question.len, NULL, &q->asked, err) ||
        !(q->candidates = merge_candidates(q->merge, &q->texts, err)))
        return -1;
    q->russian = utf8_is_cyrillic(q->question.v, q->question.len);
    return read_speakers(q, err);
}

static void close_quoting(quoting *q)
{
    for (int i = 0; q->speakers && i < q->passes; i++)
        for (int n = 0; n < q->speakers[i].count; n++)
            claim_release(&q->speakers[i].pieces[n].claim);
    claim_release(&q->asked);
    sentences_release(&q->list);
    buf_release(&q->texts);
    buf_release(&q->question);
    buf_release(&q->out);
    free(q->candidates);
    free(q->speakers);
}

static int quote(quoting *q, turn_merge *out, error *err)
{
    bool *who = calloc((size_t)q->passes, sizeof *who);
    if (!who)
        return error_memory(err, "a merge");
    int result = judge(q, err);
    if (!result)
        result = add_counted(q, who, err) || add_points(q, who, err) || add_best(q, err) ? -1 : 0;
    free(who);
    while (q->out.len && q->out.v[q->out.len - 1] == '\n')
        q->out.len--;
    if (!result && !q->out.len)
        return error_set(err, ERROR_RUN, "no answer has a sentence that can be quoted");
    if (!result)
        result = merge_set_text(q->merge, out, q->out.v, q->out.len, err);
    return result ? -1 : merge_set_note(q->merge, out, err, "quoted from the answers, not written");
}

int merge_quotes(const merging *m, turn_merge *out, error *err)
{
    quoting q = {.merge = m, .passes = m->count};
    int result = open_quoting(&q, err);
    if (!result)
        result = quote(&q, out, err);
    close_quoting(&q);
    return result;
}
