/* tool_tokenize.c - encodes many texts in one process, for comparison with reference tokenizers.
 *
 *     tool_tokenize MODEL < texts > ids
 *
 * MODEL is a .gguf file or a folder with tokenizer.json. The input is a sequence of records: a
 * little-endian u32 length and that many bytes. For each record one line comes out: the ids,
 * separated by blanks, then " |" and the number of dropped bytes; or "error: " and the sentence.
 * With a second argument "decode" the line is the concatenated pieces in hexadecimal instead.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/formats/gguf.h"
#include "../engine/text/tokenizer_parts.h"

static tokenizer *open_model(const char *path, error *err)
{
    tokenizer *t = NULL;
    size_t n = strlen(path);
    if (n < 5 || strcmp(path + n - 5, ".gguf") != 0)
        return tokenizer_from_json(path, &t, err) ? NULL : t;
    tensor_list tensors = {0};
    gguf *g = gguf_open(path, &tensors, err);
    if (g && tokenizer_from_gguf(g, &t, err))
        t = NULL;
    tensor_list_release(&tensors);
    gguf_close(g);
    return t;
}

static void print_ids(const tokens *ids, size_t dropped)
{
    for (size_t i = 0; i < ids->len; i++)
        printf("%d ", ids->v[i]);
    printf("| %zu\n", dropped);
}

static void print_pieces(const tokenizer *t, const tokens *ids)
{
    for (size_t i = 0; i < ids->len; i++) {
        size_t n;
        const char *piece = (i ? tokenizer_piece : tokenizer_first_piece)(t, ids->v[i], &n);
        for (size_t j = 0; j < n; j++)
            printf("%02x", (unsigned)(unsigned char)piece[j]);
    }
    printf("\n");
}

/* The next record, or NULL at the end of the input. Caller frees. */
static char *read_record(size_t *len)
{
    unsigned char head[4];
    if (fread(head, 1, 4, stdin) != 4)
        return NULL;
    *len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    char *text = malloc(*len + 1);
    if (text && fread(text, 1, *len, stdin) != *len) {
        free(text);
        return NULL;
    }
    return text;
}

int main(int argc, char **argv)
{
    error err = {0};
    tokenizer *t = argc > 1 ? open_model(argv[1], &err) : NULL;
    if (!t) {
        fprintf(stderr, "tool_tokenize: %s\n", argc > 1 ? err.text : "no model given");
        return 3;
    }
    size_t len;
    for (char *text; (text = read_record(&len)); free(text)) {
        tokens ids = {0};
        size_t dropped = 0;
        if (tokenizer_encode(t, text, len, &ids, &dropped, &err))
            printf("error: %s\n", err.text);
        else if (argc > 2)
            print_pieces(t, &ids);
        else
            print_ids(&ids, dropped);
        tokens_release(&ids);
    }
    tokenizer_close(t);
    return 0;
}
