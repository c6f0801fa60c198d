/* event_file.c - see event_file.h. */
#include "event_file.h"

#include <string.h>

/* Field numbers of the messages, and protobuf's wire types. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_VERSION = 3,
    EVENT_SUMMARY = 5,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5,
};

/* CRC-32C, bit by bit as it is defined. */
static uint32_t crc_of(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= b[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

/* ---- protobuf ---------------------------------------------------------------------------------- */

static int put_varint(buf *out, uint64_t v, error *err)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    return buf_add(out, bytes, n, err);
}

static int put_key(buf *out, unsigned field, unsigned wire, error *err)
{
    return put_varint(out, field << 3 | wire, err);
}

/* An integer or the bits of a number, little-endian. */
static int put_fixed(buf *out, uint64_t bits, size_t n, error *err)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(bits >> 8 * i);
    return buf_add(out, bytes, n, err);
}

static int put_bytes(buf *out, unsigned field, const void *bytes, size_t n, error *err)
{
    return put_key(out, field, WIRE_BYTES, err) || put_varint(out, n, err) ||
                   (n && buf_add(out, bytes, n, err))
               ? -1
               : 0;
}

static int put_time(buf *out, double wall_time, error *err)
{
    uint64_t bits;
    memcpy(&bits, &wall_time, sizeof bits);
    return put_key(out, EVENT_WALL_TIME, WIRE_64, err) || put_fixed(out, bits, 8, err) ? -1 : 0;
}

static int put_value(buf *summary, const event_value *v, error *err)
{
    buf value = {0};
    uint32_t bits;
    memcpy(&bits, &v->value, sizeof bits);
    int result = put_bytes(&value, VALUE_TAG, v->tag, strlen(v->tag), err) ||
                 put_key(&value, VALUE_SIMPLE, WIRE_32, err) || put_fixed(&value, bits, 4, err) ||
                 put_bytes(summary, SUMMARY_VALUE, value.v, value.len, err);
    buf_release(&value);
    return result ? -1 : 0;
}

/* ---- records ----------------------------------------------------------------------------------- */

static int put_masked(buf *out, const void *bytes, size_t n, error *err)
{
    uint32_t crc = crc_of(bytes, n);
    return put_fixed(out, (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u), 4, err);
}

static int put_record(buf *out, const buf *event, error *err)
{
    size_t at = out->len;
    return put_fixed(out, event->len, 8, err) || put_masked(out, out->v + at, 8, err) ||
                   buf_add(out, event->v, event->len, err) ||
                   put_masked(out, event->v, event->len, err)
               ? -1
               : 0;
}

int event_file_begin(buf *out, double wall_time, error *err)
{
    static const char version[] = "brain.Event:2";
    buf event = {0};
    int result = put_time(&event, wall_time, err) ||
                 put_bytes(&event, EVENT_VERSION, version, sizeof version - 1, err) ||
                 put_record(out, &event, err);
    buf_release(&event);
    return result ? -1 : 0;
}

int event_file_step(buf *out, double wall_time, int64_t step, const event_value *values, size_t n,
                    error *err)
{
    buf event = {0}, summary = {0};
    int result = put_time(&event, wall_time, err) ||
                 put_key(&event, EVENT_STEP, WIRE_VARINT, err) ||
                 put_varint(&event, (uint64_t)step, err);
    for (size_t i = 0; i < n && !result; i++)
        result = put_value(&summary, &values[i], err);
    if (!result)
        result = put_bytes(&event, EVENT_SUMMARY, summary.v, summary.len, err) ||
                 put_record(out, &event, err);
    buf_release(&event);
    buf_release(&summary);
    return result ? -1 : 0;
}
