/* fuzz_transcript.c - any bytes as a transcript: read, exported, restored into a dialogue with a tiny
 * model, and opened for writing.
 *
 * What history_load() accepts must keep its ranges; what is appended to the file must be there when it
 * is read again. Run in the folder of the sources, where the model is.
 */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/base/atomic_file.h"
#include "../personas/conversation/conversation.h"
#include "../transcripts/export/export.h"
#include "../transcripts/records.h"
#include "../transcripts/statistics.h"
#include "fuzz_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static engine *model(void)
{
    static engine *e;
    engine_options o = {.path = "tests/fixtures/council", .backend.threads = 1};
    if (!e)
        insist((e = engine_open(&o, NULL)) != NULL);
    return e;
}

/* A folder of this process, in memory where there is such a place. */
static const char *folder(void)
{
    static char shm[] = "/dev/shm/consilium-fuzz-XXXXXX", tmp[] = "/tmp/consilium-fuzz-XXXXXX";
    static const char *path;
    if (!path)
        insist((path = access("/dev/shm", W_OK) == 0 ? mkdtemp(shm) : mkdtemp(tmp)) != NULL);
    return path;
}

static bool figure(double x)
{
    return x >= 0 && x <= 1e11;
}

static void check_answers(const struct turn *t)
{
    for (int i = 0; i < t->answer_count; i++) {
        const turn_answer *a = &t->answers[i];
        insist(a->n >= 1 && a->n <= RECORDS_MOST && a->name && a->acts_by &&
               a->stop <= STOP_ERROR && a->prompt_tokens >= 0 && a->asked_experts >= 0 &&
               a->least_allowed >= 0 && figure(a->seconds) && figure(a->tokens_per_second) &&
               figure(a->banned_mass) && a->seed <= (uint64_t)1 << 53);
        insist((a->next == 0) == (turn_answer_of(t, a->name) == a));
        for (size_t k = 0; k < a->ids.len; k++)
            insist(a->ids.v[k] >= 0 && a->ids.v[k] <= TURN_TOKENS_MOST);
        insist(a->allowed.len == a->used.len);
        for (size_t k = 0; k < a->used.len; k++)
            insist(a->allowed.v[k] >= 0 && a->used.v[k] >= 0);
    }
}

static void check_turn(const history *h, int i)
{
    const struct turn *t = &h->turns[i];
    insist(t->number >= 1 && t->number <= TURN_NUMBER_MOST + h->turn_count && t->parent >= 0 &&
           t->from >= 1 && t->from <= t->number && t->follows >= -1 && t->follows < i &&
           figure(t->time) && figure(t->timings.prefill) && figure(t->timings.decode));
    check_answers(t);
    for (int k = 0; k < t->merge_count; k++) {
        const turn_merge *m = &t->merges[k];
        insist(m->passes >= 0 && m->passes <= TURN_PASSES_MOST && m->winner >= -1 &&
               m->winner < m->passes && figure(m->seconds));
        for (int p = 0; m->scores && p < m->passes * m->passes; p++)
            insist(isnan(m->scores[p]) || isfinite(m->scores[p]));
    }
}

static void read_settings(const history *h)
{
    record_setting s = {0};
    error err = {0};
    for (int i = 1; i <= h->setting_count; i++) {
        (void)record_setting_read(history_setting(h, i), &s, &err);
        record_setting_release(&s);
    }
}

/* Opened as a conversation that goes on. */
static void resume(const char *place)
{
    static const char *const names[] = {"fuzzer"};
    dialogue_options o = {.council = {.context = 64, .kv = DTYPE_F32, .max_tokens = 4}};
    roster_options seats = {.personas = names, .sampling = sampling_defaults()};
    error err = {0};
    conversation *c = conversation_resume(place, "s", false, &err);
    if (c && conversation_load(c, model(), &o, &seats, NULL, NULL, &err) == 0)
        (void)dialogue_context_used(conversation_dialogue(c));
    conversation_close(c);
}

static void read_all(const history *h)
{
    statistics s = {0};
    const struct turn **path = NULL;
    size_t count = 0;
    error err = {0};
    for (int i = 0; i < h->turn_count; i++)
        check_turn(h, i);
    for (int f = EXPORT_MARKDOWN; f <= EXPORT_HTML; f++) {
        buf out = {0};
        insist(export_as((export_format)f, h, &out, &err) == 0);
        buf_release(&out);
    }
    insist(statistics_add(&s, h, &err) == 0 && history_path(h, &path, &count, &err) == 0);
    insist(count <= (size_t)h->turn_count);
    free(path);
    statistics_release(&s);
    read_settings(h);
}

/* One more record: it is there, and all others still are. */
static void append(const char *path, size_t records)
{
    error err = {0};
    transcript_repair r = {0};
    transcript *t = transcript_open(folder(), "s", &r, &err);
    if (r.kept)
        (void)unlink(r.kept);
    transcript_repair_release(&r);
    if (!t)
        return;
    (void)transcript_begin(t, "pick", 1, 0);
    insist(transcript_end(t, &err) >= 1 && transcript_sync(t, &err) == 0);
    transcript_close(t);
    history *h = history_load(path, &err);
    insist(h && h->records == records + 1 && h->torn == 0);
    history_close(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    error err = {0};
    (void)snprintf(path, sizeof path, "%s/s.jsonl", folder());
    (void)unlink(path);
    insist(atomic_file_put(path, (const char *)data, size, &err) == 0);
    history *h = history_load(path, &err);
    size_t records = h ? h->records : 0;
    if (h)
        read_all(h);
    history_close(h);
    resume(folder());
    append(path, records);
    return 0;
}
