/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounded walk over msgpack bytes (codec_scan.h).
 */
#include "proto/codec_scan.h"
#include "proto/limits.h"
#include "proto/text_cut.h"

#include <belt/codes.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool scan_fail(struct scanner *s, int code, const char *field, const char *format, ...)
{
    if (s->code != BELT_OK)
        return false;
    s->code = code;
    char where[96] = "", what[128];
    if (s->list)
        snprintf(where, sizeof(where), "%s[%" PRIu32 "]: ", s->list, s->item);
    va_list args;
    va_start(args, format);
    (void)text_format(what, sizeof(what), format, args);
    va_end(args);
    if (!field)
        field = "";
    text_print(s->error, sizeof(s->error), "%s: %s%.*s%s%s", s->message, where, TEXT_UP_TO(field, 64),
               *field ? ": " : "", what);
    return false;
}

static const char *kind(uint8_t byte)
{
    static const char *const kinds[32] = {
        "nil",     "a reserved byte", "bool",  "bool",    "bin",     "bin",     "bin",     "ext",     "ext",
        "ext",     "float",           "float", "integer", "integer", "integer", "integer", "integer", "integer",
        "integer", "integer",         "ext",   "ext",     "ext",     "ext",     "ext",     "str",     "str",
        "str",     "array",           "array", "map",     "map",
    };
    if (byte < 0x80 || byte >= 0xe0)
        return "integer";
    if (byte < 0x90)
        return "map";
    if (byte < 0xa0)
        return "array";
    return byte < 0xc0 ? "str" : kinds[byte - 0xc0];
}

static bool unexpected(struct scanner *s, const char *field, const char *expected)
{
    if (s->at >= s->end)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "expected %s, the message ends there", expected);
    return scan_fail(s, BELT_BAD_MESSAGE, field, "expected %s, found %s", expected, kind(*s->at));
}

static size_t left(const struct scanner *s)
{
    return (size_t)(s->end - s->at);
}

/* `bytes` big-endian bytes after the first one; the first one stays if they are not there. */
static bool take_be(struct scanner *s, const char *field, unsigned bytes, uint64_t *value)
{
    if (left(s) < 1u + bytes)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "the message ends within it");
    uint64_t v = 0;
    for (unsigned i = 1; i <= bytes; i++)
        v = v << 8 | s->at[i];
    s->at += 1 + bytes;
    *value = v;
    return true;
}

/* Any integer: *negative tells whether *value is to be read as int64_t. */
static bool take_int(struct scanner *s, const char *field, uint64_t *value, bool *negative)
{
    uint8_t byte = s->at < s->end ? *s->at : 0xc1;
    *negative = false;
    if (byte < 0x80 || byte >= 0xe0) {
        *value = (uint64_t)(int64_t)(int8_t)byte;
        *negative = byte >= 0xe0;
        s->at++;
        return true;
    }
    if (byte < 0xcc || byte > 0xd3)
        return unexpected(s, field, "an integer");
    unsigned bytes = 1u << (byte & 3);
    if (!take_be(s, field, bytes, value))
        return false;
    if (byte >= 0xd0 && *value >> (8 * bytes - 1)) {
        *negative = true;
        if (bytes < 8)
            *value |= ~(uint64_t)0 << (8 * bytes);
    }
    return true;
}

bool scan_uint_slow(struct scanner *s, const char *field, uint64_t max, uint64_t *value)
{
    bool negative = false;
    if (!take_int(s, field, value, &negative))
        return false;
    if (negative)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "is %" PRId64 ", must not be negative", (int64_t)*value);
    if (*value > max)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "is %" PRIu64 ", at most %" PRIu64 " is allowed", *value, max);
    return true;
}

bool scan_u64(struct scanner *s, const char *field, uint64_t *value)
{
    return scan_uint(s, field, UINT64_MAX, value);
}

bool scan_u32(struct scanner *s, const char *field, uint32_t *value)
{
    uint64_t v = 0;
    bool ok = scan_uint(s, field, UINT32_MAX, &v);
    *value = (uint32_t)v;
    return ok;
}

bool scan_u8(struct scanner *s, const char *field, uint8_t max, uint8_t *value)
{
    uint64_t v = 0;
    bool ok = scan_uint(s, field, max, &v);
    *value = (uint8_t)v;
    return ok;
}

bool scan_i32(struct scanner *s, const char *field, int32_t min, int32_t max, int32_t *value)
{
    uint64_t v = 0;
    bool negative = false;
    if (!take_int(s, field, &v, &negative))
        return false;
    if (negative ? (int64_t)v < min : v > (uint64_t)max)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "is out of range, %" PRId32 " to %" PRId32 " is allowed", min,
                         max);
    *value = (int32_t)(int64_t)v;
    return true;
}

bool scan_bool(struct scanner *s, const char *field, bool *value)
{
    if (s->at >= s->end || (*s->at & 0xfe) != 0xc2)
        return unexpected(s, field, "true or false");
    *value = *s->at++ == 0xc3;
    return true;
}

bool scan_nil(struct scanner *s)
{
    if (s->at >= s->end || *s->at != 0xc0)
        return false;
    s->at++;
    return true;
}

bool scan_is_int(const struct scanner *s)
{
    return s->at < s->end && (*s->at < 0x80 || *s->at >= 0xe0 || (*s->at >= 0xcc && *s->at <= 0xd3));
}

/* The count of an array (fix 0x90, 16-bit form 0xdc) or map (0x80, 0xde). */
static bool take_count(struct scanner *s, const char *field, uint8_t fix, uint8_t wide, uint64_t *count)
{
    uint8_t byte = s->at < s->end ? *s->at : 0xc1;
    if ((byte & 0xf0) == fix) {
        *count = byte & 0x0f;
        s->at++;
        return true;
    }
    if (byte == wide)
        return take_be(s, field, 2, count);
    if (byte == wide + 1)
        return take_be(s, field, 4, count);
    return unexpected(s, field, fix == 0x90 ? "an array" : "a map");
}

static bool check_count(struct scanner *s, const char *field, uint64_t count, uint64_t max, uint64_t bytes)
{
    if (bytes > left(s))
        return scan_fail(s, BELT_BAD_MESSAGE, field, "declares %" PRIu64 " elements, the message ends before", count);
    if (count > max)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "has %" PRIu64 " elements, at most %" PRIu64 " are allowed", count,
                         max);
    return true;
}

bool scan_array(struct scanner *s, const char *field, uint32_t max, uint32_t *count)
{
    uint64_t n = 0;
    if (!take_count(s, field, 0x90, 0xdc, &n) || !check_count(s, field, n, max, n))
        return false;
    *count = (uint32_t)n;
    return true;
}

bool scan_tuple(struct scanner *s, const char *field, uint32_t count)
{
    uint64_t n = 0;
    if (s->at < s->end && *s->at == (0x90 | count) && count < 16) {
        s->at++;
        return true;
    }
    if (!take_count(s, field, 0x90, 0xdc, &n) || !check_count(s, field, n, UINT32_MAX, n))
        return false;
    if (n != count)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "has %" PRIu64 " fields, %" PRIu32 " are expected", n, count);
    return true;
}

bool scan_map(struct scanner *s, const char *field, uint32_t max, uint32_t *count)
{
    uint64_t n = 0;
    if (!take_count(s, field, 0x80, 0xde, &n) || !check_count(s, field, n, max, 2 * n))
        return false;
    *count = (uint32_t)n;
    return true;
}

/* The length of a str or bin; false without an error text if it is neither. */
static bool take_length(struct scanner *s, const char *field, unsigned kinds, uint64_t *len)
{
    uint8_t byte = s->at < s->end ? *s->at : 0xc1;
    if ((kinds & SCAN_STR) && (byte & 0xe0) == 0xa0) {
        *len = byte & 0x1f;
        s->at++;
        return true;
    }
    if ((kinds & SCAN_STR) && byte >= 0xd9 && byte <= 0xdb)
        return take_be(s, field, 1u << (byte - 0xd9), len);
    if ((kinds & SCAN_BIN) && byte >= 0xc4 && byte <= 0xc6)
        return take_be(s, field, 1u << (byte - 0xc4), len);
    return unexpected(s, field, kinds == SCAN_STR ? "str" : kinds == SCAN_BIN ? "bin" : "str or bin");
}

bool scan_bytes(struct scanner *s, const char *field, unsigned kinds, size_t max, struct belt_bytes *bytes)
{
    uint64_t len = 0;
    if (!take_length(s, field, kinds, &len))
        return false;
    if (len > left(s))
        return scan_fail(s, BELT_BAD_MESSAGE, field, "declares %" PRIu64 " bytes, the message ends before", len);
    if (len > max)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "has %" PRIu64 " bytes, at most %zu are allowed", len, max);
    bytes->data = s->at;
    bytes->len = (size_t)len;
    s->at += len;
    return true;
}

bool scan_text(struct scanner *s, const char *field, struct belt_bytes *bytes)
{
    return scan_bytes(s, field, SCAN_STR | SCAN_BIN, BELT_MAX_TEXT, bytes);
}

static bool name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

bool scan_name(struct scanner *s, const char *field, struct belt_bytes *bytes)
{
    if (!scan_bytes(s, field, SCAN_STR, BELT_MAX_NAME, bytes))
        return false;
    if (bytes->len == 0)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "is an empty name");
    if (bytes->data[0] == '-' || bytes->data[0] == '.')
        return scan_fail(s, BELT_BAD_MESSAGE, field, "is a name that starts with '%c'", bytes->data[0]);
    for (size_t i = 0; i < bytes->len; i++)
        if (!name_byte(bytes->data[i]))
            return scan_fail(s, BELT_BAD_MESSAGE, field,
                             "is a name with byte 0x%02x, only letters, digits, . _ - are allowed", bytes->data[i]);
    return true;
}

bool scan_key(struct scanner *s, const char *field, struct belt_bytes *bytes)
{
    if (!scan_bytes(s, field, SCAN_STR, BELT_MAX_KEY, bytes))
        return false;
    for (size_t i = 0; i < bytes->len; i++)
        if (bytes->data[i] < 0x20 || bytes->data[i] > 0x7e)
            return scan_fail(s, BELT_BAD_MESSAGE, field, "is a key with byte 0x%02x, only printable ASCII is allowed",
                             bytes->data[i]);
    return true;
}

static bool skip_plain(struct scanner *s, const char *field)
{
    uint64_t ignored = 0;
    bool negative = false;
    struct belt_bytes bytes;
    uint8_t byte = *s->at;
    if (byte == 0xc0 || byte == 0xc2 || byte == 0xc3) {
        s->at++;
        return true;
    }
    if (byte == 0xca || byte == 0xcb)
        return take_be(s, field, byte == 0xca ? 4 : 8, &ignored);
    if (scan_is_int(s))
        return take_int(s, field, &ignored, &negative);
    return scan_bytes(s, field, SCAN_STR | SCAN_BIN, SIZE_MAX, &bytes);
}

bool scan_skip(struct scanner *s, const char *field, unsigned depth)
{
    if (s->at >= s->end)
        return unexpected(s, field, "a value");
    uint8_t byte = *s->at;
    bool array = (byte & 0xf0) == 0x90 || byte == 0xdc || byte == 0xdd;
    bool map = (byte & 0xf0) == 0x80 || byte == 0xde || byte == 0xdf;
    if (!array && !map)
        return skip_plain(s, field);
    if (depth == 0)
        return scan_fail(s, BELT_BAD_MESSAGE, field, "is nested deeper than %u", BELT_MAX_DEPTH);
    uint32_t count = 0;
    if (array ? !scan_array(s, field, UINT32_MAX, &count) : !scan_map(s, field, UINT32_MAX / 2, &count))
        return false;
    uint64_t values = array ? count : 2 * (uint64_t)count;
    for (uint64_t i = 0; i < values; i++)
        if (!scan_skip(s, field, depth - 1))
            return false;
    return true;
}
