/* eval_arms.c - see eval_arms.h. */
#include "eval_arms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const OTHERS[] = {"control", "consistency", "correction"};
static const eval_arm_kind KINDS[] = {EVAL_CONTROL, EVAL_CONSISTENCY, EVAL_CORRECTION};

static int add(eval_arms *a, eval_arm arm, const char *name, error *err)
{
    (void)snprintf(arm.name, sizeof arm.name, "%s", name);
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->v[i].name, arm.name) == 0)
            return error_set(err, ERROR_USAGE, "--arms: %.64s stands twice", name);
    if (a->count == EVAL_ARMS)
        return error_set(err, ERROR_USAGE, "--arms: more than %d", EVAL_ARMS);
    a->v[a->count++] = arm;
    return 0;
}

static int add_named(eval_arms *a, const char *name, const char *const *personas, int n, error *err)
{
    eval_arm arm = {0};
    error why = {0};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, OTHERS[i]) == 0)
            return add(a, (eval_arm){.kind = KINDS[i]}, name, err);
    if (merge_parse(name, &arm.method, &arm.rounds, &why) == 0 && arm.method != MERGE_NONE) {
        arm.kind = EVAL_MERGE;
        return add(a, arm, name, err);
    }
    for (int i = 0; i < n; i++)
        if (strcmp(name, personas[i]) == 0)
            return add(a, (eval_arm){.kind = EVAL_PERSONA, .persona = i}, name, err);
    return error_set(err, ERROR_USAGE,
                     "--arms: \"%.64s\" is neither control, consistency, correction, a merge "
                     "(auto, %s) nor one of --personas",
                     name, MERGE_WAYS);
}

static int add_all(eval_arms *a, const char *const *personas, int n, bool raw, error *err)
{
    static const char *const merges[] = {"vote", "synth", "debate", "blend"};
    if (add_named(a, "control", personas, n, err))
        return -1;
    for (int i = 0; i < n; i++)
        if (add(a, (eval_arm){.kind = EVAL_PERSONA, .persona = i}, personas[i], err))
            return -1;
    for (size_t i = 0; i < 4 && n > 1; i++) {
        bool chats = strcmp(merges[i], "synth") == 0 || strcmp(merges[i], "debate") == 0;
        if (!(raw && chats) && add_named(a, merges[i], personas, n, err))
            return -1;
    }
    if (add_named(a, "consistency", personas, n, err))
        return -1;
    return raw ? 0 : add_named(a, "correction", personas, n, err);
}

int eval_arms_read(const char *text, const char *const *personas, int n, bool raw, eval_arms *out,
                   error *err)
{
    *out = (eval_arms){0};
    if (!text)
        return add_all(out, personas, n, raw, err);
    char *names = strdup(text), *rest = names;
    int result = names ? 0 : error_memory(err, "the arms");
    for (const char *name; !result && (name = strsep(&rest, ","));)
        result = add_named(out, name, personas, n, err);
    free(names);
    return result;
}

bool eval_arms_have(const eval_arms *a, eval_arm_kind kind)
{
    for (int i = 0; i < a->count; i++)
        if (a->v[i].kind == kind)
            return true;
    return false;
}

int eval_arms_persona(const eval_arms *a, int persona)
{
    for (int i = 0; i < a->count; i++)
        if (a->v[i].kind == EVAL_PERSONA && a->v[i].persona == persona)
            return i;
    return -1;
}
