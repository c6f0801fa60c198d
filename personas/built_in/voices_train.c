/* voices_train.c - one persona's experts, by the trainer that anybody uses: see voices.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "voices.h"

/* 252 steps are once through a persona's lessons; the philosopher needs longest to find an end. In the
 * later half two lessons of five say a sentence twice. On the answers of the other two voices the experts
 * are kept near the plain model, so that they learn what is theirs and not what all three have in common. */
train_options voices_options(int i)
{
    static const int steps[VOICES] = {360, 380, 400};
    train_options o = train_defaults();
    o.what = TRAIN_EXPERTS;
    o.experts = VOICES_EXPERTS;
    o.first = VOICES_FIRST;
    o.last = VOICES_FIRST + VOICES_LAYERS - 1;
    o.steps = steps[i];
    o.repeat = 0.4;
    o.near = 0.4;
    o.rate = 2e-3;
    o.copied_rows = true; /* the mask keeps them alone, and their router is fitted anew */
    o.seed = (uint64_t)i + 1;
    return o;
}

/* Whether a run that was interrupted left its state. */
static int has_state(engine *base, const persona *p, bool *there, error *err)
{
    char *path;
    const char *model = engine_fingerprint(base, err);
    if (!model || train_state_path(p, model, &path, err))
        return -1;
    *there = access(path, R_OK) == 0;
    free(path);
    return 0;
}

static int keep_near_others(trainer *t, int i, error *err)
{
    int result = 0;
    for (int other = 0; other < VOICES && !result; other++) {
        persona *p = NULL;
        lessons l = {0};
        if (other == i)
            continue;
        result = voices_persona(other, &p, &l, err);
        if (!result)
            result = trainer_keep_near_lessons(t, &l, err);
        lessons_release(&l);
        persona_close(p);
    }
    return result;
}

static int learn(trainer *t, int i, const lessons *l, bool resume, train_listener *listener,
                 void *user, char **path, error *err)
{
    train_plan plan;
    train_result made;
    if (trainer_add_lessons(t, l, err) || keep_near_others(t, i, err) ||
        trainer_plan(t, resume, listener, user, &plan, err) ||
        trainer_run(t, listener, user, err) || trainer_save(t, &made, err))
        return -1;
    *path = strdup(made.adapter);
    return *path ? 0 : error_memory(err, "a path");
}

int voices_train(engine *base, int i, const train_options *o, bool resume, train_listener *listener,
                 void *user, char **path, error *err)
{
    persona *p;
    lessons l = {0};
    *path = NULL;
    if (voices_persona(i, &p, &l, err)) {
        lessons_release(&l);
        return -1;
    }
    trainer *t = trainer_open(base, p, o, err);
    bool go_on = false;
    int result = !t || (resume && has_state(base, p, &go_on, err)) ? -1 : 0;
    if (!result)
        result = learn(t, i, &l, go_on, listener, user, path, err);
    trainer_close(t);
    lessons_release(&l);
    persona_close(p);
    return result;
}
