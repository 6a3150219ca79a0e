/* SPDX-License-Identifier: Apache-2.0
 *
 * What one message may hold (proto/limits.h): at the bound it is read, one above it is refused with a text that says so
 * (PROTOCOL.md §11). The messages are another library's: the encoder would refuse them, too.
 */
#include "proto/codec.h"

#include <belt/codes.h>
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

static char bytes[BELT_MAX_LOG + 1];

static void begin(msgpack_packer *to, unsigned fields, unsigned type, unsigned seq)
{
    memset(bytes, 'x', sizeof(bytes));
    msgpack_pack_array(to, 2 + fields);
    msgpack_pack_unsigned_int(to, type);
    msgpack_pack_unsigned_int(to, seq);
}

static void numbers(msgpack_packer *to, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        msgpack_pack_uint64(to, 1);
}

static void text(msgpack_packer *to, const char *word)
{
    msgpack_pack_str_with_body(to, word, strlen(word));
}

static void open_with(msgpack_packer *to, size_t key, size_t function)
{
    begin(to, 4, BELT_MSG_OPEN, 1);
    numbers(to, 1);
    msgpack_pack_str_with_body(to, bytes, key);
    msgpack_pack_str_with_body(to, bytes, function);
}

static void option(msgpack_packer *to, const char *name)
{
    open_with(to, 0, 1);
    msgpack_pack_map(to, 1);
    text(to, name);
}

static void write_key(msgpack_packer *to, size_t n)
{
    open_with(to, n, 1);
    msgpack_pack_map(to, 0);
}

static void write_name(msgpack_packer *to, size_t n)
{
    open_with(to, 0, n);
    msgpack_pack_map(to, 0);
}

static void write_window(msgpack_packer *to, size_t n)
{
    option(to, "window_items");
    msgpack_pack_uint64(to, n);
}

static void write_argument(msgpack_packer *to, size_t n)
{
    option(to, "argument");
    msgpack_pack_bin_with_body(to, bytes, n);
}

static void write_statuses(msgpack_packer *to, size_t n)
{
    option(to, "final_status");
    msgpack_pack_bin_with_body(to, bytes, n);
}

static void write_backoff(msgpack_packer *to, size_t n)
{
    option(to, "backoff_ms");
    msgpack_pack_uint64(to, n);
}

static void write_after(msgpack_packer *to, size_t n)
{
    option(to, "after_ms");
    msgpack_pack_uint64(to, n);
}

static void write_deadline(msgpack_packer *to, size_t n)
{
    option(to, "deadline_ms");
    msgpack_pack_uint64(to, n);
}

static void write_text(msgpack_packer *to, size_t n)
{
    begin(to, 1, BELT_MSG_BYE, 1);
    msgpack_pack_str_with_body(to, bytes, n);
}

static void write_log(msgpack_packer *to, size_t n)
{
    begin(to, 3, BELT_MSG_RESULTS, 1);
    numbers(to, 2);
    msgpack_pack_array(to, 1);
    msgpack_pack_array(to, 6);
    numbers(to, 4);
    msgpack_pack_bin_with_body(to, bytes, 0);
    msgpack_pack_map(to, 1);
    text(to, "log");
    msgpack_pack_bin_with_body(to, bytes, n);
}

static void push(msgpack_packer *to, size_t tasks, size_t size)
{
    begin(to, 3, BELT_MSG_PUSH, 1);
    numbers(to, 2);
    msgpack_pack_array(to, tasks);
    for (size_t i = 0; i < tasks; i++)
        msgpack_pack_bin_with_body(to, bytes, size);
}

static void write_batch(msgpack_packer *to, size_t n)
{
    push(to, n, 0);
}

static void write_inline(msgpack_packer *to, size_t n)
{
    push(to, 1, n);
}

static void welcome(msgpack_packer *to, size_t props)
{
    begin(to, 3, BELT_MSG_WELCOME, 0);
    numbers(to, 2);
    msgpack_pack_map(to, props);
}

/* The message itself is one level, its properties are another. */
static void write_depth(msgpack_packer *to, size_t n)
{
    welcome(to, 1);
    text(to, "x");
    for (size_t i = 2; i < n; i++)
        msgpack_pack_array(to, 1);
    msgpack_pack_nil(to);
}

static void write_options(msgpack_packer *to, size_t n)
{
    welcome(to, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_str_with_body(to, bytes, i + 1);
        msgpack_pack_nil(to);
    }
}

static void worker(msgpack_packer *to, size_t slots, size_t window, size_t functions)
{
    begin(to, 5, BELT_MSG_HELLO, 0);
    numbers(to, 1);
    msgpack_pack_uint64(to, BELT_ROLE_WORKER);
    msgpack_pack_bin_with_body(to, bytes, BELT_SESSION_LEN);
    text(to, "w");
    msgpack_pack_map(to, 3);
    text(to, "slots");
    msgpack_pack_uint64(to, slots);
    text(to, "window_items");
    msgpack_pack_uint64(to, window);
    text(to, "functions");
    msgpack_pack_array(to, functions);
    for (size_t i = 0; i < functions; i++)
        text(to, "f");
}

static void write_slots(msgpack_packer *to, size_t n)
{
    worker(to, n, 1, 1);
}

static void write_held(msgpack_packer *to, size_t n)
{
    worker(to, 1, n, 1);
}

static void write_functions(msgpack_packer *to, size_t n)
{
    worker(to, 1, 1, n);
}

static void write_rows(msgpack_packer *to, size_t n)
{
    begin(to, 3, BELT_MSG_REPORT, 1);
    numbers(to, 1);
    msgpack_pack_uint64(to, BELT_REPORT_READERS);
    msgpack_pack_array(to, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_array(to, 7);
        numbers(to, 1);
        text(to, "r");
        numbers(to, 1);
        numbers(to, 4);
    }
}

static const struct bound {
    const char *name;
    void (*write)(msgpack_packer *to, size_t n);
    uint64_t most;
    int code;
    const char *refusal; /* before the bound */
} bounds[] = {
    {"BELT_INLINE_PAYLOAD", write_inline, BELT_INLINE_PAYLOAD, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_BATCH", write_batch, BELT_MAX_BATCH, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_NAME", write_name, BELT_MAX_NAME, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_KEY", write_key, BELT_MAX_KEY, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_TEXT", write_text, BELT_MAX_TEXT, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_LOG", write_log, BELT_MAX_LOG, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_ARGUMENT", write_argument, BELT_MAX_ARGUMENT, BELT_BAD_OPTION, "at most"},
    {"BELT_MAX_DEPTH", write_depth, BELT_MAX_DEPTH, BELT_BAD_MESSAGE, "is nested deeper than"},
    {"BELT_MAX_OPTIONS", write_options, BELT_MAX_OPTIONS, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_FUNCTIONS", write_functions, BELT_MAX_FUNCTIONS, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_SLOTS", write_slots, BELT_MAX_SLOTS, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_HELD", write_held, BELT_MAX_HELD, BELT_BAD_MESSAGE, "at most"},
    {"BELT_MAX_ROWS", write_rows, BELT_MAX_ROWS, BELT_BAD_MESSAGE, "at most"},
    {"BELT_WINDOW_ITEMS_MAX", write_window, BELT_WINDOW_ITEMS_MAX, BELT_BAD_OPTION, "at most"},
    {"BELT_MAX_WAIT_MS of back-off", write_backoff, BELT_MAX_WAIT_MS, BELT_BAD_OPTION, "at most"},
    {"BELT_MAX_WAIT_MS of a start", write_after, BELT_MAX_WAIT_MS, BELT_BAD_OPTION, "at most"},
    {"BELT_MAX_WAIT_MS of a deadline", write_deadline, BELT_MAX_WAIT_MS, BELT_BAD_OPTION, "at most"},
    {"BELT_STATUS_BYTES", write_statuses, BELT_STATUS_BYTES, BELT_BAD_OPTION, "at most"},
};

static int decode(struct belt_decoder *decoder, const struct bound *bound, uint64_t n)
{
    struct belt_msg msg;
    msgpack_sbuffer out;
    msgpack_packer to;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&to, &out, msgpack_sbuffer_write);
    bound->write(&to, (size_t)n);
    cr_assert_leq(out.size, BELT_MAX_HEADER);
    struct belt_frames frames = {.frame = {belt_buf_copy(out.data, out.size)}, .count = 1};
    int rc = belt_decode(decoder, &frames, &msg);
    belt_frames_clear(&frames);
    msgpack_sbuffer_destroy(&out);
    return rc;
}

Test(limits, of_a_message)
{
    struct belt_decoder *decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
        const struct bound *bound = &bounds[i];
        char refusal[64];
        snprintf(refusal, sizeof(refusal), "%s %llu", bound->refusal, (unsigned long long)bound->most);
        int rc = decode(decoder, bound, bound->most);
        cr_assert_eq(rc, BELT_OK, "%s: code %d: %s", bound->name, rc, belt_decoder_error(decoder));
        rc = decode(decoder, bound, bound->most + 1);
        cr_assert_eq(rc, bound->code, "%s: code %d: %s", bound->name, rc, belt_decoder_error(decoder));
        cr_assert_not_null(strstr(belt_decoder_error(decoder), refusal), "%s: %s", bound->name,
                           belt_decoder_error(decoder));
    }
    belt_decoder_free(decoder);
}
