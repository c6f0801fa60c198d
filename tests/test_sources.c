/* test_sources.c - names of models against trees as Ollama, Hugging Face's libraries and LM Studio
 * leave them, built in a temporary folder that HOME and the other variables point to. */
#include <ftw.h>
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

#include "../engine/formats/model_defaults.h"
#include "../engine/sources/sources.h"
#include "scratch.h"

#define OTHER  "1111111111111111111111111111111111111111111111111111111111111111"
#define THIRD  "2222222222222222222222222222222222222222222222222222222222222222"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- a home for each test ------------------------------------------------------------------ */

static const char *home(void)
{
    return getenv("HOME");
}

static int make_home(void **state)
{
    char *dir = malloc(SCRATCH);
    if (!dir)
        return -1;
    scratch_folder(dir, "sources");
    *state = dir;
    const char *others[] = {"OLLAMA_MODELS", "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        unsetenv(others[i]);
    return setenv("HOME", dir, 1);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    return remove(path);
}

static int remove_home(void **state)
{
    int result = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

static void below_home(char out[4096], const char *path)
{
    assert_in_range(snprintf(out, 4096, "%s/%s", home(), path), 1, 4095);
}

static void make_parents(const char *path)
{
    char part[4096];
    below_home(part, path);
    for (char *at = part + strlen(home()) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(part, 0700);
        *at = '/';
    }
}

static void put(const char *path, const char *text)
{
    char full[4096];
    make_parents(path);
    below_home(full, path);
    FILE *f = fopen(full, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void put_manifest(const char *path, const char *type, const char *digest)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:aa\"},\"layers\":["
             "{\"mediaType\":\"application/vnd.ollama.image.license\",\"digest\":\"sha256:bb\"},"
             "{\"mediaType\":\"application/vnd.ollama.image.%s\",\"digest\":\"%s\",\"size\":5}]}",
             type, digest);
    put(path, text);
}

/* ---- what a name gives --------------------------------------------------------------------- */

static void gives(const char *name, const char *path)
{
    char want[4096];
    below_home(want, path);
    char *got = NULL;
    error err = {0};
    if (source_resolve(name, &got, &err))
        fail_msg("%s: %s", name, err.text);
    assert_string_equal(got, want);
    free(got);
}

static void refuses(const char *name, const char *words)
{
    char *got = NULL;
    error err = {0};
    assert_int_equal(source_resolve(name, &got, &err), -1);
    assert_null(got);
    assert_int_equal(err.code, ERROR_LOAD);
    if (!strstr(err.text, words))
        fail_msg("%s: \"%s\" does not say \"%s\"", name, err.text, words);
}

/* ... and says which of the home's folders it looked in. */
static void refuses_in_home(const char *name, const char *words)
{
    char wanted[4096];
    assert_in_range(snprintf(wanted, sizeof wanted, "%s (looked in %s/", words, home()), 1,
                    sizeof wanted - 1);
    refuses(name, wanted);
}

/* Ollama's manifest of one model with further layers: "type DIGEST type DIGEST ...". */
static void put_layers(const char *tag, const char *layers)
{
    char path[512], text[4096], type[32], digest[80];
    int used = 0, at = snprintf(text, sizeof text, "{\"layers\":[");
    for (const char *next = layers; sscanf(next, "%31s %79s %n", type, digest, &used) == 2;
         next += used)
        at += snprintf(
            text + at, sizeof text - (size_t)at,
            "%s{\"mediaType\":\"application/vnd.ollama.image.%s\",\"digest\":\"sha256:%s\"}",
            next == layers ? "" : ",", type, digest);
    snprintf(text + at, sizeof text - (size_t)at, "]}");
    snprintf(path, sizeof path, ".ollama/models/manifests/registry.ollama.ai/library/x/%s", tag);
    put(path, text);
}

/* The list as "name bytes\n" lines. */
static void lists(const char *want)
{
    sources all;
    error err = {0};
    char got[4096] = "";
    assert_int_equal(sources_list(&all, &err), 0);
    for (size_t i = 0; i < all.len; i++) {
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, "%s %llu\n", all.v[i].name,
                 (unsigned long long)all.v[i].bytes);
        char *path = NULL; /* whatever is listed can be given to -m, and is what was listed */
        assert_int_equal(source_resolve(all.v[i].name, &path, &err), 0);
        assert_string_equal(path, all.v[i].path);
        free(path);
    }
    assert_string_equal(got, want);
    sources_release(&all);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void paths_are_themselves(void **state)
{
    (void)state;
    char path[4096];
    put("models/a.gguf", "12345");
    below_home(path, "models/a.gguf");
    gives(path, "models/a.gguf");
    below_home(path, "models");
    gives(path, "models/a.gguf"); /* a folder with one model means it */
    below_home(path, "models/b.gguf");
    refuses(path, "no such file or folder");
    refuses("", "no such file or folder");
}

static void ollama_names(void **state)
{
    (void)state;
    const char *base = ".ollama/models/manifests/registry.ollama.ai/library/qwen3/latest";
    put_manifest(base, "model", "sha256:" DIGEST);
    put_manifest(".ollama/models/manifests/registry.ollama.ai/jo/own/8b", "model",
                 "sha256:" DIGEST);
    put_manifest(".ollama/models/manifests/hf.co/org/repo/Q4_K_M", "model", "sha256:" DIGEST);
    refuses("ollama:qwen3", "its model is not there");
    put(".ollama/models/blobs/sha256-" DIGEST, "12345");
    gives("ollama:qwen3", ".ollama/models/blobs/sha256-" DIGEST);
    gives("ollama:qwen3:latest", ".ollama/models/blobs/sha256-" DIGEST);
    gives("ollama:jo/own:8b", ".ollama/models/blobs/sha256-" DIGEST);
    gives("ollama:hf.co/org/repo:Q4_K_M", ".ollama/models/blobs/sha256-" DIGEST);
    refuses_in_home("ollama:none:4b", "not in Ollama's models");
    refuses("ollama:qwen3:4b", "the tag 4b is not there; there are ollama:qwen3:latest");
    refuses("ollama:jo/own", "latest (which a name without a tag means) is not there; there are "
                             "ollama:jo/own:8b");
    gives("qwen3", ".ollama/models/blobs/sha256-" DIGEST); /* names without a scheme */
    gives("qwen3:latest", ".ollama/models/blobs/sha256-" DIGEST);
    gives("jo/own:8b", ".ollama/models/blobs/sha256-" DIGEST);
    gives("hf.co/org/repo:Q4_K_M", ".ollama/models/blobs/sha256-" DIGEST);
    refuses("qwen3:4b", "Ollama has no tag 4b of it, but ollama:qwen3:latest");
    refuses("jo/own", "Ollama has no tag latest of it, but ollama:jo/own:8b");
    refuses("qwen4", "nor a model of that name in Ollama");
    put(".ollama/models/manifests/registry.ollama.ai/library/half/latest", "");
    put_manifest(".ollama/models/manifests/registry.ollama.ai/library/half/latest", "model",
                 "sha256:" OTHER);
    put(".ollama/models/blobs/sha256-" OTHER "-partial", "12");
    refuses("ollama:half", "its model is not there yet: a part of it is");
    refuses("half", "`ollama pull` finishes it");
    refuses("ollama:", "the form is ollama:NAME");
    refuses("ollama::x", "the form is");
    refuses("ollama:a:", "the form is");
    refuses("ollama:../../x", "the form is");
    refuses("ollama:a:..", "the form is");
    refuses("ollama:/a", "the form is");
    refuses("ollama:a\x1b[0m", "the form is");
    refuses("ollama:a/b/c/d", "the form is");
    refuses("ollama:a/b/c/d/e/f/g", "the form is");
}

/* What stands beside the weights is honoured or named; what would change them is refused. */
static void ollama_layers(void **state)
{
    (void)state;
    source_found f;
    error err = {0};
    put(".ollama/models/blobs/sha256-" DIGEST, "12345");
    put_layers("plain", "model " DIGEST " license " OTHER);
    assert_int_equal(source_find("ollama:x:plain", &f, &err), 0);
    assert_non_null(f.defaults);
    assert_null(f.defaults->system);
    assert_int_equal(f.defaults->honoured.len + f.defaults->left_out.len, 0);
    source_found_release(&f);

    put_layers("tuned", "model " DIGEST " adapter " OTHER);
    refuses("ollama:x:tuned", "ollama:x:tuned: has an ADAPTER (LoRA)");
    refuses("x:tuned", "has an ADAPTER (LoRA)");

    put(".ollama/models/blobs/sha256-" OTHER, "You are Mario.");
    put(".ollama/models/blobs/sha256-" THIRD,
        "{\"temperature\":0.3,\"top_k\":7,\"stop\":[\"User:\",\"\",\"###\"],\"num_ctx\":4096,"
        "\"num_predict\":-1,\"mirostat\":2,\"seed\":42}");
    put_layers("mario", "model " DIGEST " system " OTHER " params " THIRD " messages " OTHER
                        " template " OTHER " projector " OTHER);
    assert_int_equal(source_find("ollama:x:mario", &f, &err), 0);
    const model_defaults *m = f.defaults;
    assert_string_equal(m->system, "You are Mario.");
    assert_true(m->temperature == 0.3 && m->top_k == 7 && m->context == 4096 && m->seed == 42);
    assert_true(m->max_tokens == -1 && isnan(m->top_p));
    assert_int_equal(m->stop_count, 2);
    assert_string_equal(m->stops[1], "###");
    assert_string_equal(m->honoured.v, "SYSTEM, PARAMETER temperature, top_k, stop, num_ctx, seed");
    assert_string_equal(m->left_out.v, "MESSAGE, PARAMETER num_predict, mirostat");
    assert_true(m->own_template && m->projector);
    source_found_release(&f);

    static const char *const bad[] = {"", "[]", "{\"temperature\":\"hot\"}", "{\"stop\":3}",
                                      "{\"stop\":[3]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(".ollama/models/blobs/sha256-" THIRD, bad[i]);
        refuses("ollama:x:mario", "sha256-" THIRD);
    }
    put(".ollama/models/blobs/sha256-" OTHER, "\xff");
    refuses("ollama:x:mario", "no UTF-8 text");
    put_layers("lost", "model " DIGEST
                       " system 3333333333333333333333333333333333333333333333333333333333333333");
    refuses("ollama:x:lost", "sha256-3333");
    put_layers("lie", "model " DIGEST " system ../../../../etc/passwd");
    refuses("ollama:x:lie", "64 hex digits");
}

static void ollama_manifests_that_lie(void **state)
{
    (void)state;
    const char *base = "o/manifests/registry.ollama.ai/library/m/";
    const struct {
        const char *tag, *type, *digest, *words;
    } cases[] = {
        {"up", "model", "sha256:../../../../etc/passwd", "64 hex digits"},
        {"short", "model", "sha256:abc", "64 hex digits"},
        {"capital", "model",
         "sha256:ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "64 hex digits"},
        {"other", "tensor", "sha256:" DIGEST, "no layer holds a GGUF model"},
    };
    char path[4096], name[64];
    below_home(path, "o");
    setenv("OLLAMA_MODELS", path, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "%s%s", base, cases[i].tag);
        put_manifest(path, cases[i].type, cases[i].digest);
        snprintf(name, sizeof name, "ollama:m:%s", cases[i].tag);
        refuses(name, cases[i].words);
    }
    const char *const broken[] = {
        "",  "{", "[]", "{\"layers\":3}", "{\"layers\":[3]}", "{\"layers\":[{\"mediaType\":1}]}",
        "{}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put("o/manifests/registry.ollama.ai/library/m/broken", broken[i]);
        refuses("ollama:m:broken", "library/m/broken");
    }
    lists("");
}

static void hf_names(void **state)
{
    (void)state;
    const char *repo = ".cache/huggingface/hub/models--org--moe";
    char path[4096];
#define IN_REPO(below) (snprintf(path, sizeof path, "%s/%s", repo, below), path)
    put(IN_REPO("refs/main"), "abc123\n");
    put(IN_REPO("snapshots/abc123/tokenizer.json"), "{}");
    refuses("hf:org/moe", "no GGUF file, nor config.json with safetensors, in");
    put(IN_REPO("snapshots/abc123/config.json"), "{}");
    put(IN_REPO("snapshots/abc123/model-00001-of-00002.safetensors"), "123");
    put(IN_REPO("snapshots/abc123/model-00002-of-00002.safetensors"), "4567");
    gives("hf:org/moe", ".cache/huggingface/hub/models--org--moe/snapshots/abc123");
    put(IN_REPO("refs/main"), "../../elsewhere");
    refuses("hf:org/moe", "not the name of a snapshot");
    put(IN_REPO("refs/main"), "gone");
    refuses("hf:org/moe", "snapshots/gone");
#undef IN_REPO
    put(".cache/huggingface/hub/models--gpt2/snapshots/only/m.gguf", "123456");
    gives("hf:gpt2", ".cache/huggingface/hub/models--gpt2/snapshots/only/m.gguf");
    put(".cache/huggingface/hub/models--gpt2/snapshots/two/m.gguf", "123456");
    refuses("hf:gpt2", "2 snapshots to choose from");
    refuses_in_home("hf:org/none", "not in the Hugging Face cache");
    refuses("hf:org/..", "the form is hf:ORG/NAME");
    refuses("hf:", "the form is");
    refuses("hf:org/moe/", "the form is");
}

/* hf:ORG/NAME:QUANT, as llama.cpp and Ollama write it. */
static void hf_quantisations(void **state)
{
    (void)state;
    char path[4096];
#define HUB ".cache/huggingface/hub/models--org--m-GGUF/"
#define S   HUB "snapshots/abc/"
    put(HUB "refs/main", "abc");
    put(S "m-Q4_K_M.gguf", "1234");
    gives("hf:org/m-GGUF:Q4_K_M", S "m-Q4_K_M.gguf");
    put(S "m-Q4_K_S.gguf", "123");
    put(S "m-UD-Q4_K_M.gguf", "123");
    put(S "m-UD-Q2_K_XL.gguf", "123");
    put(S "m-BF16.gguf", "123");
    put(S "Q8_0/m-Q8_0-00001-of-00002.gguf", "123");
    put(S "Q8_0/m-Q8_0-00002-of-00002.gguf", "123");
    put(S "mmproj-F16.gguf", "123");
    gives("hf:org/m-GGUF:Q4_K_M", S "m-Q4_K_M.gguf");
    gives("hf:org/m-GGUF:q4_k_m", S "m-Q4_K_M.gguf");
    gives("hf:org/m-GGUF:UD-Q4_K_M", S "m-UD-Q4_K_M.gguf");
    gives("hf:org/m-GGUF:Q2_K_XL", S "m-UD-Q2_K_XL.gguf");
    gives("hf:org/m-GGUF:Q8_0", S "Q8_0/m-Q8_0-00001-of-00002.gguf");
    gives("hf:org/m-GGUF:m-BF16.gguf", S "m-BF16.gguf");
    gives("org/m-GGUF:Q8_0", S "Q8_0/m-Q8_0-00001-of-00002.gguf");
    gives("hf.co/org/m-GGUF:Q8_0", S "Q8_0/m-Q8_0-00001-of-00002.gguf");
    refuses("hf:org/m-GGUF:F16", "no F16 among the files that were downloaded: Q8_0/m-Q8_0-00001");
    refuses("hf:org/m-GGUF:Q4_K", "m-Q4_K_M.gguf, m-Q4_K_S.gguf");
    refuses("hf:org/m-GGUF", "holds 6 models; add /FILE with one of");
    put(S "x-Q4_K_S.gguf", "123");
    refuses("hf:org/m-GGUF:Q4_K_S", "2 files are Q4_K_S: m-Q4_K_S.gguf, x-Q4_K_S.gguf");
    refuses("hf:org/other:Q4_K_M", "not in the Hugging Face cache");
    refuses("org/other:Q4_K_M", "nor a model of that name");
    put(".cache/huggingface/hub/models--org--safe/snapshots/s/config.json", "{}");
    put(".cache/huggingface/hub/models--org--safe/snapshots/s/model.safetensors", "123");
    refuses("hf:org/safe:Q4_K_M", "the folder itself (safetensors)");
    gives("org/safe", ".cache/huggingface/hub/models--org--safe/snapshots/s");
    put(".cache/huggingface/hub/models--org--half/blobs/aa.incomplete", "123");
    put(".cache/huggingface/hub/models--org--half/refs/main", "s");
    put(".cache/huggingface/hub/models--org--half/snapshots/s/README.md", "123");
    refuses("hf:org/half", "its download has not finished");
    refuses("org/half:Q4_K_M", "aa.incomplete");
    /* the folders of the cache as paths */
    put(".cache/huggingface/hub/models--org--safe/blobs/x", "1");
    below_home(path, ".cache/huggingface/hub/models--org--safe");
    gives(path, ".cache/huggingface/hub/models--org--safe/snapshots/s");
    below_home(path, ".cache/huggingface/hub/models--org--safe/snapshots");
    gives(path, ".cache/huggingface/hub/models--org--safe/snapshots/s");
#undef S
#undef HUB
}

static void folders(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words;
    } cases[] = {{"adapter_config.json", "holds a LoRA adapter"},
                 {"x.gguf.part", "its download has not finished: x.gguf.part"},
                 {"model.safetensors.incomplete", "has not finished"},
                 {"pytorch_model.bin", "PyTorch checkpoint (pytorch_model.bin)"},
                 {"consolidated.00.pth", "PyTorch checkpoint"},
                 {"model.onnx", "of another kind (model.onnx)"},
                 {"model.safetensors", "safetensors but no config.json"},
                 {"config.json", "config.json but no weights"},
                 {"tokenizer.json", "a tokenizer, but neither config.json nor weights"},
                 {"README.md", "neither a GGUF file nor config.json with safetensors"}};
    char path[4096], file[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(file, sizeof file, "f%zu/%s", i, cases[i].file);
        put(file, "{}");
        snprintf(file, sizeof file, "f%zu", i);
        below_home(path, file);
        refuses(path, cases[i].words);
    }
    put("e/x", "");
    below_home(path, "e/x");
    assert_int_equal(remove(path), 0);
    below_home(path, "e");
    refuses(path, "it is empty");
    put("s/config.json", "{}");
    put("s/model-00001-of-00002.safetensors", "1");
    put("s/extra.gguf", "1");
    below_home(path, "s");
    gives(path, "s");
    below_home(path, "s/model-00001-of-00002.safetensors");
    gives(path, "s");
    below_home(path, "s/config.json");
    gives(path, "s");
    put("g/a-Q4_K_M.gguf", "1");
    put("g/mmproj-a.gguf", "1");
    put("g/config.json", "{}");
    below_home(path, "g");
    gives(path, "g/a-Q4_K_M.gguf");
    put("g/b.gguf", "1");
    refuses(path, "holds 2 models; name one of them: a-Q4_K_M.gguf, b.gguf");
}

static void names_of_no_file(void **state)
{
    (void)state;
    char path[4096], link[4096];
    refuses("https://huggingface.co/org/name", "is a link, and nothing is downloaded");
    refuses("hf.co/org/name", "is a link, and nothing is downloaded");
    refuses("https://huggingface.co/o/n/resolve/main/x.gguf", "hf:ORG/NAME, or ollama:NAME");
    refuses("file:///tmp/x.gguf", "takes a path, not a link: /tmp/x.gguf");
    put("d/x.gguf.part", "1");
    below_home(path, "d/x.gguf");
    refuses(path, "its download has not finished");
    below_home(link, "d/link.gguf");
    assert_int_equal(symlink("../blobs/gone", link), 0);
    refuses(link, "is a link to ../blobs/gone, which is not there");
}

static void hf_places(void **state)
{
    (void)state;
    char path[4096];
    const char *const below[] = {"x/huggingface/hub", "h/hub", "c"};
    const char *const names[] = {"XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"};
    const char *const values[] = {"x", "h", "c"};
    for (size_t i = 0; i < 3; i++) { /* each comes before the ones before it */
        snprintf(path, sizeof path, "%s/models--o--m/snapshots/s/m.gguf", below[i]);
        put(path, "1");
        char value[4096];
        below_home(value, values[i]);
        setenv(names[i], value, 1);
        gives("hf:o/m", path);
    }
    setenv("HF_HUB_CACHE", "", 1); /* empty is unset */
    gives("hf:o/m", "h/hub/models--o--m/snapshots/s/m.gguf");
}

static void one_of_several_files(void **state)
{
    (void)state;
    put(".lmstudio/models/pub/moe-GGUF/moe-Q4.gguf", "1234");
    gives("lmstudio:pub/moe-GGUF", ".lmstudio/models/pub/moe-GGUF/moe-Q4.gguf");
    put(".lmstudio/models/pub/moe-GGUF/mmproj-model-f16.gguf", "1");
    gives("lmstudio:pub/moe-GGUF", ".lmstudio/models/pub/moe-GGUF/moe-Q4.gguf");
    put(".lmstudio/models/pub/moe-GGUF/moe-Q8.gguf", "12345678");
    put(".lmstudio/models/pub/moe-GGUF/BF16/moe-00001-of-00003.gguf", "1");
    put(".lmstudio/models/pub/moe-GGUF/BF16/moe-00002-of-00003.gguf", "12");
    put(".lmstudio/models/pub/moe-GGUF/BF16/moe-00003-of-00003.gguf", "123");
    put(".lmstudio/models/pub/moe-GGUF/x/y/too-deep.gguf", "123");
    put(".cache/lm-studio/models/pub/moe-GGUF/old.gguf", "1");
    put(".cache/lm-studio/models/old/one/a b.gguf", "1");
    refuses("lmstudio:pub/moe-GGUF", "BF16/moe-00001-of-00003.gguf, moe-Q4.gguf, moe-Q8.gguf");
    refuses("lmstudio:pub/moe-GGUF/no.gguf", "no no.gguf in");
    gives("lmstudio:pub/moe-GGUF/moe-Q8.gguf", ".lmstudio/models/pub/moe-GGUF/moe-Q8.gguf");
    gives("lmstudio:pub/moe-GGUF/BF16/moe-00001-of-00003.gguf",
          ".lmstudio/models/pub/moe-GGUF/BF16/moe-00001-of-00003.gguf");
    refuses("lmstudio:pub", "the form is lmstudio:PUBLISHER/NAME");
    refuses("lmstudio:no/thing", "not in LM Studio's folder (looked in");

    /* bare names */
    gives("moe-Q8", ".lmstudio/models/pub/moe-GGUF/moe-Q8.gguf");
    gives("moe-Q8.gguf", ".lmstudio/models/pub/moe-GGUF/moe-Q8.gguf");
    gives("one", ".cache/lm-studio/models/old/one/a b.gguf");
    gives("old/one", ".cache/lm-studio/models/old/one/a b.gguf");
    refuses("moe-GGUF", "could be any of lmstudio:pub/moe-GGUF/BF16/");
    refuses("moe", "no such file or folder");
}

static void everything_is_listed(void **state)
{
    (void)state;
    char path[4096];
    lists("");
    put("o/blobs/sha256-" DIGEST, "12345");
    put_manifest("o/manifests/registry.ollama.ai/library/qwen3/latest", "model", "sha256:" DIGEST);
    put_manifest("o/manifests/registry.ollama.ai/jo/own/8b", "model", "sha256:" DIGEST);
    put_manifest("o/manifests/hf.co/org/repo/Q4_K_M", "model", "sha256:" DIGEST);
    put("o/manifests/registry.ollama.ai/library/broken/latest", "{");
    put("o/manifests/registry.ollama.ai/library/evil\x1b[2J/latest", "{");
    put_manifest("o/manifests/registry.ollama.ai/library/evil\x1b[2J/t", "model", "sha256:" DIGEST);
    below_home(path, "o");
    setenv("OLLAMA_MODELS", path, 1);
    const char *repo = ".cache/huggingface/hub/models--org--moe";
    snprintf(path, sizeof path, "%s/snapshots/s/config.json", repo);
    put(path, "{}");
    snprintf(path, sizeof path, "%s/snapshots/s/model.safetensors", repo);
    put(path, "1234567");
    put(".cache/huggingface/hub/datasets--org--d/snapshots/s/m.gguf", "1");
    put(".cache/huggingface/hub/models--org--empty/snapshots/s/README.md", "1");
    put(".lmstudio/models/pub/one/m.gguf", "1");
    put(".cache/lm-studio/models/pub/one/other.gguf", "333"); /* hidden by the newer place */
    put(".lmstudio/models/pub/two/a-00001-of-00002.gguf", "22");
    put(".lmstudio/models/pub/two/a-00002-of-00002.gguf", "22");
    put(".lmstudio/models/pub/two/b.gguf", "1");
    put(".lmstudio/models/pub/two/mmproj-b.gguf", "1");
    put(".lmstudio/models/pub/two/empty.gguf", "");
    lists("hf:org/moe 7\n"
          "lmstudio:pub/one 1\n"
          "lmstudio:pub/two/a-00001-of-00002.gguf 4\n"
          "lmstudio:pub/two/b.gguf 1\n"
          "ollama:hf.co/org/repo:Q4_K_M 5\n"
          "ollama:jo/own:8b 5\n"
          "ollama:qwen3:latest 5\n");
}

static void without_a_home(void **state)
{
    (void)state;
    char *keep = strdup(home());
    unsetenv("HOME");
    refuses("hf:a/b", "HOME is not set");
    refuses("lmstudio:a/b", "HOME is not set");
    refuses("nothing-of-that-name", "no such file or folder");
    setenv("HOME", keep, 1);
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define HOMED(f) cmocka_unit_test_setup_teardown(f, make_home, remove_home)
        HOMED(paths_are_themselves),
        HOMED(ollama_names),
        HOMED(ollama_manifests_that_lie),
        HOMED(ollama_layers),
        HOMED(hf_names),
        HOMED(hf_quantisations),
        HOMED(folders),
        HOMED(names_of_no_file),
        HOMED(hf_places),
        HOMED(one_of_several_files),
        HOMED(everything_is_listed),
        HOMED(without_a_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
