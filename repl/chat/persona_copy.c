/* persona_copy.c - see persona_copy.h. */
#include "persona_copy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"
#include "../screen/human.h"
#include "../system/input.h"
#include "../system/save.h"

/* The same name beside `beside`; what is there stays. */
static int copy_beside(broker *b, console *con, const char *from, const char *beside, error *err)
{
    buf bytes = {0};
    const char *slash = strrchr(beside, '/');
    char *to = string_format(err, "%.*s/%s", slash ? (int)(slash - beside) : 1,
                             slash ? beside : ".", paths_name(from));
    int result = to ? 0 : -1;
    if (!result && access(to, F_OK) != 0)
        result = input_read(from, &bytes, con, err) ||
                         save_put(b, con, to, false, bytes.v, bytes.len, err)
                     ? -1
                     : 0;
    buf_release(&bytes);
    free(to);
    return result;
}

int persona_copy(const persona *p, const char *to, broker *b, console *con, error *err)
{
    persona_list masks = {0}, trained = {0};
    int result = persona_list_masks(p, &masks, err) || persona_list_adapters(p, &trained, err);
    for (size_t i = 0; i < masks.len && !result; i++)
        result = copy_beside(b, con, masks.paths[i], to, err);
    for (size_t i = 0; i < trained.len && !result; i++)
        result = copy_beside(b, con, trained.paths[i], to, err);
    for (int i = 0; i < p->lesson_count && !result; i++)
        result = access(p->lessons[i].text, F_OK) == 0
                     ? copy_beside(b, con, p->lessons[i].text, to, err)
                     : 0;
    if (!result && p->experts)
        result = copy_beside(b, con, p->experts, to, err);
    for (int i = 0; i < p->adapter_count && !result; i++)
        result = copy_beside(b, con, p->adapters[i].path, to, err);
    persona_list_release(&masks);
    persona_list_release(&trained);
    return result ? -1 : copy_beside(b, con, p->path, to, err);
}
