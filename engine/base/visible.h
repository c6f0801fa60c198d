/* visible.h - which characters of a foreign text may be shown as they are, and where.
 *
 * Some characters show nothing and change how their neighbours are shown or read: controls, those
 * that reorder text, blanks of no width, a second invisible ASCII. Unicode has a property for
 * most of them, Default_Ignorable_Code_Point, and categories for the rest; no list is kept here,
 * so a new version of the library knows new ones.
 *
 * A few of them belong to the spelling of what stands before them, and are shown there and nowhere
 * else: a variation selector directly behind a character that has variants (an emoji, a keycap's
 * digit, an ideograph, a symbol), one only; a joiner behind an emoji or a letter of a script that
 * joins letters or has no case. Behind a Latin letter, a blank or another of their kind they hide
 * something.
 *
 * The decision about a character depends on those before it alone, so a text may come in any pieces.
 */
#ifndef ENGINE_VISIBLE_H
#define ENGINE_VISIBLE_H

#include <stdbool.h>
#include <stdint.h>

/* Where in a text we are. {0} is its beginning. */
typedef struct visible {
    uint32_t before; /* the last character, 0 when it was not shown as it is */
    uint32_t base;   /* the last one that is no mark: what a mark or selector belongs to, or 0 */
} visible;

/* Whether c may be shown as it is; moves behind it. False for tab and newline too, which a caller may
 * know better. */
bool visible_next(visible *v, uint32_t c);

#endif
