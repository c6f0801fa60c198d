/* test_sources.c - names of models against trees as Ollama, Hugging Face's libraries and LM Studio
 * leave them, built in a temporary folder that HOME and the other variables point to. */
#include <ftw.h>
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

#include "../engine/sources.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- a home for each test ------------------------------------------------------------------ */

static const char *home(void)
{
    return getenv("HOME");
}

static int make_home(void **state)
{
    char *dir = strdup("/tmp/consilium-sources-XXXXXX");
    if (!dir || !mkdtemp(dir))
        return -1;
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
    gives(path, "models");
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
    refuses("ollama:qwen3:4b", "not in Ollama's models (looked in /tmp/consilium-sources-");
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
    refuses("hf:org/none", "not in the Hugging Face cache (looked in /tmp/consilium-sources-");
    refuses("hf:org/..", "the form is hf:ORG/NAME");
    refuses("hf:", "the form is");
    refuses("hf:org/moe/", "the form is");
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
        HOMED(hf_names),
        HOMED(hf_places),
        HOMED(one_of_several_files),
        HOMED(everything_is_listed),
        HOMED(without_a_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
