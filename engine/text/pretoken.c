/* pretoken.c - see pretoken.h.
 *
 * Pieces are cut depth first: a piece of step i goes through step i+1 before step i looks for the
 * next one. So no list of pieces is ever kept, and the stack is as deep as there are steps.
 *
 * How time is bounded. A search first sees a window of 64 bytes; only when a match has looked at the
 * window's end (PCRE2's partial matching tells) is the window enlarged fourfold, for that one
 * starting place. Enlarged windows have a budget of 8 times the text: a pattern of a tokenizer
 * looks at a long word once and takes it whole, one that looks far ahead again and again runs out.
 * Inside a window PCRE2 counts steps. Its JIT counts one where it may walk the whole window, so the
 * steps allowed grow fourfold from a small number up to four times the window, and an attempt that
 * failed although its steps were dear (processor time) is the last one.
 */
#include "pretoken.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/buf.h"
#include "../base/utf8.h"
#include "onig.h"

typedef struct step {
    pcre2_code *code; /* NULL: a step that rewrites spaces */
    char *pattern;    /* of one that isolates */
    pretoken_behavior behavior;
    bool invert;
    char space[8];
    size_t space_len;
    pretoken_prefix prefix;
} step;

struct pretoken {
    step step[PRETOKEN_MAX_STEPS];
    size_t steps;
};

/* ---- building ------------------------------------------------------------------------------- */

pretoken *pretoken_open(error *err)
{
    pretoken *p = calloc(1, sizeof *p);
    if (!p)
        error_memory(err, "the split patterns");
    return p;
}

void pretoken_close(pretoken *p)
{
    for (size_t i = 0; p && i < p->steps; i++) {
        pcre2_code_free(p->step[i].code);
        free(p->step[i].pattern);
    }
    free(p);
}

static int add(pretoken *p, step s, error *err)
{
    if (p->steps == PRETOKEN_MAX_STEPS)
        return error_set(err, ERROR_LOAD, "more than %d steps that split text", PRETOKEN_MAX_STEPS);
    p->step[p->steps++] = s;
    return 0;
}

/* 10.45 can be made to write outside its memory (CVE-2025-58050). */
static int check_library(error *err)
{
    char version[64] = "";
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof version)
        pcre2_config(PCRE2_CONFIG_VERSION, version);
    if (strncmp(version, "10.45", 5) == 0)
        return error_set(err, ERROR_RUN, "PCRE2 10.45 is unsafe; install 10.46 or 10.42");
    return 0;
}

static pcre2_code *compile(const buf *pattern, error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        error_memory(err, "a split pattern");
        return NULL;
    }
    int code = 0;
    size_t offset = 0;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, ONIG_MAX_DEPTH);
    pcre2_code *c =
        pcre2_compile((PCRE2_SPTR)pattern->v, pattern->len,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
                          PCRE2_NO_AUTO_CAPTURE | PCRE2_USE_OFFSET_LIMIT,
                      &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!c) {
        char message[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        error_set(err, ERROR_LOAD, "split pattern: near offset %zu: %s", offset, message);
        return NULL;
    }
    /* Where the system forbids executable memory PCRE2 interprets: slower, the same matches. */
    (void)pcre2_jit_compile(c, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
    return c;
}

int pretoken_add_split(pretoken *p, const char *pattern, size_t len, bool literal,
                       pretoken_behavior behavior, bool invert, error *err)
{
    buf translated = {0};
    step s = {.behavior = behavior, .invert = invert};
    if (check_library(err))
        return -1;
    if ((literal ? onig_escape : onig_translate)(pattern, len, &translated, err) == 0)
        s.code = compile(&translated, err);
    buf_release(&translated);
    if (!s.code)
        return -1;
    bool plain = !literal && behavior == PRETOKEN_ISOLATED && !invert;
    s.pattern = plain ? strndup(pattern, len) : NULL;
    if (plain && !s.pattern)
        (void)error_memory(err, "the split patterns");
    else if (add(p, s, err) == 0)
        return 0;
    pcre2_code_free(s.code);
    free(s.pattern);
    return -1;
}

size_t pretoken_steps(const pretoken *p)
{
    return p->steps;
}

const char *pretoken_pattern(const pretoken *p, size_t i)
{
    return p->step[i].pattern;
}

int pretoken_add_spaces(pretoken *p, const char *space, size_t len, pretoken_prefix prefix,
                        error *err)
{
    step s = {.space_len = len, .prefix = prefix};
    if (len > sizeof s.space)
        return error_set(err, ERROR_LOAD, "a replacement for spaces of %zu bytes", len);
    memcpy(s.space, space, len);
    return add(p, s, err);
}

/* ---- searching ------------------------------------------------------------------------------ */

typedef struct run {
    const pretoken *p;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    size_t budget; /* bytes of enlarged windows that are left */
    pretoken_emit *emit;
    void *user;
    error *err;
} run;

/* What one call of PCRE2 may look at and do. */
typedef struct attempt {
    size_t from, end; /* bytes of the text; a match may begin at from .. from + starts - 1 */
    size_t starts, window, steps;
} attempt;

enum { WINDOW = 64, STARTS = 32, STEPS = 256 };

static int too_slow(run *r, size_t at)
{
    return error_set(r->err, ERROR_RUN,
                     "the model's split pattern needs too many steps on this text (byte %zu of a "
                     "piece)",
                     at);
}

static double processor_seconds(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Sets a's window up at its starting place, its end between two characters. */
static void place_window(attempt *a, const char *text, size_t len)
{
    a->end = len - a->from <= a->window ? len : a->from + a->window;
    while (a->end < len && ((unsigned char)text[a->end] & 0xC0) == 0x80)
        a->end++;
}

/* One match that must not depend on what follows a->end unless that is the text's end. */
static int match_window(run *r, const pcre2_code *code, const char *text, size_t len,
                        const attempt *a)
{
    uint32_t limit = a->steps > UINT32_MAX ? UINT32_MAX : (uint32_t)a->steps;
    pcre2_set_match_limit(r->context, limit);
    pcre2_set_depth_limit(r->context, limit);
    pcre2_set_offset_limit(r->context, a->from + a->starts - 1);
    return pcre2_match(code, (PCRE2_SPTR)text, a->end, a->from,
                       PCRE2_NO_UTF_CHECK | (a->end < len ? PCRE2_PARTIAL_HARD : 0), r->match,
                       r->context);
}

/* After PARTIAL: a larger window for this starting place, if the budget has it. */
static int widen(run *r, attempt *a)
{
    a->window *= 4;
    a->starts = 1;
    a->steps = STEPS;
    if (a->window > r->budget)
        return too_slow(r, a->from);
    r->budget -= a->window;
    return 0;
}

/* After MATCHLIMIT, `seconds` of processor time later: more steps, if they were cheap so far. */
static int persist(run *r, attempt *a, double seconds)
{
    size_t span = a->end - a->from;
    if (a->steps > 4 * span + STEPS ||
        seconds > 0.01 + 20e-9 * (double)span + 200e-9 * (double)a->steps)
        return too_slow(r, a->from);
    a->starts = 1;
    a->steps *= 4;
    return 0;
}

static int library_fault(run *r, int rc)
{
    char message[128] = "";
    pcre2_get_error_message(rc, (PCRE2_UCHAR *)message, sizeof message);
    return error_set(r->err, ERROR_RUN, "split pattern: %s", message);
}

/* The next match at or after `from`: 1 and its span, 0 when there is none, -1 on error. */
static int search(run *r, const pcre2_code *code, const char *text, size_t len, size_t from,
                  size_t *start, size_t *stop)
{
    const size_t *span = pcre2_get_ovector_pointer(r->match);
    attempt a = {.from = from, .starts = STARTS, .window = WINDOW, .steps = STEPS};
    for (;;) {
        place_window(&a, text, len);
        /* The clock is read only where the first, small allowance was not enough. */
        double began = a.starts == 1 ? processor_seconds() : 0;
        int rc = match_window(r, code, text, len, &a);
        if (rc >= 0) {
            *start = span[0];
            *stop = span[1];
            return 1;
        }
        if (rc == PCRE2_ERROR_NOMATCH) {
            if (a.from + a.starts > len)
                return 0;
            a.from += a.starts;
            while (a.from < len && ((unsigned char)text[a.from] & 0xC0) == 0x80)
                a.from++;
            a.window = WINDOW;
            a.steps = STEPS;
        } else if (rc == PCRE2_ERROR_PARTIAL) {
            if (widen(r, &a))
                return -1;
        } else if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT) {
            if (persist(r, &a, a.starts == 1 ? processor_seconds() - began : 0))
                return -1;
        } else if (rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT) {
            return too_slow(r, a.from);
        } else {
            return library_fault(r, rc);
        }
    }
}

/* ---- cutting -------------------------------------------------------------------------------- */

static int cut(run *r, size_t step_index, const char *text, size_t len, bool first);

/* The pieces of one text under one step; the newest is held back, for it may still grow. */
typedef struct cutter {
    run *r;
    size_t step_index;
    const char *text;
    bool first;
    bool held, held_match; /* a piece is held; it is a match */
    bool previous;         /* the newest piece seen was a match */
    size_t start, stop;
} cutter;

static int release(cutter *c)
{
    if (!c->held)
        return 0;
    c->held = false;
    return cut(c->r, c->step_index + 1, c->text + c->start, c->stop - c->start,
               c->first && c->start == 0);
}

/* Takes the next piece [start, stop) and joins it to the one held, or releases that. */
static int take(cutter *c, size_t start, size_t stop, bool match)
{
    bool previous = c->previous;
    bool join = false;
    switch (c->r->p->step[c->step_index].behavior) {
    case PRETOKEN_REMOVED:
        if (match)
            return 0;
        break;
    case PRETOKEN_ISOLATED:
        break;
    case PRETOKEN_MERGED_WITH_PREVIOUS:
        join = match && !previous;
        break;
    case PRETOKEN_MERGED_WITH_NEXT:
        join = !match && c->held_match;
        break;
    case PRETOKEN_CONTIGUOUS:
        join = match == previous;
        break;
    }
    c->previous = match;
    c->held_match = match;
    if (join && c->held) {
        c->stop = stop;
        return 0;
    }
    if (release(c))
        return -1;
    c->held = true;
    c->start = start;
    c->stop = stop;
    return 0;
}

static int split(run *r, size_t step_index, const char *text, size_t len, bool first)
{
    const step *s = &r->p->step[step_index];
    cutter c = {.r = r, .step_index = step_index, .text = text, .first = first};
    size_t from = 0, done = 0, start = 0, stop = 0;
    bool matched = false;
    int found = 0;
    while (from <= len && (found = search(r, s->code, text, len, from, &start, &stop)) > 0) {
        if (start == stop && matched && start == done) {
            from += from < len ? utf8_character(text + from, len - from) : 1;
            continue;
        }
        if (done < start && take(&c, done, start, s->invert))
            return -1;
        if (take(&c, start, stop, !s->invert))
            return -1;
        from = done = stop;
        matched = true;
    }
    if (found < 0 || (done < len && take(&c, done, len, s->invert)))
        return -1;
    return release(&c);
}

static int rewrite(run *r, size_t step_index, const char *text, size_t len, bool first)
{
    const step *s = &r->p->step[step_index];
    buf out = {0};
    int result = 0;
    assert(text || len == 0);
    for (size_t i = 0; i < len && result == 0;) {
        const char *space = memchr(text + i, ' ', len - i);
        size_t n = space ? (size_t)(space - text) - i : len - i;
        result = buf_add(&out, text + i, n, r->err);
        i += n;
        if (space && result == 0) {
            result = buf_add(&out, s->space, s->space_len, r->err);
            i++;
        }
    }
    bool starts = out.len >= s->space_len && out.v && memcmp(out.v, s->space, s->space_len) == 0;
    bool wanted =
        s->prefix == PRETOKEN_PREFIX_ALWAYS || (s->prefix == PRETOKEN_PREFIX_FIRST && first);
    if (result == 0 && wanted && !starts) {
        result = buf_add(&out, s->space, s->space_len, r->err);
        if (result == 0) {
            memmove(out.v + s->space_len, out.v, out.len - s->space_len);
            memcpy(out.v, s->space, s->space_len);
        }
    }
    if (result == 0)
        result = cut(r, step_index + 1, out.v, out.len, first);
    buf_release(&out);
    return result;
}

static int cut(run *r, size_t step_index, const char *text, size_t len, bool first)
{
    if (len == 0)
        return 0;
    if (step_index == r->p->steps)
        return r->emit(r->user, text, len, r->err);
    return (r->p->step[step_index].code ? split : rewrite)(r, step_index, text, len, first);
}

int pretoken_run(const pretoken *p, const char *text, size_t len, bool first, pretoken_emit *emit,
                 void *user, error *err)
{
    run r = {.p = p, .emit = emit, .user = user, .err = err};
    size_t share = len < SIZE_MAX / 1024 ? len : SIZE_MAX / 1024;
    r.budget = ((size_t)64 << 10) + 8 * share * p->steps;
    r.match = pcre2_match_data_create(1, NULL);
    r.context = pcre2_match_context_create(NULL);
    r.stack = pcre2_jit_stack_create((size_t)32 << 10, (size_t)8 << 20, NULL);
    int result = -1;
    if (!r.match || !r.context || !r.stack) {
        error_memory(err, "splitting a text");
    } else {
        pcre2_jit_stack_assign(r.context, NULL, r.stack);
        pcre2_set_heap_limit(r.context, 64 << 10); /* KiB */
        result = cut(&r, 0, text, len, first);
    }
    pcre2_jit_stack_free(r.stack);
    pcre2_match_context_free(r.context);
    pcre2_match_data_free(r.match);
    return result;
}
