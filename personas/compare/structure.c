/* structure.c - see structure.h. */
#include "structure.h"

#include <string.h>

#include "../../engine/base/markdown_blocks.h"

static const char *const LINKS[] = {
    "because",  "therefore", "thus",   "hence",   "so",      "since",     "but",      "however",
    "although", "though",    "while",  "whereas", "yet",     "if",        "unless",   "then",
    "first",    "second",    "next",   "finally", "instead", "otherwise", "moreover", "example",
    "потому",   "поэтому",   "однако", "хотя",    "если",    "значит",    "сначала",  "затем",
    "наконец",  "например",  "но",     "ведь"};

/* Letters and digits, and all that is not ASCII. */
static bool is_link(const char *word, size_t n)
{
    char small[24];
    if (n >= sizeof small)
        return false;
    for (size_t i = 0; i < n; i++)
        small[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
    small[n] = '\0';
    for (size_t i = 0; i < sizeof LINKS / sizeof *LINKS; i++)
        if (strcmp(LINKS[i], small) == 0)
            return true;
    return false;
}

/* Sentences end with . ! ? before a blank or the end of the block. */
static void read_sentences(const char *text, size_t len, structure *s)
{
    bool words = false, linked = false;
    for (size_t i = 0; i < len;) {
        size_t from = i;
        while (i < len && markdown_word(text[i]))
            i++;
        if (i > from) {
            words = true;
            linked = linked || is_link(text + from, i - from);
            continue;
        }
        bool mark = text[i] == '.' || text[i] == '!' || text[i] == '?';
        i++;
        if (!(mark && (i == len || markdown_blank(text[i]) || text[i] == '\n')) || !words)
            continue;
        s->sentences++;
        s->links += linked;
        words = linked = false;
    }
    s->sentences += words;
    s->links += words && linked;
}

structure structure_of(const char *text, size_t len)
{
    structure s = {0};
    markdown_reader r = {.at = text, .end = text + len};
    markdown_block b;
    bool level[7] = {false};
    int nested = 0;
    size_t indents[16];
    int open = 0;
    while (markdown_next(&r, &b)) {
        if (b.kind == MARKDOWN_OPEN || b.kind == MARKDOWN_RULE)
            continue;
        if (b.kind == MARKDOWN_HEADING) {
            s.headings++;
            level[b.level] = true;
            open = 0;
            continue;
        }
        if (b.kind == MARKDOWN_ITEM) {
            s.items++;
            while (open && indents[open - 1] >= b.indent)
                open--;
            if (open < 16)
                indents[open++] = b.indent;
            nested = open > nested ? open : nested;
        }
        read_sentences(b.text, b.len, &s);
    }
    for (int i = 1; i <= 6; i++)
        s.depth += level[i];
    s.depth += nested;
    return s;
}
