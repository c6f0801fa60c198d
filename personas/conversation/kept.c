/* kept.c - see kept.h. */
#include "kept.h"

#include <stdlib.h>
#include <string.h>

static char *copy_bytes(const char *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    return copy;
}

static int *copy_counts(const int *counts, size_t n)
{
    int *copy = calloc(n ? n : 1, sizeof *copy);
    if (copy && counts)
        memcpy(copy, counts, n * sizeof *copy);
    return copy;
}

static int copy_texts(kept_answer *k, const answer *a, const seat *s, size_t layers, error *err)
{
    k->name = strdup(s->name);
    k->acts_by = strdup(s->acts_by);
    k->color = s->color ? strdup(s->color) : NULL;
    k->thought = copy_bytes(a->text, a->thought);
    k->text = copy_bytes(a->len > a->thought ? a->text + a->thought : "", k->len);
    k->allowed = copy_counts(a->allowed, layers);
    k->used = copy_counts(a->used, layers);
    if (!k->name || !k->acts_by || (s->color && !k->color) || !k->thought || !k->text ||
        !k->allowed || !k->used)
        return error_memory(err, "an answer");
    if (a->logprobs && !(k->logprobs = malloc((a->token_count + 1) * sizeof *k->logprobs)))
        return error_memory(err, "an answer");
    if (a->logprobs)
        memcpy(k->logprobs, a->logprobs, a->token_count * sizeof *k->logprobs);
    return tokens_append(&k->ids, a->tokens, a->token_count, err);
}

int kept_answer_copy(kept_answer *out, const answer *a, const seat *s, const model_config *m,
                     error *err)
{
    *out = (kept_answer){.len = a->len - a->thought,
                         .thought_len = a->thought,
                         .prompt_tokens = a->prompt_tokens,
                         .prompt_hash = a->prompt_hash,
                         .stop = a->stop,
                         .failure = a->failure,
                         .seed = a->seed,
                         .program = s->program ? router_program_hash(s->program) : 0,
                         .seconds = a->seconds,
                         .tokens_per_second = a->tokens_per_second,
                         .banned_mass = a->banned_mass,
                         .asked_experts = s->asked_experts,
                         .least_allowed = seat_least_allowed(s, m)};
    if (copy_texts(out, a, s, (size_t)m->layers, err) == 0)
        return 0;
    kept_answer_release(out);
    return -1;
}

void kept_answer_release(kept_answer *k)
{
    free(k->name);
    free(k->acts_by);
    free(k->color);
    free(k->logprobs);
    free(k->text);
    free(k->thought);
    tokens_release(&k->ids);
    free(k->allowed);
    free(k->used);
    *k = (kept_answer){0};
}

void kept_merge_release(kept_merge *m)
{
    for (int i = 0; m->of && i < m->result.passes; i++)
        free(m->of[i]);
    free(m->of);
    merge_release(&m->result);
    free(m->failure);
    *m = (kept_merge){.result.winner = -1};
}
