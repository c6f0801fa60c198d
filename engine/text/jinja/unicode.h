/* unicode.h - what Python's str methods know about characters, on top of utf8proc. */
#ifndef ENGINE_JINJA_UNICODE_H
#define ENGINE_JINJA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool is_space(uint32_t c); /* str.isspace, strip() and \s */
bool is_line_end(uint32_t c);
bool is_word(uint32_t c);       /* \w */
bool is_word_digit(uint32_t c); /* \w that cannot begin a name */
bool is_printable(uint32_t c);  /* str.isprintable: repr() shows it as it is */
bool is_alpha(uint32_t c);
bool is_decimal(uint32_t c);
bool is_digit(uint32_t c);
bool is_numeric(uint32_t c);
bool is_upper(uint32_t c);
bool is_lower(uint32_t c);
bool is_title(uint32_t c);
bool is_cased(uint32_t c);
bool is_case_ignorable(uint32_t c);

/* Full case mappings: 1 to 3 code points. */
size_t to_upper(uint32_t c, uint32_t out[3]);
size_t to_title(uint32_t c, uint32_t out[3]);
size_t to_lower(uint32_t c, uint32_t out[3]);
size_t to_folded(uint32_t c, uint32_t out[3]);

#endif
