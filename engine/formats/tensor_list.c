/* tensor_list.c - see tensor_list.h. */
#include "tensor_list.h"

#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"

static bool same(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const char *name = ((const tensor_list *)owner)->v[number].name;
    return strlen(name) == len && memcmp(name, bytes, len) == 0;
}

int tensor_list_reserve(tensor_list *l, size_t more, error *err)
{
    size_t need = l->len + more;
    if (need > l->cap) {
        checkpoint_tensor *v = realloc(l->v, need * sizeof *v);
        if (!v)
            return error_memory(err, "the table of tensors");
        l->v = v;
        l->cap = need;
    }
    return name_index_reserve(&l->index, need, err);
}

int tensor_list_add(tensor_list *l, const char *where, const char *name, size_t len,
                    const checkpoint_tensor *t, error *err)
{
    uint32_t found;
    if (l->len == l->cap && tensor_list_reserve(l, l->cap / 2 + 16, err))
        return -1;
    char *kept = region_keep(&l->text, name, len, err);
    if (!kept)
        return -1;
    int added = name_index_add(&l->index, 0, name, len, (uint32_t)l->len, same, l, &found, err);
    if (added == 1)
        return error_set(err, ERROR_LOAD, "%s: tensor \"%s\" appears twice", where,
                         printable_of(name, len).text);
    if (added)
        return -1;
    l->v[l->len] = *t;
    l->v[l->len++].name = kept;
    return 0;
}

const checkpoint_tensor *tensor_list_find(const tensor_list *l, const char *name, size_t len)
{
    uint32_t found;
    return name_index_find(&l->index, 0, name, len, same, l, &found) ? &l->v[found] : NULL;
}

void tensor_list_release(tensor_list *l)
{
    free(l->v);
    name_index_release(&l->index);
    region_release(&l->text);
    *l = (tensor_list){0};
}
