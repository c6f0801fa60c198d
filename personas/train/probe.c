/* probe.c - see probe.h. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "../measure/greedy.h"
#include "voice.h"

enum { REPEATED_WORDS = 8, REPEATED_TIMES = 3 }; /* a circle of words */

struct probe {
    engine *engine;
    const samples *samples;
    voice *voice;
    int questions[PROBE_ANSWERS]; /* samples that are held out */
    int count;
    tokens controls[PROBE_CONTROLS];  /* questions with the plain model's answers */
    int control_from[PROBE_CONTROLS]; /* where those begin */
    int control_count;
    int limit; /* tokens of an answer */
};

void probe_close(probe *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->control_count; i++)
        tokens_release(&p->controls[i]);
    voice_close(p->voice);
    free(p);
}

/* ---- answering --------------------------------------------------------------------------------- */

/* The questions of samples of[0..n) under a program; answers [n], greedy_release() in any case. */
static int answer_all(const probe *p, const router_program *program, const int *of, int n,
                      greedy_answer *answers, error *err)
{
    greedy_prompt prompts[PROBE_ANSWERS + PROBE_CONTROLS] = {{0}};
    for (int i = 0; i < n; i++) {
        const sample *question = &p->samples->v[of[i]];
        prompts[i] = (greedy_prompt){question->ids, question->answer, program};
    }
    return greedy_ask(p->engine, prompts, n, p->limit, answers, err);
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

static void judge(const probe *p, const greedy_answer *a, probe_figures *out)
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
static void show_sample(const greedy_answer *a, probe_figures *out)
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
    greedy_answer answers[PROBE_ANSWERS];
    *out = (probe_figures){0};
    int result = answer_all(p, program, p->questions, p->count, answers, err);
    for (int i = 0; i < p->count && !result; i++)
        judge(p, &answers[i], out);
    if (!result) {
        out->voice /= out->answers;
        show_sample(&answers[0], out);
    }
    greedy_release(answers, p->count);
    return result;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int keep_control(probe *p, const sample *question, const greedy_answer *a, error *err)
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
    greedy_answer answers[PROBE_ANSWERS + PROBE_CONTROLS];
    int result = answer_all(p, NULL, of, n, answers, err);
    for (int i = 0; i < n && !result; i++)
        result = keep_control(p, &p->samples->v[of[i]], &answers[i], err);
    greedy_release(answers, n);
    return result;
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
        p->voice = voice_open(err);
    }
    int result = p && p->voice ? 0 : error_memory(err, "the probes");
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
