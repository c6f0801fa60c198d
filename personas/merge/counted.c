/* counted.c - see counted.h. */
#include "counted.h"

#include <string.h>
#include <strings.h>

/* Whether the question is one that a number answers. */
static bool wants_number(const char *question, size_t len)
{
    static const char *const words[] = {"how many", "how much",   "how long",  "how old", "how far",
                                        "how tall", "how high",   "what year", "when",    "number",
                                        "percent",  "what time",  "сколько",   "Сколько", "когда",
                                        "Когда",    "каком году", "много ли",  "多少",    "几",
                                        "何人",     "いくつ"};
    for (size_t i = 0; i < len; i++) {
        if (question[i] >= '0' && question[i] <= '9')
            return true;
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            size_t n = strlen(words[k]);
            if (n <= len - i && strncasecmp(question + i, words[k], n) == 0)
                return true;
        }
    }
    return false;
}

/* Whether the text says which part of it the answer is. */
static bool is_marked(const char *text, size_t len)
{
    static const char *const markers[] = {"the answer is", "answer:", "\\boxed{"};
    for (size_t i = 0; i < len; i++)
        for (size_t k = 0; k < sizeof markers / sizeof *markers; k++) {
            size_t n = strlen(markers[k]);
            if (n <= len - i && strncasecmp(text + i, markers[k], n) == 0)
                return true;
        }
    return false;
}

static bool is_number(const char *value)
{
    return value[strspn(value, "-0123456789.,")] == '\0';
}

/* Leaves off what goes on behind the value; false when too much is left. */
static bool cut_value(char *value)
{
    static const char *const behind[] = {", ",    "; ",        ": ",     " and ",
                                         " but ", " because ", " since "};
    int words = 1;
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        char *at = strstr(value, behind[i]);
        if (at)
            *at = '\0';
    }
    for (const char *at = value; *at; at++)
        words += *at == ' ';
    return *value && words <= 4;
}

bool counted_answer(const char *question, size_t question_len, const char *text, size_t len,
                    char out[EXTRACT_BYTES])
{
    return extract_answer(text, len, out) && cut_value(out) &&
           (!is_number(out) || is_marked(text, len) || wants_number(question, question_len));
}
