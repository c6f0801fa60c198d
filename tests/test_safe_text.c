/* test_safe_text.c - no byte that a terminal obeys gets through, nothing harmless is lost, and the
 * way a text is cut into pieces never matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/printable.h"
#include "../repl/screen/safe_text.h"

static void becomes(safe_style style, const char *text, size_t n, const char *want)
{
    buf out = {0};
    assert_int_equal(safe_text_copy(&out, style, false, text, n, NULL), 0);
    assert_string_equal(out.v ? out.v : "", want);
    buf_release(&out);
}

#define PROSE(text, want) becomes(SAFE_PROSE, text, sizeof(text) - 1, want)
#define LINE(text, want)  becomes(SAFE_LINE, text, sizeof(text) - 1, want)
#define JSON(text, want)  becomes(SAFE_JSON, text, sizeof(text) - 1, want)

static void sequences_cannot_begin(void **state)
{
    (void)state;
    PROSE("\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m");
    PROSE("\033]52;c;aGk=\007", "\\x1b]52;c;aGk=\\x07"); /* OSC 52: sets the clipboard */
    PROSE("\033]8;;http://x\033\\t", "\\x1b]8;;http://x\\x1b\\t");
    PROSE("\033P+q\033\\", "\\x1bP+q\\x1b\\");
    PROSE("a\rb\bc\x7f", "a\\x0db\\x08c\\x7f");
    PROSE("nul \0 too", "nul \\x00 too");
    PROSE("\x9b"
          "31m",
          "\\x9b31m"); /* C1 as a byte */
    PROSE("\xc2\x9b"
          "31m",
          "\\u{009b}31m"); /* and as a character */
    PROSE("\xc2\x85", "\\u{0085}");
}

static void lines_stay_lines(void **state)
{
    (void)state;
    PROSE("a\tb\nc", "a\tb\nc");
    LINE("a\tb\nc", "a\\x09b\\x0ac");
}

static void what_reorders_or_hides_is_shown(void **state)
{
    (void)state;
    PROSE("a\u202Eb", "a\\u{202e}b");
    PROSE("\u2066x\u2069", "\\u{2066}x\\u{2069}");
    PROSE("\u200E\u200F\u061C", "\\u{200e}\\u{200f}\\u{061c}");
    PROSE("\uFEFFx\u2060", "\\u{feff}x\\u{2060}");
    PROSE("\u2028\u2029", "\\u{2028}\\u{2029}");
    PROSE("\U000E0041\U000E007F", "\\u{e0041}\\u{e007f}");
}

/* Default_Ignorable_Code_Point of Unicode 15.0 (DerivedCoreProperties.txt), whole. */
static const uint32_t ignorable[][2] = {
    {0x00AD, 0x00AD},   {0x034F, 0x034F},  {0x061C, 0x061C}, {0x115F, 0x1160}, {0x17B4, 0x17B5},
    {0x180B, 0x180F},   {0x200B, 0x200F},  {0x202A, 0x202E}, {0x2060, 0x206F}, {0x3164, 0x3164},
    {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},  {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
/* What else shows nothing: controls, separators, annotations, hieroglyph joiners, noncharacters. */
static const uint32_t hidden[][2] = {{0x0000, 0x001F}, {0x007F, 0x009F}, {0x2028, 0x2029},
                                     {0xFFF9, 0xFFFB}, {0xFDD0, 0xFDEF}, {0x13430, 0x1343F}};

static bool listed(const uint32_t list[][2], size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= list[i][0] && c <= list[i][1])
            return true;
    return false;
}

/* Behind nothing, a blank and a Latin letter. */
static void every_character_is_decided_by_its_properties(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        bool want = !listed(ignorable, sizeof ignorable / sizeof *ignorable, c) &&
                    !listed(hidden, sizeof hidden / sizeof *hidden, c) && (c & 0xFFFE) != 0xFFFE;
        static const uint32_t before[] = {0, ' ', 'a', '-', 0xE9, 0x416, 0x200B};
        for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
            visible v = {0};
            if (before[i])
                (void)visible_next(&v, before[i]);
            if (visible_next(&v, c) != want)
                fail_msg("U+%04X behind U+%04X", (unsigned)c, (unsigned)before[i]);
        }
    }
}

static void what_belongs_to_a_character_stays_with_it(void **state)
{
    (void)state;
    const char *whole[] = {"⚠\uFE0F ☎\uFE0E 1\uFE0F\u20E3 #\uFE0F\u20E3",
                           "🏳\uFE0F\u200D🌈",
                           "👩🏽\u200D🚀",
                           "👨\u200D👩\u200D👧",
                           "🏴\u200D☠\uFE0F",
                           "葛\U000E0100",
                           "0\uFE00",
                           "∩\uFE00",
                           "ᠠ\u180B",
                           "می\u200Cخواهم",
                           "क\u094D\u200Dष",
                           "\U0001D49C\uFE00"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        becomes(SAFE_LINE, whole[i], strlen(whole[i]), whole[i]);
    LINE("⚠\uFE0F\uFE0F", "⚠\uFE0F\\u{fe0f}"); /* beyond its base */
    LINE("a\uFE0F", "a\\u{fe0f}");
    LINE("é\uFE01", "é\\u{fe01}");
    LINE(" \uFE0F", " \\u{fe0f}");
    LINE("\n\uFE0F", "\\x0a\\u{fe0f}");
    LINE("⚠\u0301\uFE0F", "⚠\u0301\\u{fe0f}");
    LINE("한\U000E0100", "한\\u{e0100}");
    LINE("a\U000E0100", "a\\u{e0100}");
    LINE("a\u200Db", "a\\u{200d}b");
    LINE("1\u200C2", "1\\u{200c}2");
    LINE("م\u200C\u200C\u200D", "م\u200C\\u{200c}\\u{200d}");
    LINE("漢\u200C", "漢\\u{200c}");
    LINE("🚀\u200C", "🚀\\u{200c}");
    LINE("🏴\U000E0067\U000E007F", "🏴\\u{e0067}\\u{e007f}"); /* tags: text in a flag */
    LINE("\u200B\u034F\u115F\u180E\uFFA0\u00AD",
         "\\u{200b}\\u{034f}\\u{115f}\\u{180e}\\u{ffa0}\\u{00ad}");
    PROSE("\xff\uFE0F\u200D", "\\xff\\u{fe0f}\\u{200d}");
    JSON("\"a\u200B⚠\uFE0F\uFE0F\"", "\"a\\u200b⚠\uFE0F\\ufe0f\"");
}

static void harmless_text_is_untouched(void **state)
{
    (void)state;
    const char *texts[] = {"plain ~",      "größe",       "日本語",   "שלום",       "مرحبا",
                           "न‍म‌", "👩‍🚀", "a\u00A0b", "\U0010FFFD", "\\x1b"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        becomes(SAFE_PROSE, texts[i], strlen(texts[i]), texts[i]);
        becomes(SAFE_LINE, texts[i], strlen(texts[i]), texts[i]);
        becomes(SAFE_JSON, texts[i], strlen(texts[i]), texts[i]);
    }
}

static void broken_utf8_is_shown(void **state)
{
    (void)state;
    PROSE("\xff\xfe", "\\xff\\xfe");
    PROSE("\xc3", "\uFFFD");   /* cut off */
    PROSE("\xc3(", "\uFFFD("); /* broken off */
    PROSE("\xe2\x82x", "\uFFFDx");
    PROSE("\xd0\xd0\xbf\xd0", "\uFFFD\u043f\uFFFD");
    PROSE("\xc0\x9b", "\\xc0\\x9b"); /* overlong */
    PROSE("\xe0\x82\x9b", "\uFFFD\\x82\\x9b");
    PROSE("\xed\xa0\x80", "\uFFFD\\xa0\\x80"); /* surrogate */
    PROSE("\xf4\x90\x80\x80", "\uFFFD\\x90\\x80\\x80");
    PROSE("\xf0\x9f\x98\033[m", "\uFFFD\\x1b[m");
}

static void json_keeps_its_values(void **state)
{
    (void)state;
    JSON("{\"a\":\"\u202E\xc2\x9b\U000E0041\x7f\"}\n",
         "{\"a\":\"\\u202e\\u009b\\udb40\\udc41\\u007f\"}\n");
    JSON("\xff", "\\ufffd");
}

static void a_terminal_without_utf8_gets_ascii(void **state)
{
    (void)state;
    safe_text s = {.style = SAFE_PROSE, .ascii = true};
    buf out = {0};
    assert_int_equal(safe_text_add(&s, "\u00DBx\n", 4, &out, NULL), 0); /* C3 9B: CSI in Latin-1 */
    assert_int_equal(safe_text_end(&s, &out, NULL), 0);
    assert_string_equal(out.v, "\\u{00db}x\n");
    buf_release(&out);
}

static uint32_t next_random(uint32_t *state)
{
    return *state = *state * 1664525u + 1013904223u;
}

/* Bytes that matter more often than chance would bring them. */
static size_t random_text(char *text, size_t most, uint32_t *state)
{
    static const unsigned char spice[] = {0x1b, 0x9b, 0xc2, 0x9b, 0xe2, 0x80, 0xae, 0xf3, 0xa0,
                                          0x81, '\r', '\n', 0xff, 0,    '[',  'm',  0xc3, 0xa9};
    size_t n = next_random(state) % most;
    for (size_t i = 0; i < n; i++) {
        uint32_t r = next_random(state) >> 8;
        text[i] = (char)(r & 1 ? spice[(r >> 1) % sizeof spice] : r >> 4);
    }
    return n;
}

/* Only printable ASCII, tab, newline and whole harmless characters may come out. */
static void assert_harmless(const buf *out)
{
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->v[i];
        assert_true(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f));
        if (c == 0xc2)
            assert_true((unsigned char)out->v[i + 1] >= 0xa0);
        assert_true(c < 0xf5 && c != 0xc0 && c != 0xc1);
    }
    buf again = {0}; /* what came out is harmless itself */
    assert_int_equal(
        safe_text_copy(&again, SAFE_PROSE, false, out->v ? out->v : "", out->len, NULL), 0);
    assert_int_equal(again.len, out->len);
    if (out->len)
        assert_memory_equal(again.v, out->v, out->len);
    buf_release(&again);
}

static void pieces_never_matter(void **state)
{
    (void)state;
    uint32_t seed = 1;
    char text[64];
    for (int round = 0; round < 100000; round++) {
        size_t n = random_text(text, sizeof text, &seed);
        buf whole = {0}, pieces = {0};
        assert_int_equal(safe_text_copy(&whole, SAFE_PROSE, false, text, n, NULL), 0);
        safe_text s = {.style = SAFE_PROSE};
        for (size_t at = 0; at < n;) {
            size_t step = 1 + next_random(&seed) % 5;
            if (step > n - at)
                step = n - at;
            assert_int_equal(safe_text_add(&s, text + at, step, &pieces, NULL), 0);
            at += step;
        }
        assert_int_equal(safe_text_end(&s, &pieces, NULL), 0);
        assert_int_equal(whole.len, pieces.len);
        if (whole.len)
            assert_memory_equal(whole.v, pieces.v, whole.len);
        assert_harmless(&whole);
        buf_release(&whole);
        buf_release(&pieces);
    }
}

static void brief(const char *text, size_t cells, const char *want)
{
    buf out = {0};
    assert_int_equal(safe_text_excerpt(&out, text, strlen(text), cells, false, NULL), 0);
    assert_string_equal(out.v ? out.v : "", want);
    buf_release(&out);
}

static void a_place_in_a_line_gets_whole_characters(void **state)
{
    (void)state;
    brief("two\nlines\t and\r\n more \n", 80, "two lines and more");
    brief("  a", 80, "a");
    brief("привет", 6, "привет");
    brief("привет", 4, "при…");
    brief("漢字漢字", 6, "漢字…");
    brief("e\u0301e\u0301e\u0301", 2, "e\u0301…");
    brief("a\033b\xd0", 80, "a\\x1bb\uFFFD");
    brief("", 5, "");
}

static void sentences_quote_characters(void **state)
{
    (void)state;
    assert_string_equal(printable_text("имя\033[m\xd0 \u200B").text, "имя\\x1b[m\\xd0 \\u{200b}");
    printable cut = printable_text("длинноедлинноедлинноедлинноедлинноедлинное");
    assert_string_equal(cut.text + strlen(cut.text) - 5, "и...");
    buf out = {0};
    assert_int_equal(safe_text_copy(&out, SAFE_LINE, false, cut.text, strlen(cut.text), NULL), 0);
    assert_string_equal(out.v, cut.text);
    buf_release(&out);
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(safe_text_width("abc", 3), 3);
    assert_int_equal(safe_text_width("größe", strlen("größe")), 5);
    assert_int_equal(safe_text_width("日本", strlen("日本")), 4);
    assert_int_equal(safe_text_width("e\u0301", strlen("e\u0301")), 1);
    assert_int_equal(safe_text_width("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_cannot_begin),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(what_reorders_or_hides_is_shown),
        cmocka_unit_test(every_character_is_decided_by_its_properties),
        cmocka_unit_test(what_belongs_to_a_character_stays_with_it),
        cmocka_unit_test(harmless_text_is_untouched),
        cmocka_unit_test(broken_utf8_is_shown),
        cmocka_unit_test(json_keeps_its_values),
        cmocka_unit_test(a_terminal_without_utf8_gets_ascii),
        cmocka_unit_test(pieces_never_matter),
        cmocka_unit_test(a_place_in_a_line_gets_whole_characters),
        cmocka_unit_test(sentences_quote_characters),
        cmocka_unit_test(widths),
    };
    return cmocka_run_group_tests_name("safe_text", tests, NULL, NULL);
}
