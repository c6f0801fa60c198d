/* visible.c - see visible.h. Properties are utf8proc's (Unicode 15). */
#include "visible.h"

#include <utf8proc.h>

enum { ZWNJ = 0x200C, ZWJ = 0x200D, TEXT_SELECTOR = 0xFE0E, EMOJI_SELECTOR = 0xFE0F };

static const utf8proc_property_t *property(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)c);
}

static bool between(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

/* Default_Ignorable_Code_Point. The library knows it of characters that exist; these blocks have it
 * whatever comes to stand there (Unicode 15, 5.21). */
static bool ignorable(uint32_t c)
{
    return property(c)->ignorable || between(c, 0x2060, 0x206F) || between(c, 0xFFF0, 0xFFF8) ||
           between(c, 0xE0000, 0xE0FFF);
}

static bool noncharacter(uint32_t c)
{
    return (c & 0xFFFE) == 0xFFFE || between(c, 0xFDD0, 0xFDEF);
}

static bool hidden(uint32_t c)
{
    const utf8proc_property_t *p = property(c);
    switch (p->category) {
    case UTF8PROC_CATEGORY_CC: /* U+009B begins a sequence as ESC [ does */
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return true;
    case UTF8PROC_CATEGORY_CF: /* Arabic number signs are seen; they stand in front of digits */
        return p->boundclass != UTF8PROC_BOUNDCLASS_PREPEND;
    default:
        return ignorable(c) || noncharacter(c);
    }
}

/* ---- what belongs to the character before it ----------------------------------------------------- */

static bool pictograph(uint32_t c)
{
    return property(c)->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

static bool cased(uint32_t c)
{
    int category = property(c)->category;
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
           category == UTF8PROC_CATEGORY_LT;
}

/* A letter of a script without cases: Arabic, Devanagari, Han, ... */
static bool uncased(uint32_t c)
{
    int category = property(c)->category;
    return category == UTF8PROC_CATEGORY_LO || category == UTF8PROC_CATEGORY_LM;
}

static bool mark(uint32_t c)
{
    const utf8proc_property_t *p = property(c);
    return p->boundclass == UTF8PROC_BOUNDCLASS_EXTEND || p->category == UTF8PROC_CATEGORY_MN ||
           p->category == UTF8PROC_CATEGORY_MC || p->category == UTF8PROC_CATEGORY_ME;
}

static bool selector(uint32_t c)
{
    return between(c, 0xFE00, 0xFE0F) || between(c, 0xE0100, 0xE01EF) ||
           between(c, 0x180B, 0x180D) || c == 0x180F;
}

/* Variants of letters with cases are the script capitals of mathematics alone. */
static bool has_variants(uint32_t base, uint32_t c)
{
    int category = property(base)->category;
    if (c == TEXT_SELECTOR || c == EMOJI_SELECTOR)
        return pictograph(base) || between(base, '0', '9') || base == '#' || base == '*';
    if (between(c, 0x180B, 0x180F))
        return between(base, 0x1800, 0x18AF);
    if (c >= 0xE0100) /* an ideograph: Hangul is wide too, but knows clusters of its own */
        return category == UTF8PROC_CATEGORY_LO &&
               utf8proc_charwidth((utf8proc_int32_t)base) == 2 &&
               property(base)->boundclass == UTF8PROC_BOUNDCLASS_OTHER;
    if (base < 0x80)
        return base == '0';
    if (cased(base))
        return base >= 0x2100;
    return category == UTF8PROC_CATEGORY_LO ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_SO);
}

/* Wide letters (Han, kana, Hangul) are never joined. */
static bool joins(const visible *v, uint32_t c)
{
    if (!v->before || !v->base || v->before == ZWJ || v->before == ZWNJ)
        return false;
    if (pictograph(v->base))
        return c == ZWJ;
    utf8proc_bidi_class_t direction = (utf8proc_bidi_class_t)property(v->base)->bidi_class;
    return (uncased(v->base) && utf8proc_charwidth((utf8proc_int32_t)v->base) < 2) ||
           (cased(v->base) && direction == UTF8PROC_BIDI_CLASS_R); /* Adlam */
}

static bool belongs(const visible *v, uint32_t c)
{
    if (c == ZWJ || c == ZWNJ)
        return joins(v, c);
    return selector(c) && v->base && v->before == v->base && has_variants(v->base, c);
}

bool visible_next(visible *v, uint32_t c)
{
    bool shown = !hidden(c) || belongs(v, c);
    bool joint = c == ZWJ || c == ZWNJ || mark(c);
    *v = shown ? (visible){c, joint ? v->base : c} : (visible){0};
    return shown;
}
