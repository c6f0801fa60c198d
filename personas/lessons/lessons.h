/* lessons.h - a persona's lessons: questions with the answers it would give.
 *
 * One JSON object a line:
 *
 *     {"id":"q001","form":"should","question":"..","answer":".."}
 *     {"id":"q010","form":"followup","question":"Why?","answer":"..",
 *      "before":[{"role":"user","text":".."},{"role":"assistant","text":".."}]}
 *
 * "before" holds the turns that came earlier: user and assistant by turns, an even number. Lines are
 * scanned as strictly as every file here; unknown fields and ids that stand twice are refused, with
 * file, line and field. Empty lines are allowed, and lines that begin with # are comments: a file of
 * them alone is what `personas new` writes, and holds no lesson yet.
 */
#ifndef PERSONAS_LESSONS_H
#define PERSONAS_LESSONS_H

#include <stddef.h>

#include "../../engine/base/json.h"
#include "../../engine/text/chat.h"

enum { LESSONS_BYTES = 16 << 20, LESSONS_MOST = 100000, LESSON_TURNS = 16 };

/* Borrowed texts, NUL-terminated UTF-8. */
typedef struct lesson {
    const char *id, *form, *question, *answer;
    chat_message before[LESSON_TURNS];
    size_t before_count;
    json_document *document; /* owns the texts */
} lesson;

typedef struct lessons {
    lesson *v;
    size_t len, cap;
} lessons;

/* Appends the lessons of a file. ERROR_LOAD: "coder.lessons.jsonl: line 3: answer: missing". On
 * failure *out holds what came before; lessons_release in any case. */
int lessons_load(const char *path, lessons *out, error *err);
/* The same from text in memory; `where` stands for the file. */
int lessons_read(const char *where, const char *text, size_t len, lessons *out, error *err);
void lessons_release(lessons *l);

#endif
