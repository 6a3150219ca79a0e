/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of a peer's session on virtual time (PROTOCOL.md §6).
 */
#include "proto/session.h"

#include <criterion/criterion.h>
#include <string.h>

static struct belt_session s;

static void hello(uint64_t now)
{
    struct belt_msg msg = {.type = BELT_MSG_HELLO, .seq = 99};
    belt_session_stamp(&s, now, &msg);
    cr_assert_eq(msg.seq, 0);
}

static uint64_t stamp(uint64_t now, enum belt_msg_type type)
{
    struct belt_msg msg = {.type = (uint8_t)type};
    belt_session_stamp(&s, now, &msg);
    return msg.seq;
}

static enum belt_session_action receive(uint64_t now, enum belt_msg_type type, uint64_t seq)
{
    struct belt_msg msg = {.type = (uint8_t)type, .seq = seq};
    return belt_session_receive(&s, now, &msg);
}

static enum belt_session_action welcome(uint64_t now, uint64_t epoch)
{
    struct belt_msg msg = {
        .type = BELT_MSG_WELCOME,
        .u.welcome = {.version = 1, .epoch = epoch, .heartbeat_ms = 100, .lease_ms = 500, .max_payload = 1234}};
    return belt_session_receive(&s, now, &msg);
}

static enum belt_session_action error(uint64_t now, uint64_t seq, unsigned code, uint64_t job)
{
    static const char text[] = "because";
    struct belt_msg msg = {.type = BELT_MSG_ERROR,
                           .seq = seq,
                           .u.error = {.code = code, .job = job, .text = {(const uint8_t *)text, sizeof(text) - 1}}};
    return belt_session_receive(&s, now, &msg);
}

/* Connected at `now`, epoch 7; the next message of either side has seq 1. */
static void ready(uint64_t now)
{
    belt_session_init(&s, now);
    cr_assert_eq(belt_session_timer(&s, now), BELT_SESSION_SEND_HELLO);
    hello(now);
    cr_assert_eq(welcome(now, 7), BELT_SESSION_WELCOMED);
    cr_assert_eq(s.state, BELT_SESSION_READY);
}

Test(session, says_hello_at_once_and_is_welcomed)
{
    belt_session_init(&s, 1000);
    cr_assert_eq(belt_session_deadline(&s), 1000);
    cr_assert_eq(s.heartbeat_ms, BELT_HEARTBEAT_MS);
    cr_assert_eq(belt_session_timer(&s, 1000), BELT_SESSION_SEND_HELLO);
    hello(1000);
    cr_assert_eq(belt_session_timer(&s, 1000), BELT_SESSION_NOTHING);
    cr_assert_eq(welcome(1010, 7), BELT_SESSION_WELCOMED);
    cr_assert_eq(s.epoch, 7);
    cr_assert_not(s.epoch_changed);
    cr_assert_eq(s.lease_ms, 500);
    cr_assert_eq(s.max_payload, 1234);
    cr_assert_eq(stamp(1011, BELT_MSG_OPEN), 1);
    cr_assert_eq(stamp(1011, BELT_MSG_PUSH), 2);
    cr_assert_eq(receive(1012, BELT_MSG_OPENED, 1), BELT_SESSION_PASS);
    cr_assert_eq(receive(1012, BELT_MSG_ACCEPTED, 2), BELT_SESSION_PASS);
}

Test(session, an_unsent_hello_is_tried_again_at_once_and_then_less_often)
{
    belt_session_init(&s, 0);
    uint64_t now = 0, pause = 1;
    for (; now < 10000; now += pause) {
        pause = 1 + now / 4 < 50 ? 1 + now / 4 : 50;
        cr_assert_eq(belt_session_deadline(&s), now);
        cr_assert_eq(belt_session_timer(&s, now), BELT_SESSION_SEND_HELLO);
        hello(now);
        belt_session_unsent(&s, now);
        cr_assert_eq(belt_session_timer(&s, now), BELT_SESSION_NOTHING);
        cr_assert_eq(belt_session_timer(&s, now + pause - 1), BELT_SESSION_NOTHING);
    }
    cr_assert_eq(pause, 50);
}

Test(session, a_shell_that_does_not_act_is_not_asked_for_ever)
{
    belt_session_init(&s, 0);
    cr_assert_eq(belt_session_timer(&s, 0), BELT_SESSION_SEND_HELLO);
    cr_assert_eq(belt_session_timer(&s, 0), BELT_SESSION_NOTHING);
    cr_assert_eq(belt_session_deadline(&s), 1);
}

Test(session, no_first_welcome_within_2_s_reconnects)
{
    belt_session_init(&s, 0);
    hello(0);
    cr_assert_eq(belt_session_deadline(&s), 2000);
    cr_assert_eq(belt_session_timer(&s, 1999), BELT_SESSION_NOTHING);
    cr_assert_eq(belt_session_timer(&s, 2000), BELT_SESSION_RECONNECT);
    cr_assert_eq(belt_session_timer(&s, 2000), BELT_SESSION_SEND_HELLO);
    hello(2000);
    cr_assert_eq(belt_session_timer(&s, 2000), BELT_SESSION_NOTHING);
}

Test(session, no_later_welcome_within_a_lease_reconnects)
{
    ready(0);
    cr_assert_eq(error(10, 0, BELT_SYNC_LOST, 0), BELT_SESSION_SEND_HELLO);
    hello(10);
    cr_assert_eq(belt_session_timer(&s, 509), BELT_SESSION_NOTHING);
    cr_assert_eq(belt_session_timer(&s, 510), BELT_SESSION_RECONNECT);
}

Test(session, duplicates_are_ignored)
{
    ready(0);
    cr_assert_eq(receive(1, BELT_MSG_ACCEPTED, 1), BELT_SESSION_PASS);
    cr_assert_eq(receive(1, BELT_MSG_ACCEPTED, 1), BELT_SESSION_NOTHING);
    cr_assert_eq(receive(1, BELT_MSG_ACCEPTED, 0), BELT_SESSION_NOTHING);
    cr_assert_eq(receive(1, BELT_MSG_ACCEPTED, 2), BELT_SESSION_PASS);
}

Test(session, a_gap_says_hello_and_ignores_the_rest)
{
    ready(0);
    cr_assert_eq(receive(5, BELT_MSG_ACCEPTED, 2), BELT_SESSION_SEND_HELLO);
    cr_assert_eq(s.state, BELT_SESSION_CONNECTING);
    cr_assert_eq(s.lost_ms, 5);
    cr_assert_eq(receive(5, BELT_MSG_ACCEPTED, 3), BELT_SESSION_NOTHING);
    cr_assert_eq(welcome(5, 7), BELT_SESSION_NOTHING, "no hello was sent that it could answer");
    hello(6);
    cr_assert_eq(receive(6, BELT_MSG_ACCEPTED, 1), BELT_SESSION_NOTHING);
    cr_assert_eq(welcome(7, 7), BELT_SESSION_WELCOMED);
    cr_assert_not(s.epoch_changed);
    cr_assert_eq(receive(8, BELT_MSG_OPENED, 1), BELT_SESSION_PASS);
    cr_assert_eq(stamp(8, BELT_MSG_OPEN), 1);
}

Test(session, a_new_epoch_is_told)
{
    ready(0);
    cr_assert_eq(error(10, 0, BELT_SYNC_LOST, 0), BELT_SESSION_SEND_HELLO);
    hello(10);
    cr_assert_eq(welcome(11, 8), BELT_SESSION_WELCOMED);
    cr_assert(s.epoch_changed);
    cr_assert_eq(s.epoch, 8);
}

Test(session, many_sync_lost_cause_one_hello)
{
    ready(0);
    cr_assert_eq(error(1, 0, BELT_SYNC_LOST, 0), BELT_SESSION_SEND_HELLO);
    cr_assert_eq(error(1, 0, BELT_SYNC_LOST, 0), BELT_SESSION_NOTHING);
    hello(1);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(error(2, 0, BELT_SYNC_LOST, 0), BELT_SESSION_NOTHING);
    cr_assert_eq(welcome(3, 7), BELT_SESSION_WELCOMED);
}

Test(session, sync_lost_of_a_job_is_for_the_upper_layer)
{
    ready(0);
    cr_assert_eq(error(1, 1, BELT_SYNC_LOST, 42), BELT_SESSION_PASS);
    cr_assert_eq(s.state, BELT_SESSION_READY);
    cr_assert_eq(error(1, 2, BELT_UNKNOWN_JOB, 0), BELT_SESSION_PASS);
}

Test(session, a_second_welcome_starts_the_count_again)
{
    ready(0);
    cr_assert_eq(receive(1, BELT_MSG_OPENED, 1), BELT_SESSION_PASS);
    cr_assert_eq(welcome(2, 7), BELT_SESSION_WELCOMED);
    cr_assert_eq(receive(3, BELT_MSG_OPENED, 1), BELT_SESSION_PASS);
}

Test(session, refusals_are_final)
{
    static const unsigned codes[] = {BELT_BAD_VERSION, BELT_BAD_ROLE, BELT_BAD_MESSAGE, BELT_LIMIT, BELT_NOT_ALLOWED};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        belt_session_init(&s, 0);
        hello(0);
        cr_assert_eq(error(1, 0, codes[i], 0), BELT_SESSION_FAILED);
        cr_assert_eq(s.state, BELT_SESSION_REFUSED);
        cr_assert_eq(s.code, codes[i]);
        cr_assert_str_eq(s.text, "because");
        cr_assert_eq(belt_session_timer(&s, 1000000), BELT_SESSION_NOTHING);
        cr_assert_eq(belt_session_deadline(&s), UINT64_MAX);
        cr_assert_eq(welcome(2, 7), BELT_SESSION_NOTHING);
    }
}

Test(session, a_draining_broker_is_asked_again)
{
    belt_session_init(&s, 0);
    hello(0);
    cr_assert_eq(error(1, 0, BELT_DRAINING, 0), BELT_SESSION_NOTHING);
    cr_assert_eq(belt_session_timer(&s, 2000), BELT_SESSION_RECONNECT);
}

Test(session, another_protocol_version_is_refused)
{
    belt_session_init(&s, 0);
    hello(0);
    struct belt_msg msg = {.type = BELT_MSG_WELCOME, .u.welcome = {.version = 2, .epoch = 1}};
    cr_assert_eq(belt_session_receive(&s, 1, &msg), BELT_SESSION_FAILED);
    cr_assert_eq(s.code, BELT_BAD_VERSION);
    cr_assert(s.text[0]);
}

Test(session, pings_when_it_was_silent_for_a_heartbeat)
{
    ready(0);
    cr_assert_eq(belt_session_deadline(&s), 100);
    cr_assert_eq(belt_session_timer(&s, 99), BELT_SESSION_NOTHING);
    cr_assert_eq(belt_session_timer(&s, 100), BELT_SESSION_SEND_PING);
    cr_assert_eq(stamp(100, BELT_MSG_PING), 1);
    cr_assert_eq(belt_session_timer(&s, 100), BELT_SESSION_NOTHING);
    cr_assert_eq(receive(101, BELT_MSG_PONG, 1), BELT_SESSION_NOTHING);
    cr_assert_eq(belt_session_deadline(&s), 200);
}

Test(session, pings_when_it_only_talks)
{
    ready(0);
    for (uint64_t now = 10; now < 100; now += 10)
        stamp(now, BELT_MSG_ACK);
    cr_assert_eq(belt_session_timer(&s, 100), BELT_SESSION_SEND_PING, "a broker that has nothing to say would expire");
    cr_assert_eq(belt_session_timer(&s, 100), BELT_SESSION_NOTHING);
}

Test(session, silence_for_a_lease_reconnects)
{
    ready(0);
    for (uint64_t now = 100; now < 500; now += 100) {
        cr_assert_eq(belt_session_timer(&s, now), BELT_SESSION_SEND_PING);
        stamp(now, BELT_MSG_PING);
    }
    cr_assert_eq(belt_session_deadline(&s), 500);
    cr_assert_eq(belt_session_timer(&s, 500), BELT_SESSION_RECONNECT);
    cr_assert_eq(s.state, BELT_SESSION_CONNECTING);
    cr_assert_eq(s.lost_ms, 500);
    cr_assert_eq(belt_session_timer(&s, 500), BELT_SESSION_SEND_HELLO);
}

Test(session, bye_of_the_broker_pauses_then_says_hello)
{
    ready(0);
    cr_assert_eq(receive(10, BELT_MSG_BYE, 1), BELT_SESSION_NOTHING);
    cr_assert_eq(s.state, BELT_SESSION_CONNECTING);
    cr_assert_eq(belt_session_timer(&s, 10), BELT_SESSION_NOTHING);
    uint64_t later = belt_session_deadline(&s);
    cr_assert(later > 10 && later < 1000);
    cr_assert_eq(belt_session_timer(&s, later), BELT_SESSION_SEND_HELLO);
}

Test(session, odd_times_of_a_broker_are_survived)
{
    belt_session_init(&s, 0);
    hello(0);
    struct belt_msg msg = {.type = BELT_MSG_WELCOME,
                           .u.welcome = {.version = 1, .epoch = 1, .heartbeat_ms = 900, .lease_ms = 100}};
    cr_assert_eq(belt_session_receive(&s, 0, &msg), BELT_SESSION_WELCOMED);
    cr_assert_eq(belt_session_timer(&s, 50), BELT_SESSION_SEND_PING, "it pings within the lease");
    msg.u.welcome.heartbeat_ms = msg.u.welcome.lease_ms = 0;
    cr_assert_eq(belt_session_receive(&s, 60, &msg), BELT_SESSION_WELCOMED);
    cr_assert_eq(s.lease_ms, BELT_LEASE_MS);
    cr_assert_eq(s.max_payload, BELT_MAX_PAYLOAD_DEFAULT);
}
