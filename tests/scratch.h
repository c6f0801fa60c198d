/* scratch.h - where the files of a unit test go: below $TMPDIR, else /tmp.
 *
 * run.py gives every suite a folder of its own there and removes it with all that was left in it when
 * the suite has passed, so a test that dies in the middle, as planted faults make it, leaves nothing
 * behind. A test that is run by itself removes what it made.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

enum { SCRATCH = 96 }; /* bytes of a path; one that is longer fails the test */

/* A new folder whose name begins with `name`. */
void scratch_folder(char path[SCRATCH], const char *name);
/* A new empty file, open to read and write; the descriptor is the caller's. */
int scratch_file(char path[SCRATCH], const char *name);

#endif
