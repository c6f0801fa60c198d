/* wrap_disk.h - what stands between a test and the disk: calls that fail, and a disk that forgets.
 *
 * The linker puts the wrappers of wrap_disk.c in place of the calls that reach the disk (Makefile:
 * --wrap). They count, and at the N-th call fail once or for ever, write half, are interrupted, or
 * end the process before or after the call.
 *
 * A power cut is worse than an end: what was not flushed may be lost. So the wrappers keep beside the
 * folder what a disk would hold of it: of each file the bytes at its last fsync, of each folder the
 * names at its own. After a cut the folder is put together from that, or from any mixture of that and
 * what was written since (the model of SQLite's crash tests): flushing nothing, or the file but not
 * its folder, loses what was reported saved. A flush that fails takes the bytes with it.
 */
#ifndef TESTS_WRAP_DISK_H
#define TESTS_WRAP_DISK_H

typedef enum fault { NONE, ONCE, FOR_EVER, HALF, INTERRUPT, EXIT_BEFORE, EXIT_AFTER } fault;

/* From now on the at-th call does that, and fails with the errno `why`; NONE = none does. */
void disk_arm(fault how, long at, int why);
long disk_calls(void); /* since then */
/* Hard links fail with this errno; 0 = they do not. */
void disk_refuse_links(int why);
/* What was flushed of the files so far is not looked at any more. */
void disk_forget_files(void);
/* Keeps what a disk would hold in that folder; NULL = no longer. */
void disk_shadow(const char *folder);

/* What becomes of what was not flushed: names of files, and their bytes. */
typedef enum cut_names { NAMES_LOST, NAMES_KEPT } cut_names;
typedef enum cut_bytes { BYTES_LOST, BYTES_ZERO, BYTES_KEPT, CUT_BYTES } cut_bytes;

/* `to` becomes the folder `from` as a disk may have it after a cut. */
void disk_restore(const char *from, const char *to, cut_names names, cut_bytes bytes);

#endif
