/* slash_edit.c - /personas edit NAME: a persona in the user's editor, heard as soon as it is saved.
 *
 * A persona that came with the program is first copied to the user's own folder, with all that a
 * persona file finds beside itself: masks, lessons, experts. What came with the program is never
 * changed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/folder.h"
#include "../engine/whole_file.h"
#include "editor.h"
#include "human.h"
#include "input.h"
#include "slash_commands.h"

/* The same name beside `beside`; what is there stays. */
static int copy_beside(talk *t, const char *from, const char *beside, error *err)
{
    buf bytes = {0};
    const char *slash = strrchr(beside, '/');
    char *to = folder_path(err, "%.*s/%s", slash ? (int)(slash - beside) : 1, slash ? beside : ".",
                           human_file_name(from));
    int result = to ? 0 : -1;
    if (!result && access(to, F_OK) != 0)
        result = input_read(from, &bytes, t->con, err) ||
                         whole_file_put(to, bytes.v ? bytes.v : "", bytes.len, err)
                     ? -1
                     : 0;
    buf_release(&bytes);
    free(to);
    return result;
}

static int copy_persona(talk *t, const persona *p, const char *to, error *err)
{
    persona_list masks = {0};
    int result = persona_list_masks(p, &masks, err);
    for (size_t i = 0; i < masks.len && !result; i++)
        result = copy_beside(t, masks.paths[i], to, err);
    for (int i = 0; i < p->lesson_count && !result; i++)
        result =
            access(p->lessons[i].text, F_OK) == 0 ? copy_beside(t, p->lessons[i].text, to, err) : 0;
    if (!result && p->experts)
        result = copy_beside(t, p->experts, to, err);
    persona_list_release(&masks);
    return result ? -1 : copy_beside(t, p->path, to, err);
}

/* *path = the persona's file in the user's own folder. */
static int own_file(talk *t, const char *name, char **path, error *err)
{
    persona *p = persona_find(name, err);
    if (!p)
        return -1;
    int result = persona_new_path(name, path, err);
    if (!result && strcmp(p->path, *path) != 0)
        result = copy_persona(t, p, *path, err);
    persona_close(p);
    return result;
}

int slash_edit_persona(talk *t, const char *name, error *err)
{
    char *path = NULL;
    if (!persona_name_ok(name))
        return error_set(err, ERROR_USAGE, "\"%.64s\" is no persona's name", name);
    int result = own_file(t, name, &path, err) || editor_file(path, err) ? -1 : 0;
    bool here = slash_speaks(t, name);
    if (!result && here && talk_seat(t, err))
        result = error_prefix(err, "the old %s goes on: ", name);
    if (!result)
        result = here ? talk_say(t, "%s speaks as %s says now", name, path)
                      : talk_say(t, "%s is in %s; /personas +%s lets it speak", name, path, name);
    free(path);
    return result;
}
