/* written.c - see written.h. */
#include "written.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/markdown.h"
#include "../../engine/base/utf8.h"

bool written_leaks(const char *text, size_t len, char last)
{
    static const char label[] = "answer ", cut[] = "[cut]";
    enum { LABEL = sizeof label - 1, CUT = sizeof cut - 1 };
    for (size_t i = 0; i < len; i++) {
        if (len - i >= CUT && memcmp(text + i, cut, CUT) == 0)
            return true;
        bool begins = i == 0 || !markdown_word(text[i - 1]);
        if (!begins || len - i <= LABEL || strncasecmp(text + i, label, LABEL) != 0)
            continue;
        char letter = text[i + LABEL];
        bool ends = len - i == LABEL + 1 || !markdown_word(text[i + LABEL + 1]);
        if (ends && letter >= 'A' && letter <= last)
            return true;
    }
    return false;
}

/* Hashes of the words, [WRITTEN_MOST]; returns how many. */
static size_t read_words(const char *text, size_t len, uint64_t *out)
{
    size_t n = 0;
    uint64_t word = HASH_START;
    bool open = false;
    for (size_t at = 0; at < len && n < WRITTEN_MOST;) {
        utf8proc_int32_t c = (utf8proc_int32_t)utf8_next(text, &at);
        utf8proc_category_t k = utf8proc_category(c);
        bool part = k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO;
        c = utf8proc_tolower(c);
        if (part)
            word = hash_bytes(word, &c, sizeof c);
        else if (open)
            out[n++] = word;
        if (!part)
            word = HASH_START;
        open = part;
    }
    if (open && n < WRITTEN_MOST)
        out[n++] = word;
    return n;
}

/* Words of a[n] within runs that b[m] has too. before: [m + 1] room; entry k is how long the run is that
 * ends with the last word of a and with b[k - 1]. */
static size_t copied_words(const uint64_t *a, size_t n, const uint64_t *b, size_t m, size_t *before)
{
    size_t copied = 0, told = 0; /* a[0..told) are accounted for */
    memset(before, 0, (m + 1) * sizeof *before);
    for (size_t i = 0; i < n; i++) {
        size_t longest = 0;
        for (size_t k = m; k > 0; k--) {
            before[k] = a[i] == b[k - 1] ? before[k - 1] + 1 : 0;
            longest = before[k] > longest ? before[k] : longest;
        }
        if (longest < WRITTEN_RUN)
            continue;
        size_t from = i + 1 - longest;
        copied += i + 1 - (from > told ? from : told);
        told = i + 1;
    }
    return copied;
}

int written_copied(const char *text, size_t len, const char *source, size_t source_len,
                   double *share, error *err)
{
    uint64_t *a = calloc((size_t)WRITTEN_MOST, sizeof *a);
    uint64_t *b = calloc((size_t)WRITTEN_MOST, sizeof *b);
    size_t *before = calloc((size_t)WRITTEN_MOST + 1, sizeof *before);
    bool ready = a && b && before;
    if (ready) {
        size_t n = read_words(text, len, a), m = read_words(source, source_len, b);
        *share = n ? (double)copied_words(a, n, b, m, before) / (double)n : 0;
    }
    free(a);
    free(b);
    free(before);
    return ready ? 0 : error_memory(err, "a merge");
}
