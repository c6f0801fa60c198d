/* image.c - see image.h. */
#include "image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kernels/dequantize.h"
#include "../../kernels/quantize.h"
#include "../base/array.h"
#include "../base/checked.h"

void image_release(image *m)
{
    free(m->v);
    free(m->pieces);
    region_release(&m->text);
    *m = (image){0};
}

int image_add(image *m, const char *name, dtype type, int dims, const uint64_t *shape, error *err)
{
    const dtype_info *info = dtype_describe(type);
    uint64_t elements, bytes, total;
    if (!checked_product(shape, dims, &elements) ||
        !checked_mul(elements / (uint64_t)info->block, (uint64_t)info->bytes, &bytes) ||
        !checked_add(m->bytes, bytes, &total))
        return error_set(err, ERROR_USAGE, "tensor %s would be too large", name);
    image_tensor *v = array_room(m->v, m->len, &m->cap, sizeof *v, "the tensor table", err);
    char *copy = v ? region_take(&m->text, strlen(name) + 1, err) : NULL;
    m->v = v ? v : m->v;
    if (!copy)
        return -1;
    strcpy(copy, name);
    image_tensor *t = &m->v[m->len++];
    *t = (image_tensor){
        .name = copy, .type = type, .dims = dims, .first = m->piece_count, .bytes = bytes};
    memcpy(t->shape, shape, (size_t)dims * sizeof *shape);
    m->bytes = total;
    return 0;
}

int image_add_piece(image *m, const image_piece *p, error *err)
{
    image_piece *v =
        array_room(m->pieces, m->piece_count, &m->piece_cap, sizeof *v, "the tensor table", err);
    if (!v)
        return -1;
    m->pieces = v;
    m->pieces[m->piece_count++] = *p;
    m->v[m->len - 1].count++;
    return 0;
}

/* A matrix that a type is chosen for: no vector, no router, nothing that is not known. */
static bool is_matrix(const image_tensor *t, bool gguf)
{
    int layer, expert;
    weight_part part = weight_named(t->name, gguf, &layer, &expert);
    return part != PART_COUNT && part != PART_ROUTER && part != PART_SHARED_ROUTER && t->dims >= 2;
}

static bool fits(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) { /* the last star takes one character more */
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* That a matrix is to have; DTYPE_COUNT = as it is. */
static dtype type_for(const image_types *types, const char *name)
{
    dtype found = types->rest;
    for (size_t k = 0; k < types->len; k++)
        if (fits(types->v[k].pattern, name))
            found = types->v[k].type;
    return found;
}

/* Every pattern has a matrix, which a misspelt one has not. */
static int check_patterns(const image *m, const image_types *types, bool gguf, error *err)
{
    for (size_t k = 0; k < types->len; k++) {
        bool any = false;
        const char *example = "none";
        for (size_t i = 0; i < m->len; i++) {
            if (!is_matrix(&m->v[i], gguf))
                continue;
            example = m->v[i].name;
            any = any || fits(types->v[k].pattern, m->v[i].name);
        }
        if (!any)
            return error_set(
                err, ERROR_USAGE,
                "no matrix is called \"%.80s\" (* stands for any text); one of them is "
                "%.80s",
                types->v[k].pattern, example);
    }
    return 0;
}

int image_retype(image *m, image_types *types, bool gguf, error *err)
{
    m->bytes = 0;
    types->left = 0;
    if (check_patterns(m, types, gguf, err))
        return -1;
    for (size_t i = 0; i < m->len; i++) {
        image_tensor *t = &m->v[i];
        dtype type = is_matrix(t, gguf) ? type_for(types, t->name) : DTYPE_COUNT;
        uint64_t elements = 1;
        for (int k = 0; k < t->dims; k++)
            elements *= t->shape[k]; /* image_add() has checked this product */
        if (type != DTYPE_COUNT) {
            const dtype_info *info = dtype_describe(type);
            uint64_t block = (uint64_t)info->block;
            bool divides = t->shape[t->dims - 1] % block == 0;
            types->left += !divides;
            if (divides) {
                t->type = type;
                t->bytes = elements / block * (uint64_t)info->bytes;
            }
        }
        m->bytes += t->bytes;
    }
    return 0;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

/* Mapped pages count as memory of the process until they are given back; they come again when asked
 * for. Only pages that lie whole in the range: their neighbours belong to others. */
static void give_back(const void *data, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)data + page - 1) & ~(page - 1);
    uintptr_t last = ((uintptr_t)data + n) & ~(page - 1);
    if (last > first)
        (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

static int take_rows(const image_tensor *t, const image_piece *p, image_take *take, void *user,
                     error *err)
{
    size_t stride = dtype_row_bytes(t->type, p->cols);
    void *out = malloc(stride + 1);
    recipe_rows w = {0};
    int result = out ? recipe_rows_open(&w, p->r, p->matrix, t->type, p->rows, p->cols, err)
                     : error_memory(err, "a row");
    const void *all = result ? NULL : recipe_rows_all(&w);
    if (all)
        result = take(user, all, stride * p->rows, err);
    for (size_t i = 0; result == 0 && !all && i < p->rows; i++) {
        const void *row = recipe_rows_get(&w, i, out, err);
        result = row ? take(user, row, stride, err) : -1;
    }
    recipe_rows_release(&w);
    free(out);
    return result;
}

/* Which row of the source becomes row i. */
static size_t source_row(const image_piece *p, size_t i)
{
    size_t half = p->head / 2, first = p->order == IMAGE_AS_IT_LIES ? i : i / p->head * p->head;
    size_t j = i - first;
    if (p->order == IMAGE_TO_PAIRS)
        return first + j % 2 * half + j / 2;
    return p->order == IMAGE_TO_HALVES ? first + j % half * 2 + j / half : i;
}

/* Rows of the source, as they lie, or in another type or order. */
static int take_source(const image_tensor *t, const image_piece *p, image_take *take, void *user,
                       error *err)
{
    size_t from = dtype_row_bytes(p->type, p->cols), to = dtype_row_bytes(t->type, p->cols);
    if (p->type == t->type && p->order == IMAGE_AS_IT_LIES)
        return take(user, p->from, from * p->rows, err);
    float *row = malloc(p->cols * sizeof *row);
    void *out = malloc(to + 1);
    int result = row && out ? 0 : error_memory(err, "a row");
    for (size_t i = 0; result == 0 && i < p->rows; i++) {
        const uint8_t *at = p->from + from * source_row(p, i);
        if (p->type != t->type) {
            dequantize_row(p->type, at, row, p->cols);
            result = quantize_row_checked(t->type, row, out, p->cols, err);
        }
        if (result == 0)
            result = take(user, p->type == t->type ? at : out, to, err);
    }
    free(row);
    free(out);
    return result;
}

static void give_back_piece(const image_piece *p)
{
    if (!p->r && p->rows > 1) /* a vector is not worth it, and may be no file's */
        give_back(p->from, dtype_row_bytes(p->type, p->cols) * p->rows);
    for (int i = 0; p->r && i < p->r->count; i++) {
        const recipe_term *term = &p->r->term[i];
        bank_rows b =
            bank_view(term->of, term->layer, term->expert, p->matrix); /* not an adapter's */
        give_back(b.data, dtype_row_bytes(b.type, b.cols) * b.rows);
    }
}

int image_bytes(const image *m, size_t i, image_take *take, void *user, error *err)
{
    const image_tensor *t = &m->v[i];
    for (size_t k = t->first; k < t->first + t->count; k++) {
        const image_piece *p = &m->pieces[k];
        if ((p->r ? take_rows : take_source)(t, p, take, user, err))
            return error_prefix(err, "tensor %s: ", t->name);
        give_back_piece(p);
    }
    return 0;
}

int image_check(const image *m, error *err)
{
    for (size_t i = 0; i < m->len; i++) {
        const image_tensor *t = &m->v[i];
        for (size_t k = t->first; k < t->first + t->count; k++) {
            const image_piece *p = &m->pieces[k];
            recipe_rows w = {0};
            int result = 0;
            if (p->r)
                result = recipe_rows_open(&w, p->r, p->matrix, t->type, p->rows, p->cols, err);
            else if (p->type != t->type && !quantize_writes(t->type))
                result = error_set(err, ERROR_USAGE, "%s is read, and not written",
                                   dtype_describe(t->type)->name);
            recipe_rows_release(&w);
            if (result)
                return error_prefix(err, "tensor %s: ", t->name);
        }
    }
    return 0;
}

/* ---- a plan ------------------------------------------------------------------------------------ */

static int add_whole(image *m, const checkpoint_tensor *t, error *err)
{
    size_t cols = t->dims ? (size_t)t->shape[t->dims - 1] : 1, rows = 1;
    for (int i = 0; i + 1 < t->dims; i++)
        rows *= (size_t)t->shape[i];
    const image_piece p = {.from = t->data, .type = t->type, .rows = rows, .cols = cols};
    return image_add(m, t->name, t->type, t->dims, t->shape, err) || image_add_piece(m, &p, err)
               ? -1
               : 0;
}

static int add_part(image *m, const bank_plan *plan, int layer, size_t expert, bank_matrix matrix,
                    error *err)
{
    bank_rows b = bank_view(plan->c, layer, 0, matrix); /* every expert has this shape */
    const image_piece p = {
        .r = &plan->layers[layer].v[expert], .matrix = matrix, .rows = b.rows, .cols = b.cols};
    return image_add_piece(m, &p, err);
}

/* A tensor that holds all experts of a layer: the router, or a stack of matrices. */
static int add_stack(image *m, const bank_plan *plan, const checkpoint_tensor *t, int layer,
                     bank_matrix first, bank_matrix last, error *err)
{
    uint64_t shape[4] = {0};
    memcpy(shape, t->shape, sizeof shape);
    shape[0] = plan->layers[layer].len;
    if (image_add(m, t->name, t->type, t->dims, shape, err))
        return -1;
    for (size_t e = 0; e < plan->layers[layer].len; e++)
        for (int matrix = (int)first; matrix <= (int)last; matrix++)
            if (add_part(m, plan, layer, e, (bank_matrix)matrix, err))
                return -1;
    return 0;
}

/* A tensor of one expert. Behind the last of the file come those that are new. */
static int add_single(image *m, const bank_plan *plan, const checkpoint_tensor *t, int layer,
                      int expert, bank_matrix matrix, error *err)
{
    const model_config *config = checkpoint_config(plan->c);
    int n = (int)plan->layers[layer].len;
    int end = expert == config->experts - 1 ? n : expert + 1;
    for (int e = expert; e < end && e < n; e++) {
        char name[128];
        weight_sibling(t->name, checkpoint_gguf(plan->c) != NULL, e, name, sizeof name);
        if (image_add(m, name, t->type, t->dims, t->shape, err) ||
            add_part(m, plan, layer, (size_t)e, matrix, err))
            return -1;
    }
    return 0;
}

static int add_tensor(image *m, const bank_plan *plan, const checkpoint_tensor *t, error *err)
{
    int layer, expert;
    weight_part part = weight_named(t->name, checkpoint_gguf(plan->c) != NULL, &layer, &expert);
    if (layer >= checkpoint_config(plan->c)->layers) /* it predicts further tokens */
        return add_whole(m, t, err);
    switch (part) {
    case PART_ROUTER:
        return add_stack(m, plan, t, layer, BANK_ROUTER, BANK_ROUTER, err);
    case PART_EXPERTS_GATE:
        return add_stack(m, plan, t, layer, BANK_GATE, BANK_GATE, err);
    case PART_EXPERTS_UP:
        return add_stack(m, plan, t, layer, BANK_UP, BANK_UP, err);
    case PART_EXPERTS_DOWN:
        return add_stack(m, plan, t, layer, BANK_DOWN, BANK_DOWN, err);
    case PART_EXPERTS_GATE_UP:
        return add_stack(m, plan, t, layer, BANK_GATE, BANK_UP, err);
    case PART_EXPERT_GATE:
        return add_single(m, plan, t, layer, expert, BANK_GATE, err);
    case PART_EXPERT_UP:
        return add_single(m, plan, t, layer, expert, BANK_UP, err);
    case PART_EXPERT_DOWN:
        return add_single(m, plan, t, layer, expert, BANK_DOWN, err);
    default:
        return add_whole(m, t, err);
    }
}

int image_of_plan(image *m, const bank_plan *plan, error *err)
{
    for (int i = 0; i < checkpoint_count(plan->c); i++) {
        checkpoint_tensor t;
        checkpoint_at(plan->c, i, &t);
        if (t.type == DTYPE_COUNT)
            return error_set(err, ERROR_LOAD, "%s: tensor %s: weights of type %s are not written",
                             checkpoint_path(plan->c), t.name, t.type_name);
        if (add_tensor(m, plan, &t, err))
            return -1;
    }
    return 0;
}
