/* extract.c - see extract.h. */
#include "extract.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Copies a short value in canonical form; false when it is empty or too long to be one. */
static bool keep_value(const char *text, size_t len, char out[EXTRACT_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool separator = c == ',' && n > 0 && isdigit((unsigned char)out[n - 1]) && i + 1 < len &&
                         isdigit((unsigned char)text[i + 1]);
        if (separator || c == '*' || c == '(' || c == ')' || c == '$')
            continue;
        if (n + 1 >= EXTRACT_BYTES)
            return false;
        out[n++] = (char)tolower((unsigned char)c);
    }
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.'))
        n--;
    out[n] = '\0';
    return n > 0;
}

/* X of "marker X", up to the end of the sentence or line. */
static bool after_marker(const char *text, size_t len, const char *marker, char end,
                         char out[EXTRACT_BYTES])
{
    size_t m = strlen(marker);
    for (size_t i = 0; i + m < len; i++) {
        if (strncasecmp(text + i, marker, m) != 0)
            continue;
        size_t from = i + m, to;
        while (from < len && (text[from] == ' ' || text[from] == ':' || text[from] == '*'))
            from++;
        for (to = from; to < len && text[to] != '\n' && text[to] != end; to++)
            if (text[to] == '.' && (to + 1 == len || text[to + 1] == ' ' || text[to + 1] == '\n'))
                break;
        return keep_value(text + from, to - from, out);
    }
    return false;
}

static bool first_word(const char *text, size_t len, char out[EXTRACT_BYTES])
{
    static const char *const words[][2] = {{"yes", "yes"}, {"no", "no"},  {"да", "yes"},
                                           {"Да", "yes"},  {"нет", "no"}, {"Нет", "no"}};
    while (len > 0 && (isspace((unsigned char)*text) || *text == '*'))
        text++, len--;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i][0]);
        if (len < n || strncasecmp(text, words[i][0], n) != 0 || (n < len && is_word_byte(text[n])))
            continue;
        return keep_value(words[i][1], strlen(words[i][1]), out);
    }
    return false;
}

/* Length of the number at text (digits, separators, one point), or 0. */
static size_t number_at(const char *text, size_t len)
{
    size_t n = text[0] == '-' ? 1 : 0;
    if (n >= len || !isdigit((unsigned char)text[n]))
        return 0;
    while (n < len &&
           (isdigit((unsigned char)text[n]) || ((text[n] == '.' || text[n] == ',') && n + 1 < len &&
                                                isdigit((unsigned char)text[n + 1]))))
        n++;
    return n;
}

static bool single_number(const char *text, size_t len, char out[EXTRACT_BYTES])
{
    char found[EXTRACT_BYTES] = "", next[EXTRACT_BYTES];
    for (size_t i = 0; i < len;) {
        size_t n = number_at(text + i, len - i);
        if (n == 0) {
            i++;
            continue;
        }
        if (i > 0 && is_word_byte(text[i - 1])) { /* "v1.5" is a name */
            i += n;
            continue;
        }
        if (!keep_value(text + i, n, next) || (found[0] && strcmp(found, next) != 0))
            return false;
        memcpy(found, next, sizeof found);
        i += n;
    }
    memcpy(out, found, sizeof found);
    return found[0] != '\0';
}

bool extract_answer(const char *text, size_t len, char out[EXTRACT_BYTES])
{
    return after_marker(text, len, "\\boxed{", '}', out) ||
           after_marker(text, len, "the answer is", '\n', out) ||
           after_marker(text, len, "answer:", '\n', out) || first_word(text, len, out) ||
           single_number(text, len, out);
}
