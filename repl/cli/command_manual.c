/* command_manual.c - `consilium manual`: the page and the completions on standard output. */
#include <string.h>

#include "commands.h"
#include "manual.h"

const option_info *manual_next(command_id command, size_t *at)
{
    size_t count;
    const option_info *rows = options_table(&count);
    while (*at < count) {
        const option_info *row = &rows[(*at)++];
        if (row->commands & COMMAND_BIT(command))
            return row;
    }
    return NULL;
}

char *manual_group(const command_info *c, char *out)
{
    size_t n = strcspn(c->name, " ");
    n = n < 31 ? n : 31;
    memcpy(out, c->name, n);
    out[n] = '\0';
    return out;
}

bool manual_first_of_group(int command, bool *two)
{
    const command_info *all = options_commands();
    size_t n = strcspn(all[command].name, " ");
    *two = all[command].name[n] != '\0';
    for (int i = 0; i < command; i++)
        if (strncmp(all[i].name, all[command].name, n) == 0 && strcspn(all[i].name, " ") == n)
            return false;
    return true;
}

int command_manual(const options *opt, console *con, error *err)
{
    static const struct {
        const char *name;
        void (*make)(text_writer *w);
    } kinds[] = {
        {"man", manual_page}, {"bash", manual_bash}, {"zsh", manual_zsh}, {"fish", manual_fish}};
    const char *wanted = opt->word_count ? opt->words[0] : "man";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(wanted, kinds[i].name) != 0)
            continue;
        buf out = {0};
        text_writer w = {.out = &out, .err = err};
        kinds[i].make(&w);
        int result = w.failed || console_document(con, &out, err) ? -1 : 0;
        buf_release(&out);
        return result;
    }
    return error_set(err, ERROR_USAGE, "manual: \"%.40s\" is none of man, bash, zsh, fish", wanted);
}

int command_help(const options *opt, console *con, error *err)
{
    buf text = {0};
    int result = options_help(opt->command, &text, err);
    if (!result)
        result = console_text(con, &text, err);
    buf_release(&text);
    return result;
}
