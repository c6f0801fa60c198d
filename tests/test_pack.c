/* test_pack.c - a persona becomes one file and comes back; an installation is whole or nothing.
 *
 * test_pack.py has the commands and the malformed archives.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/atomic_file.h"
#include "../engine/base/file_set.h"
#include "../engine/base/folder.h"
#include "../engine/base/mapped_file.h"
#include "../engine/base/zip.h"
#include "../personas/pack/pack.h"
#include "adapter_support.h"
#include "scratch.h"
#include "wrap_calls.h"

/* ---- a persona --------------------------------------------------------------------------------- */

#define FP "0123456789abcdef"

/* A folder of its own, with personas/ in it as the user's own one; the working folder of the test. */
static void make_folder(char path[SCRATCH])
{
    scratch_folder(path, "pack");
    assert_int_equal(setenv("XDG_CONFIG_HOME", path, 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", path, 1), 0);
}

static void remove_folder(const char *path)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
}

static void put(const char *place, const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    assert_int_equal(atomic_file_put(path, text, strlen(text), NULL), 0);
}

/* A persona that names files by any name, and has a mask. */
static persona *make_persona(const char *place)
{
    char path[160];
    error err = {0};
    put(place, "nurse.json",
        "{\"persona\": 1, \"name\": \"nurse\", \"about\": \"caf\\u00e9\",\n"
        " \"lessons\": {\"en\": \"night.jsonl\", \"ru\": \"nurse.ru.jsonl\"},\n"
        " \"experts\": \"big.safetensors\", \"sampling\": {\"top_p\": 0.5}}");
    put(place, "night.jsonl", "{\"question\":\"Q\",\"answer\":\"A\"}\n# more\n");
    put(place, "nurse.ru.jsonl", "{\"question\":\"Q\",\"answer\":\"A\"}\n");
    put(place, "nurse." FP ".mask.json",
        "{\"mask\":1,\"model\":null,\"mode\":\"ban\",\"layers\":{\"0\":\"1\"}}");
    put(place, "nurse.old." FP ".mask.json", "no mask of this persona");
    put(place, "nurses." FP ".mask.json", "nor this");
    (void)snprintf(path, sizeof path, "%s/big.safetensors", place);
    adapter_support_write(&(adapter_plan){path, 3, 2, 8}, 1);
    (void)snprintf(path, sizeof path, "%s/nurse.json", place);
    persona *p = persona_load(path, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static pack *collect(const char *place)
{
    error err = {0};
    persona *p = make_persona(place);
    pack *k = pack_collect(p, &err);
    if (!k)
        fail_msg("%s", err.text);
    persona_close(p);
    return k;
}

static const pack_file *file_of(const pack *k, const char *name)
{
    for (size_t i = 0; i < k->len; i++)
        if (strcmp(k->files[i].name, name) == 0)
            return &k->files[i];
    fail_msg("no %s in the pack", name);
    return NULL;
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void everything_is_packed_under_its_name(void **state)
{
    (void)state;
    char place[SCRATCH];
    make_folder(place);
    pack *k = collect(place);
    assert_int_equal(k->len, 5);
    assert_string_equal(k->files[0].name, "nurse.json");
    assert_int_equal(k->files[0].kind, PACK_PERSONA);
    assert_int_equal(file_of(k, "nurse.night.jsonl")->kind, PACK_LESSONS);
    assert_int_equal(file_of(k, "nurse.night.jsonl")->lessons, 1);
    assert_int_equal(file_of(k, "nurse.ru.jsonl")->kind, PACK_LESSONS);
    assert_int_equal(file_of(k, "nurse.big.safetensors")->kind, PACK_ADAPTER);
    const pack_file *m = file_of(k, "nurse." FP ".mask.json");
    assert_int_equal(m->kind, PACK_MASK);
    assert_string_equal(m->model, FP);
    assert_string_equal(
        k->files[0].bytes,
        "{\n  \"persona\": 1,\n  \"name\": \"nurse\",\n  \"about\": \"caf\xc3\xa9\",\n"
        "  \"lessons\": {\"en\":\"nurse.night.jsonl\",\"ru\":\"nurse.ru.jsonl\"},\n"
        "  \"experts\": \"nurse.big.safetensors\",\n"
        "  \"sampling\": {\"top_p\":0.5}\n}\n");
    pack_close(k);
    remove_folder(place);
}

static void a_pack_is_the_same_bytes_again(void **state)
{
    (void)state;
    char place[SCRATCH];
    buf one = {0}, two = {0};
    error err = {0};
    make_folder(place);
    pack *k = collect(place);
    assert_int_equal(pack_write(k, &one, &err), 0);
    pack *again = pack_read("there.zip", one.v, one.len, &err);
    if (!again)
        fail_msg("%s", err.text);
    assert_string_equal(again->name, "nurse");
    assert_int_equal(again->len, k->len);
    for (size_t i = 0; i < k->len; i++) {
        assert_string_equal(again->files[i].name, k->files[i].name);
        assert_int_equal(again->files[i].len, k->files[i].len);
        assert_memory_equal(again->files[i].bytes, k->files[i].bytes, k->files[i].len);
        assert_int_equal(again->files[i].kind, k->files[i].kind);
    }
    assert_int_equal(pack_write(again, &two, &err), 0);
    assert_int_equal(two.len, one.len);
    assert_memory_equal(two.v, one.v, one.len);
    /* Also under another name and back. */
    assert_int_equal(pack_rename(again, "matron", &err), 0);
    assert_int_equal(file_of(again, "matron." FP ".mask.json")->kind, PACK_MASK);
    assert_int_equal(pack_rename(again, "a/b", &err), -1);
    assert_int_equal(pack_rename(again, "nurse", &err), 0);
    buf_clear(&two);
    assert_int_equal(pack_write(again, &two, &err), 0);
    assert_memory_equal(two.v, one.v, one.len);
    pack_close(again);
    pack_close(k);
    buf_release(&one);
    buf_release(&two);
    remove_folder(place);
}

/* Refused, or the same persona, for each byte that changed and each length: digests see to it. */
static void damaged_packs_are_refused(void **state)
{
    (void)state;
    char place[SCRATCH];
    buf b = {0};
    make_folder(place);
    put(place, "x.json", "{\"persona\":1,\"name\":\"x\"}");
    char path[160];
    (void)snprintf(path, sizeof path, "%s/x.json", place);
    persona *p = persona_load(path, NULL);
    assert_non_null(p);
    pack *k = pack_collect(p, NULL);
    assert_non_null(k);
    assert_int_equal(pack_write(k, &b, NULL), 0);
    size_t directory = b.len - 22 - (46 + 6) - (46 + 8), same = 0;
    for (size_t i = 0; i < b.len; i++) {
        error err = {0};
        b.v[i] = (char)~b.v[i];
        pack *again = pack_read("p", b.v, b.len, &err);
        if (again)
            same += strcmp(again->files[0].bytes, k->files[0].bytes) == 0;
        else
            assert_int_equal(err.code, ERROR_LOAD);
        if (again && i < directory && i > 60)
            assert_true(strcmp(again->files[0].bytes, k->files[0].bytes) == 0);
        b.v[i] = (char)~b.v[i];
        pack_close(again);
    }
    assert_true(same < b.len / 2); /* dates, versions and attributes say nothing */
    for (size_t n = 0; n < b.len; n++) {
        error err = {0};
        assert_null(pack_read("p", b.v, n, &err));
        assert_int_equal(err.code, ERROR_LOAD);
    }
    pack_close(k);
    persona_close(p);
    buf_release(&b);
    remove_folder(place);
}

/* ---- installing -------------------------------------------------------------------------------- */

static size_t files_in(const char *place)
{
    folder f = {0};
    assert_int_equal(folder_read(place, &f, NULL), 0);
    size_t n = f.len;
    folder_release(&f);
    return n;
}

static bool holds(const char *place, const pack_file *f)
{
    char path[200], *text = NULL;
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", place, f->name);
    bool same = file_read_all(path, 1 << 20, &text, &n, NULL) == 0 && n == f->len &&
                memcmp(text, f->bytes, n) == 0;
    free(text);
    return same;
}

static void an_installation_is_whole(void **state)
{
    (void)state;
    char from[SCRATCH], to[SCRATCH];
    error err = {0};
    make_folder(from);
    make_folder(to);
    pack *k = collect(from);
    assert_int_equal(pack_install(k, to, false, &err), 0);
    assert_int_equal(files_in(to), k->len);
    for (size_t i = 0; i < k->len; i++)
        assert_true(holds(to, &k->files[i]));
    assert_int_equal(pack_install(k, to, false, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "nurse.json is there already"));
    assert_int_equal(pack_install(k, to, true, &err), 0);
    assert_int_equal(files_in(to), k->len);
    pack_close(k);
    remove_folder(from);
    remove_folder(to);
}

/* Before: "old" in each file, or no file. */
static void prepare(const pack *k, const char *to, bool over)
{
    char command[256];
    (void)snprintf(command, sizeof command, "rm -f %s/* %s/.chang*", to, to);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < k->len && over; i++)
        put(to, k->files[i].name, "old");
}

static bool is_there(const char *place, const char *name)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    return access(path, F_OK) == 0;
}

static bool pack_holds(const pack *k, const char *name)
{
    for (size_t i = 0; i < k->len; i++)
        if (strcmp(k->files[i].name, name) == 0)
            return true;
    return false;
}

/* How many files are there besides the pack's, and the new ones that had no turn. */
static size_t others_in(const pack *k, const char *to)
{
    folder f = {0};
    size_t n = 0;
    assert_int_equal(folder_read(to, &f, NULL), 0);
    for (size_t i = 0; i < f.len; i++)
        n += !pack_holds(k, f.v[i]) && !strstr(f.v[i], ".new") &&
             strcmp(f.v[i], ".changing.part") != 0;
    folder_release(&f);
    return n;
}

/* Every file is as before. */
static bool is_as_before(const pack *k, const char *to, bool over)
{
    bool same = true;
    for (size_t i = 0; i < k->len && over; i++) {
        char path[200], *text = NULL;
        size_t n = 0;
        (void)snprintf(path, sizeof path, "%s/%s", to, k->files[i].name);
        same =
            same && file_read_all(path, 1 << 20, &text, &n, NULL) == 0 && strcmp(text, "old") == 0;
        free(text);
    }
    for (size_t i = 0; i < k->len && !over; i++)
        same = same && !is_there(to, k->files[i].name);
    return same && others_in(k, to) == 0;
}

static bool is_new(const pack *k, const char *to)
{
    bool same = others_in(k, to) == 0;
    for (size_t i = 0; i < k->len && same; i++)
        same = holds(to, &k->files[i]);
    return same;
}

/* What was there is there again after a call failed, whichever; nothing new is. Returns how often. */
static long fail_each_call(const pack *k, const char *to, bool over)
{
    long refused = 0;
    for (long at = 1;; at++) {
        error err = {0};
        prepare(k, to, over);
        disk.left = at;
        int result = pack_install(k, to, over, &err);
        bool failed = disk.left == 0;
        disk.left = 0;
        if (result)
            assert_int_equal(err.code, ERROR_RUN);
        /* a lock, or the flush of a folder's name, that is not to be had is forgiven */
        assert_true(result ? is_as_before(k, to, over) : is_new(k, to));
        refused += result != 0;
        if (!failed)
            return result ? -1 : refused;
    }
}

static void a_failed_installation_leaves_what_was_there(void **state)
{
    (void)state;
    char from[SCRATCH], to[SCRATCH];
    make_folder(from);
    make_folder(to);
    pack *k = collect(from);
    for (int way = 0; way < 3; way++) {
        disk.no_links = way == 2;
        assert_true(fail_each_call(k, to, way > 0) > 3);
        disk.no_links = false;
    }
    pack_close(k);
    remove_folder(from);
    remove_folder(to);
}

/* The status of a process that installs, and ends at the at-th call. */
static int install_until(const pack *k, const char *to, bool over, long at)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        disk.kills = true;
        disk.left = at;
        _exit(pack_install(k, to, over, NULL) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Ends a process at each call in turn: settled, the folder has all of the pack or all that was there, and
 * never goes back behind what was new once. */
static void kill_at_each_call(const pack *k, const char *to, bool over)
{
    long olds = 0, news = 0;
    for (long at = 1;; at++) {
        prepare(k, to, over);
        int status = install_until(k, to, over, at);
        file_set_settle(to);
        bool old = is_as_before(k, to, over), new = is_new(k, to);
        olds += old;
        news += new;
        assert_true(old != new &&new == (news > 0));
        if (status == 0)
            break;
        assert_int_equal(status, KILLED);
    }
    assert_true(olds > 3 && news > 1);
}

static void a_killed_installation_is_all_or_nothing(void **state)
{
    (void)state;
    char from[SCRATCH], to[SCRATCH];
    make_folder(from);
    make_folder(to);
    pack *k = collect(from);
    for (int way = 0; way < 3; way++) {
        disk.no_links = way == 2;
        kill_at_each_call(k, to, way > 0);
        disk.no_links = false;
    }
    pack_close(k);
    remove_folder(from);
    remove_folder(to);
}

/* ---- sets of files ------------------------------------------------------------------------------ */

static void a_journal_of_a_stranger_does_no_harm(void **state)
{
    (void)state;
    static const char *const journals[] = {
        "", "=", "=\n", "\n\n", "=../out\n", "=/etc/passwd\n", "+..\n", "=a", "+b\n=", "?a\n=b\n",
    };
    char place[SCRATCH];
    make_folder(place);
    for (size_t i = 0; i < sizeof journals / sizeof *journals; i++) {
        put(place, "a", "1");
        put(place, "b.before", "2");
        put(place, ".changing", journals[i]);
        file_set_settle(place);
        assert_false(is_there(place, ".changing"));
        assert_int_equal(is_there(place, "b"), i == 9); /* the one that names it */
        assert_true(is_there(place, "a"));
        (void)unlink("b");
    }
    remove_folder(place);
}

static void a_set_waits_for_another(void **state)
{
    (void)state;
    char place[SCRATCH];
    error err = {0};
    make_folder(place);
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_null(file_set_open(place, &err));
    assert_non_null(strstr(err.text, "another process"));
    (void)close(fd);
    file_set *s = file_set_open(place, &err);
    assert_non_null(s);
    put(place, "gone", "1");
    assert_int_equal(file_set_put(s, "new", "2", 1, &err), 0);
    assert_int_equal(file_set_remove(s, "gone", &err), 0);
    assert_int_equal(file_set_remove(s, "never", &err), 0);
    assert_int_equal(file_set_commit(s, &err), 0);
    file_set_close(s);
    assert_true(is_there(place, "new") && !is_there(place, "gone"));
    assert_int_equal(files_in(place), 1);
    s = file_set_open(place, &err);
    assert_int_equal(file_set_put(s, "other", "2", 1, &err), 0);
    file_set_close(s);
    assert_int_equal(files_in(place), 1);
    remove_folder(place);
}

/* ---- zip --------------------------------------------------------------------------------------- */

static void archives_are_read_member_by_member(void **state)
{
    (void)state;
    zip_writer w = {0};
    zip_archive z = {0};
    error err = {0};
    char out[8];
    assert_int_equal(zip_put(&w, "a", "hello", 5, &err), 0);
    assert_int_equal(zip_put(&w, "b/\xc3\xa9", "", 0, &err), 0);
    assert_int_equal(zip_finish(&w, &err), 0);
    assert_int_equal(zip_open(&z, "z", (const uint8_t *)w.out.v, w.out.len, &err), 0);
    assert_int_equal(z.len, 2);
    assert_int_equal(z.v[0].size, 5);
    assert_false(z.v[0].special || z.v[1].special);
    assert_int_equal(z.v[1].name_len, 4);
    assert_int_equal(zip_read(&z, &z.v[0], out, &err), 0);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(zip_read(&z, &z.v[1], out, &err), 0);
    w.out.v[31] ^= 1; /* a byte of the content: the checksum tells */
    assert_int_equal(zip_read(&z, &z.v[0], out, &err), -1);
    assert_non_null(strstr(err.text, "checksum"));
    w.out.v[31] ^= 1;
    w.out.v[30] ^= 1; /* of the local name */
    assert_int_equal(zip_read(&z, &z.v[0], out, &err), -1);
    assert_non_null(strstr(err.text, "another name"));
    zip_close(&z);
    zip_writer_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_packed_under_its_name),
        cmocka_unit_test(a_pack_is_the_same_bytes_again),
        cmocka_unit_test(damaged_packs_are_refused),
        cmocka_unit_test(an_installation_is_whole),
        cmocka_unit_test(a_failed_installation_leaves_what_was_there),
        cmocka_unit_test(a_killed_installation_is_all_or_nothing),
        cmocka_unit_test(a_journal_of_a_stranger_does_no_harm),
        cmocka_unit_test(a_set_waits_for_another),
        cmocka_unit_test(archives_are_read_member_by_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
