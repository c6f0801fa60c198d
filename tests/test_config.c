/* test_config.c - config.json, generation_config.json and GGUF metadata to a model_config.
 *
 * The defaults below are the class attributes of transformers 5.23; numbers of RoPE scaling were
 * computed with its modeling_rope_utils.py. (Each number of config.json at its limits:
 * malformed.py; that the configuration gives the right logits: test_reference.py.)
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/formats/checkpoint.h"
#include "../engine/formats/config.h"

/* What a reading gave: the configuration, or the error; and the last warning. */
typedef struct reading {
    int result, warnings, loud; /* loud: of the warnings, those for everybody */
    model_config c;
    error err;
    char warning[512];
} reading;

static void keep_warning(void *user, checkpoint_note note, const char *sentence)
{
    reading *r = user;
    r->warnings++;
    r->loud += note == CHECKPOINT_WARNING;
    (void)snprintf(r->warning, sizeof r->warning, "%s", sentence);
}

static reading read_two(const char *config, const char *generation)
{
    reading r = {0};
    json_document *d = json_parse("c", config, strlen(config), &r.err), *g = NULL;
    if (generation)
        g = json_parse("g", generation, strlen(generation), &r.err);
    if (!d || (generation && !g))
        fail_msg("%s: %s", config, r.err.text);
    r.result = config_from_json("c.json", json_root(d), "g.json", g ? json_root(g) : NULL,
                                keep_warning, &r, &r.c, &r.err);
    json_close(d);
    json_close(g);
    return r;
}

static reading read_one(const char *config)
{
    return read_two(config, NULL);
}

/* {"model_type":"llama", ...small dimensions..., MORE} */
#define SMALL(type, more)                                                                          \
    "{\"model_type\":\"" type "\",\"vocab_size\":100,\"hidden_size\":32,\"intermediate_size\":48," \
    "\"num_hidden_layers\":4,\"num_attention_heads\":4,\"num_key_value_heads\":2" more "}"

static void assert_refuses(const char *config, const char *words)
{
    reading r = read_one(config);
    if (r.result == 0)
        fail_msg("accepted %s", config);
    assert_int_equal(r.err.code, ERROR_LOAD);
    if (!strstr(r.err.text, words) || strncmp(r.err.text, "c.json: ", 8) != 0)
        fail_msg("\"%s\" is not in \"%s\"", words, r.err.text);
}

static model_config accepted(const char *config)
{
    reading r = read_one(config);
    if (r.result)
        fail_msg("%s: %s", config, r.err.text);
    return r.c;
}

/* ---- defaults ------------------------------------------------------------------------------- */

static void takes_the_defaults_of_the_classes(void **state)
{
    static const struct {
        const char *type;
        int vocabulary, width, layers, heads, kv_heads, head_dim, context, ffn;
        int experts, used, expert_width, shared_width, bos, eos;
        double eps, theta;
    } classes[] = {
        {"llama", 32000, 4096, 32, 32, 32, 128, 2048, 11008, 0, 0, 0, 0, 1, 2, 1e-6, 1e4},
        {"qwen2", 151936, 4096, 32, 32, 32, 128, 32768, 22016, 0, 0, 0, 0, -1, -1, 1e-6, 1e4},
        {"qwen3", 151936, 4096, 32, 32, 32, 128, 32768, 22016, 0, 0, 0, 0, -1, -1, 1e-6, 1e4},
        {"mixtral", 32000, 4096, 32, 32, 8, 128, 131072, 0, 8, 2, 14336, 0, 1, 2, 1e-5, 1e6},
        {"qwen2_moe", 151936, 2048, 24, 16, 16, 128, 32768, 0, 60, 4, 1408, 5632, -1, -1, 1e-6,
         1e4},
        {"qwen3_moe", 151936, 2048, 24, 32, 4, 64, 32768, 0, 128, 8, 768, 0, -1, -1, 1e-6, 1e4},
        {"olmoe", 50304, 2048, 16, 16, 16, 128, 4096, 0, 64, 8, 2048, 0, -1, 50279, 1e-5, 1e4},
        {"granitemoe", 32000, 4096, 32, 32, 32, 128, 2048, 0, 8, 2, 11008, 0, 1, 2, 1e-6, 1e4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"model_type\":\"%s\"}", classes[i].type);
        model_config c = accepted(text);
        assert_string_equal(architecture_name(c.arch), classes[i].type);
        assert_int_equal(c.vocabulary, classes[i].vocabulary);
        assert_int_equal(c.width, classes[i].width);
        assert_int_equal(c.layers, classes[i].layers);
        assert_int_equal(c.heads, classes[i].heads);
        assert_int_equal(c.kv_heads, classes[i].kv_heads);
        assert_int_equal(c.head_dim, classes[i].head_dim);
        assert_int_equal(c.context, classes[i].context);
        assert_int_equal(c.ffn_width, classes[i].ffn);
        assert_int_equal(c.experts, classes[i].experts);
        assert_int_equal(c.experts_per_token, classes[i].used);
        assert_int_equal(c.expert_width, classes[i].expert_width);
        assert_int_equal(c.shared_width, classes[i].shared_width);
        assert_int_equal(c.bos, classes[i].bos);
        assert_int_equal(c.eos_count ? c.eos[0] : -1, classes[i].eos);
        assert_true(c.norm_eps == (float)classes[i].eps);
        assert_true(c.rope.theta == classes[i].theta);
        assert_false(c.tied);
        assert_true(c.temperature < 0 && c.top_p < 0 && c.top_k < 0);
    }
}

static void knows_the_switches_of_each_class(void **state)
{
    static const struct {
        const char *type;
        bool qkv_bias, renormalise, gate;
        qk_norm norm;
        float attention_scale;
    } classes[] = {
        {"llama", false, false, false, QK_NORM_NONE, 0.35355338f},
        {"qwen2", true, false, false, QK_NORM_NONE, 0.35355338f},
        {"qwen3", false, false, false, QK_NORM_HEAD, 0.0883883461f}, /* head_dim is 128 */
        {"mixtral", false, true, false, QK_NORM_NONE, 0.35355338f},
        {"qwen2_moe", true, false, true, QK_NORM_NONE, 0.35355338f},
        {"qwen3_moe", false, false, false, QK_NORM_HEAD, 0.35355338f},
        {"olmoe", false, false, false, QK_NORM_FULL, 0.35355338f},
        {"granitemoe", false, true, false, QK_NORM_NONE, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"model_type\":\"%s\",\"vocab_size\":100,\"hidden_size\":32,"
                       "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"eos_token_id\":3}",
                       classes[i].type);
        model_config c = accepted(text);
        assert_int_equal(c.qkv_bias, classes[i].qkv_bias);
        assert_false(c.output_bias);
        assert_int_equal(c.renormalise, classes[i].renormalise);
        assert_int_equal(c.shared_gate, classes[i].gate);
        assert_int_equal(c.norm_qk, classes[i].norm);
        assert_true(fabsf(c.attention_scale - classes[i].attention_scale) < 1e-7f);
        assert_false(c.rope.pairs);
        assert_int_equal(c.eos_count, 1);
        assert_int_equal(c.eos[0], 3);
    }
}

static void reads_switches(void **state)
{
    (void)state;
    model_config c = accepted(SMALL("llama", ",\"attention_bias\":true,"
                                             "\"tie_word_embeddings\":true,\"head_dim\":10"));
    assert_true(c.qkv_bias && c.output_bias && c.tied);
    assert_int_equal(c.head_dim, 10);
    assert_false(c.ffn_bias);
    assert_true(accepted(SMALL("llama", ",\"mlp_bias\":true")).ffn_bias);
    c = accepted(SMALL("qwen2_moe", ",\"qkv_bias\":false,\"norm_topk_prob\":true"));
    assert_false(c.qkv_bias);
    assert_true(c.renormalise);
    c = accepted(SMALL("granitemoe", ",\"embedding_multiplier\":12.0,\"logits_scaling\":8,"
                                     "\"residual_multiplier\":0.5,\"attention_multiplier\":0.25"));
    assert_true(c.embedding_scale == 12 && c.logit_scale == 0.125f && c.residual_scale == 0.5f &&
                c.attention_scale == 0.25f);
    c = accepted(SMALL("mixtral", ",\"num_local_experts\":5"));
    assert_int_equal(c.experts, 5);
    c = accepted(SMALL("qwen3_moe", ",\"num_local_experts\":9"));
    assert_int_equal(c.experts, 9);
    c = accepted(SMALL("llama", ",\"head_dim\":null"));
    assert_int_equal(c.head_dim, 8);
    c = accepted("{\"model_type\":\"mixtral\",\"num_key_value_heads\":null,"
                 "\"bos_token_id\":null,\"eos_token_id\":null}");
    assert_int_equal(c.kv_heads, 32);
    assert_int_equal(c.bos, -1);
    assert_int_equal(c.eos_count, 0);
}

static void chooses_layers_that_route(void **state)
{
    (void)state;
    model_config c = accepted(SMALL("qwen3_moe", ",\"decoder_sparse_step\":2"));
    assert_memory_equal(c.moe_layer, "\0\1\0\1", 4);
    assert_int_equal(c.ffn_width, 48);
    c = accepted(SMALL("qwen3_moe", ",\"mlp_only_layers\":[0,3,900]"));
    assert_memory_equal(c.moe_layer, "\0\1\1\0", 4);
    c = accepted(SMALL("qwen2_moe", ",\"decoder_sparse_step\":3,\"mlp_only_layers\":[2]"));
    assert_memory_equal(c.moe_layer, "\0\0\0\0", 4);
    assert_int_equal(c.experts, 0);
    assert_int_equal(c.shared_width, 0);
    c = accepted(SMALL("olmoe", ""));
    assert_memory_equal(c.moe_layer, "\1\1\1\1\0", 5);
    assert_int_equal(c.ffn_width, 0);
}

/* ---- RoPE ----------------------------------------------------------------------------------- */

static void reads_rope(void **state)
{
    (void)state;
    model_config c = accepted(SMALL("llama", ",\"rope_theta\":5e5"));
    assert_true(c.rope.kind == ROPE_PLAIN && c.rope.theta == 5e5 && c.rope.dim == 8);
    c = accepted(SMALL("llama", ",\"rope_parameters\":{\"rope_theta\":7e5}"));
    assert_true(c.rope.theta == 7e5);
    c = accepted(SMALL("llama", ",\"rope_theta\":5e5,\"rope_parameters\":{\"rope_theta\":7e5}"));
    assert_true(c.rope.theta == 7e5);
    /* rope_scaling, unless empty, takes the place of rope_parameters */
    c = accepted(SMALL("llama", ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},"
                                "\"rope_parameters\":{\"rope_theta\":7e5}"));
    assert_true(c.rope.kind == ROPE_LINEAR && c.rope.factor == 2 && c.rope.theta == 1e4);
    assert_int_equal(c.context, 4096);
    c = accepted(SMALL("llama", ",\"rope_scaling\":null,\"rope_parameters\":{\"rope_type\":"
                                "\"linear\",\"factor\":3.0}"));
    assert_true(c.rope.kind == ROPE_LINEAR && c.rope.factor == 3);
    c = accepted(SMALL("llama", ",\"max_position_embeddings\":131072,\"rope_scaling\":{"
                                "\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
                                "\"high_freq_factor\":4.0,"
                                "\"original_max_position_embeddings\":8192}"));
    assert_true(c.rope.kind == ROPE_LLAMA3 && c.rope.original_context == 8192 &&
                c.rope.low_freq == 1 && c.rope.high_freq == 4 && c.rope.attention_factor == 1);
    assert_int_equal(c.context, 131072);
}

#define YARN(more)                                                                                 \
    SMALL("qwen3", ",\"head_dim\":8,\"max_position_embeddings\":100,\"rope_scaling\":{"            \
                   "\"rope_type\":\"yarn\",\"factor\":4.0" more "}")

static void reads_yarn(void **state)
{
    static const struct {
        const char *text;
        double attention_factor, original;
        int context;
    } cases[] = {
        {YARN(""), 1.1386294361119891, 100, 400},
        {YARN(",\"original_max_position_embeddings\":50"), 1.1386294361119891, 50, 200},
        {YARN(",\"original_max_position_embeddings\":20"), 1.1386294361119891, 20, 100},
        {YARN(",\"attention_factor\":0.75"), 0.75, 100, 400},
        {YARN(",\"mscale\":1.0,\"mscale_all_dim\":1.0"), 1, 100, 400},
        {YARN(",\"mscale\":0.707,\"mscale_all_dim\":0.5"), 1.0980110113311763 / 1.0693147180559945,
         100, 400},
        {YARN(",\"mscale\":0.707"), 1.1386294361119891, 100, 400},
        {SMALL("qwen3", ",\"max_position_embeddings\":100,\"rope_scaling\":{\"rope_type\":"
                        "\"yarn\",\"factor\":0.5}"),
         1, 100, 100},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c = accepted(cases[i].text);
        assert_int_equal(c.rope.kind, ROPE_YARN);
        assert_true(fabs(c.rope.attention_factor - cases[i].attention_factor) < 1e-14);
        assert_true(c.rope.original_context == cases[i].original);
        assert_true(c.rope.beta_fast == 32 && c.rope.beta_slow == 1 && c.rope.truncate);
        assert_int_equal(c.context, cases[i].context);
    }
    model_config c = accepted(YARN(",\"beta_fast\":16,\"beta_slow\":2,\"truncate\":false"));
    assert_true(c.rope.beta_fast == 16 && c.rope.beta_slow == 2 && !c.rope.truncate);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void refuses_what_changes_numbers(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"{}", "model_type is missing"},
        {"[]", "is not a JSON object"},
        {"{\"model_type\":\"granite\"}", "model_type is \"granite\"; known are"},
        {SMALL("llama", ",\"hidden_act\":\"gelu\""), "hidden_act is \"gelu\""},
        {SMALL("olmoe", ",\"clip_qkv\":8.0"), "clip_qkv is 8"},
        {SMALL("llama", ",\"quantization_config\":{\"quant_method\":\"awq\"}"),
         "quantised with AWQ (quantization_config)"},
        {SMALL("llama", ",\"quantization_config\":{\"quant_method\":\"fp8\"}"), "with FP8 ("},
        {SMALL("llama", ",\"quantization_config\":{\"load_in_4bit\":true}"), "with bitsandbytes ("},
        {SMALL("llama", ",\"quantization_config\":{\"quant_method\":\"n\\u001bew\"}"),
         "with n\\x1bew ("},
        {SMALL("llama", ",\"quantization_config\":{\"bits\":4}"), "with a method that"},
        {SMALL("llama", ",\"quantization\":{\"group_size\":64,\"bits\":4}"), "with MLX ("},
        {SMALL("llama", ",\"compression_config\":{\"format\":\"int-quantized\"}"),
         "with compressed-tensors ("},
        {SMALL("llama", ",\"partial_rotary_factor\":0.5"), "partial_rotary_factor is 0.5"},
        {SMALL("mixtral", ",\"sliding_window\":4096"), "sliding_window is 4096 of 131072"},
        {SMALL("qwen2", ",\"use_sliding_window\":true,\"max_window_layers\":2"), "sliding_window"},
        {SMALL("qwen3_moe", ",\"use_sliding_window\":true"), "sliding_window"},
        {SMALL("qwen2_moe", ",\"use_sliding_window\":true"), "sliding_window"},
        {SMALL("qwen3", ",\"sliding_window\":8,\"layer_types\":[\"sliding_attention\"]"),
         "sliding_window is 8"},
        {SMALL("qwen3", ",\"layer_types\":[\"linear_attention\"]"), "layer_types"},
        {SMALL("llama", ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}"),
         "rope_type is \"dynamic\""},
        {SMALL("llama", ",\"rope_scaling\":{\"type\":\"longrope\"}"), "rope_type is \"longrope\""},
        {SMALL("llama", ",\"rope_scaling\":{\"type\":\"linear\"}"), "factor is missing"},
        {SMALL("qwen3", ",\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1e6}}"),
         "the RoPE parameters hold \"full_attention\""},
        {SMALL("llama", ",\"rope_theta\":0"), "rope_theta is 0, expected"},
        {SMALL("llama", ",\"rms_norm_eps\":-1"), "rms_norm_eps is -1, expected"},
        {SMALL("llama", ",\"rms_norm_eps\":null"), "rms_norm_eps is null"},
        {SMALL("llama", ",\"head_dim\":7"), "the width of a head is 7, expected an even number"},
        {SMALL("llama", ",\"eos_token_id\":\"2\""), "eos_token_id"},
        {SMALL("llama", ",\"eos_token_id\":[1,0.5]"), "eos_token_id"},
        {SMALL("llama", ",\"bos_token_id\":[1]"), "bos_token_id is not"},
        {SMALL("mixtral", ",\"num_experts_per_tok\":9"), "more than there are experts"},
        {SMALL("llama", ",\"max_position_embeddings\":1073741825"),
         "max_position_embeddings is 1073741825, expected 1 to 1073741824"},
        {SMALL("llama", ",\"max_position_embeddings\":1073741824,\"rope_scaling\":{\"type\":"
                        "\"linear\",\"factor\":2}"),
         "the context after RoPE scaling is 2147483648"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refuses(cases[i].text, cases[i].words);
    assert_refuses("{\"model_type\":\"llama\",\"num_attention_heads\":6,\"num_key_value_heads\":4}",
                   "key/value heads is 4");
    assert_refuses("{\"model_type\":\"llama\",\"num_hidden_layers\":1024,\"head_dim\":4096,"
                   "\"num_attention_heads\":4096,\"max_position_embeddings\":1073741824}",
                   "larger than the address space");
}

static void accepts_what_is_dormant(void **state)
{
    static const char *const cases[] = {
        SMALL("qwen3", ",\"sliding_window\":8,\"use_sliding_window\":false"),
        SMALL("qwen2", ",\"use_sliding_window\":true,\"max_window_layers\":4"),
        SMALL("qwen2", ",\"use_sliding_window\":true,\"sliding_window\":null"),
        SMALL("mixtral", ",\"sliding_window\":null"),
        SMALL("mixtral", ",\"sliding_window\":131072"),
        SMALL("qwen3", ",\"layer_types\":[\"full_attention\",\"full_attention\"]"),
        SMALL("llama", ",\"mlp_bias\":false,\"quantization_config\":null,\"pretraining_tp\":1,"
                       "\"attention_dropout\":0.1,\"use_cache\":false,\"torch_dtype\":\"bfloat16\","
                       "\"dtype\":\"float16\",\"auto_map\":{\"a\":\"b\"},\"hidden_act\":\"swish\""),
        SMALL("olmoe", ",\"clip_qkv\":null,\"router_aux_loss_coef\":0.1"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reading r = read_one(cases[i]);
        if (r.result || r.warnings)
            fail_msg("%s: %s%s", cases[i], r.err.text, r.warning);
    }
}

static void warns_about_unknown_keys(void **state)
{
    (void)state;
    reading r = read_one(SMALL("llama", ",\"new\\u001bkey\":1"));
    assert_int_equal(r.result, 0);
    assert_int_equal(r.warnings, 1);
    assert_string_equal(
        r.warning, "c.json: the key \"new\\x1bkey\" is not known for llama and was passed over");
    r = read_one(SMALL("llama", ",\"clip_qkv\":8")); /* another class' key means nothing here */
    assert_int_equal(r.result, 0);
    assert_int_equal(r.warnings, 1);
    r = read_one(SMALL("llama", ",\"rope_parameters\":{\"rope_theta\":1e4,\"mrope_section\":[1]}"));
    assert_int_equal(r.warnings, 1);
    assert_non_null(strstr(r.warning, "mrope_section"));
}

/* ---- generation_config.json ----------------------------------------------------------------- */

static void reads_generation(void **state)
{
    (void)state;
    reading r = read_two(SMALL("llama", ",\"eos_token_id\":7"),
                         "{\"eos_token_id\":[9,8],\"bos_token_id\":5,\"temperature\":0.6,"
                         "\"top_p\":0.9,\"top_k\":20,\"min_p\":0.05,\"repetition_penalty\":1.1,"
                         "\"do_sample\":true,\"max_new_tokens\":7}");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.c.eos_count, 2);
    assert_int_equal(r.c.eos[0], 9);
    assert_int_equal(r.c.eos[1], 8);
    assert_int_equal(r.c.bos, 5);
    assert_true(r.c.temperature == 0.6 && r.c.top_p == 0.9 && r.c.min_p == 0.05 &&
                r.c.repeat_penalty == 1.1);
    assert_int_equal(r.c.top_k, 20);
    assert_int_equal(r.warnings, 0);
    r = read_two(SMALL("llama", ",\"eos_token_id\":7"), "{\"temperature\":null}");
    assert_int_equal(r.c.eos[0], 7);
    assert_true(r.c.temperature < 0);
    static const char *const bad[] = {"{\"top_p\":0}",           "{\"top_p\":1.5}",
                                      "{\"temperature\":-1}",    "{\"temperature\":\"hot\"}",
                                      "{\"top_k\":0.5}",         "{\"eos_token_id\":{}}",
                                      "{\"temperature\":1e999}", "{\"bos_token_id\":0.5}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = read_two(SMALL("llama", ""), bad[i]);
        assert_int_equal(r.result, -1);
        assert_int_equal(r.err.code, ERROR_LOAD);
    }
}

/* 4294967295 and -1 are none; what lies beyond the vocabulary is none too, and is told. */
static void ids_that_are_no_tokens(void **state)
{
    static const struct {
        const char *config, *generation;
        int bos, eos_count, warnings, loud;
    } cases[] = {
        {SMALL("llama", ",\"eos_token_id\":[99,4294967295,-1],\"bos_token_id\":99"), NULL, 99, 1, 0,
         0},
        {SMALL("llama", ",\"eos_token_id\":4294967295,\"bos_token_id\":4294967295"), NULL, -1, 0, 0,
         0},
        {SMALL("llama", ",\"eos_token_id\":[1,100,-2],\"bos_token_id\":100"), NULL, -1, 1, 3, 3},
        {SMALL("llama", ",\"pad_token_id\":100"), NULL, 1, 1, 1, 0},
        {SMALL("llama", ",\"pad_token_id\":-1"), NULL, 1, 1, 0, 0},
        {SMALL("llama", ",\"pad_token_id\":\"<pad>\""), NULL, 1, 1, 0, 0},
        {SMALL("llama", ",\"eos_token_id\":3"), "{\"eos_token_id\":100,\"bos_token_id\":1e30}", -1,
         0, 2, 2},
        {SMALL("llama", ",\"eos_token_id\":3"), "{\"eos_token_id\":[4,5,4,4294967295,5]}", 1, 2, 0,
         0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reading r = read_two(cases[i].config, cases[i].generation);
        if (r.result || r.c.bos != cases[i].bos || r.c.eos_count != cases[i].eos_count ||
            r.warnings != cases[i].warnings || r.loud != cases[i].loud)
            fail_msg("%s: bos %d, %d eos, %d warnings, %d loud: %s%s", cases[i].config, r.c.bos,
                     r.c.eos_count, r.warnings, r.loud, r.warning, r.err.text);
    }
}

/* ---- both formats --------------------------------------------------------------------------- */

static checkpoint *open_model(const char *name)
{
    char path[128];
    error err = {0};
    (void)snprintf(path, sizeof path, "tests/fixtures/models/%s", name);
    checkpoint *c = checkpoint_open(path, NULL, NULL, &err);
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

/* The same model in both formats has the same configuration. */
static void formats_agree(void **state)
{
    static const char *const models[] = {
        "llama", "llama-bias", "llama-yarn", "mixtral", "mixtral-linear", "qwen2",
        "qwen3", "qwen3_moe",  "qwen2_moe",  "olmoe",   "granitemoe",     "qwen3_moe-yarn"};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s.gguf", models[i]);
        checkpoint *hf = open_model(models[i]), *other = open_model(name);
        model_config a = *checkpoint_config(hf), b = *checkpoint_config(other);
        bool permuted =
            a.arch == ARCH_LLAMA || a.arch == ARCH_MIXTRAL || a.arch == ARCH_GRANITE_MOE;
        assert_int_equal(b.rope.pairs, permuted);
        assert_true(fabs(a.rope.attention_factor - b.rope.attention_factor) < 1e-7);
        assert_true(fabsf(a.attention_scale - b.attention_scale) < 1e-7f);
        assert_true(a.norm_eps == b.norm_eps);
        if (a.rope.kind != ROPE_LINEAR) /* GGUF has no word for how far a factor was meant */
            assert_int_equal(a.context, b.context);
        assert_int_equal(a.arch, b.arch);
        assert_int_equal(a.layers, b.layers);
        assert_int_equal(a.width, b.width);
        assert_int_equal(a.heads, b.heads);
        assert_int_equal(a.kv_heads, b.kv_heads);
        assert_int_equal(a.head_dim, b.head_dim);
        assert_int_equal(a.ffn_width, b.ffn_width);
        assert_int_equal(a.vocabulary, b.vocabulary);
        assert_int_equal(a.tied, b.tied);
        assert_int_equal(a.qkv_bias, b.qkv_bias);
        assert_int_equal(a.output_bias, b.output_bias);
        assert_int_equal(a.norm_qk, b.norm_qk);
        assert_int_equal(a.experts, b.experts);
        assert_int_equal(a.experts_per_token, b.experts_per_token);
        assert_int_equal(a.expert_width, b.expert_width);
        assert_int_equal(a.shared_width, b.shared_width);
        assert_int_equal(a.shared_gate, b.shared_gate);
        assert_int_equal(a.renormalise, b.renormalise);
        assert_memory_equal(a.moe_layer, b.moe_layer, sizeof a.moe_layer);
        assert_true(a.embedding_scale == b.embedding_scale &&
                    a.residual_scale == b.residual_scale && a.logit_scale == b.logit_scale);
        assert_int_equal(a.rope.kind, b.rope.kind);
        assert_int_equal(a.rope.dim, b.rope.dim);
        assert_true(a.rope.theta == b.rope.theta && a.rope.factor == b.rope.factor &&
                    a.rope.original_context == b.rope.original_context &&
                    a.rope.beta_fast == b.rope.beta_fast && a.rope.beta_slow == b.rope.beta_slow);
        checkpoint_close(hf);
        checkpoint_close(other);
    }
}

static void gguf_brings_llama3_factors(void **state)
{
    (void)state;
    checkpoint *c = open_model("llama-llama3.gguf");
    const model_config *m = checkpoint_config(c);
    assert_int_equal(m->rope.kind, ROPE_PLAIN);
    assert_non_null(m->rope.factors);
    for (int i = 0; i < m->rope.dim / 2; i++)
        assert_true(m->rope.factors[i] >= 1 && m->rope.factors[i] <= 8);
    checkpoint_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_defaults_of_the_classes),
        cmocka_unit_test(knows_the_switches_of_each_class),
        cmocka_unit_test(reads_switches),
        cmocka_unit_test(chooses_layers_that_route),
        cmocka_unit_test(reads_rope),
        cmocka_unit_test(reads_yarn),
        cmocka_unit_test(refuses_what_changes_numbers),
        cmocka_unit_test(accepts_what_is_dormant),
        cmocka_unit_test(warns_about_unknown_keys),
        cmocka_unit_test(reads_generation),
        cmocka_unit_test(ids_that_are_no_tokens),
        cmocka_unit_test(formats_agree),
        cmocka_unit_test(gguf_brings_llama3_factors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
