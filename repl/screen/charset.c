/* charset.c - see charset.h. */
#include "charset.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_utf8(const char *set)
{
    return strcasecmp(set, "UTF-8") == 0 || strcasecmp(set, "utf8") == 0;
}

/* What the environment calls the locale, as setlocale(3) chooses it; or NULL. */
static const char *locale_name(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

/* "ru_RU.KOI8-R@x" -> whether KOI8-R is another set. A name without one tells nothing. */
static bool names_another(const char *locale)
{
    char set[32] = "";
    const char *point = strchr(locale, '.');
    size_t n = point ? strcspn(point + 1, "@") : 0;
    if (n < sizeof set && n)
        memcpy(set, point + 1, n);
    return *set && !is_utf8(set);
}

/* LOCPATH, where programs bring locales of their own, may lack even this one. */
static void use_utf8(void)
{
    if (setlocale(LC_CTYPE, "C.UTF-8"))
        return;
    const char *path = getenv("LOCPATH");
    char *kept = path ? strdup(path) : NULL;
    (void)unsetenv("LOCPATH");
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        (void)setlocale(LC_CTYPE, "en_US.UTF-8");
    if (kept)
        (void)setenv("LOCPATH", kept, 1);
    free(kept);
}

bool charset_open(void)
{
    const char *name = locale_name();
    bool installed = setlocale(LC_CTYPE, "") != NULL;
    const char *set = nl_langinfo(CODESET);
    bool ascii = strcmp(set, "ANSI_X3.4-1968") == 0; /* "C" names no set of its own */
    if (installed && is_utf8(set))
        return false;
    bool other = installed && !ascii ? *set != '\0' : name && names_another(name);
    use_utf8();
    return other;
}

charset_saved charset_export(void)
{
    const char *found = getenv("LC_ALL"), *now = setlocale(LC_CTYPE, NULL);
    charset_saved saved = {found ? strdup(found) : NULL};
    if (now)
        (void)setenv("LC_ALL", now, 1);
    return saved;
}

void charset_restore(charset_saved *saved)
{
    if (saved->found)
        (void)setenv("LC_ALL", saved->found, 1);
    else
        (void)unsetenv("LC_ALL");
    free(saved->found);
    saved->found = NULL;
}
