/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the codec: what goes in comes out, another msgpack library reads
 * it, and nothing that is malformed gets through (PROTOCOL.md §4, §5, §11).
 */
#include "tests/unit/samples.h"

#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (1u << 20)

static struct belt_decoder *decoder;
static struct belt_msg got;

static void start(void)
{
    decoder = belt_decoder_new(LIMIT);
}

static void stop(void)
{
    belt_decoder_free(decoder);
}

TestSuite(codec, .init = start, .fini = stop);

/* Decodes `len` bytes as a header, in a buffer of exactly that size so that a sanitizer sees any step outside. */
static int decode(const void *bytes, size_t len)
{
    struct belt_frames frames = {.frame = {belt_buf_copy(bytes, len)}, .count = 1};
    int rc = belt_decode(decoder, &frames, &got);
    belt_frames_clear(&frames);
    return rc;
}

static void refused(int line, const void *bytes, size_t len, int code, const char *text)
{
    int rc = decode(bytes, len);
    cr_assert_eq(rc, code, "line %d: got %d (%s)", line, rc, belt_decoder_error(decoder));
    cr_assert_str_eq(belt_decoder_error(decoder), text, "line %d: %s", line, belt_decoder_error(decoder));
}
#define BAD(bytes, text)          refused(__LINE__, bytes, sizeof(bytes) - 1, BELT_BAD_MESSAGE, text)
#define BAD_AS(bytes, code, text) refused(__LINE__, bytes, sizeof(bytes) - 1, code, text)
#define GOOD(bytes)               cr_assert_eq(decode(bytes, sizeof(bytes) - 1), BELT_OK, "%s", belt_decoder_error(decoder))

/* ------------------------------------------------------------- round trip */

Test(codec, every_message_comes_back_as_it_was)
{
    size_t count = 0;
    bool seen[256] = {false};
    const struct belt_msg *samples = samples_get(&count);
    for (size_t i = 0; i < count; i++) {
        struct belt_frames frames;
        cr_assert_eq(belt_encode(&samples[i], &frames), BELT_OK, "sample %zu", i);
        cr_assert_eq(belt_decode(decoder, &frames, &got), BELT_OK, "sample %zu: %s", i, belt_decoder_error(decoder));
        const char *what = samples_differ(&samples[i], &got);
        cr_assert_null(what, "sample %zu (%s): %s differs", i, belt_msg_name(samples[i].type), what);
        seen[got.type] = true;
        belt_frames_clear(&frames);
    }
#define CHECK_SEEN(name, number, from) cr_assert(seen[number], "no sample of " #name);
    BELT_MESSAGES(CHECK_SEEN)
#undef CHECK_SEEN
}

Test(codec, another_msgpack_library_reads_it)
{
    size_t count = 0;
    const struct belt_msg *samples = samples_get(&count);
    for (size_t i = 0; i < count; i++) {
        struct belt_frames frames;
        msgpack_unpacked unpacked;
        size_t end = 0;
        cr_assert_eq(belt_encode(&samples[i], &frames), BELT_OK);
        msgpack_unpacked_init(&unpacked);
        const struct belt_buf *header = frames.frame[0];
        cr_assert_eq(msgpack_unpack_next(&unpacked, (const char *)header->data, header->len, &end),
                     MSGPACK_UNPACK_SUCCESS);
        cr_assert_eq(end, header->len);
        cr_assert_eq(unpacked.data.type, MSGPACK_OBJECT_ARRAY);
        cr_assert_eq(unpacked.data.via.array.ptr[0].via.u64, samples[i].type);
        cr_assert_eq(unpacked.data.via.array.ptr[1].via.u64, samples[i].seq);
        msgpack_unpacked_destroy(&unpacked);
        belt_frames_clear(&frames);
    }
}

Test(codec, what_another_msgpack_library_writes_is_read)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 5);
    msgpack_pack_int(&pk, BELT_MSG_PUSH);
    msgpack_pack_fix_int64(&pk, 77);
    msgpack_pack_fix_int16(&pk, 3);
    msgpack_pack_fix_uint64(&pk, 4);
    msgpack_pack_array(&pk, 1);
    msgpack_pack_bin(&pk, 2);
    msgpack_pack_bin_body(&pk, "ab", 2);
    cr_assert_eq(decode(out.data, out.size), BELT_OK, "%s", belt_decoder_error(decoder));
    cr_assert_eq(got.seq, 77);
    cr_assert_eq(got.u.push.job, 3);
    cr_assert_eq(got.u.push.first, 4);
    cr_assert_eq(got.u.push.tasks[0].payload.len, 2);
    msgpack_sbuffer_destroy(&out);
}

Test(codec, large_payloads_are_shared_and_small_ones_inline)
{
    struct belt_buf *buf = belt_buf_new(BELT_INLINE_PAYLOAD * 3);
    memset(buf->data, 7, buf->len);
    struct belt_task_item tasks[] = {
        {.payload = {buf, buf->data, (uint32_t)buf->len}},
        {.payload = {buf, buf->data + 5, BELT_INLINE_PAYLOAD}},
        {.payload = {buf, buf->data + 5, BELT_INLINE_PAYLOAD + 1}},
        {.payload = {NULL, buf->data, BELT_INLINE_PAYLOAD + 2}},
    };
    struct belt_msg msg = {.type = BELT_MSG_PUSH, .u.push = {.job = 1, .tasks = tasks, .count = 4}};
    struct belt_frames frames;
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    cr_assert_eq(frames.count, 4);
    cr_assert_eq(frames.frame[1], buf, "the whole buffer is the attachment");
    cr_assert_eq(frames.frame[2]->data, buf->data + 5, "a part is shown, not copied");
    cr_assert_eq(belt_decode(decoder, &frames, &got), BELT_OK, "%s", belt_decoder_error(decoder));
    cr_assert_eq(got.u.push.tasks[0].payload.buf, buf);
    cr_assert_eq(got.u.push.tasks[1].payload.buf, frames.frame[0]);
    cr_assert_null(samples_differ(&msg, &got));
    belt_frames_clear(&frames);
    cr_assert_eq(buf->refs, 1, "every reference came back");
    belt_buf_unref(buf);
}

/* --------------------------------------------------------------- malformed */

Test(codec, every_truncation_is_refused)
{
    size_t count = 0;
    const struct belt_msg *samples = samples_get(&count);
    for (size_t i = 0; i < count; i++) {
        struct belt_frames frames;
        cr_assert_eq(belt_encode(&samples[i], &frames), BELT_OK);
        size_t len = frames.frame[0]->len;
        /* every byte of the beginning, where the fields are, and samples of the rest */
        for (size_t cut = 0; cut < len; cut += cut < 600 ? 1 : 997) {
            struct belt_frames part = frames;
            part.frame[0] = belt_buf_copy(frames.frame[0]->data, cut);
            cr_assert_neq(belt_decode(decoder, &part, &got), BELT_OK, "sample %zu cut at %zu of %zu", i, cut, len);
            cr_assert(belt_decoder_error(decoder)[0]);
            belt_buf_unref(part.frame[0]);
        }
        belt_frames_clear(&frames);
    }
}

Test(codec, every_trailing_byte_is_refused)
{
    size_t count = 0;
    const struct belt_msg *samples = samples_get(&count);
    for (size_t i = 0; i < count; i++) {
        struct belt_frames frames;
        cr_assert_eq(belt_encode(&samples[i], &frames), BELT_OK);
        frames.frame[0] = belt_buf_resize(frames.frame[0], frames.frame[0]->len + 1);
        frames.frame[0]->data[frames.frame[0]->len - 1] = 0xc0;
        cr_assert_eq(belt_decode(decoder, &frames, &got), BELT_BAD_MESSAGE, "sample %zu", i);
        belt_frames_clear(&frames);
    }
}

Test(codec, the_frame_of_a_message)
{
    BAD("", "message: expected an array, the message ends there");
    BAD("\xc0", "message: expected an array, found nil");
    BAD("\x90", "message: has no type and seq");
    BAD("\x91\x04", "message: has no type and seq");
    BAD("\x92\x00\x01", "message: type: there is no message 0");
    BAD("\x92\x09\x01", "message: type: there is no message 9");
    BAD("\x92\x07\x00", "JOIN: has 0 fields, 3 are expected");
    BAD("\x95\x07\x01\x01\xa1n\xc4\x20"
        "0123456789abcdef0123456789abcdef",
        "JOIN: seq: must be 0");
    BAD("\x95\x07\x00\x01\xa1n\xc4\x1f"
        "0123456789abcdef0123456789abcde",
        "JOIN: public: must have 32 bytes");
    BAD("\x95\x07\x00\x01\xa2-n\xc4\x20"
        "0123456789abcdef0123456789abcdef",
        "JOIN: name: is a name that starts with '-'");
    BAD("\x94\x08\x02\xa1n\xa1r", "JOINED: seq: must be 0");
    BAD("\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01", "message: type: there is no message 18446744073709551615");
    BAD("\x92\xff\x01", "message: type: is -1, must not be negative");
    BAD("\x92\x04\xc3", "PING: seq: expected an integer, found bool");
    BAD("\x93\x04\x01\x01", "PING: has 1 fields, 0 are expected");
    BAD("\x92\x06\x01", "BYE: has 0 fields, 1 are expected");
    BAD("\x92\x04\x01\x00", "PING: 1 bytes follow its end");
    BAD("\xdc\x00", "message: the message ends within it");
    GOOD("\xdc\x00\x02\x04\x01");
    GOOD("\xdd\x00\x00\x00\x02\xcd\x00\x04\xd3\x00\x00\x00\x00\x00\x00\x00\x01");
    cr_assert_eq(got.type, BELT_MSG_PING);
    cr_assert_eq(got.seq, 1);
}

Test(codec, declared_counts_that_are_not_there)
{
    BAD("\xdd\x20\x00\x00\x00", "message: declares 536870912 elements, the message ends before");
    BAD("\x95\x0c\x01\x01\x00\xdd\x20\x00\x00\x00",
        "PUSH: tasks: declares 536870912 elements, the message ends before");
    BAD("\x95\x0c\x01\x01\x00\xdd\xff\xff\xff\xff",
        "PUSH: tasks: declares 4294967295 elements, the message ends before");
    BAD("\x93\x2d\x01\xdd\x20\x00\x00\x00", "RETURNED: refs: declares 536870912 elements, the message ends before");
    BAD("\x95\x02\x00\x01\x01\xdf\xff\xff\xff\xff",
        "WELCOME: props: declares 4294967295 elements, the message ends before");
    BAD("\x93\x06\x01\xdb\xff\xff\xff\xff", "BYE: text: declares 4294967295 bytes, the message ends before");
    BAD("\x95\x0c\x01\x01\x00\x91\xc6\xff\xff\xff\xff",
        "PUSH: tasks[0]: payload: declares 4294967295 bytes, the message ends before");
    static char huge[5 + 5000] = "\x95\x0c\x01\x01\x00";
    memcpy(huge + 5, "\xdc\x13\x80", 3); /* 4992 items that are there */
    refused(__LINE__, huge, sizeof(huge), BELT_BAD_MESSAGE, "PUSH: tasks: has 4992 elements, at most 4096 are allowed");
}

Test(codec, ext_and_reserved_values)
{
    BAD("\x93\x06\x01\xd4\x01\x02", "BYE: text: expected str or bin, found ext");
    BAD("\x95\x02\x00\x01\x01\x81\xa1x\xc7\x01\x01\x01", "WELCOME: props: expected str or bin, found ext");
    BAD("\x95\x02\x00\x01\x01\x81\xa1x\xc1", "WELCOME: props: expected str or bin, found a reserved byte");
}

Test(codec, nesting)
{
    GOOD("\x95\x02\x00\x01\x01\x81\xa1x\x91\x91\x91\x91\x01"); /* six deep: message, props and four arrays */
    BAD("\x95\x02\x00\x01\x01\x81\xa1x\x91\x91\x91\x91\x91\x01", "WELCOME: props: is nested deeper than 6");
    char deep[600] = "\x95\x02\x00\x01\x01\x81\xa1x";
    memset(deep + 8, 0x91, sizeof(deep) - 8);
    refused(__LINE__, deep, sizeof(deep), BELT_BAD_MESSAGE, "WELCOME: props: is nested deeper than 6");
    BAD("\x95\x0c\x01\x01\x00\x91\x91\xc4\x01z", "PUSH: tasks[0]: payload: expected bin, found array");
}

Test(codec, types_of_fields)
{
    BAD("\x95\x0c\x01\xa1\x31\x00\x90", "PUSH: job: expected an integer, found str");
    BAD("\x95\x0c\x01\x01\xd0\xff\x90", "PUSH: first: is -1, must not be negative");
    BAD("\x95\x0c\x01\x01\xcb\x00\x00\x00\x00\x00\x00\x00\x00\x90", "PUSH: first: expected an integer, found float");
    BAD("\x95\x0c\x01\x01\x00\x80", "PUSH: tasks: expected an array, found map");
    BAD("\x95\x0c\x01\x01\x00\x92\xc4\x00\xa1z", "PUSH: tasks[1]: payload: expected bin, found str");
    BAD("\x93\x2c\x01\xcf\x00\x00\x00\x01\x00\x00\x00\x00",
        "RECALL: count: is 4294967296, at most 4294967295 is allowed");
    BAD("\x93\x2d\x01\x91\x92\x01\x02", "RETURNED: refs[0]: has 2 fields, 3 are expected");
    BAD("\x94\x28\x01\x90\x01", "SYNC: more: expected true or false, found integer");
}

Test(codec, names_keys_and_texts)
{
    BAD("\x96\x0a\x01\x01\xa0\xa0\x80", "OPEN: function: is an empty name");
    BAD("\x96\x0a\x01\x01\xa0\xa2-f\x80", "OPEN: function: is a name that starts with '-'");
    BAD("\x96\x0a\x01\x01\xa0\xa2.f\x80", "OPEN: function: is a name that starts with '.'");
    BAD("\x96\x0a\x01\x01\xa0\xa3"
        "a b\x80",
        "OPEN: function: is a name with byte 0x20, only letters, digits, . _ - are allowed");
    BAD("\x96\x0a\x01\x01\xa0\xc4\x01"
        "f\x80",
        "OPEN: function: expected str, found bin");
    BAD("\x96\x0a\x01\x01\xa1\n\xa1"
        "f\x80",
        "OPEN: key: is a key with byte 0x0a, only printable ASCII is allowed");
    BAD("\x96\x0a\x01\x01\xa1\x7f\xa1"
        "f\x80",
        "OPEN: key: is a key with byte 0x7f, only printable ASCII is allowed");
    char name[6 + 2 + 129 + 1] = "\x96\x0a\x01\x01\xa0\xd9\x81";
    memset(name + 7, 'x', 129);
    refused(__LINE__, name, 7 + 129 + 1, BELT_BAD_MESSAGE, "OPEN: function: has 129 bytes, at most 128 are allowed");
    static char text[6 + 4097] = "\x93\x06\x01\xda\x10\x01";
    refused(__LINE__, text, sizeof(text), BELT_BAD_MESSAGE, "BYE: text: has 4097 bytes, at most 4096 are allowed");
}

Test(codec, ranges)
{
    BAD("\x99\x10\x01\x01\x01\xa0\x02\xc0\x00\x00", "SUBSCRIBE: mode: is 2, at most 1 is allowed");
    BAD("\x95\x19\x01\x01\x00\xa0", "STATUS: what: is 0, 1 to 5 are allowed");
    BAD("\x95\x19\x01\x01\x06\xa0", "STATUS: what: is 6, at most 5 is allowed");
    BAD("\x96\x03\x01\x00\x00\x01\xa0", "ERROR: code: is no error of a broker, 32 to 63 are");
    BAD("\x96\x03\x01\x00\x00\x40\xa0", "ERROR: code: is 64, at most 63 is allowed");
    BAD("\x95\x14\x01\x00\x00\x01", "DONE: code: is none of OK, JOB_CANCELLED and UNKNOWN_READER");
    BAD("\x95\x2a\x01\x00\x01\x91\x96\x00\x01\x20\x00\xc4\x00\xc0",
        "RESULTS: results[0]: code: is 32, at most 31 is allowed");
    BAD("\x99\x0b\x01\x01\x01\x00\x00\x00\x00\x04", "OPENED: state: is 4, at most 3 is allowed");
    BAD("\x95\x0c\x01\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x91\xc4\x00",
        "PUSH: tasks[0]: first: is too large for so many items");
}

#define SESSION                                                                                                        \
    "\xc4\x10"                                                                                                         \
    "0123456789abcdef"

Test(codec, hello)
{
    GOOD("\x97\x01\x00\x01\x01" SESSION "\xa1n\x80");
    GOOD("\x97\x01\x00\x01\x01" SESSION "\xa1n\x81\xa5slots\xa1z"); /* a client's properties are ignored */
    GOOD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x83\xa5slots\x01\xa9"
         "functions\x91\xa1"
         "f\xa3new\x92\x01\xc0");
    BAD("\x97\x01\x01\x01\x01" SESSION "\xa1n\x80", "HELLO: seq: must be 0");
    BAD("\x97\x01\x00\x01\x00" SESSION "\xa1n\x80", "HELLO: role: is 0, 1 to 3 are allowed");
    BAD("\x97\x01\x00\x01\x04" SESSION "\xa1n\x80", "HELLO: role: is 4, at most 3 is allowed");
    BAD("\x97\x01\x00\x01\x01\xc4\x0f"
        "0123456789abcde\xa1n\x80",
        "HELLO: session: must have 16 bytes");
    BAD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x80", "HELLO: slots: a worker has one at least");
    BAD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x81\xa5slots\xcd\x10\x01",
        "HELLO: slots: is 4097, at most 4096 is allowed");
    BAD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x81\xa5slots\x01", "HELLO: functions: a worker serves one at least");
    BAD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x82\xa5slots\x01\xa5slots\x01", "HELLO: slots: is there twice");
    BAD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x81\xa9"
        "functions\x92\xa1"
        "f\xa1/",
        "HELLO: functions[1]: is a name with byte 0x2f, only letters, digits, . _ - are allowed");
    BAD("\x97\x01\x00\x01\x02" SESSION "\xa1n\x81\xa9"
        "functions\xdc\x01\x01",
        "HELLO: functions: declares 257 elements, the message ends before");
}

Test(codec, options)
{
    BAD_AS("\x96\x0a\x01\x09\xa0\xa1"
           "f\x81\xa5"
           "chnuk\x01",
           BELT_BAD_OPTION, "OPEN: options: there is no option \"chnuk\"");
    BAD_AS("\x96\x0a\x01\x01\xa0\xa1"
           "f\x81\xa2\n\xff\x01",
           BELT_BAD_OPTION, "OPEN: options: there is no option \"??\"");
    BAD_AS("\x96\x0a\x01\x01\xa0\xa1"
           "f\x81\xa8priority\x65",
           BELT_BAD_OPTION, "OPEN: priority: is out of range, -100 to 100 is allowed");
    BAD_AS("\x96\x0a\x01\x01\xa0\xa1"
           "f\x81\xa8priority\xd1\xff\x9b",
           BELT_BAD_OPTION, "OPEN: priority: is out of range, -100 to 100 is allowed");
    BAD_AS("\x96\x0a\x01\x01\xa0\xa1"
           "f\x81\xa6"
           "detail\x01",
           BELT_BAD_OPTION, "OPEN: detail: expected true or false, found integer");
    BAD_AS("\x96\x29\x01\x01\xa1"
           "f\x81\xa1z\x01\x90",
           BELT_BAD_OPTION, "DISPATCH: options: there is no option \"z\"");
    GOOD("\x96\x0a\x01\x01\xa0\xa1"
         "f\x81\xa8priority\xd0\x9c");
    cr_assert_eq(got.u.open.options.priority, -100);
    char many[8 + 3 + 33 * 3] = "\x96\x0a\x01\x01\xa0\xa1"
                                "f\xde\x00\x21";
    refused(__LINE__, many, sizeof(many), BELT_BAD_OPTION, "OPEN: options: has 33 elements, at most 32 are allowed");
}

Test(codec, extras)
{
    GOOD("\x95\x2a\x01\x00\x01\x91\x96\x00\x01\x00\x00\xc4\x00\x81\xa3new\xc2");
    cr_assert_eq(got.u.results.results[0].extras->exit_status, -1);
    BAD("\x95\x2a\x01\x00\x01\x91\x96\x00\x01\x00\x00\xc4\x00\x81\xa3log\xa1x",
        "RESULTS: results[0]: log: expected bin, found str");
    BAD("\x95\x2a\x01\x00\x01\x91\x96\x00\x01\x00\x00\xc4\x00\x01",
        "RESULTS: results[0]: extras: expected a map, found integer");
}

/* ------------------------------------------------------------- attachments */

static int decode_with(const char *header, size_t len, const size_t *attachments, uint32_t count)
{
    struct belt_frames frames = {.frame = {belt_buf_copy(header, len)}, .count = 1};
    for (uint32_t i = 0; i < count; i++)
        frames.frame[frames.count++] = belt_buf_new(attachments[i]);
    int rc = belt_decode(decoder, &frames, &got);
    belt_frames_clear(&frames);
    return rc;
}

#define WITH(header, code, text, ...)                                                                                  \
    do {                                                                                                               \
        size_t lengths[] = {__VA_ARGS__};                                                                              \
        int rc = decode_with(header, sizeof(header) - 1, lengths, sizeof(lengths) / sizeof(lengths[0]));               \
        cr_assert_eq(rc, code, "got %d: %s", rc, belt_decoder_error(decoder));                                         \
        cr_assert_str_eq(belt_decoder_error(decoder), text);                                                           \
    } while (0)

Test(codec, attachments_are_used_exactly)
{
    WITH("\x95\x0c\x01\x01\x00\x92\x05\x06", BELT_OK, "", 5, 6);
    WITH("\x95\x0c\x01\x01\x00\x91\x00", BELT_OK, "", 0);
    WITH("\x95\x0c\x01\x01\x00\x91\x05", BELT_BAD_MESSAGE, "PUSH: 1 attachments are named by no payload", 5, 5);
    WITH("\x95\x0c\x01\x01\x00\x92\x05\x05", BELT_BAD_MESSAGE,
         "PUSH: tasks[1]: payload: names an attachment that is not there", 5);
    WITH("\x95\x0c\x01\x01\x00\x91\x05", BELT_BAD_MESSAGE,
         "PUSH: tasks[0]: payload: is declared with 5 bytes, its attachment has 6", 6);
    WITH("\x92\x04\x01", BELT_BAD_MESSAGE, "PING: 1 attachments are named by no payload", 1);
    WITH("\x95\x0c\x01\x01\x00\x91\xce\x00\x10\x00\x01", BELT_TOO_LARGE,
         "PUSH: tasks[0]: payload: has 1048577 bytes, at most 1048576 are allowed", LIMIT + 1);
    WITH("\x95\x0c\x01\x01\x00\x91\xce\x00\x10\x00\x00", BELT_OK, "", LIMIT);
}

Test(codec, inline_payloads_are_bounded)
{
    static char bytes[9 + BELT_INLINE_PAYLOAD + 1] = "\x95\x0c\x01\x01\x00\x91\xc5\x40\x01";
    refused(__LINE__, bytes, sizeof(bytes), BELT_BAD_MESSAGE,
            "PUSH: tasks[0]: payload: has 16385 bytes, at most 16384 are allowed");
    belt_decoder_limit(decoder, 3);
    BAD_AS("\x95\x0c\x01\x01\x00\x91\xc4\x04"
           "abcd",
           BELT_TOO_LARGE, "PUSH: tasks[0]: payload: has 4 bytes, at most 3 are allowed");
    GOOD("\x95\x0c\x01\x01\x00\x91\xc4\x03"
         "abc");
}

Test(codec, frames_are_bounded)
{
    struct belt_frames none = {.count = 0};
    cr_assert_eq(belt_decode(decoder, &none, &got), BELT_BAD_MESSAGE);
    cr_assert_eq(got.type, 0);
    struct belt_frames large = {.frame = {belt_buf_new(BELT_MAX_HEADER + 1)}, .count = 1};
    memset(large.frame[0]->data, 0, large.frame[0]->len);
    cr_assert_eq(belt_decode(decoder, &large, &got), BELT_BAD_MESSAGE);
    cr_assert_str_eq(belt_decoder_error(decoder), "message: its header has 1048577 bytes, at most 1048576 are allowed");
    belt_frames_clear(&large);
}

static struct belt_named named_of(const void *bytes, size_t len)
{
    struct belt_frames frames = {.frame = {belt_buf_copy(bytes, len)}, .count = 1};
    struct belt_named named;
    cr_assert_neq(belt_decode(decoder, &frames, &got), BELT_OK);
    belt_decoder_named(decoder, &frames, &named);
    belt_frames_clear(&frames);
    return named;
}
#define NAMED(bytes) named_of(bytes, sizeof(bytes) - 1)

Test(codec, what_is_refused_is_named_as_far_as_it_can_be_read)
{
    cr_assert_eq(NAMED("\x96\x0a\x01\x09\xa0\xa1"
                       "f\x81\xa5"
                       "chnuk\x01")
                     .ref,
                 9, "OPEN with an option that does not exist");
    cr_assert_eq(NAMED("\x96\x0a\x01\x09\xa0\xa1/\x80").ref, 9, "OPEN of a name that is none");
    cr_assert_eq(NAMED("\x95\x0a\x01\x09\xa0\xa1").ref, 9, "OPEN with too few fields");
    cr_assert_eq(NAMED("\x99\x10\x01\x09\x07\xa0\x02\xc0\x00\x00").ref, 9, "SUBSCRIBE in a mode that does not exist");
    cr_assert_eq(NAMED("\x99\x10\x01\x09\x07\xa0\x02\xc0\x00\x00").job, 7);
    cr_assert_eq(NAMED("\x94\x16\x01\x09\xc0").ref, 9, "CANCEL of nil");
    cr_assert_eq(NAMED("\x95\x19\x01\x09\x77\xa0").ref, 9, "STATUS of something unknown");
    cr_assert_eq(NAMED("\x98\x1b\x01\x09\x77\xa0\x00\x00\x90").ref, 9, "FAILED of an unknown action");
    cr_assert_eq(NAMED("\x94\x63\x01\x09\x01").ref, 9, "a request of a newer peer");
    cr_assert_eq(NAMED("\x94\x0e\x01\x07\xc0").job, 7, "END without a count");
    cr_assert_eq(NAMED("\x97\x01\x00\x02\x09\xc0\xc0\xc0").version, 2, "HELLO of a newer version");
    cr_assert_eq(NAMED("\x94\x0b\x01\x09\x01").ref, 0, "OPENED asks nothing");
    cr_assert_eq(NAMED("\x09").ref, 0);
    belt_decoder_limit(decoder, 3);
    struct belt_named named = NAMED("\x95\x0c\x01\x07\x28\x92\xc4\x00\xc4\x04"
                                    "abcd");
    cr_assert(named.task && named.job == 7 && named.index == 41, "the task that is too large");
    struct belt_frames cut = {.frame = {belt_buf_copy("\x95\x0c\x01\x07\x28\x90", 6)}, .count = 1, .cut = true};
    cr_assert_eq(belt_decode(decoder, &cut, &got), BELT_BAD_MESSAGE, "frames are missing");
    belt_decoder_named(decoder, &cut, &named);
    cr_assert_eq(named.job, 7);
    belt_frames_clear(&cut);
}

Test(codec, random_bytes_are_survived)
{
    srand(20240229);
    unsigned accepted = 0;
    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[64];
        size_t len = (size_t)rand() % sizeof(bytes);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(rand() >> 7);
        if (len > 2 && i % 2) { /* half of them get past the first look */
            bytes[0] = (uint8_t)(0x92 + rand() % 6);
            bytes[1] = (uint8_t)(rand() % 49);
        }
        accepted += decode(bytes, len) == BELT_OK;
    }
    cr_assert_lt(accepted, 50000);
}

/* ---------------------------------------------------------------- encoder */

static void not_encoded(const struct belt_msg *msg)
{
    struct belt_frames frames;
    cr_assert_eq(belt_encode(msg, &frames), BELT_INVALID);
    cr_assert_eq(frames.count, 0);
}

Test(codec, the_encoder_refuses_what_a_receiver_would)
{
    static uint8_t bytes[BELT_MAX_HEADER];
    static struct belt_task_item tasks[BELT_MAX_BATCH + 1];
    struct belt_result_item result = {.code = 32};
    not_encoded(&(struct belt_msg){.type = 0});
    not_encoded(&(struct belt_msg){.type = 200});
    not_encoded(&(struct belt_msg){.type = BELT_MSG_BYE, .u.bye = {{bytes, BELT_MAX_TEXT + 1}}});
    not_encoded(&(struct belt_msg){.type = BELT_MSG_OPEN, .u.open = {.function = {bytes, 0}}});
    not_encoded(&(struct belt_msg){.type = BELT_MSG_HELLO, .u.hello = {.role = 1, .session = {bytes, 15}}});
    not_encoded(&(struct belt_msg){.type = BELT_MSG_PUSH, .u.push = {.tasks = tasks, .count = BELT_MAX_BATCH + 1}});
    not_encoded(&(struct belt_msg){.type = BELT_MSG_RESULTS, .u.results = {.results = &result, .count = 1}});
    for (uint32_t i = 0; i < 100; i++) /* together more than a header holds */
        tasks[i].payload = (struct belt_payload){NULL, bytes, BELT_INLINE_PAYLOAD};
    not_encoded(&(struct belt_msg){.type = BELT_MSG_PUSH, .u.push = {.tasks = tasks, .count = 100}});
    for (uint32_t i = 0; i < 65; i++) /* more attachments than frames */
        tasks[i].payload = (struct belt_payload){NULL, bytes, BELT_INLINE_PAYLOAD + 1};
    not_encoded(&(struct belt_msg){.type = BELT_MSG_PUSH, .u.push = {.tasks = tasks, .count = 65}});
}

Test(codec, a_report_is_cut_to_one_header)
{
    static uint8_t text[BELT_MAX_TEXT * 10];
    static struct belt_row_worker rows[BELT_MAX_ROWS];
    memset(text, 'x', sizeof(text));
    for (uint32_t i = 0; i < BELT_MAX_ROWS; i++)
        rows[i] = (struct belt_row_worker){.name = {text, 8}, .functions = {text, sizeof(text)}, .slots = i};
    struct belt_msg msg = {
        .type = BELT_MSG_REPORT,
        .u.report = {.ref = 1, .what = BELT_REPORT_WORKERS, .count = BELT_MAX_ROWS, .rows = {.workers = rows}}};
    struct belt_frames frames;
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    cr_assert_eq(belt_decode(decoder, &frames, &got), BELT_OK, "%s", belt_decoder_error(decoder));
    cr_assert(got.u.report.count > 200 && got.u.report.count < BELT_MAX_ROWS);
    cr_assert_eq(got.u.report.rows.workers[200].slots, 200);
    cr_assert_eq(got.u.report.rows.workers[0].functions.len, BELT_MAX_TEXT);
    belt_frames_clear(&frames);
}
