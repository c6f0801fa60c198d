/* test_mask_save.c - a derived mask is whole, whichever call to the disk fails or is the last of the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/mapped_file.h"
#include "../personas/derive/derive.h"
#include "scratch.h"
#include "wrap_calls.h"

/* ---- masks ------------------------------------------------------------------------------------- */

static char OLD[] = "{\"mask\":1}\n", NEW[] = "{\"mask\":1,\"mode\":\"ban\"}\n";

typedef struct place {
    char folder[SCRATCH], path[128], part[160];
} place;

static void make_place(place *p)
{
    scratch_folder(p->folder, "mask-save");
    (void)snprintf(p->path, sizeof p->path, "%s/a.mask.json", p->folder);
    (void)snprintf(p->part, sizeof p->part, "%s.part", p->path);
}

static int save(const place *p, char *text, error *err)
{
    return derive_save(p->path, &(buf){.v = text, .len = strlen(text)}, err);
}

/* NEW, OLD, or fails. Only its owner may read either. */
static const char *found(const place *p)
{
    char *text = NULL;
    size_t n = 0;
    struct stat st;
    assert_int_equal(file_read_all(p->path, 1024, &text, &n, NULL), 0);
    const char *which = strcmp(text, NEW) == 0 ? NEW : strcmp(text, OLD) == 0 ? OLD : NULL;
    free(text);
    assert_non_null(which);
    assert_true(stat(p->path, &st) == 0 && (st.st_mode & 0777) == 0600);
    return which;
}

static void a_call_that_fails_leaves_the_old_mask(void **state)
{
    place p;
    long refused = 0;
    make_place(&p);
    for (long at = 1;; at++) {
        error err = {0};
        assert_int_equal(save(&p, OLD, NULL), 0);
        disk.left = at;
        int result = save(&p, NEW, &err);
        bool failed = disk.left == 0;
        disk.left = 0;
        if (result) {
            assert_int_equal(err.code, ERROR_RUN);
            assert_non_null(strstr(err.text, "cannot write "));
            assert_non_null(strstr(err.text, p.folder));
            assert_int_equal(access(p.part, F_OK), -1);
        }
        assert_ptr_equal(found(&p), result ? OLD : NEW);
        refused += result != 0;
        if (!failed)
            break;
    }
    assert_true(refused >= 4); /* open, write, fsync, rename; a folder's flush is forgiven */
    assert_true(unlink(p.path) == 0 && rmdir(p.folder) == 0);
    (void)state;
}

static void a_killed_process_leaves_one_of_both(void **state)
{
    place p;
    long killed = 0;
    make_place(&p);
    for (int status = KILLED; status != 0;) {
        assert_int_equal(save(&p, OLD, NULL), 0); /* takes over what the last one left */
        assert_int_equal(access(p.part, F_OK), -1);
        pid_t child = fork();
        if (child == 0) {
            disk.kills = true;
            disk.left = killed + 1;
            _exit(save(&p, NEW, NULL) ? 1 : 0);
        }
        assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
        status = WEXITSTATUS(status);
        assert_true(status == 0 || status == KILLED);
        if (found(&p) == OLD)
            assert_int_equal(status, KILLED);
        killed += status == KILLED;
    }
    assert_true(killed >= 4);
    assert_true(unlink(p.path) == 0 && rmdir(p.folder) == 0);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_leaves_the_old_mask),
        cmocka_unit_test(a_killed_process_leaves_one_of_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
