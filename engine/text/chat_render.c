/* chat_render.c - a conversation through the template and into tokens.
 *
 * The rendering tells of each stretch of characters who wrote it. That answers two questions: which
 * characters may be parts of special tokens, and whether the instruction came through at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/json.h"
#include "../base/printable.h"
#include "../base/utf8.h"
#include "chat_state.h"

/* ---- text ---------------------------------------------------------------------------------- */

/* ERROR_LOAD is the template's fault here, ERROR_RUN ours. Its words may hold anything. The
 * bounds are the interpreter's own; `said`, the bytes of the messages, which are bounded
 * elsewhere, come on top of them: a template that copies each message a few times has room for
 * it, however long. */
static int run(const chat_format *f, const jinja_data *d, size_t said, jinja_output *out,
               error *err)
{
    const jinja_limits limits = {.steps = JINJA_STEPS + said,
                                 .memory = JINJA_MEMORY + 16 * said,
                                 .output = JINJA_OUTPUT + 4 * said};
    if (jinja_render(f->program, d, &f->now, &limits, out, err) == 0)
        return 0;
    for (char *p = err ? err->text : ""; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    return f->builtin ? error_prefix(err, "chat format %s: ", f->builtin->name) : -1;
}

int chat_render_text(const chat_format *f, const chat_message *messages, size_t n,
                     bool generation_prompt, int think, jinja_output *out, error *err)
{
    size_t bad = 0, said = 0;
    *out = (jinja_output){0};
    for (size_t i = 0; i < n; i++)
        said += messages[i].len;
    for (size_t i = 0; i < n; i++)
        if (!utf8_check(messages[i].text, messages[i].len, &bad))
            return error_set(err, ERROR_USAGE, "the text is not UTF-8: byte %zu (0x%02X)", bad,
                             (unsigned)(unsigned char)messages[i].text[bad]);
    jinja_data *d = jinja_data_open();
    if (!d)
        return error_memory(err, "a conversation");
    chat_set_variables(f, d, generation_prompt, think);
    chat_set_messages(d, messages, n, f->lists);
    int result = run(f, d, said, out, err);
    jinja_data_close(d);
    return result;
}

bool chat_shows(const jinja_output *o, size_t i, size_t before)
{
    for (size_t r = 0; r < o->n_runs; r++)
        if (o->runs[r].origin == CHAT_MESSAGE + i &&
            (o->runs[r].offset == JINJA_NOWHERE || o->runs[r].offset < before))
            return true;
    return false;
}

/* ---- tokens -------------------------------------------------------------------------------- */

static int chat_encode(const chat_format *f, const jinja_output *o, tokens *out, error *err)
{
    unsigned char *trusted = malloc(o->len ? o->len : 1);
    if (!trusted)
        return error_memory(err, "a conversation");
    size_t at = 0;
    for (size_t r = 0; r < o->n_runs; r++) {
        memset(trusted + at, o->runs[r].origin == JINJA_TEMPLATE, o->runs[r].len);
        at += o->runs[r].len;
    }
    int result = tokenizer_encode_trusted(f->tokenizer, o->text ? o->text : "", o->len, trusted,
                                          out, NULL, err);
    free(trusted);
    return result;
}

int chat_encode_trusted(const chat_format *f, const char *text, size_t len, tokens *out, error *err)
{
    jinja_run all = {len, JINJA_TEMPLATE, 0};
    jinja_output o = {(char *)(uintptr_t)text, len, &all, len > 0};
    return chat_encode(f, &o, out, err);
}

/* ---- instructions that a template leaves out ----------------------------------------------- */

static bool is_blank(const chat_message *m)
{
    for (size_t i = 0; i < m->len; i++)
        if (!strchr(" \t\r\n", m->text[i]))
            return false;
    return true;
}

/* The question that has the instruction put in front of it: the first, or else the last; n = none. */
static size_t find_question(const chat_message *messages, size_t n, bool first)
{
    size_t found = n;
    for (size_t i = 1; i < n; i++)
        if (messages[i].role == CHAT_USER && (found == n || !first))
            found = i;
    return found;
}

/* Renders messages[1..n) with messages[0] in front of a question. 1 when it shows, 0 when not. */
static int render_moved(const chat_format *f, const chat_message *messages, size_t n,
                        bool generation_prompt, int think, bool first, jinja_output *out,
                        error *err)
{
    size_t at = find_question(messages, n, first);
    buf joined = {0};
    chat_message *moved = n > 1 ? calloc(n - 1, sizeof *moved) : NULL;
    if (at == n || !moved) {
        free(moved);
        return 0;
    }
    memcpy(moved, messages + 1, (n - 1) * sizeof *moved);
    int result = buf_add(&joined, messages[0].text, messages[0].len, err) ||
                 buf_text(&joined, "\n\n", err) ||
                 buf_add(&joined, messages[at].text, messages[at].len, err);
    if (!result) {
        moved[at - 1].text = joined.v;
        moved[at - 1].len = joined.len;
        result = chat_render_text(f, moved, n - 1, generation_prompt, think, out, err);
    }
    buf_release(&joined);
    free(moved);
    if (result)
        return -1;
    if (chat_shows(out, at - 1, messages[0].len))
        return 1;
    jinja_output_release(out);
    return 0;
}

/* Why: what the template said to the conversation as it is; code 0 when it merely left the
 * instruction out. */
static int rescue(const chat_format *f, const chat_message *messages, size_t n,
                  bool generation_prompt, int think, const error *why, jinja_output *out,
                  error *err)
{
    for (int first = 1; first >= 0; first--) {
        error ignored;
        if (render_moved(f, messages, n, generation_prompt, think, first, out, &ignored) == 1)
            return 0;
    }
    if (why->code) {
        if (err)
            *err = *why;
        return -1;
    }
    return error_set(err, ERROR_LOAD,
                     "the chat template shows neither a system message nor what stands in front of "
                     "a question, so the instruction \"%s\" would be lost",
                     printable_of(messages[0].text, messages[0].len).text);
}

static int render_whole(const chat_format *f, const chat_message *messages, size_t n,
                        bool generation_prompt, int think, jinja_output *out, error *err)
{
    error why = {0};
    bool system = n && messages[0].role == CHAT_SYSTEM && !is_blank(&messages[0]);
    int result = chat_render_text(f, messages, n, generation_prompt, think, out, &why);
    if (result == 0 && (!system || n == 1 || chat_shows(out, 0, messages[0].len)))
        return 0;
    jinja_output_release(out);
    if (system && why.code != ERROR_USAGE)
        return rescue(f, messages, n, generation_prompt, think, &why, out, err);
    if (err)
        *err = why;
    return -1;
}

/* ---- the public verbs ---------------------------------------------------------------------- */

/* Closes a thought that the template left open although none is wanted: as templates do that can,
 * "<think>\n\n</think>\n\n". */
static int close_thought(const chat_format *f, jinja_output *o, error *err)
{
    char closing[64];
    size_t len = o->len;
    if (!chat_leaves_open(f, o->text, o->len))
        return 0;
    int n = snprintf(closing, sizeof closing, "%s%s\n\n",
                     len && o->text[len - 1] == '\n' ? "\n" : "\n\n", f->tag->close);
    char *text = realloc(o->text, len + (size_t)n + 1);
    if (text)
        o->text = text;
    jinja_run *runs = realloc(o->runs, (o->n_runs + 1) * sizeof *runs);
    if (runs)
        o->runs = runs;
    if (!text || !runs)
        return error_memory(err, "a conversation");
    memcpy(o->text + len, closing, (size_t)n + 1);
    o->len += (size_t)n;
    o->runs[o->n_runs++] = (jinja_run){(size_t)n, JINJA_TEMPLATE, JINJA_NOWHERE};
    return 0;
}

static int render(const chat_format *f, const chat_message *messages, size_t n,
                  bool generation_prompt, int think, tokens *out, error *err)
{
    jinja_output text = {0};
    if (render_whole(f, messages, n, generation_prompt, think, &text, err))
        return -1;
    int result = generation_prompt && !think ? close_thought(f, &text, err) : 0;
    if (!result)
        result = chat_encode(f, &text, out, err);
    jinja_output_release(&text);
    return result;
}

/* The model is loaded and stays so, whatever its template says to one conversation. */
static int at_run_time(int result, error *err)
{
    if (result && err && err->code == ERROR_LOAD)
        err->code = ERROR_RUN;
    return result;
}

int chat_render(const chat_format *f, const chat_message *messages, size_t n,
                bool generation_prompt, int think, tokens *out, error *err)
{
    return at_run_time(render(f, messages, n, generation_prompt, think, out, err), err);
}

int chat_render_json(const chat_format *f, const char *text, size_t len, const char *where,
                     bool generation_prompt, int think, tokens *out, error *err)
{
    json_document *list = json_parse(where, text, len, err);
    if (!list && err)
        err->code = ERROR_USAGE;
    jinja_data *d = list ? jinja_data_open() : NULL;
    jinja_output o = {0};
    int result = -1;
    if (list && !d)
        error_memory(err, "a conversation");
    if (d) {
        chat_set_variables(f, d, generation_prompt, think);
        bool failed = chat_set_json(d, json_root(list), text, where, err) ||
                      run(f, d, len, &o, err) || chat_encode(f, &o, out, err);
        result = failed ? -1 : 0;
    }
    jinja_output_release(&o);
    jinja_data_close(d);
    json_close(list);
    return at_run_time(result, err);
}

/* ---- where a role begins ------------------------------------------------------------------- */

/* Tokens in front of message `at`, whose text is of one character: what is the same whichever
 * character that is. */
static int tokens_before(const chat_format *f, chat_message *messages, size_t n, size_t at,
                         tokens *out, error *err)
{
    tokens other = {0};
    messages[at].text = "a";
    int result = render(f, messages, n, false, 0, out, err);
    messages[at].text = "1";
    result = result || render(f, messages, n, false, 0, &other, err);
    size_t same = 0;
    while (same < out->len && same < other.len && out->v[same] == other.v[same])
        same++;
    out->len = result ? 0 : same;
    tokens_release(&other);
    return result ? -1 : 0;
}

static bool any_special(const chat_format *f, const int *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tokenizer_is_special(f->tokenizer, ids[i]))
            return true;
    return false;
}

/* Leaves in *all, at most `most`, what both end with. But not when a special token goes with the
 * rest: then `one` stands behind other text of the same turn. */
static void keep_common(const chat_format *f, tokens *all, const tokens *one, size_t most)
{
    size_t n = 0;
    while (n < one->len && n < all->len && n < most &&
           all->v[all->len - 1 - n] == one->v[one->len - 1 - n])
        n++;
    if (n < most && any_special(f, all->v, all->len) && !any_special(f, all->v + all->len - n, n))
        return;
    memmove(all->v, all->v + all->len - n, n * sizeof *all->v);
    all->len = n;
}

/* A conversation ("U": a question, "A": an answer, "S": a system message) and the number of the
 * message that is looked for. */
typedef struct place {
    const char *roles;
    size_t at;
} place;

/* *out is empty. A template may refuse some of the places. */
static int find_role_header(const chat_format *f, const place *places, size_t count, size_t most,
                            tokens *out, error *err)
{
    static const char *const texts[] = {"why", "so it is", "and then", "x"};
    bool found = false;
    for (size_t p = 0; p < count; p++) {
        chat_message m[4];
        tokens before = {0};
        error why = {0};
        size_t n = strlen(places[p].roles);
        for (size_t i = 0; i < n; i++) {
            char role = places[p].roles[i];
            m[i] = (chat_message){role == 'S'   ? CHAT_SYSTEM
                                  : role == 'U' ? CHAT_USER
                                                : CHAT_ASSISTANT,
                                  texts[i], strlen(texts[i])};
        }
        m[places[p].at].len = 1;
        int result = tokens_before(f, m, n, places[p].at, &before, &why);
        if (result == 0 && !found)
            result = tokens_append(out, before.v, before.len, &why);
        if (result == 0)
            keep_common(f, out, &before, most);
        found = found || result == 0;
        tokens_release(&before);
        if (result && why.code == ERROR_RUN) {
            if (err)
                *err = why;
            return -1;
        }
    }
    return 0;
}

int chat_role_header(const chat_format *f, chat_role role, size_t most, tokens *out, error *err)
{
    static const place users[] = {{"U", 0}, {"UAU", 2}, {"SU", 1}};
    static const place answers[] = {{"UAU", 1}, {"SUAU", 2}};
    static const place systems[] = {{"SU", 0}};
    if (role == CHAT_USER)
        return find_role_header(f, users, 3, most, out, err);
    if (role == CHAT_ASSISTANT)
        return find_role_header(f, answers, 2, most, out, err);
    tokens user = {0};
    int result = chat_drops_system(f) ? 0 : find_role_header(f, systems, 1, most, out, err);
    if (!result)
        result = find_role_header(f, users, 3, most, &user, err);
    /* A system message that stands inside a question has no place of its own. */
    if (user.len && user.len <= out->len &&
        memcmp(out->v + out->len - user.len, user.v, user.len * sizeof *user.v) == 0)
        out->len = 0;
    tokens_release(&user);
    return result;
}
