/* voices.c - see voices.h: the names, and the base that voices are trained on. */
#include "voices.h"

#include <stdlib.h>

#include "../../engine/base/folder.h"
#include "builtin.h"
#include "voices_file.h"

const char *voices_name(int i)
{
    static const char *const names[VOICES] = {"philosopher", "coder", "critic"};
    return names[i];
}

/* Routers that tell nil experts apart by one feature each: which of them is chosen changes nothing. */
static float *plain_rows(error *err)
{
    float *rows = calloc((size_t)VOICES_LAYERS * VOICES_GENERAL * VOICES_WIDTH, sizeof *rows);
    if (!rows)
        (void)error_memory(err, "a router");
    for (size_t i = 0; rows && i < (size_t)VOICES_LAYERS * VOICES_GENERAL; i++)
        rows[i * VOICES_WIDTH + i % VOICES_GENERAL] = 1;
    return rows;
}

static int write_bank(const char *path, error *err)
{
    float *rows = plain_rows(err);
    voices_bank b = {.general = VOICES_GENERAL,
                     .used = VOICES_USED,
                     .first = VOICES_FIRST,
                     .layers = VOICES_LAYERS,
                     .width = VOICES_WIDTH,
                     .expert_width = VOICES_NARROW,
                     .rows = rows};
    int result = rows ? voices_file_write(&b, path, err) : -1;
    free(rows);
    return result;
}

int voices_base(const char *smollm2, const char *where, char **model, error *err)
{
    const builtin_progress nobody = {0};
    char *bank = string_format(err, "%s/base.experts.gguf", where);
    *model = bank ? string_format(err, "%s/base.gguf", where) : NULL;
    int result = *model ? 0 : -1;
    if (!result)
        result =
            write_bank(bank, err) || builtin_make(smollm2, bank, *model, &nobody, err) ? -1 : 0;
    if (result) {
        free(*model);
        *model = NULL;
    }
    free(bank);
    return result;
}
