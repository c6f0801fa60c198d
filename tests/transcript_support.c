/* transcript_support.c - see transcript_support.h. */
#include "transcript_support.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/base/folder.h"
#include "../transcripts/records.h"
#include "scratch.h"

char *transcripts_folder(void)
{
    char *path = malloc(SCRATCH);
    assert_non_null(path);
    scratch_folder(path, "transcripts");
    return path;
}

void transcripts_remove(char *place)
{
    DIR *d = opendir(place);
    for (const struct dirent *at; d && (at = readdir(d));)
        (void)unlinkat(dirfd(d), at->d_name, 0);
    if (d)
        closedir(d);
    assert_int_equal(rmdir(place), 0);
    free(place);
}

const transcript_model *transcripts_model(void)
{
    static const transcript_model model = {
        "/models/tiny.gguf", NULL, "qwen3moe", "0123abcd", 2, 8, 2};
    return &model;
}

const char *transcripts_text(char out[64], const char *what, int turn)
{
    (void)snprintf(out, 64, "%s of turn %d: \xd1\x91\xe2\x80\xa8\"\\\n\x1b[0m.", what, turn);
    return out;
}

int transcripts_turn(transcript *t, int turn, int parent, error *err)
{
    char text[64];
    json_writer *e = transcript_begin(t, "prompt", turn, parent);
    records_text(e, "text", transcripts_text(text, "prompt", turn),
                 strlen(transcripts_text(text, "prompt", turn)));
    json_put_text(e, "context", "own");
    int n = transcript_last(t);
    int failed = transcript_end(t, err) < 0;
    e = transcript_begin(t, "answer", turn, n);
    json_put_text(e, "persona", "coder");
    (void)transcripts_text(text, "answer", turn);
    records_text(e, "text", text, strlen(text));
    json_begin_array(e, "tokens");
    for (int i = 0; i < turn; i++)
        json_put_int(e, NULL, i);
    json_end(e);
    n = transcript_end(t, err);
    return failed ? -1 : n;
}

void transcripts_check(const history *h, int turns)
{
    assert_int_equal(h->turn_count, turns);
    transcripts_check_first(h, turns);
}

void transcripts_check_first(const history *h, int turns)
{
    char text[64];
    assert_true(h->turn_count >= turns);
    for (int i = 0; i < turns; i++) {
        const struct turn *t = &h->turns[i];
        assert_int_equal(t->number, i + 1);
        assert_int_equal(t->parent, i);
        assert_string_equal(t->prompt.v, transcripts_text(text, "prompt", i + 1));
        assert_int_equal(t->answer_count, 1);
        assert_string_equal(t->answers[0].text.v, transcripts_text(text, "answer", i + 1));
        assert_int_equal(t->answers[0].ids.len, i + 1);
    }
}

char *transcripts_path(const char *place, const char *name)
{
    char *path = string_format(NULL, "%s/%s", place, name);
    assert_non_null(path);
    return path;
}

char *transcripts_read(const char *path, size_t *n)
{
    buf b = {0};
    char chunk[4096];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, f)) > 0;)
        assert_int_equal(buf_add(&b, chunk, got, NULL), 0);
    (void)fclose(f);
    assert_int_equal(buf_add(&b, "", 0, NULL), 0);
    *n = b.len;
    return b.v ? buf_detach(&b) : calloc(1, 1);
}

void transcripts_write(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}
