/* load_notes.h - what is told while a model is opened, and to whom.
 *
 * Readers of files come upon things that are no errors: they say each in one sentence and go on.
 * Details (an unknown key, a tensor that changes nothing) are for those who ask. A warning is for
 * everybody: the answers may not be what the model's maker meant.
 */
#ifndef ENGINE_LOAD_NOTES_H
#define ENGINE_LOAD_NOTES_H

typedef enum checkpoint_note { CHECKPOINT_DETAIL, CHECKPOINT_WARNING } checkpoint_note;
typedef void checkpoint_warn(void *user, checkpoint_note note, const char *sentence);

#endif
