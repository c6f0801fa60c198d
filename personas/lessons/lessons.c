/* lessons.c - see lessons.h.
 *
 * The file is read whole, bounded, and goes through line by line: each lesson is a JSON
 * document that stays open as long as the lesson, whose texts point into it. An error
 * climbs from the field to the line to the file and gets its prefix at each step. Ids that
 * stand twice are found by sorting them once all lines are read. A file of comments alone
 * is refused in words that fit: when a comment holds an object, it is the example of
 * `personas new`, and the user forgot to take its # away.
 */
#include "lessons.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/array.h"
#include "../../engine/base/buf.h"

static const char *const FIELDS[] = {"id", "form", "question", "answer", "before"};
static const char *const TURN[] = {"role", "text"};

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

static int read_lesson(lesson *l, error *err)
{
    const json *root = json_root(l->document);
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "must be an object");
    if (json_check_members(root, FIELDS, sizeof FIELDS / sizeof *FIELDS, err) ||
        need_text(root, "id", &l->id, err) || need_text(root, "form", &l->form, err) ||
        need_text(root, "question", &l->question, err) ||
        need_text(root, "answer", &l->answer, err))
        return -1;
    return read_before(l, root, err);
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

static int add_line(const char *line, size_t len, lessons *out, error *err)
{
    if (grow(out, err))
        return -1;
    lesson *l = &out->v[out->len];
    *l = (lesson){.document = json_parse("JSON", line, len, err)};
    if (!l->document || read_lesson(l, err)) {
        json_close(l->document);
        return -1;
    }
    out->len++;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_ids(const lesson *v, size_t n, error *err)
{
    const char **ids = calloc(n ? n : 1, sizeof *ids);
    if (!ids)
        return error_memory(err, "the lessons");
    for (size_t i = 0; i < n; i++)
        ids[i] = v[i].id;
    qsort(ids, n, sizeof *ids, compare_ids);
    const char *twice = NULL;
    for (size_t i = 1; i < n && !twice; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0)
            twice = ids[i];
    if (twice)
        (void)error_set(err, ERROR_LOAD, "id: \"%.60s\" stands twice", twice);
    free(ids);
    return twice ? -1 : 0;
}

static size_t leading_blanks(const char *line, size_t len)
{
    size_t n = 0;
    while (n < len && (line[n] == ' ' || line[n] == '\t' || line[n] == '\r'))
        n++;
    return n;
}

/* Nothing but comments: the first that holds an object is an example that is still one. */
static int no_lesson(const char *where, size_t example, error *err)
{
    if (example)
        return error_set(err, ERROR_LOAD,
                         "%s: line %zu: still an example, commented out; put a lesson of your own "
                         "in its place, without the #",
                         where, example);
    return error_set(err, ERROR_LOAD, "%s: holds no lesson", where);
}

int lessons_read(const char *where, const char *text, size_t len, lessons *out, error *err)
{
    size_t at = 0, number = 0, first = out->len, example = 0;
    while (at < len) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t end = newline ? (size_t)(newline - text) : len;
        number++;
        size_t blanks = leading_blanks(text + at, end - at);
        bool empty = at + blanks == end, comment = !empty && text[at + blanks] == '#';
        if (comment && !example && memchr(text + at, '{', end - at))
            example = number;
        if (!empty && !comment && add_line(text + at, end - at, out, err))
            return error_prefix(err, "%s: line %zu: ", where, number);
        at = end + 1;
    }
    if (out->len == first)
        return no_lesson(where, example, err);
    if (check_ids(out->v + first, out->len - first, err))
        return error_prefix(err, "%s: ", where);
    return 0;
}

static int read_file(const char *path, buf *text, error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int why = errno;
        if (fd >= 0)
            (void)close(fd);
        return error_set(err, ERROR_LOAD, "cannot open: %s", strerror(why));
    }
    int result = 0;
    if (!S_ISREG(st.st_mode) || st.st_size > LESSONS_BYTES)
        result = error_set(err, ERROR_LOAD, "must be a regular file of at most %d MiB",
                           LESSONS_BYTES >> 20);
    char chunk[1 << 14];
    for (ssize_t n = 1; !result && n > 0;) {
        n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            n = 1; /* again */
        else if (n < 0)
            result = error_set(err, ERROR_LOAD, "cannot read: %s", strerror(errno));
        else if (text->len + (size_t)n > LESSONS_BYTES)
            result = error_set(err, ERROR_LOAD, "grew while it was read");
        else if (n > 0)
            result = buf_add(text, chunk, (size_t)n, err);
    }
    (void)close(fd);
    return result;
}

int lessons_load(const char *path, lessons *out, error *err)
{
    buf text = {0};
    int result = read_file(path, &text, err);
    if (result)
        (void)error_prefix(err, "%s: ", path);
    else
        result = lessons_read(path, text.v ? text.v : "", text.len, out, err);
    buf_release(&text);
    return result;
}

void lessons_release(lessons *l)
{
    for (size_t i = 0; i < l->len; i++)
        json_close(l->v[i].document);
    free(l->v);
    *l = (lessons){0};
}
