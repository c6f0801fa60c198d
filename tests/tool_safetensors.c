/* tool_safetensors.c - says which of many files are safetensors, for reference_safetensors.py.
 *
 * Standard input: a u64 length and that many bytes, again and again. Standard output: one line each,
 * "accepted" or the refusal.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../engine/formats/safetensors.h"

int main(void)
{
    uint64_t len;
    while (fread(&len, sizeof len, 1, stdin) == 1) {
        uint8_t *bytes = malloc(len + 1);
        tensor_list tensors = {0};
        error err = {0};
        if (!bytes || fread(bytes, 1, len, stdin) != len)
            return EXIT_FAILURE;
        puts(safetensors_read("file", bytes, len, &tensors, &err) ? err.text : "accepted");
        tensor_list_release(&tensors);
        free(bytes);
    }
    return EXIT_SUCCESS;
}
