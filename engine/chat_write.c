/* chat_write.c - the rendering of chat_formats.h: a shape and messages into a sink.
 *
 * Strings of the table are searched for special tokens; text of messages never is. */
#include <string.h>

#include "chat_formats.h"

typedef struct span {
    const char *text;
    size_t len;
} span;

/* ---- parts --------------------------------------------------------------------------------- */

/* The mark, BOS or EOS that a table's string holds first at or behind `at`. */
static span next_mark(const chat_family *f, const char *at)
{
    size_t plain = strcspn(at, CHAT_BOS CHAT_EOS);
    span first = {at + plain, at[plain] ? 1 : 0};
    for (size_t i = 0; i < CHAT_MAX_MARKS && f->marks[i].name; i++) {
        const char *found = strstr(at, f->marks[i].name);
        if (found && found < first.text)
            first = (span){found, strlen(f->marks[i].name)};
    }
    return first;
}

/* A string of the table. */
static int write_fixed(const chat_family *f, const char *text, const chat_sink *to, error *err)
{
    while (*text) {
        span mark = next_mark(f, text);
        if (mark.text > text && to->text(to->user, text, (size_t)(mark.text - text), err))
            return -1;
        if (mark.len && to->special(to->user, mark.text, mark.len, err))
            return -1;
        text = mark.text + mark.len;
    }
    return 0;
}

static int write_span(span s, const chat_sink *to, error *err)
{
    return s.len ? to->text(to->user, s.text, s.len, err) : 0;
}

static bool is_newline(const char *p)
{
    return *p == '\n';
}

/* Length of the white space (Python's str.strip) at the start of s, in whole characters; only of
 * newlines with `lines`. */
static size_t space_at(span s, bool lines)
{
    static const char *const wide[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80",
                                       "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF",
                                       "\xE2\x81\x9F", "\xE3\x80\x80"};
    if (s.len == 0)
        return 0;
    unsigned char c = (unsigned char)*s.text;
    if (lines)
        return is_newline(s.text);
    if (c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        size_t n = strlen(wide[i]);
        if (s.len >= n && memcmp(s.text, wide[i], n) == 0)
            return n;
    }
    /* U+2000 to U+200A */
    if (s.len >= 3 && memcmp(s.text, "\xE2\x80", 2) == 0 && (unsigned char)s.text[2] >= 0x80 &&
        (unsigned char)s.text[2] <= 0x8A)
        return 3;
    return 0;
}

static span strip(span s, bool lines)
{
    for (size_t n; (n = space_at(s, lines)) > 0;)
        s = (span){s.text + n, s.len - n};
    for (bool cut = true; cut && s.len;) {
        cut = false;
        for (size_t n = 1; n <= 3 && n <= s.len && !cut; n++) {
            if (space_at((span){s.text + s.len - n, n}, lines) != n)
                continue;
            s.len -= n;
            cut = true;
        }
    }
    return s;
}

static span message_span(const chat_shape *s, const chat_message *m)
{
    span text = {m->text, m->len};
    return s->family->trims[m->role] ? strip(text, false) : text;
}

/* ---- thoughts ------------------------------------------------------------------------------ */

/* The last place of `word` in s, or NULL. */
static const char *find_last(span s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = s.len >= n ? s.len - n + 1 : 0; i-- > 0;)
        if (memcmp(s.text + i, word, n) == 0)
            return s.text + i;
    return NULL;
}

/* The first place. */
static const char *find_first(span s, const char *word)
{
    return memmem(s.text, s.len, word, strlen(word));
}

static span without_first_lines(span s)
{
    while (s.len && is_newline(s.text))
        s = (span){s.text + 1, s.len - 1};
    return s;
}

/* An answer without its thought: what follows the last "</think>". */
static span without_thought(span s, bool spares)
{
    static const char end[] = "</think>";
    const char *at = find_last(s, end);
    if (!at)
        return spares ? s : without_first_lines(s);
    at += strlen(end);
    return without_first_lines((span){at, (size_t)(s.text + s.len - at)});
}

/* The thought: what stands before the first "</think>", behind the last "<think>" there. */
static span thought_of(span s)
{
    static const char begin[] = "<think>";
    const char *end = find_first(s, "</think>");
    if (!end)
        return (span){s.text, 0};
    span before = {s.text, (size_t)(end - s.text)};
    const char *at = find_last(before, begin);
    if (at)
        before = (span){at + strlen(begin), (size_t)(end - at) - strlen(begin)};
    return strip(before, true);
}

/* ---- messages ------------------------------------------------------------------------------ */

static int write_system(const chat_shape *s, span text, const chat_sink *to, error *err)
{
    const chat_family *f = s->family;
    if (write_fixed(f, f->open[CHAT_SYSTEM], to, err))
        return -1;
    if (f->preamble) {
        size_t before = strcspn(f->preamble, CHAT_DATE);
        const char *date = s->date ? s->date : "";
        if (to->text(to->user, f->preamble, before, err) ||
            write_span((span){date, strlen(date)}, to, err) ||
            write_fixed(f, f->preamble + before + 1, to, err))
            return -1;
    }
    return write_span(text, to, err) || write_fixed(f, f->close[CHAT_SYSTEM], to, err) ? -1 : 0;
}

/* `system`: text that stands in front of a question, len 0 for none. */
static int write_user(const chat_shape *s, span system, bool has_system, span text,
                      const chat_sink *to, error *err)
{
    const chat_family *f = s->family;
    if (write_fixed(f, f->open[CHAT_USER], to, err))
        return -1;
    if (has_system && (write_span(system, to, err) || to->text(to->user, "\n\n", 2, err)))
        return -1;
    return write_span(text, to, err) || write_fixed(f, f->close[CHAT_USER], to, err) ? -1 : 0;
}

/* recent: no question follows; last: nothing does. */
static int write_answer(const chat_shape *s, span text, bool recent, bool last, const chat_sink *to,
                        error *err)
{
    const chat_family *f = s->family;
    span thought = (s->means & CHAT_WRAPS) && recent ? thought_of(text) : (span){"", 0};
    bool made_up = last && !(s->means & CHAT_ONLY_REAL);
    bool wrap = (s->means & CHAT_WRAPS) && recent && (made_up || thought.len);
    if ((s->means & CHAT_CUTS) && !(last && (s->means & CHAT_KEEPS_LAST)))
        text = without_thought(text, s->means & CHAT_SPARES);
    if (write_fixed(f, f->open[CHAT_ASSISTANT], to, err))
        return -1;
    if (wrap) {
        text = without_first_lines(text);
        if (write_fixed(f, "<think>\n", to, err) || write_span(thought, to, err) ||
            write_fixed(f, "\n</think>\n\n", to, err))
            return -1;
    }
    const char *close = last && f->close_last ? f->close_last : f->close[CHAT_ASSISTANT];
    return write_span(text, to, err) || write_fixed(f, close, to, err) ? -1 : 0;
}

int chat_write_message(const chat_shape *s, const chat_message *m, const chat_sink *to, error *err)
{
    span text = message_span(s, m);
    if (m->role == CHAT_USER)
        return write_user(s, text, false, text, to, err);
    if (m->role == CHAT_ASSISTANT)
        return write_answer(s, text, false, false, to, err);
    if (s->family->place != CHAT_OWN_TURN)
        return error_set(err, ERROR_RUN,
                         "the chat format %s has a system message at the start only",
                         s->family->name);
    return write_system(s, text, to, err);
}

/* The system message, given or default, when it has a turn of its own. */
static int write_start(const chat_shape *s, const chat_message *system, const chat_sink *to,
                       error *err)
{
    const chat_family *f = s->family;
    if ((s->means & CHAT_SAYS_BOS) && write_fixed(f, CHAT_BOS, to, err))
        return -1;
    if (f->place != CHAT_OWN_TURN)
        return 0;
    if (system)
        return write_system(s, message_span(s, system), to, err);
    if (!s->system && !f->preamble)
        return 0;
    const char *text = s->system ? s->system : "";
    return write_system(s, (span){text, strlen(text)}, to, err);
}

int chat_write_all(const chat_shape *s, const chat_message *messages, size_t n, bool open_reply,
                   bool think, const chat_sink *to, error *err)
{
    const chat_message *system = n && messages[0].role == CHAT_SYSTEM ? &messages[0] : NULL;
    if (write_start(s, system, to, err))
        return -1;
    size_t first = system != NULL, last_user = n; /* without a question nothing comes after it */
    for (size_t i = first; i < n; i++)
        if (messages[i].role == CHAT_USER)
            last_user = i;
    for (size_t i = first; i < n; i++) {
        const chat_message *m = &messages[i];
        bool last = i + 1 == n;
        int result;
        if (m->role == CHAT_USER) {
            bool here = (s->family->place == CHAT_FIRST_USER && i == first) ||
                        (s->family->place == CHAT_LAST_USER && last);
            span before = system && here ? message_span(s, system) : (span){"", 0};
            result = write_user(s, before, system && here, message_span(s, m), to, err);
        } else if (m->role == CHAT_ASSISTANT) {
            bool recent = i > last_user;
            result = write_answer(s, message_span(s, m), recent, last, to, err);
        } else {
            result = chat_write_message(s, m, to, err);
        }
        if (result)
            return -1;
    }
    return open_reply ? chat_write_reply(s, think, to, err) : 0;
}

int chat_write_reply(const chat_shape *s, bool think, const chat_sink *to, error *err)
{
    const chat_family *f = s->family;
    bool opens = s->means & CHAT_OPENS, can_close = s->means & CHAT_CAN_CLOSE;
    if (write_fixed(f, f->reply, to, err))
        return -1;
    if (!think && (opens || can_close))
        return write_fixed(f, "<think>\n\n</think>\n\n", to, err);
    return opens ? write_fixed(f, "<think>\n", to, err) : 0;
}

int chat_write_close(const chat_shape *s, const chat_sink *to, error *err)
{
    return write_fixed(s->family, s->family->close[CHAT_ASSISTANT], to, err);
}

int chat_write_thought_end(const chat_shape *s, const chat_sink *to, error *err)
{
    return write_fixed(s->family, "\n</think>\n\n", to, err);
}
