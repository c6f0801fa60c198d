/* command_eval_convert.c - `consilium eval --convert KIND FILE`: a public benchmark's file becomes a set. */
#include <string.h>

#include "../../engine/base/paths.h"
#include "../../personas/eval/eval_convert.h"
#include "../system/output_file.h"
#include "commands.h"

int command_eval_convert(const options *opt, console *con, error *err)
{
    eval_converted c = {0};
    const char *path = opt->output && strcmp(opt->output, "-") != 0 ? opt->output : NULL;
    int result = path ? output_file_check(path, opt->force, err) : 0;
    if (!result)
        result = eval_convert(opt->convert, opt->words[0], &c, err);
    if (!result)
        result = path ? output_file_put(con, path, opt->force, c.text.v, c.text.len, err)
                      : console_document(con, &c.text, err);
    if (!result && c.left_out)
        console_note(con, "%zu rows are left out: no two different choices", c.left_out);
    if (!result)
        console_note(con, "%zu items of %s%s%s", c.items, paths_name(opt->words[0]),
                     path ? " in " : "", path ? path : "");
    eval_converted_release(&c);
    return result ? -1 : 0;
}
