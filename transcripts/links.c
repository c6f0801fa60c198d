/* links.c - see links.h. */
#include "links.h"

#include <string.h>
#include <strings.h>

static const char *const schemes[] = {"https://", "http://", "mailto:"};

/* RFC 3986: what an address is written with; all else has to be percent-encoded. */
static bool address_byte(char c)
{
    return c > ' ' && c < 0x7F && !strchr("\"'<>\\`{}|^", c);
}

size_t links_address(const char *text, size_t n)
{
    for (size_t s = 0; s < sizeof schemes / sizeof *schemes; s++) {
        size_t scheme = strlen(schemes[s]), i = scheme;
        if (n <= scheme || strncasecmp(text, schemes[s], scheme) != 0)
            continue;
        while (i < n && i <= LINKS_MOST && address_byte(text[i]))
            i++;
        return i > scheme && i <= LINKS_MOST ? i : 0;
    }
    return 0;
}

bool links_safe(const char *text, size_t n)
{
    return links_address(text, n) > 0 || (n && *text == '#');
}
