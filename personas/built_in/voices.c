/* voices.c - see voices.h: the personas and their lessons. */
#include "voices.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/search_path.h"

const char *voices_name(int i)
{
    static const char *const names[VOICES] = {"philosopher", "coder", "critic"};
    return names[i];
}

/* ---- personas ---------------------------------------------------------------------------------- */

/* *path: NAME.json among what came with the program, whatever the user has of that name. */
static int shipped_path(const char *name, char **path, error *err)
{
    char *file = string_format(err, "%s.json", name);
    int result = file ? shipped_file(file, path, err) : -1;
    free(file);
    if (!result && !*path)
        result = error_set(err, ERROR_LOAD, "%s.json is not among the program's personas", name);
    return result;
}

static int load_lessons(const persona *p, lessons *l, error *err)
{
    for (int i = 0; i < p->lesson_count; i++)
        if (strcmp(p->lessons[i].language, "en") == 0)
            return lessons_load(p->lessons[i].text, l, err);
    return error_set(err, ERROR_LOAD, "%s: lessons: none in English", p->path);
}

int voices_persona(int i, persona **p, lessons *l, error *err)
{
    char *path;
    *p = NULL;
    if (shipped_path(voices_name(i), &path, err))
        return -1;
    *p = persona_load(path, err);
    free(path);
    if (*p && load_lessons(*p, l, err) == 0)
        return 0;
    persona_close(*p);
    *p = NULL;
    return -1;
}
