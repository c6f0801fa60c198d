/* probe.c - see probe.h. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "../council/loop.h"
#include "voice.h"

enum { ROUND = 8, REPEATED_WORDS = 8, REPEATED_TIMES = 3 }; /* answers at once; a circle of words */

struct probe {
    engine *engine;
    const samples *samples;
    voice *voice;
    int questions[PROBE_ANSWERS]; /* samples that are held out */
    int count;
    tokens controls[PROBE_CONTROLS];  /* questions with the plain model's answers */
    int control_from[PROBE_CONTROLS]; /* where those begin */
    int control_count;
    int limit;     /* tokens of an answer */
    float *logits; /* [ROUND, vocabulary] */
};

/* One answer that grows. */
typedef struct answer {
    session *session;
    tokens ids;
    buf text;
    int next;
    bool done, ended, looped;
    loop_detector loop;
} answer;

void probe_close(probe *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->control_count; i++)
        tokens_release(&p->controls[i]);
    voice_close(p->voice);
    free(p->logits);
    free(p);
}

/* ---- answering --------------------------------------------------------------------------------- */

static bool is_stop(const probe *p, int id)
{
    const tokens *stops = engine_stops(p->engine);
    for (size_t i = 0; i < stops->len; i++)
        if (stops->v[i] == id)
            return true;
    return id == p->samples->end;
}

static int likeliest(const float *z, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (z[i] > z[best])
            best = i;
    return best;
}

/* Takes the likeliest token. */
static int take(const probe *p, answer *a, const float *logits, error *err)
{
    const tokenizer *t = engine_tokenizer(p->engine);
    int id = likeliest(logits, tokenizer_count(t));
    size_t n;
    a->ended = is_stop(p, id);
    a->done = a->ended || (int)a->ids.len >= p->limit;
    if (a->done)
        return 0;
    const char *piece = (a->ids.len ? tokenizer_piece : tokenizer_first_piece)(t, id, &n);
    a->next = id;
    if (tokens_push(&a->ids, id, err) || buf_add(&a->text, piece, n, err))
        return -1;
    loop_token(&a->loop, a->ids.v, a->ids.len);
    a->looped = loop_found(&a->loop, t, a->ids.v, a->ids.len, a->text.v ? a->text.v : "",
                           a->text.len, LOOP_TOKENS);
    a->done = a->looped;
    return 0;
}

static int open_answer(const probe *p, answer *a, const sample *question,
                       const router_program *program, error *err)
{
    loop_begin(&a->loop);
    a->session = session_open(p->engine, question->answer + p->limit + 1, DTYPE_F16, err);
    return a->session ? session_set_program(a->session, program, err) : -1;
}

/* One token more of all that are not done; *left counts them. */
static int advance(const probe *p, answer *answers, const sample *const *questions, int n,
                   int *left, bool first, error *err)
{
    step steps[ROUND];
    int of[ROUND], count = 0;
    size_t vocabulary = (size_t)engine_config(p->engine)->vocabulary;
    for (int i = 0; i < n; i++) {
        answer *a = &answers[i];
        if (a->done)
            continue;
        of[count] = i;
        steps[count] = (step){a->session, first ? questions[i]->ids : &a->next,
                              first ? questions[i]->answer : 1, LOGITS_LAST,
                              p->logits + (size_t)count * vocabulary};
        count++;
    }
    *left = count;
    if (count && engine_advance(p->engine, steps, count, err))
        return -1;
    for (int i = 0; i < count; i++)
        if (take(p, &answers[of[i]], p->logits + (size_t)i * vocabulary, err))
            return -1;
    return 0;
}

/* Answers up to ROUND questions; answers [n] are the caller's to release, on failure too. */
static int answer_all(const probe *p, const router_program *program, const sample *const *questions,
                      int n, answer *answers, error *err)
{
    int result = 0, left = n;
    for (int i = 0; i < n && !result; i++)
        result = open_answer(p, &answers[i], questions[i], program, err);
    for (bool first = true; left && !result; first = false)
        result = advance(p, answers, questions, n, &left, first, err);
    for (int i = 0; i < n; i++) {
        session_close(answers[i].session);
        answers[i].session = NULL;
    }
    return result;
}

static void release_answers(answer *answers, int n)
{
    for (int i = 0; i < n; i++) {
        tokens_release(&answers[i].ids);
        buf_release(&answers[i].text);
    }
}

/* ---- judging ----------------------------------------------------------------------------------- */

/* Whether some eight words in a row stand there three times. */
static bool repeats_words(const char *text)
{
    const char *words[PROBE_TOKENS * 2];
    int n = 0;
    for (const char *at = text; *at && n < PROBE_TOKENS * 2;) {
        at += strspn(at, " \n\t");
        if (*at)
            words[n++] = at;
        at += strcspn(at, " \n\t");
    }
    for (int i = 0; i + REPEATED_WORDS < n; i++) {
        size_t span = (size_t)(words[i + REPEATED_WORDS] - words[i]);
        int times = 1;
        for (int k = i + REPEATED_WORDS; k + REPEATED_WORDS <= n; k++)
            times += strncmp(words[i], words[k], span - 1) == 0;
        if (times >= REPEATED_TIMES)
            return true;
    }
    return false;
}

static void judge(const probe *p, const answer *a, probe_figures *out)
{
    const char *text = a->text.v ? a->text.v : "";
    bool looped = a->looped || repeats_words(text);
    out->answers++;
    out->ended += a->ended;
    out->looped += looped;
    if (a->ended && !looped)
        out->voice += voice_marks(p->voice) ? voice_likeness(p->voice, text, a->text.len) : 1;
}

/* The first answer's beginning, cut at a character, on one line. */
static void show_sample(const answer *a, probe_figures *out)
{
    size_t n = a->text.len < sizeof out->sample - 1 ? a->text.len : sizeof out->sample - 1;
    while (n < a->text.len && n > 0 && ((unsigned char)a->text.v[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        out->sample[i] = a->text.v[i] == '\n' ? ' ' : a->text.v[i];
    out->sample[n] = '\0';
}

int probe_ask(probe *p, const router_program *program, probe_figures *out, error *err)
{
    answer *answers = calloc(PROBE_ANSWERS, sizeof *answers);
    const sample *questions[PROBE_ANSWERS];
    *out = (probe_figures){0};
    if (!answers)
        return error_memory(err, "the probes");
    for (int i = 0; i < p->count; i++)
        questions[i] = &p->samples->v[p->questions[i]];
    int result = answer_all(p, program, questions, p->count, answers, err);
    for (int i = 0; i < p->count && !result; i++)
        judge(p, &answers[i], out);
    if (!result) {
        out->voice /= out->answers;
        show_sample(&answers[0], out);
    }
    release_answers(answers, p->count);
    free(answers);
    return result;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int keep_control(probe *p, const sample *question, const answer *a, error *err)
{
    tokens *ids = &p->controls[p->control_count];
    p->control_from[p->control_count++] = question->answer;
    return tokens_append(ids, question->ids, (size_t)question->answer, err) ||
                   tokens_append(ids, a->ids.v, a->ids.len, err) ||
                   voice_add(p->voice, VOICE_CONTROL, a->text.v ? a->text.v : "", a->text.len, err)
               ? -1
               : 0;
}

const int *probe_control(const probe *p, int i, int *n, int *from)
{
    if (i >= p->control_count)
        return NULL;
    *n = (int)p->controls[i].len;
    *from = p->control_from[i];
    return p->controls[i].v;
}

/* The plain model answers some of the questions: what the voice is told from. */
static int add_controls(probe *p, const int *of, int n, error *err)
{
    for (int at = 0; at < n; at += ROUND) {
        answer *answers = calloc(ROUND, sizeof *answers);
        const sample *questions[ROUND];
        int count = n - at < ROUND ? n - at : ROUND;
        if (!answers)
            return error_memory(err, "the probes");
        for (int i = 0; i < count; i++)
            questions[i] = &p->samples->v[of[at + i]];
        int result = answer_all(p, NULL, questions, count, answers, err);
        for (int i = 0; i < count && !result; i++)
            result = keep_control(p, questions[i], &answers[i], err);
        release_answers(answers, count);
        free(answers);
        if (result)
            return -1;
    }
    return 0;
}

/* Held out questions are probes; controls answer those, and learned ones up to PROBE_CONTROLS. */
static int gather(probe *p, const lessons *l, int *controls, int *control_count, error *err)
{
    size_t number = 0;
    int longest = 0;
    *control_count = 0;
    for (size_t i = 0; i < p->samples->len; i++) {
        const sample *s = &p->samples->v[i];
        if (s->kind != SAMPLE_LESSON)
            continue;
        const char *text = l->v[number++].answer;
        if (voice_add(p->voice, s->held_out ? VOICE_HELD : VOICE_OWN, text, strlen(text), err))
            return -1;
        if (s->n - s->answer > longest)
            longest = s->n - s->answer;
        if (s->held_out && p->count < PROBE_ANSWERS)
            p->questions[p->count++] = controls[(*control_count)++] = (int)i;
    }
    for (size_t i = 0; i < p->samples->len && *control_count < PROBE_CONTROLS; i++)
        if (p->samples->v[i].kind == SAMPLE_LESSON && !p->samples->v[i].held_out)
            controls[(*control_count)++] = (int)i;
    p->limit = longest + longest / 3;
    if (p->limit > PROBE_TOKENS)
        p->limit = PROBE_TOKENS;
    return 0;
}

int probe_open(engine *e, const samples *s, const lessons *l, probe **out, error *err)
{
    int controls[PROBE_ANSWERS + PROBE_CONTROLS], n;
    *out = NULL;
    if (samples_count(s, SAMPLE_LESSON, true) == 0)
        return 0;
    probe *p = calloc(1, sizeof *p);
    if (p) {
        p->engine = e;
        p->samples = s;
        p->logits = calloc(ROUND * (size_t)engine_config(e)->vocabulary, sizeof(float));
        p->voice = voice_open(err);
    }
    int result = p && p->logits && p->voice ? 0 : error_memory(err, "the probes");
    if (!result)
        result = gather(p, l, controls, &n, err) || add_controls(p, controls, n, err) ||
                 voice_settle(p->voice, err);
    if (result) {
        probe_close(p);
        return -1;
    }
    *out = p;
    return 0;
}
