/* test_derive.c - the tally of experts, the contrast of voices, plans of masks, imports, saving. */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../personas/derive/contrast.h"
#include "../personas/derive/derive.h"
#include "../personas/derive/expert_tally.h"
#include "../personas/derive/import.h"
#include "../personas/derive/plan.h"
#include "scratch.h"

#define COUNCIL "tests/fixtures/council"

enum { LAYERS = 5, EXPERTS = 8, K = 2, SOURCES = 3, ROUTED = 2, PLACES = LAYERS * EXPERTS };

static model_config tiny(void)
{
    model_config m = {.layers = LAYERS, .experts = EXPERTS, .experts_per_token = K};
    for (int i = 0; i < LAYERS; i++)
        m.moe_layer[i] = true;
    return m;
}

/* One token of `source` in layer ROUTED that calls two experts with the same gate. */
static void call(expert_tally *t, int source, int block, int a, int b, const float norms[EXPERTS])
{
    int32_t ids[K] = {a, b};
    float gates[K] = {0.5f, 0.5f}, n[K] = {norms[a], norms[b]};
    route_trace trace = {.layer = ROUTED, .slots = K, .ids = ids, .gates = gates, .norms = n};
    trace.peaks = n;
    tally_add(t, source, block, &trace);
}

static const float EVEN[EXPERTS] = {1, 1, 1, 1, 1, 1, 1, 1};

/* Source 0 calls 0 and 1, source 1 calls 2 and 3, source 2 calls 4 and 5; each third token 6 and 7. */
static expert_tally *three_voices(const model_config *m, const float norms[EXPERTS])
{
    error err = {0};
    expert_tally *t = tally_open(m, SOURCES, &err);
    assert_non_null(t);
    for (int s = 0; s < SOURCES; s++)
        for (int b = 0; b < TALLY_BLOCKS; b++)
            for (int i = 0; i < 3; i++)
                call(t, s, b, i == 2 ? 6 : 2 * s, i == 2 ? 7 : 2 * s + 1, norms);
    return t;
}

static void contrast_of(const expert_tally *t, const model_config *m, expert_contrast *out)
{
    error err = {0};
    assert_int_equal(contrast_make(t, m, SOURCES, 0, BLOCKS_ALL, out, &err), 0);
}

static void make(plan *p, const model_config *m, const expert_contrast *c, mask_mode mode, double x)
{
    error err = {0};
    assert_int_equal(plan_make(p, m, c, mode, x, &err), 0);
}

/* ---- what is counted ----------------------------------------------------------------------------- */

static void statistics_stay_within_their_memory(void **state)
{
    (void)state;
    model_config m = {.layers = 48, .experts = 128, .experts_per_token = 8};
    error err = {0};
    assert_true(tally_bytes(48, 128, 32) <= TALLY_BYTES);
    struct mallinfo2 before = mallinfo2();
    expert_tally *t = tally_open(&m, 32, &err);
    struct mallinfo2 after = mallinfo2();
    assert_non_null(t);
    size_t used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_true(used <= TALLY_BYTES + 4096);
    print_message("# 32 voices, 48 layers of 128 experts: %zu KiB\n", used / 1024);
    tally_close(t);
    assert_null(tally_open(&m, 100, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "--against"));
}

static void halves_take_turns_and_share_no_block(void **state)
{
    (void)state;
    unsigned seen[2] = {0};
    for (size_t i = 0; i < 64; i++)
        seen[i % 2] |= 1u << tally_block(i);
    assert_int_equal(seen[0], BLOCKS_FIRST);
    assert_int_equal(seen[1], BLOCKS_SECOND);
}

static void sums_are_of_the_blocks_asked_for(void **state)
{
    (void)state;
    model_config m = tiny();
    expert_tally *t = three_voices(&m, (const float[]){2, 1, 1, 1, 1, 1, 1, 1});
    expert_sums all[EXPERTS], half[EXPERTS];
    tally_sums(t, 0, BLOCKS_ALL, ROUTED, all);
    tally_sums(t, 0, BLOCKS_FIRST, ROUTED, half);
    assert_true(all[0].calls == 32 && all[0].gates == 16 && all[0].mass == 32);
    assert_true(half[0].calls == 16 && all[1].mass == 16 && all[2].calls == 0);
    tally_sums(t, 0, BLOCKS_ALL, 0, all);
    assert_true(all[0].calls == 0);
    tally_close(t);
}

static void what_was_written_is_held_against_what_was_read(void **state)
{
    (void)state;
    model_config m = tiny();
    error err = {0};
    double alike = -1;
    expert_tally *t = tally_open(&m, SOURCES, &err);
    for (int i = 0; i < 4; i++) {
        call(t, 0, tally_block((size_t)i), 0, 1, EVEN);
        call(t, 0, tally_spoken_block((size_t)i), 0, i < 2 ? 1 : 2, EVEN);
    }
    assert_int_equal(tally_alike(t, 0, BLOCKS_ALL, BLOCKS_SPOKEN, &alike, &err), 0);
    assert_true(fabs(alike - 0.75) < 1e-6);
    assert_int_equal(tally_alike(t, 1, BLOCKS_ALL, BLOCKS_SPOKEN, &alike, &err), 0);
    assert_true(alike == 0); /* nothing was read of it */
    tally_close(t);
}

/* ---- the contrast -------------------------------------------------------------------------------- */

static void a_voice_leans_to_what_it_alone_calls(void **state)
{
    (void)state;
    model_config m = tiny();
    expert_tally *t = three_voices(&m, EVEN);
    expert_contrast c[PLACES];
    contrast_of(t, &m, c);
    const expert_contrast *row = c + ROUTED * EXPERTS;
    for (int e = 0; e < EXPERTS; e++) {
        assert_true(row[e].may_be_named == (e < 6));
        assert_true(e < 2 ? row[e].lean > 1 : e < 6 ? row[e].lean < -1 : row[e].lean == 0);
        assert_true(e > 5 || row[e].stability == 1);
    }
    double eps = 0.1 / EXPERTS, own = 1.0 / 3; /* 2 of 6 calls; none of the others */
    assert_true(fabs(row[0].lean - log((own + eps) / eps)) < 1e-12);
    assert_true(c[0].own == 0 && c[4 * EXPERTS].own == 0); /* layers that are left alone */
    tally_close(t);
}

static void what_the_halves_do_not_agree_on_is_not_named(void **state)
{
    (void)state;
    model_config m = tiny();
    error err = {0};
    expert_tally *t = tally_open(&m, SOURCES, &err);
    for (int b = 0; b < TALLY_BLOCKS; b++)
        for (int s = 0; s < SOURCES; s++) {
            call(t, s, b, s == 0 && b % 2 ? 0 : 1, 2 + s, EVEN);
            call(t, s, b, s == 0 || b % 2 ? 1 : 0, 2 + s, EVEN); /* 0: as often, in other blocks */
        }
    expert_contrast c[PLACES];
    contrast_of(t, &m, c);
    assert_false(c[ROUTED * EXPERTS].may_be_named);
    assert_true(c[ROUTED * EXPERTS + 2].may_be_named && c[ROUTED * EXPERTS + 3].may_be_named);
    tally_close(t);
}

static void nil_and_super_experts_are_never_named(void **state)
{
    (void)state;
    model_config m = tiny();
    expert_contrast c[PLACES];
    uint8_t super[PLACES];
    expert_tally *t = three_voices(&m, (const float[]){1, 0, 1, 0, 1, 100, 1, 1});
    contrast_of(t, &m, c);
    const expert_contrast *row = c + ROUTED * EXPERTS;
    assert_false(row[1].may_be_named || row[3].may_be_named || row[5].may_be_named);
    assert_true(row[1].own == 0 && row[0].may_be_named && row[2].may_be_named);
    assert_int_equal(tally_super(t, super), 1);
    assert_true(super[ROUTED * EXPERTS + 5]);
    int called, nil;
    tally_called(t, ROUTED, &called, &nil);
    assert_true(called == EXPERTS && nil == 2);
    tally_close(t);
    t = three_voices(&m, EVEN);
    assert_int_equal(tally_super(t, super), 0); /* a model without any has none */
    tally_close(t);
}

/* ---- plans --------------------------------------------------------------------------------------- */

static void a_ban_takes_what_others_have_so_many_times(void **state)
{
    (void)state;
    model_config m = tiny();
    expert_contrast c[PLACES] = {0};
    static const double own[EXPERTS] = {0.5, 0.3, 0.1, 0.05, 0.03, 0.02, 0, 0};
    for (int e = 0; e < EXPERTS; e++)
        c[ROUTED * EXPERTS + e] = (expert_contrast){.own = own[e],
                                                    .other = 0.125,
                                                    .lean = log((own[e] + 0.0125) / 0.1375),
                                                    .stability = 1,
                                                    .may_be_named = e != 7};
    plan p;
    make(&p, &m, c, MASK_BAN, 3); /* 0.1375 / 0.0425 = 3.2 */
    const float *row = p.values + ROUTED * EXPERTS;
    assert_true(p.named == 3 && p.layers == 1 && row[6] == 1 && row[5] == 1 && row[4] == 1);
    plan_release(&p);
    make(&p, &m, c, MASK_BAN, 3.5);
    assert_int_equal(p.named, 2);
    plan_release(&p);
    make(&p, &m, c, MASK_BAN, 1.2); /* 2 k are left, though one more leans away */
    row = p.values + ROUTED * EXPERTS;
    assert_true(p.named == EXPERTS - 2 * K && row[2] == 0);
    plan_release(&p);
    make(&p, &m, c, MASK_KEEP, 0.85);
    row = p.values + ROUTED * EXPERTS;
    assert_true(p.named == 4 && row[0] == 1 && row[3] == 1 && row[4] == 0); /* 2 k again */
    plan_release(&p);
    make(&p, &m, c, MASK_KEEP, 0.97);
    assert_int_equal(p.named, 5);
    plan_release(&p);
    make(&p, &m, c, MASK_BIAS, 2);
    row = p.values + ROUTED * EXPERTS;
    assert_true(p.named == 7 && row[7] == 0 && row[0] > 2 && row[6] == -4);
    plan_release(&p);
}

static void a_plan_is_written_as_a_mask(void **state)
{
    (void)state;
    model_config m = tiny();
    expert_tally *t = three_voices(&m, EVEN);
    expert_contrast c[PLACES];
    error err = {0};
    buf text = {0};
    plan p;
    contrast_of(t, &m, c);
    make(&p, &m, c, MASK_BAN, 5);
    assert_int_equal(plan_write(&p, &m, NULL, &text, &err), 0);
    assert_string_equal(
        text.v, "{\"mask\":1,\"model\":null,\"mode\":\"ban\",\"layers\":{\"2\":\"2-5\"}}\n");
    mask *read = mask_read("plan", text.v, text.len, &err);
    assert_non_null(read);
    mask_close(read);
    plan_release(&p);
    buf_release(&text);
    tally_close(t);
}

/* ---- imports ------------------------------------------------------------------------------------- */

typedef struct imported {
    int result;
    error err;
    import_figures f;
    buf text;
} imported;

/* Imports bytes for the council's model: 2 layers of 8 experts, 3 a token. */
static imported bring(const void *bytes, size_t n, int most)
{
    char path[SCRATCH];
    imported i = {0};
    int fd = scratch_file(path, "import");
    assert_true(write(fd, bytes, n) == (ssize_t)n && close(fd) == 0);
    engine *e = engine_open(&(engine_options){.path = COUNCIL}, &i.err);
    assert_non_null(e);
    i.result = import_mask(e, path, most, &i.text, &i.f, &i.err);
    engine_close(e);
    assert_int_equal(unlink(path), 0);
    return i;
}

static void refused(const void *bytes, size_t n, const char *why)
{
    imported i = bring(bytes, n, 0);
    assert_int_equal(i.result, -1);
    assert_int_equal(i.err.code, ERROR_LOAD);
    if (!strstr(i.err.text, why))
        fail_msg("%s: %s", why, i.err.text);
    assert_int_equal(i.text.len, 0);
    buf_release(&i.text);
}

#define RECORD(l, e, d) "{\"layer\":" #l ",\"expert\":" #e ",\"risk_diff\":" #d ",\"n\":7}\n"

static void a_ranking_becomes_a_mask(void **state)
{
    (void)state;
    static const char lines[] = RECORD(0, 1, 0.1) RECORD(1, 2, -0.5) "\n" RECORD(0, 7, 0.3)
        RECORD(1, 4, 0.0) RECORD(1, 0, -0.2) RECORD(0, 0, -0.05);
    imported i = bring(lines, sizeof lines - 1, 4); /* 1 2, 0 7, 1 0, and 0 1: one forced a layer */
    assert_int_equal(i.result, 0);
    assert_true(i.f.ranking && i.f.listed == 6 && i.f.named == 3 && i.f.layers == 2);
    assert_non_null(strstr(i.text.v, "\"0\":{\"7\":100},\"1\":{\"0\":-100,\"2\":-100}"));
    buf_release(&i.text);
    static const char list[] =
        "[{\"layer\":1,\"expert\":3,\"risk_diff\":-1},{\"layer\":1,\"expert\":4,\"risk_diff\":-1}]";
    i = bring(list, sizeof list - 1, 0); /* 5 % of 16, and one */
    assert_int_equal(i.result, 0);
    assert_non_null(strstr(i.text.v, "{\"3\":-100}"));
    buf_release(&i.text);
}

static void a_steering_file_becomes_a_mask(void **state)
{
    (void)state;
    float values[16] = {[3] = 1.5f, [12] = -2};
    imported i = bring(values, sizeof values, 0);
    assert_int_equal(i.result, 0);
    assert_true(!i.f.ranking && i.f.named == 2 && i.f.layers == 2);
    assert_non_null(strstr(i.text.v, "\"0\":{\"3\":1.5},\"1\":{\"4\":-2}"));
    buf_release(&i.text);
    values[5] = NAN;
    refused(values, sizeof values, "offset 20");
    refused(values, sizeof values - 4, "60 bytes");
}

static void imports_are_checked_like_any_strangers_file(void **state)
{
    (void)state;
    static const char pickle[] = "\x80\x04\x95pandas", far[] = RECORD(0, 1, 0.1) RECORD(2, 1, 0.1),
                      no_layer[] = "{\"expert\":1,\"risk_diff\":1}",
                      word[] = "{\"layer\":\"0\",\"expert\":1,\"risk_diff\":1}",
                      cut[] = "[{\"layer\"";
    refused(pickle, sizeof pickle - 1, "read_pickle");
    refused(far, sizeof far - 1, "line 2: layer");
    refused(no_layer, sizeof no_layer - 1, "layer: missing");
    refused(word, sizeof word - 1, "layer");
    refused(cut, sizeof cut - 1, "offset");
    refused("", 0, "0 bytes");
    refused("[]", 2, "nothing of any expert");
}

/* ---- saving -------------------------------------------------------------------------------------- */

static void a_saved_mask_replaces_the_old_one_whole(void **state)
{
    (void)state;
    char folder[SCRATCH], path[128], part[160], read[16] = "";
    FILE *f;
    scratch_folder(folder, "derive");
    (void)snprintf(path, sizeof path, "%s/m.json", folder);
    error err = {0};
    char old[] = "old\n", new[] = "new\n";
    assert_int_equal(derive_save(path, &(buf){old, 4, 5}, &err), 0);
    (void)snprintf(part, sizeof part, "%s.part", path); /* of one that was killed meanwhile */
    f = fopen(part, "w");
    assert_true(f && fputs("half a ma", f) >= 0 && fclose(f) == 0);
    assert_int_equal(derive_save(path, &(buf){new, 4, 5}, &err), 0);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(read, sizeof read, f));
    (void)fclose(f);
    assert_string_equal(read, "new\n");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left there */
    assert_int_equal(derive_save("/tmp/no-such-folder/m.json", &(buf){new, 4, 5}, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "/tmp/no-such-folder/m.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_stay_within_their_memory),
        cmocka_unit_test(halves_take_turns_and_share_no_block),
        cmocka_unit_test(sums_are_of_the_blocks_asked_for),
        cmocka_unit_test(what_was_written_is_held_against_what_was_read),
        cmocka_unit_test(a_voice_leans_to_what_it_alone_calls),
        cmocka_unit_test(what_the_halves_do_not_agree_on_is_not_named),
        cmocka_unit_test(nil_and_super_experts_are_never_named),
        cmocka_unit_test(a_ban_takes_what_others_have_so_many_times),
        cmocka_unit_test(a_plan_is_written_as_a_mask),
        cmocka_unit_test(a_ranking_becomes_a_mask),
        cmocka_unit_test(a_steering_file_becomes_a_mask),
        cmocka_unit_test(imports_are_checked_like_any_strangers_file),
        cmocka_unit_test(a_saved_mask_replaces_the_old_one_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
