/* fuzz_chat.c - text of which a template wrote some bytes and somebody the others: what nobody but
 * somebody wrote never becomes an added token.
 *
 * Input: a byte that says how the bytes behind it take turns being a template's and somebody's. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/text/added_tokens.h"
#include "../engine/text/tokenizer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char words_file[] =
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<|a|>\",\"special\":true,\"normalized\":false},"
    "{\"id\":4,\"content\":\"<b>\",\"special\":false,\"normalized\":true,\"lstrip\":true,"
    "\"rstrip\":true},{\"id\":5,\"content\":\"  \",\"special\":false}],"
    "\"normalizer\":{\"type\":\"NFC\"},"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"<\":1,\"b\":2},\"merges\":[]}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    tokens ids = {0}, plain = {0};
    tokenizer *t = tokenizer_parse("fuzz", words_file, sizeof words_file - 1, &err);
    if (!t)
        abort();
    size_t turn = size ? data[0] % 9 + 1u : 1, n = size ? size - 1 : 0;
    const char *text = (const char *)data + (size > 0);
    unsigned char *trusted = malloc(n + 1);
    for (size_t i = 0; trusted && i < n; i++)
        trusted[i] = i / turn % 2 == 0;
    if (trusted && tokenizer_encode_trusted(t, text, n, trusted, &ids, NULL, &err) == 0) {
        memset(trusted, 0, n);
        if (tokenizer_encode_trusted(t, text, n, trusted, &plain, NULL, &err))
            abort();
        for (size_t i = 0; i < plain.len; i++)
            if (plain.v[i] == 3 || plain.v[i] == 4)
                abort();
    }
    tokens_release(&ids);
    tokens_release(&plain);
    free(trusted);
    tokenizer_close(t);
    return 0;
}
