/* test_view_safety.c - whatever the models, their names and their metadata are made of, the terminal
 * gets nothing but text and the view's own sequences.
 *
 * Each stream is random bytes, rich in what hurts (ESC, C1, bidi, halves of characters, Markdown,
 * our own private marks), cut at random, played into every layout, on a
 * terminal that is a file in memory. Every byte written is then read by a strict reader that knows the
 * few sequences which the view may send.
 *
 * Streams and seed: STREAMS (100,000; fewer when sanitized) and SEED in the environment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../repl/screen/view.h"

typedef struct dice {
    uint64_t state;
} dice;

static unsigned roll(dice *d, unsigned sides)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(d->state >> 33) % sides;
}

/* ---- what may be written ------------------------------------------------------------------------ */

/* Length of one of our sequences at text[0..n), 0 when it is none. */
static size_t own_sequence(const char *text, size_t n)
{
    static const char *const fixed[] = {"\033[?2026h", "\033[?2026l", "\033[?7l", "\033[?7h"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (n >= strlen(fixed[i]) && memcmp(text, fixed[i], strlen(fixed[i])) == 0)
            return strlen(fixed[i]);
    if (n < 3 || text[1] != '[')
        return 0;
    size_t at = 2;
    while (at < n && ((text[at] >= '0' && text[at] <= '9') || text[at] == ';'))
        at++;
    return at < n && at < 16 && strchr("mGKJAB", text[at]) ? at + 1 : 0;
}

static bool is_bad_character(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x61C || (c >= 0x200E && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

/* Bytes of the well-formed character at text[0..n), 0 when there is none; *c is its number. */
static size_t character(const unsigned char *text, size_t n, uint32_t *c)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (length > n || (text[0] >= 0x80 && text[0] < 0xC2) || text[0] > 0xF4)
        return 0;
    *c = length == 1 ? text[0] : text[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        *c = *c << 6 | (text[i] & 0x3Fu);
    }
    return *c < least[length] || (*c >= 0xD800 && *c < 0xE000) || *c > 0x10FFFF ? 0 : length;
}

/* Offset of the first byte that should not be there, or n. */
static size_t first_fault(const char *text, size_t n, bool sequences, bool color)
{
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t c;
        used = text[at] == '\033' && sequences ? own_sequence(text + at, n - at) : 0;
        if (used && text[at + used - 1] == 'm' && !color)
            return at;
        if (used)
            continue;
        used = character((const unsigned char *)text + at, n - at, &c);
        bool line = c == '\n' || c == '\t' || (c == '\r' && sequences);
        if (!used || (is_bad_character(c) && !line))
            return at;
    }
    return n;
}

/* ---- what is played ----------------------------------------------------------------------------- */

static const char *const PIECES[] = {
    "\033[31m",
    "\033]52;c;aGk=\007",
    "\x9b"
    "2J",
    "\xc2\x9b",
    "\033",
    "\x01",
    "\x02",
    "\x03",
    "\r",
    "\b\b",
    "\x7f",
    "\u202e",
    "\u2066",
    "\U000E0041",
    "\ufeff",
    "\xf0\x9f\x99",
    "\xe2\x80",
    "\xff",
    "**",
    "*",
    "`",
    "```",
    "```py\n",
    "\n```\n",
    "\n",
    "\n\n",
    "- ",
    "# ",
    "12. ",
    "> ",
    " ",
    "  ",
    "\t",
    "word",
    "longerword",
    "語",
    "e\u0301",
    "👩‍🚀",
    "🇩🇪",
    "\u200d",
    "\ufe0f",
    "\u0301",
    "\033[?2026h",
    "\033[5A",
    "\x01!!",
    "\x01\x7f\x7f",
    "\033[1;2H",
    "\\",
    "_",
    "~~~\n",
};

static size_t random_bytes(dice *d, char *out, size_t most)
{
    size_t n = 0, parts = roll(d, 12);
    for (size_t i = 0; i < parts; i++) {
        const char *piece = PIECES[roll(d, sizeof PIECES / sizeof *PIECES)];
        if (roll(d, 4) == 0 && n < most)
            out[n++] = (char)roll(d, 256);
        else if (n + strlen(piece) <= most) {
            memcpy(out + n, piece, strlen(piece));
            n += strlen(piece);
        }
    }
    return n;
}

/* A name: anything but NUL. */
static void random_name(dice *d, char *out, size_t size)
{
    size_t n = random_bytes(d, out, size - 1);
    for (size_t i = 0; i < n; i++)
        if (!out[i])
            out[i] = '\033';
    out[n] = '\0';
}

typedef struct stage {
    int fd;
    console con;
    terminal_signals signals;
    char *got;
    size_t cap;
} stage;

static terminal *random_terminal(stage *s, dice *d, terminal_capabilities *traits)
{
    s->con = (console){.cancel = &s->signals.interrupted};
    *traits = (terminal_capabilities){
        .fd = s->fd,
        .columns = 20 + (int)roll(d, 180),
        .rows = 1 + (int)roll(d, 40),
        .linear = roll(d, 6) == 0,
        .color = roll(d, 3) != 0,
        .utf8 = roll(d, 4) != 0,
        .frame = roll(d, 2) ? 0 : 1,
    };
    traits->color = traits->color && !traits->linear;
    return terminal_open_as(&s->con, &s->signals, traits, NULL);
}

static void play_tokens(view *v, dice *d, int count)
{
    char bytes[256];
    for (unsigned i = roll(d, 12); i; i--) {
        size_t n = random_bytes(d, bytes, sizeof bytes), cut = n ? roll(d, (unsigned)n + 1) : 0;
        int c = (int)roll(d, (unsigned)count);
        view_token(v, c, bytes, cut, roll(d, 10) == 0);
        if (roll(d, 4) == 0)
            view_token(v, (int)roll(d, (unsigned)count), "x", 1, false);
        view_token(v, c, bytes + cut, n - cut, false);
    }
}

static void play(stage *s, dice *d, terminal_capabilities *traits)
{
    static const char *const stops[] = {"end", "length", "loop", "interrupted", "error"};
    char names[4][80], other[80], text[256];
    view_column columns[4];
    int count = 1 + (int)roll(d, 4);
    for (int i = 0; i < count; i++) {
        random_name(d, names[i], sizeof names[i]);
        columns[i] = (view_column){names[i], names[(i * 3) % count], roll(d, 2) ? "red" : names[0],
                                   roll(d, 2) ? names[i] : NULL};
    }
    terminal *t = random_terminal(s, d, traits);
    view *v = view_open(t, (view_layout)roll(d, 4), names[0], columns, count, NULL);
    assert_non_null(v);
    view_prefill(v, (int)roll(d, 5), 5);
    play_tokens(v, d, count);
    random_name(d, other, sizeof other);
    for (int i = 0; i < count; i++)
        if (roll(d, 4))
            view_answer(v, i, stops[roll(d, 5)], roll(d, 2) ? other : NULL, 9, 9.5, 1.5);
    view_settle(v, NULL);
    if (roll(d, 2)) {
        size_t n = random_bytes(d, text, sizeof text);
        view_merge_progress(v, "vote", 1);
        view_merge_token(v, text, n);
        view_merge(v, "vote  a 0.5", roll(d, 2) ? text : NULL, n, NULL);
        view_footer(v, "saved", "context 1/2", NULL);
    }
    view_close(v);
    view_plain(t, other, strlen(other), NULL);
    terminal_close(t);
}

/* What was written since the last time. */
static size_t take(stage *s)
{
    off_t n = lseek(s->fd, 0, SEEK_CUR);
    assert_true(n >= 0);
    if ((size_t)n > s->cap) {
        s->cap = (size_t)n * 2;
        s->got = realloc(s->got, s->cap);
        assert_non_null(s->got);
    }
    assert_int_equal(pread(s->fd, s->got, (size_t)n, 0), n);
    assert_int_equal(lseek(s->fd, 0, SEEK_SET), 0);
    return (size_t)n;
}

static unsigned long setting(const char *name, unsigned long usual)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : usual;
}

static void nothing_but_our_own_sequences(void **state)
{
    (void)state;
    stage s = {.fd = memfd_create("screen", 0)};
    assert_true(s.fd >= 0);
    unsigned long streams = setting("STREAMS", getenv("SANITIZED") ? 3000 : 100000);
    unsigned long seed = setting("SEED", 1);
    for (unsigned long i = 0; i < streams; i++) {
        dice d = {(seed << 32) + i};
        terminal_capabilities traits;
        play(&s, &d, &traits);
        size_t n = take(&s), fault = first_fault(s.got, n, !traits.linear, traits.color);
        if (fault < n)
            fail_msg("stream %lu: byte %02x at %zu of %zu", i, (unsigned char)s.got[fault], fault,
                     n);
    }
    free(s.got);
    close(s.fd);
}

/* The reader itself is strict. */
static void the_reader_finds_faults(void **state)
{
    (void)state;
    const char *bad[] = {"\033[2J2",  "\033]0;x\007", "\033[31", "a\bb",
                         "\033[?25l", "\x9b",         "\u202e",  "\033[1;1H",
                         "\xc2",      "\xed\xa0\x80", "\001",    "\033c"};
    assert_int_equal(first_fault("\033[0;1mx\033[3G\r\n語", 16, true, true), 16);
    for (size_t i = 1; i < sizeof bad / sizeof *bad; i++)
        assert_true(first_fault(bad[i], strlen(bad[i]), true, true) < strlen(bad[i]));
    assert_int_equal(first_fault("x\033[0m", 5, true, false), 1);
    assert_int_equal(first_fault("x\033[K", 4, false, true), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_finds_faults),
        cmocka_unit_test(nothing_but_our_own_sequences),
    };
    return cmocka_run_group_tests_name("view_safety", tests, NULL, NULL);
}
