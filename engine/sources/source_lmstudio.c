/* source_lmstudio.c - lmstudio:PUBLISHER/NAME, folders of that shape with GGUF files (or, for MLX,
 * safetensors) in them. */
#include <stdlib.h>

#include "../base/folder.h"
#include "../base/paths.h"
#include "source_place.h"

static int lmstudio_places(places *p, error *err)
{
    const char *home = paths_home();
    if (places_add(p, home, "/.lmstudio/models", err) ||
        places_add(p, home, "/.cache/lm-studio/models", err))
        return -1;
    return 0;
}

int source_lmstudio_resolve(const char *name, const char *rest, source_found *out, error *err)
{
    parts p;
    places in = {0};
    char *file = NULL;
    int result = parts_cut(name, rest, 2, 4,
                           "lmstudio:PUBLISHER/NAME or lmstudio:PUBLISHER/NAME/FILE", &p, err);
    if (result == 0)
        result = parts_file(&p, &file, err);
    if (result == 0)
        result = lmstudio_places(&in, err);
    bool there = false;
    for (size_t i = 0; result == 0 && !there && i < in.len; i++) {
        char *dir = string_format(err, "%s/%s/%s", in.v[i], p.v[0], p.v[1]);
        there = dir && source_is_folder(dir);
        result = !dir ? -1 : there ? source_choose(name, dir, file, &out->path, err) : 0;
        free(dir);
    }
    if (result == 0 && !there)
        result = source_missing(err, name, "LM Studio's folder", &in);
    places_release(&in);
    free(file);
    parts_release(&p);
    return result;
}

static int list_publisher(const char *place, const char *publisher, sources *out, error *err)
{
    char *path = string_format(err, "%s/%s", place, publisher);
    folder names = {0};
    int result = path ? folder_read(path, &names, err) : -1;
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        char *name = string_format(err, "lmstudio:%s/%s", publisher, names.v[i]);
        char *model = name ? string_format(err, "%s/%s", path, names.v[i]) : NULL;
        result = model ? source_list_folder(name, model, out, err) : -1;
        free(model);
        free(name);
    }
    folder_release(&names);
    free(path);
    return result;
}

int source_lmstudio_list(sources *out, error *err)
{
    places in = {0};
    int result = lmstudio_places(&in, err);
    for (size_t i = 0; result == 0 && i < in.len; i++) {
        folder names = {0};
        result = folder_read(in.v[i], &names, err);
        for (size_t j = 0; result == 0 && j < names.len; j++)
            result = list_publisher(in.v[i], names.v[j], out, err);
        folder_release(&names);
    }
    places_release(&in);
    return result;
}
