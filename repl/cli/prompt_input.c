/* prompt_input.c - see prompt_input.h. */
#include "prompt_input.h"

#include <string.h>

#include "../../engine/base/utf8.h"
#include "../system/input.h"

/* A further part stands behind a blank line. One newline at its end is the file's, not the text's. */
static int add_part(buf *prompt, buf *part, error *err)
{
    if (part->len && part->v[part->len - 1] == '\n')
        part->v[--part->len] = '\0';
    if (!part->len)
        return 0;
    if (prompt->len && buf_text(prompt, "\n\n", err))
        return -1;
    return buf_add(prompt, part->v, part->len, err);
}

static int add_file(buf *prompt, const char *name, console *con, error *err)
{
    buf part = {0};
    size_t bad;
    int result = input_read(name, &part, con, err);
    if (!result && part.len && !utf8_check(part.v, part.len, &bad))
        result = error_set(err, ERROR_USAGE, "%s is no UTF-8 at byte %zu",
                           strcmp(name, "-") == 0 ? "standard input" : name, bad);
    result = result || add_part(prompt, &part, err) ? -1 : 0;
    buf_release(&part);
    return result;
}

int prompt_input(const options *opt, const texts *files, console *con, buf *prompt, error *err)
{
    const char *word = opt->word_count ? opt->words[0] : NULL;
    bool dash = word && strcmp(word, "-") == 0;
    if (word && !dash && buf_text(prompt, word, err))
        return -1;
    if ((dash || (!opt->no_input && input_is_given())) && add_file(prompt, "-", con, err))
        return -1;
    for (size_t i = 0; i < files->len; i++)
        if (add_file(prompt, files->v[i], con, err))
            return -1;
    return 0;
}
