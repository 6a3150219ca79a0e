/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire's half of a stream that only hands in a job, or only reads one:
 * message by message.
 */
#include "client/stream.h"

#include <criterion/criterion.h>
#include <string.h>

static struct client_stream stream;
static struct belt_msg msg;

static void start(enum client_stream_kind kind, uint64_t cursor)
{
    struct client_stream_config config = {.kind = kind,
                                          .ref = 7,
                                          .job = 5,
                                          .cursor = cursor,
                                          .key = {(const uint8_t *)"key", 3},
                                          .function = {(const uint8_t *)"f", 1},
                                          .reader = {(const uint8_t *)"r", 1},
                                          .window = 8,
                                          .window_bytes = 1000};

    client_stream_init(&stream, &config);
}

/* The next message, which must be of this type. */
static void sends(enum belt_msg_type type)
{
    cr_assert(client_stream_send(&stream, true, &msg), "nothing is sent, %s is due", belt_msg_name(type));
    cr_assert_eq(msg.type, type, "%s is sent, %s is due", belt_msg_name(msg.type), belt_msg_name(type));
}

static void sends_nothing(void)
{
    cr_assert_not(client_stream_send(&stream, true, &msg), "%s is sent", belt_msg_name(msg.type));
}

static enum client_stream_action hears(struct belt_msg heard)
{
    uint32_t skip;

    return client_stream_receive(&stream, &heard, &skip);
}

static void opened(uint64_t next)
{
    struct belt_msg heard = {.type = BELT_MSG_OPENED};

    heard.u.opened = (struct belt_msg_opened){.ref = 7, .job = 5, .next = next, .grant = {100, 1000}};
    hears(heard);
}

static void accepted(uint64_t next)
{
    struct belt_msg heard = {.type = BELT_MSG_ACCEPTED};

    heard.u.accepted = (struct belt_msg_accepted){.job = 5, .next = next, .grant = {100, 1000}};
    hears(heard);
}

static void ended(uint64_t count)
{
    struct belt_msg heard = {.type = BELT_MSG_ENDED};

    heard.u.ended = (struct belt_msg_end){.job = 5, .count = count};
    hears(heard);
}

static void subscribed(uint64_t cursor)
{
    struct belt_msg heard = {.type = BELT_MSG_SUBSCRIBED};

    heard.u.subscribed = (struct belt_msg_subscribed){.ref = 7, .job = 5, .sub = 9, .cursor = cursor};
    hears(heard);
}

static void delivered(uint64_t first, uint32_t count)
{
    struct belt_result_item items[8] = {0};
    struct belt_msg heard = {.type = BELT_MSG_DELIVER};

    heard.u.deliver = (struct belt_msg_deliver){.sub = 9, .first = first, .results = items, .count = count};
    cr_assert_eq(hears(heard), CLIENT_STREAM_RESULTS);
}

static void done(uint64_t count, unsigned code)
{
    struct belt_msg heard = {.type = BELT_MSG_DONE};

    heard.u.done = (struct belt_msg_done){.sub = 9, .count = count, .code = code};
    hears(heard);
}

static void error(uint64_t ref, unsigned code)
{
    struct belt_msg heard = {.type = BELT_MSG_ERROR};

    heard.u.error = (struct belt_msg_error){.ref = ref, .job = 5, .code = code, .text = {(const uint8_t *)"why", 3}};
    hears(heard);
}

static void append(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct belt_payload payload = belt_payload_copy("0123456789", 10);

        cr_assert(client_stream_append(&stream, &payload));
    }
}

Test(stream_kinds, a_submit_never_subscribes_and_is_complete_when_its_end_is_known)
{
    start(CLIENT_STREAM_SUBMITS, 0);
    append(3);
    sends(BELT_MSG_OPEN);
    opened(0);
    sends(BELT_MSG_PUSH);
    cr_assert_eq(msg.u.push.count, 3);
    sends_nothing();
    accepted(2);
    client_stream_end(&stream);
    sends(BELT_MSG_END);
    cr_assert_not(client_stream_complete(&stream));
    cr_assert_not(client_stream_settled(&stream));
    ended(3);
    cr_assert(client_stream_complete(&stream), "the end is acknowledged with all before it");
    cr_assert(client_stream_settled(&stream));
    client_stream_resync(&stream);
    sends_nothing();
    client_stream_fini(&stream);
}

Test(stream_kinds, a_submit_of_a_known_key_pushes_what_is_missing)
{
    start(CLIENT_STREAM_SUBMITS, 0);
    sends(BELT_MSG_OPEN);
    opened(4);
    append(6);
    sends(BELT_MSG_PUSH);
    cr_assert_eq(msg.u.push.first, 4);
    cr_assert_eq(msg.u.push.count, 2);
    client_stream_resync(&stream);
    sends(BELT_MSG_OPEN);
    opened(5);
    sends(BELT_MSG_PUSH);
    cr_assert_eq(msg.u.push.first, 5);
    client_stream_fini(&stream);
}

Test(stream_kinds, a_submit_that_is_left_still_hands_in_what_it_has)
{
    start(CLIENT_STREAM_SUBMITS, 0);
    append(2);
    client_stream_end(&stream);
    client_stream_detach(&stream);
    cr_assert_not(client_stream_settled(&stream), "the broker has not heard of it");
    sends(BELT_MSG_OPEN);
    opened(0);
    sends(BELT_MSG_PUSH);
    accepted(2);
    cr_assert_not(client_stream_settled(&stream));
    sends(BELT_MSG_END);
    ended(2);
    cr_assert(client_stream_settled(&stream));
    client_stream_fini(&stream);
}

Test(stream_kinds, a_reader_opens_nothing_and_begins_at_its_cursor)
{
    start(CLIENT_STREAM_READS, BELT_CURSOR_KEPT);
    sends(BELT_MSG_SUBSCRIBE);
    cr_assert_eq(msg.u.subscribe.job, 5);
    cr_assert_eq(msg.u.subscribe.cursor, BELT_CURSOR_KEPT);
    subscribed(40);
    delivered(40, 3);
    client_stream_take(&stream, 2, 0, 8);
    sends(BELT_MSG_ACK);
    cr_assert_eq(msg.u.ack.upto, 42);
    cr_assert_eq(msg.u.ack.credit.items, 50);
    client_stream_resync(&stream);
    sends(BELT_MSG_SUBSCRIBE);
    cr_assert_eq(msg.u.subscribe.cursor, 43, "what is in hand comes not again");
    subscribed(43);
    sends(BELT_MSG_ACK);
    cr_assert_eq(msg.u.ack.upto, 42, "an acknowledgement that may be lost is told again");
    client_stream_fini(&stream);
}

Test(stream_kinds, a_reader_may_ask_for_a_number)
{
    start(CLIENT_STREAM_READS, 12);
    sends(BELT_MSG_SUBSCRIBE);
    cr_assert_eq(msg.u.subscribe.cursor, 12);
    error(7, BELT_GONE);
    cr_assert_eq(stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(stream.code, BELT_GONE);
    cr_assert_str_eq(stream.text, "why");
    client_stream_fini(&stream);
}

Test(stream_kinds, the_last_acknowledgement_survives_the_connection)
{
    start(CLIENT_STREAM_READS, BELT_CURSOR_KEPT);
    sends(BELT_MSG_SUBSCRIBE);
    subscribed(0);
    delivered(0, 2);
    done(2, BELT_OK);
    client_stream_take(&stream, 2, 0, 8);
    sends(BELT_MSG_ACK);
    cr_assert(client_stream_settled(&stream));
    client_stream_resync(&stream); /* a broker that was killed may not have it on disk */
    cr_assert_not(client_stream_settled(&stream));
    sends(BELT_MSG_SUBSCRIBE);
    cr_assert_eq(msg.u.subscribe.cursor, 2);
    subscribed(2);
    sends(BELT_MSG_ACK);
    cr_assert_eq(msg.u.ack.upto, 2);
    client_stream_resync(&stream);
    sends(BELT_MSG_SUBSCRIBE);
    error(7, BELT_UNKNOWN_JOB); /* it had it, and has forgotten the job */
    cr_assert(client_stream_settled(&stream));
    cr_assert(client_stream_complete(&stream));
    client_stream_fini(&stream);
}

Test(stream_kinds, a_reader_that_is_left_owes_only_what_it_took)
{
    start(CLIENT_STREAM_READS, BELT_CURSOR_KEPT);
    client_stream_detach(&stream);
    cr_assert(client_stream_settled(&stream), "it never began");
    sends_nothing();
    start(CLIENT_STREAM_READS, BELT_CURSOR_KEPT);
    sends(BELT_MSG_SUBSCRIBE);
    subscribed(0);
    delivered(0, 5);
    client_stream_take(&stream, 3, 0, 8);
    client_stream_detach(&stream);
    cr_assert_not(client_stream_settled(&stream));
    sends(BELT_MSG_ACK);
    cr_assert_eq(msg.u.ack.upto, 3);
    cr_assert(client_stream_settled(&stream));
    client_stream_fini(&stream);
}

Test(stream_kinds, errors_of_who_feeds_the_job_are_not_the_readers)
{
    start(CLIENT_STREAM_READS, BELT_CURSOR_KEPT);
    sends(BELT_MSG_SUBSCRIBE);
    subscribed(0);
    error(0, BELT_NOT_ALLOWED);
    cr_assert_eq(stream.state, CLIENT_STREAM_READING);
    client_stream_fini(&stream);
}

Test(stream_kinds, a_reader_that_is_taken_over_is_told)
{
    start(CLIENT_STREAM_READS, BELT_CURSOR_KEPT);
    sends(BELT_MSG_SUBSCRIBE);
    subscribed(0);
    delivered(0, 1);
    done(1, BELT_UNKNOWN_READER);
    cr_assert_eq(stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(stream.code, BELT_UNKNOWN_READER);
    cr_assert_not_null(strstr(stream.text, "taken over"));
    client_stream_fini(&stream);
}
