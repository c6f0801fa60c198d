/* evidence_table.c - see evidence_table.h: the file. What it comes to is evidence_choice.c's. */
#include "evidence_table.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/mapped_file.h"
#include "gate.h"
#include "verifier.h"

enum { FORM = 1, QUESTIONS_MOST = 1 << 24 };
static const char *const KINDS[] = {"control", "persona", "merge"};

/* ---- reading ----------------------------------------------------------------------------------- */

static int read_persona(const json *v, evidence_table *t, error *err)
{
    static const char *const known[] = {"name", "program"};
    if (json_type(v) != JSON_OBJECT || t->persona_count == EVIDENCE_PERSONAS)
        return error_set(err, ERROR_LOAD, "must be at most %d objects", EVIDENCE_PERSONAS);
    char *name = t->personas[t->persona_count].name;
    uint64_t *program = &t->personas[t->persona_count++].program;
    return json_check_members(v, known, 2, err) ||
                   model_file_text(v, "name", name, EVIDENCE_NAME, err) ||
                   model_file_hash(v, "program", program, err)
               ? -1
               : 0;
}

static int read_kind(const json *v, evidence_arm_kind *out, error *err)
{
    char text[16];
    if (model_file_text(v, "kind", text, sizeof text, err))
        return -1;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (strcmp(text, KINDS[i]) != 0)
            continue;
        *out = (evidence_arm_kind)i;
        return 0;
    }
    return error_set(err, ERROR_LOAD, "kind: must be control, persona or merge");
}

/* The first part of the file says which arms there are, the others must have the same. */
static int read_arm(const json *v, evidence_table *t, evidence_part *p, int at, bool first,
                    error *err)
{
    static const char *const known[] = {"arm", "kind", "right", "squares"};
    evidence_arm arm = {0};
    if (json_type(v) != JSON_OBJECT || at == EVIDENCE_ARMS)
        return error_set(err, ERROR_LOAD, "must be at most %d objects", EVIDENCE_ARMS);
    if (json_check_members(v, known, 4, err) ||
        model_file_text(v, "arm", arm.name, sizeof arm.name, err) || read_kind(v, &arm.kind, err) ||
        model_file_int(v, "right", p->questions, &p->right[at], err) ||
        model_file_number(v, "squares", 0, p->questions, &p->squares[at], err))
        return -1;
    if (first)
        t->arms[t->arm_count++] = arm;
    if (at < t->arm_count && t->arms[at].kind == arm.kind &&
        strcmp(t->arms[at].name, arm.name) == 0)
        return 0;
    return error_set(err, ERROR_LOAD, "arm: other arms than in the first set");
}

static int read_part(const json *set, const char *key, evidence_table *t, evidence_part *p,
                     error *err)
{
    static const char *const known[] = {"questions", "blind", "any", "arms"};
    const json *part = NULL, *list = NULL;
    bool first = !t->arm_count;
    int at = 0;
    if (model_file_object(set, key, &part, err))
        return -1;
    if (json_check_members(part, known, 4, err) ||
        model_file_int(part, "questions", QUESTIONS_MOST, &p->questions, err) ||
        model_file_number(part, "blind", 0, p->questions, &p->blind, err) ||
        model_file_int(part, "any", p->questions, &p->any, err) ||
        model_file_array(part, "arms", &list, err))
        return error_prefix(err, "%s: ", key);
    for (const json *i = json_first(list); i; i = json_next(i), at++)
        if (read_arm(i, t, p, at, first, err))
            return error_prefix(err, "%s: arms[%d]: ", key, at);
    return at == t->arm_count ? 0 : error_set(err, ERROR_LOAD, "%s: arms: too few", key);
}

static int read_set(const json *v, evidence_table *t, error *err)
{
    static const char *const known[] = {"name", "items", "development", "rest"};
    if (json_type(v) != JSON_OBJECT || t->set_count == EVIDENCE_SETS)
        return error_set(err, ERROR_LOAD, "must be at most %d objects", EVIDENCE_SETS);
    evidence_set *s = &t->sets[t->set_count++];
    return json_check_members(v, known, 4, err) ||
                   model_file_text(v, "name", s->name, sizeof s->name, err) ||
                   model_file_hash(v, "items", &s->items, err) ||
                   read_part(v, "development", t, &s->development, err) ||
                   read_part(v, "rest", t, &s->rest, err)
               ? -1
               : 0;
}

typedef int item_reader(const json *v, evidence_table *t, error *err);

static int read_list(const json *root, const char *key, item_reader *read, evidence_table *t,
                     error *err)
{
    const json *list = NULL;
    int at = 0;
    if (model_file_array(root, key, &list, err))
        return -1;
    for (const json *i = json_first(list); i; i = json_next(i), at++)
        if (read(i, t, err))
            return error_prefix(err, "%s[%d]: ", key, at);
    return at ? 0 : error_set(err, ERROR_LOAD, "%s: is empty", key);
}

static int fill(evidence_table *t, const json *root, error *err)
{
    static const char *const known[] = {"evidence", "model",    "verifier",
                                        "gate",     "personas", "sets"};
    int form = 0;
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "is no evidence: must be an object");
    if (json_check_members(root, known, 6, err) ||
        model_file_int(root, "evidence", 1 << 20, &form, err))
        return -1;
    if (form != FORM)
        return error_set(err, ERROR_LOAD, "evidence: form %d; this program reads form %d", form,
                         FORM);
    return model_identity_read(root, &t->model, err) ||
                   model_file_hash(root, "verifier", &t->by.verifier, err) ||
                   model_file_hash(root, "gate", &t->by.gate, err) ||
                   read_list(root, "personas", read_persona, t, err) ||
                   read_list(root, "sets", read_set, t, err)
               ? -1
               : 0;
}

evidence_table *evidence_table_read(const char *where, const char *text, size_t len, error *err)
{
    json_document *d = json_parse(where, text, len, err);
    evidence_table *t = d ? calloc(1, sizeof *t) : NULL;
    if (d && !t)
        (void)error_memory(err, "the evidence");
    if (t && fill(t, json_root(d), err)) {
        (void)error_prefix(err, "%s: ", where);
        free(t);
        t = NULL;
    }
    json_close(d);
    return t;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_part(json_writer *w, const char *key, const evidence_table *t,
                     const evidence_part *p)
{
    json_begin_object(w, key);
    json_put_int(w, "questions", p->questions);
    json_put_number(w, "blind", p->blind);
    json_put_int(w, "any", p->any);
    json_begin_array(w, "arms");
    for (int a = 0; a < t->arm_count; a++) {
        json_begin_object(w, NULL);
        json_put_text(w, "arm", t->arms[a].name);
        json_put_text(w, "kind", KINDS[t->arms[a].kind]);
        json_put_int(w, "right", p->right[a]);
        json_put_number(w, "squares", p->squares[a]);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

static void put_set(json_writer *w, const evidence_table *t, const evidence_set *s)
{
    json_begin_object(w, NULL);
    json_put_text(w, "name", s->name);
    model_file_put_hash(w, "items", s->items);
    put_part(w, "development", t, &s->development);
    put_part(w, "rest", t, &s->rest);
    json_end(w);
}

int evidence_table_write(const evidence_table *t, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    json_begin_object(&w, NULL);
    json_put_int(&w, "evidence", FORM);
    model_identity_write(&w, &t->model);
    model_file_put_hash(&w, "verifier", t->by.verifier);
    model_file_put_hash(&w, "gate", t->by.gate);
    json_begin_array(&w, "personas");
    for (int i = 0; i < t->persona_count; i++) {
        json_begin_object(&w, NULL);
        json_put_text(&w, "name", t->personas[i].name);
        model_file_put_hash(&w, "program", t->personas[i].program);
        json_end(&w);
    }
    json_end(&w);
    json_begin_array(&w, "sets");
    for (int i = 0; i < t->set_count; i++)
        put_set(&w, t, &t->sets[i]);
    json_end(&w);
    json_end(&w);
    return json_writer_finish(&w) || buf_text(out, "\n", err) ? -1 : 0;
}

/* ---- where it lies ----------------------------------------------------------------------------- */

int evidence_made_with(engine *e, evidence_basis *out, error *err)
{
    verifier *v = NULL;
    gate *g = NULL;
    int result = verifier_find(e, &v, NULL, err) || gate_find(e, &g, err) ? -1 : 0;
    *out = (evidence_basis){.verifier = v ? verifier_hash(v) : 0, .gate = g ? g->hash : 0};
    if (v)
        out->learned = verifier_is(v)->figures;
    verifier_close(v);
    free(g);
    return result;
}

static int made_with(engine *e, evidence_table *t, bool *same, error *err)
{
    evidence_basis today;
    if (evidence_made_with(e, &today, err))
        return -1;
    *same = t->by.verifier == today.verifier && t->by.gate == today.gate;
    t->by = today;
    return 0;
}

static int open_table(engine *e, const char *path, evidence_table **out, error *err)
{
    char *text;
    size_t len;
    bool same = false;
    if (file_read_all(path, EVIDENCE_BYTES, &text, &len, err))
        return -1;
    evidence_table *t = evidence_table_read(path, text, len, err);
    free(text);
    int result = t ? model_file_check(e, path, &t->model, err) || made_with(e, t, &same, err) : -1;
    if (result || !same) {
        free(t);
        t = NULL;
    }
    *out = t;
    return result ? -1 : 0;
}

int evidence_table_find(engine *e, evidence_table **out, char **path, error *err)
{
    char *file = NULL;
    *out = NULL;
    if (path)
        *path = NULL;
    int result = model_file_find(e, "evidence", &file, err);
    if (!result && file)
        result = open_table(e, file, out, err);
    if (path && *out)
        *path = file;
    else
        free(file);
    return result;
}

/* ---- one more set ------------------------------------------------------------------------------ */

static bool same_council(const evidence_table *a, const evidence_table *b)
{
    if (strcmp(a->model.fingerprint, b->model.fingerprint) != 0 ||
        a->by.verifier != b->by.verifier || a->by.gate != b->by.gate ||
        a->persona_count != b->persona_count || a->arm_count != b->arm_count)
        return false;
    for (int i = 0; i < a->persona_count; i++)
        if (strcmp(a->personas[i].name, b->personas[i].name) != 0 ||
            a->personas[i].program != b->personas[i].program)
            return false;
    for (int i = 0; i < a->arm_count; i++)
        if (strcmp(a->arms[i].name, b->arms[i].name) != 0 || a->arms[i].kind != b->arms[i].kind)
            return false;
    return true;
}

int evidence_table_add(evidence_table *t, const evidence_table *from, error *err)
{
    int dropped = 0, at = 0;
    if (!same_council(t, from)) {
        dropped = t->set_count;
        *t = *from;
        return dropped;
    }
    while (at < t->set_count && strcmp(t->sets[at].name, from->sets[0].name) != 0)
        at++;
    if (at == EVIDENCE_SETS)
        return error_set(err, ERROR_USAGE, "the evidence holds %d sets already", EVIDENCE_SETS);
    t->sets[at] = from->sets[0];
    t->set_count += at == t->set_count;
    return 0;
}
