/* fuzz_chat.c - any bytes as a chat template: cut into pieces, compared with every format and, when
 * one of them explains it, rendered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/chat_formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Special tokens have names, text has bytes: both are touched, nothing is kept. */
static int touch(void *user, const char *text, size_t len, error *err)
{
    (void)err;
    size_t *sum = user;
    for (size_t i = 0; i < len; i++)
        *sum += (unsigned char)text[i];
    return len ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char thought[] = "<think>\nwhy\n</think>\n\n yes \n";
    const chat_message m[] = {{CHAT_SYSTEM, " s ", 3},
                              {CHAT_USER, "u\n", 2},
                              {CHAT_ASSISTANT, thought, sizeof thought - 1}};
    const struct tm day = {.tm_year = 124, .tm_mon = 1, .tm_mday = 9};
    chat_pieces pieces;
    chat_shape shape = {0};
    error err = {0};
    if (chat_pieces_read((const char *)data, size, &pieces, &err))
        return 0;
    if (chat_shape_recognise(&pieces, &day, &shape, &err) == 1) {
        size_t sum = 0;
        const chat_sink to = {&sum, touch, touch};
        if (chat_write_all(&shape, m, 3, true, false, &to, &err) ||
            chat_write_all(&shape, m + 1, 2, false, false, &to, &err) || sum == 0)
            abort();
    }
    chat_shape_release(&shape);
    chat_pieces_release(&pieces);
    return 0;
}
