/* fuzz_lessons.c - any bytes as a file of lessons: what is read is text; of a file with faults nothing
 * is left. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/utf8.h"
#include "../personas/lessons/lessons.h"
#include "fuzz_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    if (!text || !utf8_check(text, strlen(text), NULL))
        abort();
}

/* At most so many lines, and none when all is well. */
static void check_faults(const lessons *all, bool read)
{
    size_t lines = 0, most = LESSONS_FAULTS + 1;
    for (size_t i = 0; i < all->faults.len; i++)
        lines += all->faults.v[i] == '\n';
    if (lines > most || lines > all->fault_count || (read && (lines || all->fault_count)))
        abort();
    if (!read && all->len)
        abort();
}

/* What was read, written again, is a lesson with the same texts. */
static void check_written(const lesson *l)
{
    buf line = {0};
    lessons again = {0};
    if (lessons_write(l->question, strlen(l->question), l->answer, strlen(l->answer), &line,
                      NULL) == 0 &&
        (lessons_read("again", line.v, line.len, &again, NULL) || again.len != 1 ||
         strcmp(again.v[0].question, l->question) != 0 ||
         strcmp(again.v[0].answer, l->answer) != 0))
        abort();
    lessons_release(&again);
    buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lessons all = {0};
    error err = {0};
    bool read = lessons_read("lessons", (const char *)data, size, &all, &err) == 0;
    if (!read && !err.text[0])
        abort();
    check_faults(&all, read);
    if (all.len > LESSONS_MOST)
        abort();
    for (size_t i = 0; i < all.len; i++) {
        check_text(all.v[i].id);
        check_text(all.v[i].form);
        check_text(all.v[i].topic);
        check_text(all.v[i].question);
        check_text(all.v[i].answer);
        if (all.v[i].before_count > LESSON_TURNS)
            abort();
        for (size_t k = 0; k < all.v[i].before_count; k++)
            if (!all.v[i].before[k].text)
                abort();
        check_written(&all.v[i]);
    }
    lessons_release(&all);
    return 0;
}
