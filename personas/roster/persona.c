/* persona.c - reading one persona file; persona_find.c knows where they lie.
 *
 * The file is JSON with a fixed set of fields, at the root and in each object below; a
 * member that is none of them is an error, since a misspelt field would otherwise be a
 * persona that silently is not what its file says. Values are copied out and the document
 * is closed. Names of files are plain names in the persona's folder, never paths: a persona
 * from a stranger must not reach elsewhere. `given` remembers which sampling values were
 * written at all, as only those win over the configuration's.
 */
#include "persona.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json.h"
#include "../../engine/base/utf8.h"

enum { PERSONA_BYTES = 1 << 20, NAME_BYTES = 64 };

static const char *const FIELDS[] = {"persona",  "name",   "about",   "instruction",
                                     "sampling", "router", "lessons", "experts",
                                     "adapters", "color",  "auto",    "group"};
static const char *const COLORS[] = {"black", "red",     "green", "yellow",
                                     "blue",  "magenta", "cyan",  "white"};
static const char *const RESERVED[] = {"none", "merge", "control", "auto"};

/* ---- small checks ------------------------------------------------------------------------------ */

static bool one_of(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

bool persona_name_ok(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = strlen(name);
    return n > 0 && n <= NAME_BYTES && strspn(name, letters) == n &&
           !one_of(name, RESERVED, sizeof RESERVED / sizeof *RESERVED);
}

/* A file of the same folder: never a path. */
static int check_file_name(const char *field, const char *name, error *err)
{
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') || strlen(name) > 200)
        return error_set(err, ERROR_LOAD, "%s: \"%.60s\" is no plain file name", field, name);
    return 0;
}

/* ---- texts, one or per language ---------------------------------------------------------------- */

static int add_text(persona_text **list, int *count, const char *language, const char *text,
                    error *err)
{
    persona_text *grown = realloc(*list, ((size_t)*count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(err, "a persona");
    *list = grown;
    persona_text *t = &grown[*count];
    *t = (persona_text){.text = strdup(text)};
    if (!t->text)
        return error_memory(err, "a persona");
    memcpy(t->language, language, strlen(language) + 1);
    ++*count;
    return 0;
}

/* "en", "deu", "zh-Hant": a language's code. */
static bool is_language(const char *key)
{
    size_t letters = strspn(key, "abcdefghijklmnopqrstuvwxyz");
    return (letters == 2 || letters == 3) && (key[letters] == '\0' || key[letters] == '-') &&
           strlen(key) < sizeof((persona_text *)NULL)->language;
}

/* "field": "text", or "field": {"en": "text", "ru": "text"}. */
static int read_texts(const json *root, const char *field, persona_text **list, int *count,
                      error *err)
{
    const json *v = json_member(root, field);
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    if (json_type(v) == JSON_STRING)
        return add_text(list, count, "", json_string(v), err);
    if (json_type(v) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "%s: must be a text, or texts by language", field);
    for (const json *m = json_first(v); m; m = json_next(m)) {
        if (!is_language(json_key(m)) || json_type(m) != JSON_STRING)
            return error_set(err, ERROR_LOAD, "%s: \"%.20s\": write {\"en\": \"..\"}", field,
                             json_key(m));
        if (add_text(list, count, json_key(m), json_string(m), err))
            return -1;
    }
    return 0;
}

/* The file's folder + name; name was checked. Replaces *name. */
static int beside(const char *file, char **name, error *err)
{
    const char *slash = strrchr(file, '/');
    char *path = string_format(err, "%.*s%s", slash ? (int)(slash - file) + 1 : 0, file, *name);
    free(*name);
    *name = path;
    return path ? 0 : -1;
}

/* ---- sampling and router ----------------------------------------------------------------------- */

/* sampling_check() speaks of options; here the same names are spelled as the file spells them. */
static int check_sampling(const sampling *s, error *err)
{
    error why = {0};
    if (!sampling_check(s, &why))
        return 0;
    for (char *c = why.text; *c && *c != ' '; c++)
        *c = *c == '-' ? '_' : *c;
    return error_set(err, ERROR_LOAD, "sampling: %s", why.text);
}

static int read_sampling(persona *p, const json *root, error *err)
{
    const char *known[SAMPLING_FIELDS];
    const json *s = NULL;
    int found = json_get_object(root, "sampling", &s, err);
    p->sampling = sampling_defaults();
    if (found != 1)
        return found;
    for (int i = 0; i < SAMPLING_FIELDS; i++)
        known[i] = sampling_fields[i].name;
    if (json_check_members(s, known, SAMPLING_FIELDS, err))
        return -1;
    for (int i = 0; i < SAMPLING_FIELDS; i++) {
        const sampling_field *f = &sampling_fields[i];
        double value = sampling_get(&p->sampling, f);
        int64_t whole = (int64_t)value;
        found = f->whole ? json_get_int(s, f->name, 0, 1 << 30, &whole, err)
                         : json_get_number(s, f->name, -1e9, 1e9, &value, err);
        if (found < 0)
            return -1;
        sampling_put(&p->sampling, f, f->whole ? (double)whole : value);
        p->given |= found ? 1u << i : 0;
    }
    return check_sampling(&p->sampling, err);
}

static int read_mode(persona *p, const json *router, error *err)
{
    static const char *const modes[] = {"auto", "keep", "ban", "bias", "none"};
    const char *text = "auto";
    if (json_get_string(router, "mode", &text, err) < 0)
        return -1;
    for (int i = 0; i < (int)(sizeof modes / sizeof *modes); i++) {
        if (strcmp(text, modes[i]) == 0) {
            p->mode = (router_mode)i;
            return 0;
        }
    }
    return error_set(err, ERROR_LOAD, "mode: \"%.40s\" is none of auto, keep, ban, bias, none",
                     text);
}

static int get_count(const json *object, const char *key, int *out, error *err)
{
    int64_t v = 0;
    int found = json_get_int(object, key, 1, MODEL_MAX_EXPERTS, &v, err);
    if (found == 1)
        *out = (int)v;
    return found < 0 ? -1 : 0;
}

static int read_adaptive(persona *p, const json *router, error *err)
{
    static const char *const known[] = {"min", "ratio"};
    const json *a = NULL;
    int found = json_get_object(router, "adaptive", &a, err);
    if (found != 1)
        return found;
    if (json_check_members(a, known, 2, err) || get_count(a, "min", &p->router.adaptive_min, err))
        return -1;
    found = json_get_number(a, "ratio", 0, 1, &p->router.adaptive_ratio, err);
    if (found < 0)
        return -1;
    if (!p->router.adaptive_min || !found)
        return error_set(err, ERROR_LOAD, "adaptive: needs both min and ratio");
    return 0;
}

static int read_rules(persona *p, const json *router, error *err)
{
    const json *rules = NULL;
    int found = json_get_array(router, "rules", &rules, err);
    if (found != 1)
        return found;
    p->rules = rules_read(rules, err);
    return p->rules ? 0 : -1;
}

static int read_router(persona *p, const json *root, error *err)
{
    static const char *const known[] = {"mode",     "experts_per_token", "norm_width", "tail_gain",
                                        "strength", "adaptive",          "rules"};
    p->router = router_settings_plain();
    const json *r = NULL;
    int found = json_get_object(root, "router", &r, err);
    if (found != 1)
        return found;
    if (json_check_members(r, known, sizeof known / sizeof *known, err) || read_mode(p, r, err) ||
        get_count(r, "experts_per_token", &p->router.experts_per_token, err) ||
        get_count(r, "norm_width", &p->router.norm_width, err) ||
        json_get_number(r, "tail_gain", 0, 1, &p->router.tail_gain, err) < 0 ||
        json_get_number(r, "strength", 0, 4, &p->router.strength, err) < 0 ||
        read_adaptive(p, r, err))
        return error_prefix(err, "router: ");
    return read_rules(p, r, err);
}

/* ---- groups ------------------------------------------------------------------------------------ */

static int add_member(persona *p, const char *name, error *err)
{
    persona_group *g = p->group;
    if (!persona_name_ok(name))
        return error_set(err, ERROR_LOAD, "members: \"%.64s\" is no persona's name", name);
    if (strcmp(name, p->name) == 0)
        return error_set(err, ERROR_LOAD, "members: %s is the group itself", name);
    for (int i = 0; i < g->count; i++)
        if (strcmp(g->members[i], name) == 0)
            return error_set(err, ERROR_LOAD, "members: %s stands twice", name);
    g->members[g->count] = strdup(name);
    return g->members[g->count++] ? 0 : error_memory(err, "a group");
}

static int read_group_members(persona *p, const json *group, error *err)
{
    const json *list = NULL;
    int found = json_get_array(group, "members", &list, err);
    if (found < 0)
        return -1;
    size_t n = found ? json_count(list) : 0;
    if (n < 2 || n > TURN_PASSES_MOST)
        return error_set(err, ERROR_LOAD, "members: a group has 2 to %d, not %zu", TURN_PASSES_MOST,
                         n);
    p->group->members = calloc(n + 1, sizeof *p->group->members);
    if (!p->group->members)
        return error_memory(err, "a group");
    for (const json *v = json_first(list); v; v = json_next(v)) {
        if (json_type(v) != JSON_STRING)
            return error_set(err, ERROR_LOAD, "members: must be names of personas");
        if (add_member(p, json_string(v), err))
            return -1;
    }
    return 0;
}

static int read_group_merge(persona_group *g, const json *group, error *err)
{
    const char *merge = "auto";
    g->rounds = 1;
    if (json_get_string(group, "merge", &merge, err) < 0 ||
        json_get_copy(group, "by", &g->by, err) < 0)
        return -1;
    if (merge_parse(merge, &g->merge, &g->rounds, err)) {
        if (err)
            err->code = ERROR_LOAD;
        return -1;
    }
    if (g->merge == MERGE_BEST)
        return error_set(
            err, ERROR_LOAD,
            "merge: \"best\" goes by evidence, and of a group's members there is none");
    if (g->by && !persona_name_ok(g->by))
        return error_set(err, ERROR_LOAD, "by: \"%.64s\" is no persona's name", g->by);
    if (g->by && g->merge != MERGE_SYNTH)
        return error_set(err, ERROR_LOAD, "by: only \"synth\" has somebody who writes it");
    return 0;
}

/* It has members instead of what a single pass has. */
static int check_alone(const json *root, error *err)
{
    static const char *const of_pass[] = {"instruction", "sampling", "router",
                                          "lessons",     "experts",  "adapters"};
    for (size_t i = 0; i < sizeof of_pass / sizeof *of_pass; i++)
        if (json_member(root, of_pass[i]))
            return error_set(err, ERROR_LOAD, "%s: is its members' own, not a group's", of_pass[i]);
    return 0;
}

static int read_group(persona *p, const json *root, error *err)
{
    static const char *const known[] = {"members", "merge", "by"};
    const json *group = NULL;
    int found = json_get_object(root, "group", &group, err);
    if (found != 1)
        return found;
    p->group = calloc(1, sizeof *p->group);
    if (!p->group)
        return error_memory(err, "a group");
    if (json_check_members(group, known, sizeof known / sizeof *known, err) ||
        read_group_members(p, group, err) || read_group_merge(p->group, group, err))
        return error_prefix(err, "group: ");
    return check_alone(root, err);
}

static void close_group(persona_group *g)
{
    for (int i = 0; g && i < g->count; i++)
        free(g->members[i]);
    if (g) {
        free(g->members);
        free(g->by);
    }
    free(g);
}

/* ---- the file ---------------------------------------------------------------------------------- */

/* A file that does not say has its lessons in NAME.lessons.jsonl, once that is there. */
static int usual_lessons(persona *p, error *err)
{
    struct stat st;
    char *name = string_format(err, "%s.lessons.jsonl", p->name);
    int result = !name || beside(p->path, &name, err) ? -1 : 0;
    if (!result && stat(name, &st) == 0 && S_ISREG(st.st_mode))
        result = add_text(&p->lessons, &p->lesson_count, "", name, err);
    free(name);
    return result;
}

/* One of "adapters": a file name, or an object with it and a scale. */
static int read_adapter(persona *p, const json *v, error *err)
{
    static const char *const known[] = {"file", "scale"};
    persona_adapter *a = &p->adapters[p->adapter_count++];
    const char *file = json_type(v) == JSON_STRING ? json_string(v) : NULL;
    a->scale = 1;
    if (json_type(v) == JSON_OBJECT &&
        (json_check_members(v, known, 2, err) || json_get_string(v, "file", &file, err) < 0 ||
         json_get_number(v, "scale", -100, 100, &a->scale, err) < 0))
        return error_prefix(err, "adapters: ");
    if (!file)
        return error_set(err, ERROR_LOAD,
                         "adapters: write [\"FILE\"] or [{\"file\": \"FILE\", \"scale\": 0.5}]");
    if (check_file_name("adapters", file, err))
        return -1;
    a->path = strdup(file);
    return a->path ? beside(p->path, &a->path, err) : error_memory(err, "a persona");
}

static int read_adapters(persona *p, const json *root, error *err)
{
    const json *list = NULL;
    int found = json_get_array(root, "adapters", &list, err);
    if (found != 1)
        return found;
    p->adapters = calloc(json_count(list) + 1, sizeof *p->adapters);
    if (!p->adapters)
        return error_memory(err, "a persona");
    for (const json *v = json_first(list); v; v = json_next(v))
        if (read_adapter(p, v, err))
            return -1;
    return 0;
}

static int read_files(persona *p, const json *root, error *err)
{
    if (read_texts(root, "lessons", &p->lessons, &p->lesson_count, err) ||
        json_get_copy(root, "experts", &p->experts, err) < 0)
        return -1;
    for (int i = 0; i < p->lesson_count; i++)
        if (check_file_name("lessons", p->lessons[i].text, err) ||
            beside(p->path, &p->lessons[i].text, err))
            return -1;
    if (p->experts &&
        (check_file_name("experts", p->experts, err) || beside(p->path, &p->experts, err)))
        return -1;
    if (read_adapters(p, root, err))
        return -1;
    return json_member(root, "lessons") ? 0 : usual_lessons(p, err);
}

static int read_names(persona *p, const json *root, error *err)
{
    if (json_get_copy(root, "name", &p->name, err) < 0)
        return -1;
    if (!p->name)
        return error_set(err, ERROR_LOAD, "name: missing");
    if (!persona_name_ok(p->name))
        return error_set(err, ERROR_LOAD,
                         "name: \"%.64s\" must be 1 to 64 of A-Z a-z 0-9 _ - and not reserved",
                         p->name);
    if (json_get_copy(root, "about", &p->about, err) < 0 ||
        json_get_copy(root, "color", &p->color, err) < 0)
        return -1;
    if (p->color && !one_of(p->color, COLORS, sizeof COLORS / sizeof *COLORS))
        return error_set(err, ERROR_LOAD, "color: \"%.40s\" is no terminal color (red, green, ...)",
                         p->color);
    return 0;
}

static int read_persona(persona *p, const json *root, error *err)
{
    int64_t version = 0;
    if (json_type(root) != JSON_OBJECT || json_get_int(root, "persona", 1, 1, &version, err) != 1)
        return error_set(err, ERROR_LOAD, "not a persona file: it must say \"persona\": 1");
    if (json_check_members(root, FIELDS, sizeof FIELDS / sizeof *FIELDS, err) ||
        read_names(p, root, err) ||
        read_texts(root, "instruction", &p->instructions, &p->instruction_count, err) ||
        read_sampling(p, root, err) || read_router(p, root, err) ||
        signs_read(root, &p->asks, err) < 0 || signs_of_persona(&p->asks, p->name, err) ||
        read_group(p, root, err))
        return -1;
    return p->group ? 0 : read_files(p, root, err);
}

persona *persona_load(const char *path, error *err)
{
    json_document *document = json_load(path, PERSONA_BYTES, err);
    if (!document)
        return NULL;
    persona *p = calloc(1, sizeof *p);
    if (p)
        p->path = strdup(path);
    if (!p || !p->path) {
        error_memory(err, "a persona");
    } else if (read_persona(p, json_root(document), err)) {
        error_prefix(err, "%s: ", path);
    } else {
        json_close(document);
        return p;
    }
    persona_close(p);
    json_close(document);
    return NULL;
}

static void free_texts(persona_text *list, int n)
{
    for (int i = 0; i < n; i++)
        free(list[i].text);
    free(list);
}

void persona_close(persona *p)
{
    if (!p)
        return;
    free(p->name);
    free(p->about);
    free(p->color);
    free(p->path);
    free(p->experts);
    for (int i = 0; i < p->adapter_count; i++)
        free(p->adapters[i].path);
    free(p->adapters);
    free_texts(p->instructions, p->instruction_count);
    free_texts(p->lessons, p->lesson_count);
    rules_close(p->rules);
    signs_release(&p->asks);
    close_group(p->group);
    free(p);
}

/* ---- language ---------------------------------------------------------------------------------- */

/* Cyrillic is taken as Russian. */
const char *persona_language(const char *text, size_t len)
{
    return utf8_check(text, len, NULL) && utf8_is_cyrillic(text, len) ? "ru" : "en";
}

/* The text in the language of a prompt, else the first, else NULL. */
static const char *choose_text(const persona_text *list, int n, const char *prompt, size_t len)
{
    const char *language = persona_language(prompt, len);
    for (int i = 0; i < n; i++)
        if (strcmp(list[i].language, language) == 0)
            return list[i].text;
    return n ? list[0].text : NULL;
}

const char *persona_instruction(const persona *p, const char *prompt, size_t len)
{
    const char *found = choose_text(p->instructions, p->instruction_count, prompt, len);
    return found && *found ? found : NULL;
}

const char *persona_lessons(const persona *p, const char *prompt, size_t len)
{
    return choose_text(p->lessons, p->lesson_count, prompt, len);
}
