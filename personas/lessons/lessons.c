/* lessons.c - see lessons.h.
 *
 * The file is read whole, bounded, and goes through line by line: each lesson is a JSON
 * document that stays open as long as the lesson, whose texts point into it. Every check of
 * a line is made even when one before it failed; what fails is added to the list of faults
 * with file and line in front (jsonl_tell()), and only what is no fault of the file, as memory
 * that ran out, ends the reading. Ids are found again by an index while lines are read, so
 * that faults stand in the order of the lines. A file of comments alone is refused in words
 * that fit: when a comment holds an object, it is the example of `personas new`, and the
 * user forgot to take its # away.
 */
#include "lessons.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/jsonl.h"
#include "../../engine/base/name_index.h"

static const char *const FIELDS[] = {"id", "form", "topic", "question", "answer", "before"};
static const char *const TURN[] = {"role", "text"};

typedef struct reader {
    jsonl lines;
    size_t first; /* of the file's lessons in out */
    lessons *out;
    name_index ids; /* of those that are given: numbers of lessons */
} reader;

/* A text that must be there and say something. */
static int need_text(const json *object, const char *key, const char **out, error *err)
{
    int found = json_get_string(object, key, out, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s: missing", key);
    return **out ? 0 : error_set(err, ERROR_LOAD, "%s: empty", key);
}

/* ---- one line ---------------------------------------------------------------------------------- */

static int read_turn(lesson *l, const json *turn, error *err)
{
    static const char *const roles[] = {"user", "assistant"};
    const char *role, *text;
    size_t i = l->before_count;
    if (i == LESSON_TURNS)
        return error_set(err, ERROR_LOAD, "more than %d turns", LESSON_TURNS);
    if (json_type(turn) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "a turn is {\"role\": \"..\", \"text\": \"..\"}");
    if (json_check_members(turn, TURN, 2, err) || need_text(turn, "role", &role, err) ||
        need_text(turn, "text", &text, err))
        return -1;
    if (strcmp(role, roles[i % 2]) != 0)
        return error_set(err, ERROR_LOAD, "turn %zu: role \"%.20s\" must be %s", i + 1, role,
                         roles[i % 2]);
    chat_role which = i % 2 ? CHAT_ASSISTANT : CHAT_USER;
    l->before[l->before_count++] = (chat_message){which, text, strlen(text)};
    return 0;
}

static int read_before(lesson *l, const json *root, error *err)
{
    const json *turns = NULL;
    int found = json_get_array(root, "before", &turns, err);
    if (found != 1)
        return found;
    for (const json *t = json_first(turns); t; t = json_next(t))
        if (read_turn(l, t, err))
            return error_prefix(err, "before: ");
    if (l->before_count % 2)
        return error_set(err, ERROR_LOAD, "before: must end with the assistant's turn");
    return 0;
}

static bool same_id(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const lessons *l = owner;
    const char *id = l->v[number].id;
    return strlen(id) == len && memcmp(id, bytes, len) == 0;
}

/* Its own, which nobody in the file may have; else the line's number. */
static int read_id(reader *r, lesson *l, const json *root, error *err)
{
    uint32_t before;
    int found = json_get_string(root, "id", &l->id, err);
    if (found < 0)
        return -1;
    if (!found) {
        l->number = string_format(err, "%zu", r->lines.line);
        l->id = l->number;
        return l->number ? 0 : -1;
    }
    if (!*l->id)
        return error_set(err, ERROR_LOAD, "id: empty; leave it out, or give one");
    found = name_index_add(&r->ids, 0, l->id, strlen(l->id), (uint32_t)(l - r->out->v), same_id,
                           r->out, &before, err);
    return found > 0 ? error_set(err, ERROR_LOAD, "id: \"%.60s\" stands twice", l->id) : found;
}

/* All that is wrong with it. */
static int read_fields(reader *r, lesson *l)
{
    enum { CHECKS = 7 };
    const json *root = json_root(l->document);
    error why[CHECKS] = {{0}};
    if (json_type(root) != JSON_OBJECT) {
        (void)error_set(&why[0], ERROR_LOAD,
                        "must be an object, {\"question\": \"..\", \"answer\": \"..\"}");
        return jsonl_tell(&r->lines, &why[0]);
    }
    l->form = "";
    l->topic = "";
    (void)json_check_members(root, FIELDS, sizeof FIELDS / sizeof *FIELDS, &why[0]);
    (void)need_text(root, "question", &l->question, &why[1]);
    (void)need_text(root, "answer", &l->answer, &why[2]);
    (void)json_get_string(root, "form", &l->form, &why[3]);
    (void)json_get_string(root, "topic", &l->topic, &why[4]);
    (void)read_before(l, root, &why[5]);
    (void)read_id(r, l, root, &why[6]);
    for (int i = 0; i < CHECKS; i++)
        if (jsonl_tell(&r->lines, &why[i]))
            return -1;
    return 0;
}

/* ---- held out ---------------------------------------------------------------------------------- */

static bool same_topic(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const char *topic = ((const lessons *)owner)->v[number].topic;
    return strlen(topic) == len && memcmp(topic, bytes, len) == 0;
}

/* A topic goes as its first lesson does. *topics: how many there are. */
static int hold_topics(lessons *out, size_t *topics, error *err)
{
    name_index index = {0};
    int found = 0;
    for (size_t i = 0; i < out->len && found >= 0; i++) {
        lesson *l = &out->v[i];
        uint32_t first;
        if (!*l->topic)
            continue;
        found = name_index_add(&index, 0, l->topic, strlen(l->topic), (uint32_t)i, same_topic, out,
                               &first, err);
        l->held_out = found > 0 ? out->v[first].held_out : ++*topics % LESSONS_HOLD == 0;
    }
    name_index_release(&index);
    return found < 0 ? -1 : 0;
}

static int hold_out(lessons *out, error *err)
{
    size_t topics = 0, plain = 0;
    if (hold_topics(out, &topics, err))
        return -1;
    for (size_t i = 0; i < out->len; i++)
        if (topics < LESSONS_HOLD || !*out->v[i].topic)
            out->v[i].held_out = ++plain % LESSONS_HOLD == 0;
    return 0;
}

size_t lessons_held_out(const lessons *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->len; i++)
        n += l->v[i].held_out;
    return n;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int grow(lessons *out, error *err)
{
    if (out->len >= LESSONS_MOST)
        return error_set(err, ERROR_LOAD, "more than %d lessons", LESSONS_MOST);
    lesson *v = array_room(out->v, out->len, &out->cap, sizeof *v, "the lessons", err);
    if (!v)
        return -1;
    out->v = v;
    return 0;
}

static void drop(lessons *out, size_t first)
{
    while (out->len > first) {
        lesson *l = &out->v[--out->len];
        json_close(l->document);
        free(l->number);
    }
}

/* A bad lesson stays in the list until the file has been read: its id is taken. */
static int add_line(void *user, jsonl *lines, const char *line, size_t len)
{
    reader *r = user;
    error why = {0};
    if (grow(r->out, lines->err))
        return -1;
    lesson *l = &r->out->v[r->out->len];
    *l = (lesson){.document = json_parse("JSON", line, len, &why)};
    if (!l->document)
        return jsonl_tell(&r->lines, &why);
    r->out->len++;
    return read_fields(r, l);
}

/* Nothing but comments: the first that holds an object is an example that is still one. */
static int no_lesson(const char *where, size_t example, error *err)
{
    if (example)
        return error_set(err, ERROR_LOAD,
                         "%s:%zu: still an example, commented out; put a lesson of your own "
                         "in its place, without the #",
                         where, example);
    return error_set(err, ERROR_LOAD, "%s: holds no lesson", where);
}

int lessons_read(const char *where, const char *text, size_t len, lessons *out, error *err)
{
    error none = {0};
    reader r = {.lines = {.where = where, .faults = &out->faults, .err = err ? err : &none},
                .first = out->len,
                .out = out};
    buf_clear(&out->faults);
    int result = jsonl_each(&r.lines, text, len, add_line, &r);
    out->fault_count = r.lines.fault_count;
    if (!result)
        result = jsonl_finish(&r.lines);
    if (!result && out->len == r.first)
        result = no_lesson(where, r.lines.example, r.lines.err);
    if (!result)
        result = hold_out(out, r.lines.err);
    if (result)
        drop(out, r.first);
    name_index_release(&r.ids);
    return result ? -1 : 0;
}

int lessons_load(const char *path, lessons *out, error *err)
{
    buf text = {0};
    int result = jsonl_load(path, LESSONS_BYTES, &text, err);
    if (result)
        (void)error_prefix(err, "%s: ", path);
    else
        result = lessons_read(path, text.v ? text.v : "", text.len, out, err);
    buf_release(&text);
    return result;
}

void lessons_release(lessons *l)
{
    drop(l, 0);
    free(l->v);
    buf_release(&l->faults);
    *l = (lessons){0};
}
