/* search_tokenizer.c - what a word is to the index: an FTS5 tokenizer around unicode61.
 *
 * Chinese, Japanese, Thai and their neighbours write no spaces between words, and Korean joins
 * particles to them, so for unicode61 a sentence is one word and nothing inside it is ever found.
 * Here each of their characters is a token of its own. FTS5 reads a term of several tokens as a
 * phrase: a word of any length is found wherever its characters stand in a row, also a word of
 * one. Everything else goes to unicode61 as before, in pieces between such characters.
 *
 * Interface: sqlite.org/fts5.html, "Custom Tokenizers". Ranges: Unicode 14, Scripts.txt.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../engine/base/utf8.h"
#include "search_index.h"

typedef int put_token(void *user, int flags, const char *token, int n, int start, int end);

typedef struct words {
    fts5_tokenizer base;
    Fts5Tokenizer *own; /* of base */
} words;

/* unicode61 is given a piece: its offsets are moved to the whole. */
typedef struct shifted {
    void *user;
    put_token *put;
    int by;
} shifted;

static int put_shifted(void *user, int flags, const char *token, int n, int start, int end)
{
    const shifted *s = user;
    return s->put(s->user, flags, token, n, start + s->by, end + s->by);
}

/* A letter or mark of a script that does not divide words, or (Hangul) joins endings to them. */
static bool unspaced(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {{0x0E01, 0x0E3A},   {0x0E40, 0x0E4E},   {0x0E50, 0x0E59}, /* Thai */
                  {0x0E81, 0x0EDF},                                         /* Lao */
                  {0x1000, 0x1049},   {0x1050, 0x109D},                     /* Myanmar */
                  {0x1100, 0x11FF},                                         /* Hangul Jamo */
                  {0x1780, 0x17D3},   {0x17D7, 0x17D7},   {0x17DC, 0x17E9}, /* Khmer */
                  {0x1950, 0x19DA}, /* Tai Le, New Tai Lue */
                  {0x1A20, 0x1A99}, /* Tai Tham */
                  {0x2E80, 0x2FDF}, /* radicals */
                  {0x3005, 0x3007},   {0x3021, 0x3029},   {0x3031, 0x3035},  {0x3038, 0x303C},
                  {0x3041, 0x309A},   {0x309D, 0x309F},   {0x30A1, 0x30FA},  {0x30FC, 0x30FF},
                  {0x3105, 0x312F},   {0x3131, 0x318E},   {0x31A0, 0x31BF},  {0x31F0, 0x31FF},
                  {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA48C},  {0xA960, 0xA97C},
                  {0xA9E0, 0xA9FE},   {0xAA60, 0xAA76},   {0xAA7A, 0xAADF},  {0xAC00, 0xD7A3},
                  {0xD7B0, 0xD7FB},   {0xF900, 0xFAD9},   {0xFF66, 0xFF9F},  {0xFFA0, 0xFFDC},
                  {0x16FE0, 0x18CD5}, {0x1AFF0, 0x1B2FB}, {0x20000, 0x323AF}};
    if (c < ranges[0].from)
        return false;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i].from; i++)
        if (c <= ranges[i].to)
            return true;
    return false;
}

static int tokenize(Fts5Tokenizer *t, void *user, int flags, const char *text, int n,
                    put_token *put)
{
    const words *w = (const words *)(const void *)t;
    int piece = 0, at = 0, result = SQLITE_OK;
    while (at <= n && result == SQLITE_OK) {
        size_t size = at < n ? utf8_character(text + at, (size_t)(n - at)) : 0, read = 0;
        bool single = size > 2 && unspaced(utf8_next(text + at, &read));
        if (!single && at < n) {
            at += size ? (int)size : 1;
            continue;
        }
        shifted s = {user, put, piece};
        if (at > piece)
            result = w->base.xTokenize(w->own, &s, flags, text + piece, at - piece, put_shifted);
        if (single && result == SQLITE_OK)
            result = put(user, 0, text + at, (int)size, at, at + (int)size);
        at += single ? (int)size : 1;
        piece = at;
    }
    return result;
}

static void delete (Fts5Tokenizer *t)
{
    words *w = (words *)(void *)t;
    if (w && w->own)
        w->base.xDelete(w->own);
    free(w);
}

static int create(void *api_pointer, const char **arguments, int n, Fts5Tokenizer **out)
{
    fts5_api *api = api_pointer;
    void *user = NULL;
    words *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return SQLITE_NOMEM;
    int result = api->xFindTokenizer(api, "unicode61", &user, &w->base);
    if (result == SQLITE_OK)
        result = w->base.xCreate(user, arguments, n, &w->own);
    if (result != SQLITE_OK) {
        delete ((Fts5Tokenizer *)(void *)w);
        return result;
    }
    *out = (Fts5Tokenizer *)(void *)w;
    return SQLITE_OK;
}

int search_tokenizer(search *s, error *err)
{
    static fts5_tokenizer own = {create, delete, tokenize};
    fts5_api *api = NULL;
    sqlite3_stmt *q = search_prepare(s, "SELECT fts5(?1)", err);
    if (!q)
        return -1;
    (void)sqlite3_bind_pointer(q, 1, &api, "fts5_api_ptr", NULL);
    int result = search_step(s, q, err);
    sqlite3_finalize(q);
    if (result < 0)
        return -1;
    if (!api || api->xCreateTokenizer(api, "words", api, &own, NULL) != SQLITE_OK)
        return search_failed(s, "take its tokenizer", err);
    return 0;
}
