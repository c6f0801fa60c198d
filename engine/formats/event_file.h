/* event_file.h - scalars over steps as TensorBoard reads them.
 *
 * An event file is a list of records; a record is a length (uint64), the masked CRC-32C of these eight
 * bytes, the bytes of an Event message, and their masked CRC-32C, little-endian. The first event names the
 * version, "brain.Event:2"; each of the others has a step and a summary with the values of tags there.
 * The name of a file must hold "tfevents"; a folder with one is a run.
 *
 * Sources: TensorFlow's record format (core/lib/io/record_writer.h), CRC-32C (RFC 3720, appendix B.4) masked
 * as there; core/util/event.proto, core/framework/summary.proto; protobuf's wire format.
 */
#ifndef ENGINE_EVENT_FILE_H
#define ENGINE_EVENT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"

typedef struct event_value {
    const char *tag;
    float value;
} event_value;

/* wall_time: seconds since 1970. */
int event_file_begin(buf *out, double wall_time, error *err);
/* Appends the event of one step with `n` values. */
int event_file_step(buf *out, double wall_time, int64_t step, const event_value *values, size_t n,
                    error *err);

#endif
