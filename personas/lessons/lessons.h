/* lessons.h - a persona's lessons: questions with the answers it would give.
 *
 * What is trained, derived and measured learns from this one file. One JSON object a line, of
 * which two fields make a lesson:
 *
 *     {"question":"May I sublet?","answer":"Only if clause 7 of your lease allows it."}
 *     {"id":"q010","form":"followup","question":"Why?","answer":"..",
 *      "before":[{"role":"user","text":".."},{"role":"assistant","text":".."}]}
 *
 * "id" is what messages call the lesson: without one, the number of its line. "form" is for whoever
 * sorts them. "topic" says what it is about. "before" holds the turns that came earlier: user and assistant by turns, an even
 * number. Empty lines are allowed, and lines that begin with # are comments: a file of them alone is
 * what `personas new` writes, and holds no lesson yet.
 *
 * Whoever learns from lessons holds some out, to see whether more than these was learned: every fifth.
 * Where lessons bear a topic and there are five of them, it is every fifth topic, in the order in which they
 * are first met, with all its lessons; so what is held out is about something else. Lessons without a topic
 * are counted among themselves.
 *
 * Lines are scanned as strictly as every file here; unknown fields and ids that are given twice are
 * refused. Somebody who wrote a hundred lines by hand wants to hear of all the bad ones at once, so
 * reading goes on behind a fault: each is told as "FILE:LINE: FIELD: what is wrong", and a file with
 * one fault gives no lesson at all.
 */
#ifndef PERSONAS_LESSONS_H
#define PERSONAS_LESSONS_H

#include <stdbool.h>
#include <stddef.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/json.h"
#include "../../engine/base/jsonl.h"
#include "../../engine/text/chat.h"

enum {
    LESSONS_BYTES = 16 << 20,
    LESSONS_MOST = 100000,
    LESSON_TURNS = 16,
    LESSONS_HOLD = 5,              /* each fifth is held out */
    LESSONS_FAULTS = JSONL_FAULTS, /* that are told; the others are counted */
};

/* Borrowed texts, NUL-terminated UTF-8. */
typedef struct lesson {
    const char *id;    /* as given, else the number of its line; never NULL */
    const char *form;  /* "" when the file gives none */
    const char *topic; /* likewise */
    const char *question, *answer;
    chat_message before[LESSON_TURNS];
    size_t before_count;
    bool held_out;
    json_document *document; /* owns the texts */
    char *number;            /* owned: the id of a lesson that brings none, else NULL */
} lesson;

/* {0} is valid and empty. */
typedef struct lessons {
    lesson *v;
    size_t len, cap;
    buf faults;         /* what is wrong with the file that was read last, one a line */
    size_t fault_count; /* at most LESSONS_FAULTS of them are told, then how many more */
} lessons;

/* Appends the lessons of a file. ERROR_LOAD with the first fault, "coder.lessons.jsonl:3: answer:
 * missing (the first of 5)"; out->faults has them all, and no lesson of the file was added.
 * lessons_release in any case. */
int lessons_load(const char *path, lessons *out, error *err);
/* The same from text in memory; `where` stands for the file. */
int lessons_read(const char *where, const char *text, size_t len, lessons *out, error *err);
size_t lessons_held_out(const lessons *l); /* how many are */
void lessons_release(lessons *l);

/* Appends a lesson as a line of such a file, its end included. Broken UTF-8 becomes U+FFFD. ERROR_USAGE
 * for U+0000 in a text, and for one without a word. */
int lessons_write(const char *question, size_t question_len, const char *answer, size_t answer_len,
                  buf *out, error *err);
/* Puts such a line behind what a file holds, which is made when it is not there (0600). After 0 it is
 * on the disk; on failure the file is as it was. Two who do so at once do not mix. ERROR_RUN. */
int lessons_append(const char *path, const char *line, size_t len, error *err);

#endif
