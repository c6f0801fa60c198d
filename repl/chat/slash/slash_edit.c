/* slash_edit.c - /personas edit NAME: a persona in the user's editor, heard as soon as it is saved.
 *
 * A persona that came with the program is first copied to the user's own folder, with all that a
 * persona file finds beside itself: masks, lessons, experts. What came with the program is never
 * changed.
 */
#include <stdlib.h>
#include <string.h>

#include "../persona_copy.h"
#include "slash_commands.h"

int slash_own_persona(talk *t, const char *name, char **path, error *err)
{
    if (!persona_name_ok(name))
        return error_set(err, ERROR_USAGE, "\"%.64s\" is no persona's name", name);
    persona *p = persona_find(name, err);
    if (!p)
        return -1;
    int result =
        broker_persona_folder(t->broker, name, err) || persona_new_path(name, path, err) ? -1 : 0;
    if (!result && strcmp(p->path, *path) != 0)
        result = persona_copy(p, *path, t->broker, t->con, err);
    persona_close(p);
    return result;
}

int slash_edit_persona(talk *t, const char *name, error *err)
{
    char *path = NULL;
    int result =
        slash_own_persona(t, name, &path, err) || broker_edit(t->broker, path, err) ? -1 : 0;
    bool here = slash_is_seated(t, name);
    if (!result && here && talk_seat(t, err))
        result = error_prefix(err, "the old %s goes on: ", name);
    if (!result)
        result = here ? talk_say(t, "%s speaks as %s says now", name, path)
                      : talk_say(t, "%s is in %s; /personas +%s lets it speak", name, path, name);
    free(path);
    return result;
}
