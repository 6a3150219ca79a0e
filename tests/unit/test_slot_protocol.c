/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot protocol's reader and writer: every message whole and byte by byte, and what is not one.
 */
#include "worker/slot/outbox.h"
#include "worker/slot/protocol.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct belt_bytes text_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static void feed(struct slot_reader *reader, const void *data, size_t len)
{
    for (size_t at = 0, room; at < len;) {
        uint8_t *to = slot_reader_room(reader, &room);
        size_t n = len - at < room ? len - at : room;
        memcpy(to, (const uint8_t *)data + at, n);
        slot_reader_filled(reader, n);
        at += n;
    }
}

static enum slot_got read_text(enum slot_side side, const char *text, struct slot_got_message *message)
{
    static struct slot_reader reader;

    slot_reader_free(&reader);
    slot_reader_init(&reader, side, 100);
    feed(&reader, text, strlen(text));
    return slot_reader_next(&reader, message);
}

static bool is(struct belt_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && (bytes.len == 0 || memcmp(bytes.data, text, bytes.len) == 0);
}

Test(slot_protocol, what_is_written_is_read)
{
    struct slot_queue queue = {0};
    struct slot_reader reader;
    struct slot_got_message m;
    const struct slot_task task = {UINT64_MAX, 12, 3, text_of("f.x-y_z"), text_of("arg\n"), text_of("pay")};

    cr_assert_eq(slot_write_task(&queue, &task), 0);
    slot_reader_init(&reader, SLOT_SIDE_SLOT, 100);
    feed(&reader, queue.data, queue.len);
    cr_assert_eq(slot_reader_next(&reader, &m), SLOT_GOT_TASK);
    cr_expect_eq(m.task.job, UINT64_MAX);
    cr_expect_eq(m.task.index, 12);
    cr_expect_eq(m.task.attempt, 3);
    cr_expect(is(m.task.function, "f.x-y_z"));
    cr_expect(is(m.task.argument, "arg\n"));
    cr_expect(is(m.task.payload, "pay"));
    slot_reader_free(&reader);

    slot_queue_consume(&queue, queue.len);
    slot_write_hello(&queue);
    slot_write_ok(&queue, NULL, text_of("result"), 77);
    slot_write_fail(&queue, NULL, BELT_RESULT_TOO_LARGE, text_of("why"), text_of("data"), 78);
    slot_write_progress(&queue, 3, 4);
    slot_reader_init(&reader, SLOT_SIDE_AGENT, 100);
    static const enum slot_got expected[] = {SLOT_GOT_HELLO, SLOT_GOT_OK, SLOT_GOT_FAIL, SLOT_GOT_PROGRESS};
    uint32_t seen = 0;
    for (size_t i = 0; i < queue.len; i++) {
        feed(&reader, queue.data + i, 1);
        enum slot_got got = slot_reader_next(&reader, &m);
        if (got == SLOT_GOT_NOTHING)
            continue;
        cr_assert_eq(got, expected[seen]);
        if (seen == 1)
            cr_expect(is(m.payload, "result") && m.timed && m.service_us == 77);
        if (seen == 2)
            cr_expect(is(m.text, "why") && is(m.payload, "data") && m.code == BELT_RESULT_TOO_LARGE &&
                      m.service_us == 78);
        if (seen == 3)
            cr_expect(m.done == 3 && m.total == 4);
        seen++;
    }
    cr_expect_eq(seen, 4);
    slot_reader_free(&reader);
    slot_queue_free(&queue);
}

Test(slot_protocol, answers_written_by_hand_are_read)
{
    struct slot_got_message m;

    cr_expect(read_text(SLOT_SIDE_AGENT, "ok 0\n", &m) == SLOT_GOT_OK && m.payload.len == 0 && !m.timed);
    cr_expect(read_text(SLOT_SIDE_AGENT, "unable 3\nwhy", &m) == SLOT_GOT_UNABLE && is(m.text, "why"));
    cr_expect(read_text(SLOT_SIDE_AGENT, "unable why\n", &m) == SLOT_GOT_BAD);
    cr_expect(read_text(SLOT_SIDE_AGENT, "ok 2\nab", &m) == SLOT_GOT_OK && is(m.payload, "ab"));
    cr_expect(read_text(SLOT_SIDE_AGENT, "fail 3 0 1 9\nwhy", &m) == SLOT_GOT_FAIL && m.code == BELT_TASK_REFUSED);
    cr_expect(read_text(SLOT_SIDE_AGENT, "fail 3 0\nwhy", &m) == SLOT_GOT_FAIL && is(m.text, "why") &&
              m.code == BELT_TASK_FAILED);
    cr_expect(read_text(SLOT_SIDE_FILTER, "a line\n", &m) == SLOT_GOT_OK && is(m.payload, "a line"));
    cr_expect_eq(read_text(SLOT_SIDE_FILTER, "half a line", &m), SLOT_GOT_NOTHING);
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, "ok 3\nab", &m), SLOT_GOT_NOTHING);
}

Test(slot_protocol, an_answer_may_name_its_task)
{
    struct slot_got_message m;

    cr_expect(read_text(SLOT_SIDE_AGENT, "ok 2 id=7.3\nab", &m) == SLOT_GOT_OK && is(m.payload, "ab"));
    cr_expect(m.named && m.job == 7 && m.index == 3 && !m.timed);
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, "ok 0 12 id=18446744073709551615.0\n", &m), SLOT_GOT_OK);
    cr_expect(m.named && m.job == UINT64_MAX && m.index == 0 && m.timed && m.service_us == 12);
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, "fail 3 0 id=7.3\nwhy", &m), SLOT_GOT_FAIL);
    cr_expect(m.named && m.job == 7 && m.index == 3 && m.code == BELT_TASK_FAILED && is(m.text, "why"));
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, "fail 0 0 1 9 id=7.4\n", &m), SLOT_GOT_FAIL);
    cr_expect(m.named && m.index == 4 && m.code == BELT_TASK_REFUSED);
    cr_expect(read_text(SLOT_SIDE_AGENT, "ok 0\n", &m) == SLOT_GOT_OK && !m.named && !m.marked);
    cr_expect(read_text(SLOT_SIDE_AGENT, "ok 0 12 #7\n", &m) == SLOT_GOT_OK && m.marked && m.mark == 7 &&
              m.service_us == 12);
    cr_expect(read_text(SLOT_SIDE_AGENT, "fail 0 0 1 9 #0\n", &m) == SLOT_GOT_FAIL && m.marked && m.mark == 0);
}

/* A code of the worker or the broker from a task would be taken for theirs: 8 took its function from every worker. */
Test(slot_protocol, a_task_speaks_for_itself_only)
{
    struct slot_got_message m;
    char line[40];

    for (unsigned code = 0; code < 200; code++) {
        snprintf(line, sizeof(line), "fail 0 0 1 %u\n", code);
        cr_assert_eq(read_text(SLOT_SIDE_AGENT, line, &m), SLOT_GOT_FAIL);
        cr_expect_eq(m.code, code == BELT_RESULT_TOO_LARGE || code == BELT_TASK_REFUSED ? code : BELT_TASK_FAILED);
    }
}

Test(slot_protocol, anything_else_is_refused)
{
    static const char *const bad[] = {"\n",
                                      "ok\n",
                                      "ok -1\n",
                                      "ok x\n",
                                      "ok  1\na",
                                      "ok 1 \xff\n",
                                      "ok 1 2 3\n",
                                      "ok 99999999999999999999999\n",
                                      "okay 1\n",
                                      "belt-slot 2\n",
                                      "belt-slot 1 \n",
                                      "progress 1\n",
                                      "progress 1 2 3\n",
                                      "fail 1\n",
                                      "fail 0 0 1 2 3\n",
                                      "ok 0 id=\n",
                                      "ok 0 id=7\n",
                                      "ok 0 id=7.3 5\n",
                                      "ok 0 id=7.3.1\n",
                                      "ok 0 id=7.x\n",
                                      "ok 0 if=7.3\n",
                                      "ok 0 #\n",
                                      "ok 0 #12\n",
                                      "ok 0 #x\n",
                                      "fail 0 0 1 1 id=.3\n",
                                      "task 1.2 f 1 0 0\n",
                                      "hello\n",
                                      "OK 0\n",
                                      "ok 0\r\n"};
    static const char *const bad_tasks[] = {"ok 0\n", "task 1 f 1 0 0\n", "task 1.2  1 0 0\n", "task 1.2 f 1 0\n",
                                            "task 1.2 f 4294967296 0 0\n"};
    struct slot_got_message m;
    char line[SLOT_MAX_LINE + 1];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_expect_eq(read_text(SLOT_SIDE_AGENT, bad[i], &m), SLOT_GOT_BAD, "%s", bad[i]);
    for (size_t i = 0; i < sizeof(bad_tasks) / sizeof(*bad_tasks); i++)
        cr_expect_eq(read_text(SLOT_SIDE_SLOT, bad_tasks[i], &m), SLOT_GOT_BAD, "%s", bad_tasks[i]);
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, "ok 101\n", &m), SLOT_GOT_LARGE);
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, "fail 101 1\n", &m), SLOT_GOT_LARGE);
    memset(line, 'o', SLOT_MAX_LINE);
    line[SLOT_MAX_LINE] = '\0';
    cr_expect_eq(read_text(SLOT_SIDE_AGENT, line, &m), SLOT_GOT_BAD, "a line without end");
    cr_expect_eq(read_text(SLOT_SIDE_FILTER, line, &m), SLOT_GOT_LARGE);
}

Test(slot_protocol, an_announced_length_is_not_allocated)
{
    struct slot_reader reader;
    struct slot_got_message m;

    slot_reader_init(&reader, SLOT_SIDE_AGENT, BELT_MAX_PAYLOAD_CEILING);
    feed(&reader, "ok 1073741824\n", 14);
    cr_expect_eq(slot_reader_next(&reader, &m), SLOT_GOT_NOTHING);
    cr_expect_leq(reader.cap, 1u << 20);
    slot_reader_free(&reader);
}

Test(slot_protocol, an_answer_may_follow_its_line)
{
    struct slot_queue queue = {0};
    struct slot_reader reader;
    struct slot_got_message m;

    cr_assert_eq(slot_write_ok_line(&queue, NULL, 5, 42), 0);
    slot_reader_init(&reader, SLOT_SIDE_AGENT, 100);
    feed(&reader, queue.data, queue.len);
    cr_assert_eq(slot_reader_next(&reader, &m), SLOT_GOT_NOTHING);
    feed(&reader, "bytes", 5);
    cr_assert_eq(slot_reader_next(&reader, &m), SLOT_GOT_OK);
    cr_expect(is(m.payload, "bytes"));
    cr_expect(m.timed && m.service_us == 42);
    slot_reader_free(&reader);
    slot_queue_free(&queue);
}

/* Reads one message whose payload may lie in `shared`. */
static enum slot_got read_shared(enum slot_side side, const char *text, struct belt_bytes shared,
                                 struct slot_got_message *m)
{
    struct slot_reader reader;

    slot_reader_init(&reader, side, 100);
    reader.shared = shared;
    feed(&reader, text, strlen(text));
    enum slot_got got = slot_reader_next(&reader, m);
    cr_expect(got == SLOT_GOT_BAD || !slot_reader_pending(&reader), "%s", text);
    slot_reader_free(&reader);
    return got;
}

Test(slot_protocol, a_payload_may_lie_in_shared_memory)
{
    static const char *const bad[] = {"ok 5 1 6\n",
                                      "ok 0 1 0\n",
                                      "ok 5 1 11\n",
                                      "ok 11 1 0\n",
                                      "ok 5 1 -1\n",
                                      "ok 5 1 0 0\n",
                                      "ok 5 1 18446744073709551615\n"};
    const struct belt_bytes shared = text_of("0123456789"), none = {NULL, 0};
    const struct slot_task task = {.job = 1, .index = 2, .function = text_of("f"), .attempt = 3, .payload = {NULL, 4}};
    struct slot_queue queue = {0};
    struct slot_got_message m;

    cr_expect_eq(slot_write_ok_at(&queue, NULL, 5, 42, 3), 0);
    cr_expect_eq(slot_queue_add(&queue, "", 1), 0);
    cr_expect_eq(read_shared(SLOT_SIDE_AGENT, (const char *)queue.data, shared, &m), SLOT_GOT_OK);
    cr_expect(m.shared && is(m.payload, "34567") && m.payload.data == shared.data + 3 && m.service_us == 42);
    slot_queue_free(&queue);
    cr_expect_eq(slot_write_task_at(&queue, &task, 6), 0);
    cr_expect_eq(slot_queue_add(&queue, "", 1), 0);
    cr_expect_eq(read_shared(SLOT_SIDE_SLOT, (const char *)queue.data, shared, &m), SLOT_GOT_TASK);
    cr_expect(m.shared && is(m.task.payload, "6789") && m.task.payload.data == shared.data + 6 && m.task.attempt == 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_expect_eq(read_shared(SLOT_SIDE_AGENT, bad[i], shared, &m), SLOT_GOT_BAD, "%s", bad[i]);
    cr_expect_eq(read_shared(SLOT_SIDE_AGENT, "ok 5 1 0\n", none, &m), SLOT_GOT_BAD, "there is none");
    cr_expect_eq(read_shared(SLOT_SIDE_SLOT, "task 1.2 f 3 0 5 0\n", none, &m), SLOT_GOT_BAD, "there is none");
    slot_queue_free(&queue);
}

/* Fills and empties the queue; returns the room that it keeps. */
static size_t kept_after(struct slot_queue *queue, size_t len)
{
    cr_assert_not_null(slot_queue_room(queue, len));
    queue->len += len;
    slot_queue_consume(queue, len);
    return queue->cap;
}

Test(slot_protocol, room_is_kept_while_messages_are_large)
{
    struct slot_queue queue = {0};

    cr_expect_geq(kept_after(&queue, 1 << 20), 1 << 20);
    for (int i = 0; i < 10; i++)
        kept_after(&queue, 100);
    cr_expect_geq(kept_after(&queue, 1 << 20), 1 << 20, "small ones among large ones");
    for (int i = 0; i < 20; i++)
        kept_after(&queue, 100);
    cr_expect_leq(queue.cap, 256 << 10, "small ones alone do not pay for a large one");
    cr_expect_leq(kept_after(&queue, 16 << 20), 256 << 10, "one that is huge goes at once");
    slot_queue_free(&queue);
}

/* Reads an answer of `len` bytes that arrives in pieces of `step`, with another behind it. */
static void read_large(size_t len, size_t step)
{
    struct slot_queue queue = {0};
    struct slot_reader reader;
    struct slot_got_message m;
    uint8_t *bytes = malloc(len);
    unsigned answers = 0;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    cr_assert_eq(slot_write_ok(&queue, NULL, (struct belt_bytes){bytes, len}, 5), 0);
    cr_assert_eq(slot_write_ok(&queue, NULL, text_of("small"), 6), 0);
    slot_reader_init(&reader, SLOT_SIDE_AGENT, 1 << 20);
    for (size_t at = 0; at < queue.len;) {
        size_t room, n = queue.len - at < step ? queue.len - at : step;
        uint8_t *to = slot_reader_room(&reader, &room);
        n = n < room ? n : room;
        memcpy(to, queue.data + at, n);
        slot_reader_filled(&reader, n);
        at += n;
        while (slot_reader_next(&reader, &m) == SLOT_GOT_OK) {
            bool large = answers++ == 0;
            cr_assert(m.timed && m.service_us == (large ? 5 : 6));
            cr_assert_eq(m.payload.len, large ? len : 5);
            cr_assert(memcmp(m.payload.data, large ? bytes : (const uint8_t *)"small", m.payload.len) == 0);
            cr_assert(!m.kept.buf || (m.kept.data == m.payload.data && m.kept.len == len));
        }
    }
    cr_assert_eq(answers, 2, "%zu bytes in steps of %zu", len, step);
    cr_assert_not(slot_reader_pending(&reader));
    slot_reader_free(&reader);
    slot_queue_free(&queue);
    free(bytes);
}

Test(slot_protocol, a_large_answer_is_read_to_where_it_stays)
{
    static const size_t steps[] = {1000, 4096, 40000, SIZE_MAX};

    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        read_large(SLOT_LARGE_BYTES - 1, steps[i]);
        read_large(SLOT_LARGE_BYTES, steps[i]);
        read_large(300000, steps[i]);
    }
}

/* Writes all that waits in pieces of `step` bytes; returns how many bytes. */
static size_t write_out(struct slot_outbox *outbox, uint8_t *to, size_t step)
{
    size_t total = 0;

    while (!slot_outbox_empty(outbox)) {
        struct belt_bytes parts[3];
        size_t wrote = 0;
        unsigned count = slot_outbox_parts(outbox, parts, 3);
        cr_assert(count >= 1 && count <= 3);
        for (unsigned i = 0; i < count && wrote < step; i++) {
            size_t n = parts[i].len < step - wrote ? parts[i].len : step - wrote;
            cr_assert_gt(n, 0);
            memcpy(to + total + wrote, parts[i].data, n);
            wrote += n;
        }
        slot_outbox_sent(outbox, wrote);
        total += wrote;
    }
    return total;
}

Test(slot_outbox, payloads_are_written_in_their_order_and_released)
{
    static const size_t lens[] = {3, SLOT_LARGE_BYTES, SLOT_LARGE_BYTES + 1, 0, 100000, 7},
                        steps[] = {1, 999, 50000, SIZE_MAX};
    enum { TASKS = sizeof(lens) / sizeof(*lens) };
    uint8_t *whole = malloc(1 << 20), *wrote = malloc(1 << 20);

    for (unsigned k = 0; k < sizeof(steps) / sizeof(*steps); k++) {
        struct slot_outbox outbox = {0};
        struct slot_queue expected = {0};
        struct belt_payload payloads[TASKS];
        for (unsigned i = 0; i < TASKS; i++) {
            memset(whole, (int)('a' + i), lens[i]);
            payloads[i] = belt_payload_copy(whole, (uint32_t)lens[i]);
            const struct slot_task task = {1, i, 1, text_of("f"), text_of("x"), {payloads[i].data, lens[i]}};
            cr_assert_eq(slot_write_task(&expected, &task), 0);
            cr_assert_eq(slot_outbox_task(&outbox, &task, payloads[i]), 0);
        }
        cr_assert_eq(atomic_load(&payloads[4].buf->refs), 2, "a large one is shared");
        size_t len = write_out(&outbox, wrote, steps[k]);
        cr_assert(len == expected.len && memcmp(wrote, expected.data, len) == 0, "in steps of %zu", steps[k]);
        for (unsigned i = 0; i < TASKS; i++) {
            cr_assert(!payloads[i].buf || atomic_load(&payloads[i].buf->refs) == 1);
            cr_assert_eq(slot_outbox_payload(&outbox, payloads[i]), 0);
        }
        slot_outbox_free(&outbox);
        for (unsigned i = 0; i < TASKS; i++)
            belt_payload_clear(&payloads[i]);
        slot_queue_free(&expected);
    }
    free(whole);
    free(wrote);
}
