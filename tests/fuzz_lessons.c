/* fuzz_lessons.c - any bytes as a file of lessons: what is read is text, and each id is there once. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lessons all = {0};
    error err = {0};
    if (lessons_read("lessons", (const char *)data, size, &all, &err) && !err.text[0])
        abort();
    if (all.len > LESSONS_MOST)
        abort();
    for (size_t i = 0; i < all.len; i++) {
        check_text(all.v[i].id);
        check_text(all.v[i].question);
        check_text(all.v[i].answer);
        if (all.v[i].before_count > LESSON_TURNS)
            abort();
        for (size_t k = 0; k < all.v[i].before_count; k++)
            if (!all.v[i].before[k].text)
                abort();
    }
    lessons_release(&all);
    return 0;
}
