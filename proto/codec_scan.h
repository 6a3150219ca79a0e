/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading msgpack from bytes that nobody vouches for. Every function checks
 * that the bytes are there before it looks at them, returns false once anything
 * is wrong, and leaves one line that says what and where. Knows no message.
 */
#ifndef BELT_CODEC_SCAN_H
#define BELT_CODEC_SCAN_H

#include "proto/buf.h"

#include <stdbool.h>

struct scanner {
    const uint8_t *at, *end;
    const char *message; /* for the error text: "PUSH" … */
    const char *list;    /* … "tasks" … */
    uint32_t item;       /* … [3]; meaningless without a list */
    int code;            /* BELT_OK until something is wrong */
    char error[256];
};

/** Notes the first error: "PUSH: tasks[3]: payload: expected bin". `field` may be NULL. Returns false. */
bool scan_fail(struct scanner *s, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The rare forms of an unsigned integer, and its errors. */
bool scan_uint_slow(struct scanner *s, const char *field, uint64_t max, uint64_t *value);

static inline bool scan_uint(struct scanner *s, const char *field, uint64_t max, uint64_t *value)
{
    if (s->at < s->end && *s->at < 0x80 && *s->at <= max) {
        *value = *s->at++;
        return true;
    }
    return scan_uint_slow(s, field, max, value);
}

bool scan_u64(struct scanner *s, const char *field, uint64_t *value);
bool scan_u32(struct scanner *s, const char *field, uint32_t *value);
bool scan_u8(struct scanner *s, const char *field, uint8_t max, uint8_t *value);
/** A signed integer within min .. max. */
bool scan_i32(struct scanner *s, const char *field, int32_t min, int32_t max, int32_t *value);
bool scan_bool(struct scanner *s, const char *field, bool *value);
/** True and consumed when a nil comes next. */
bool scan_nil(struct scanner *s);
/** True when an unsigned or signed integer comes next (nothing is consumed). */
bool scan_is_int(const struct scanner *s);

/** A count of at most `max` elements, each of which takes a byte at least: the bytes must be there. */
bool scan_array(struct scanner *s, const char *field, uint32_t max, uint32_t *count);
/** An array of exactly `count` elements. */
bool scan_tuple(struct scanner *s, const char *field, uint32_t count);
bool scan_map(struct scanner *s, const char *field, uint32_t max, uint32_t *count);

enum scan_kinds { SCAN_STR = 1, SCAN_BIN = 2 };
/** A str or bin, as `kinds` allows, of at most `max` bytes. */
bool scan_bytes(struct scanner *s, const char *field, unsigned kinds, size_t max, struct belt_bytes *bytes);
/** PROTOCOL.md §4: text, name, key. */
bool scan_text(struct scanner *s, const char *field, struct belt_bytes *bytes);
bool scan_name(struct scanner *s, const char *field, struct belt_bytes *bytes);
bool scan_key(struct scanner *s, const char *field, struct belt_bytes *bytes);

/** Any value, nested at most `depth` deep, is passed over. */
bool scan_skip(struct scanner *s, const char *field, unsigned depth);

#endif
