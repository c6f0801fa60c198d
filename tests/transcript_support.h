/* transcript_support.h - temporary folders, and sessions whose every record can be told apart. */
#ifndef TESTS_TRANSCRIPT_SUPPORT_H
#define TESTS_TRANSCRIPT_SUPPORT_H

#include "../transcripts/history.h"
#include "../transcripts/transcript.h"

/* A new folder (scratch.h); transcripts_remove takes it and what lies in it away, and frees the path. */
char *transcripts_folder(void);
void transcripts_remove(char *folder);

/* The model that every test transcript names. */
const transcript_model *transcripts_model(void);
/* A prompt record (turn `turn`, following record `parent`) and an answer to it; their texts say
 * which they are. Returns what transcript_end said of the answer, -1 when the prompt's failed too. */
int transcripts_turn(transcript *t, int turn, int parent, error *err);
/* The text of the prompt or the answer of a turn, as transcripts_turn wrote it. */
const char *transcripts_text(char out[64], const char *what, int turn);

/* Checks that h holds exactly `turns` whole turns as transcripts_turn wrote them. */
void transcripts_check(const history *h, int turns);
void transcripts_check_first(const history *h, int turns); /* more may follow */

char *transcripts_path(const char *folder, const char *name); /* caller frees */
char *transcripts_read(const char *path, size_t *n);          /* caller frees */
void transcripts_write(const char *path, const char *bytes, size_t n);

#endif
