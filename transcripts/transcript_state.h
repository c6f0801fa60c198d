/* transcript_state.h - what the files of the transcript share behind transcript.h.
 *
 * The file holds `base` bytes that are on the disk and `written` bytes of `pending` behind them. What
 * is in `pending` is thrown away only after a flush that succeeded, so a write or a flush that fails
 * loses nothing: the file is cut back and the same bytes are written again, at the same place.
 */
#ifndef TRANSCRIPTS_TRANSCRIPT_STATE_H
#define TRANSCRIPTS_TRANSCRIPT_STATE_H

#include "transcript.h"

struct transcript {
    char *folder, *id, *path; /* id and path are NULL until there is a name */
    bool random;              /* the name is ours to choose */
    buf header;               /* what follows the id in the first line, until the file is made */
    int directory, fd;        /* -1 = not open */
    uint64_t base;
    buf pending;
    size_t written;
    bool needs_truncation;   /* the file may be longer than base + written: cutting it failed */
    bool directory_unsynced; /* the folder was not flushed since the file appeared */
    buf line;                /* the record that is being put together */
    json_writer e;
    error building;
    error lost; /* why a record could not even be put together */
    int n;      /* of the last record */
};

/* {0} with nothing open, for the folder `place`. NULL without memory. */
transcript *transcript_new(const char *place, error *err);
int transcript_set_name(transcript *t, const char *id, error *err);
/* Opens (makes, with `make`) the folder. */
int transcript_open_folder(transcript *t, bool make, error *err);
/* Takes the lock or says who has it. */
int transcript_lock(const transcript *t, error *err);
/* write at an offset, whole; EINTR and short writes are gone on from. errno is kept on failure. */
int transcript_write_at(int fd, const char *bytes, size_t n, uint64_t at);
int transcript_flush(int fd); /* fsync; 0 where a file system knows no such thing */

#endif
