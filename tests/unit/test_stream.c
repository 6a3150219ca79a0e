/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire's half of a stream against the scripted broker of stream_world.h.
 */
#include "tests/unit/stream_world.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- the straight way ---- */

static void run_through(enum belt_mode mode)
{
    struct world world;

    world_start(&world, mode, 8, 1u << 20);
    world_append(&world, 8);
    world_pump(&world, false);
    for (uint64_t i = 0; i < 100; i++) { /* the window moves one by one */
        world_finish(&world, i ^ (mode == BELT_UNORDERED ? 1 : 0));
        world_deliver(&world, 3, false);
        world_taken(&world, world.got_count);
        world_pump(&world, true);
        if (i < 92)
            world_append(&world, 1);
        world_pump(&world, false);
    }
    client_stream_end(&world.stream);
    world_pump(&world, false);
    world_done(&world, BELT_OK);
    world_check_order(&world, 100);
    cr_assert(client_stream_complete(&world.stream));
    cr_assert(client_stream_settled(&world.stream), "the last acknowledgement is never left out");
    cr_assert_eq(world.broker.acked, 100);
    cr_assert_eq(world.broker.opens, 1);
    cr_assert_eq(world.broker.pushed, 100, "nothing is pushed twice on one connection");
    client_stream_fini(&world.stream);
}

Test(stream, ordered_from_open_to_the_last_ack)
{
    run_through(BELT_ORDERED);
}

Test(stream, unordered_from_open_to_the_last_ack)
{
    run_through(BELT_UNORDERED);
}

Test(stream, acknowledges_by_the_quarter_unless_idle)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 100, 1u << 20);
    world_append(&world, 100);
    world_pump(&world, false);
    for (uint64_t i = 0; i < 100; i++)
        world_finish(&world, i);
    world_deliver(&world, 16, false);
    world_taken(&world, 24);
    world_pump(&world, false);
    cr_assert_eq(world.broker.acks, 0);
    world_taken(&world, 25);
    world_pump(&world, false);
    cr_assert_eq(world.broker.acks, 1);
    cr_assert_eq(world.broker.acked, 25);
    world_taken(&world, 26);
    world_pump(&world, true);
    cr_assert_eq(world.broker.acked, 26, "when nothing else goes on all is acknowledged");
    world_pump(&world, true);
    cr_assert_eq(world.broker.acks, 2, "nothing new is not told again");
    client_stream_fini(&world.stream);
}

Test(stream, a_small_window_is_acknowledged_by_the_quarter_of_its_slack)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 1, 1u << 20);
    world.stream.config.slack = 63;
    world.broker.window = 80; /* the broker's is wider, too */
    for (uint64_t i = 0; i < 16; i++) {
        cr_assert_eq(world.broker.acks, 0);
        world_append(&world, 1);
        world_pump(&world, false);
        cr_assert_eq(world.broker.next, i + 1, "no push waits for an acknowledgement");
        world_finish(&world, i);
        world_deliver(&world, 1, false);
        world_taken(&world, i + 1);
        world_pump(&world, false);
    }
    cr_assert_eq(world.broker.acks, 1);
    cr_assert_eq(world.broker.acked, 16);
    client_stream_fini(&world.stream);
}

Test(stream, a_task_with_a_result_was_accepted)
{
    struct world world;

    world_start(&world, BELT_UNORDERED, 8, 1u << 20);
    world_pump(&world, false);
    world.late = true;
    world_append(&world, 5);
    world_pump(&world, false);
    cr_assert_eq(world.stream.accepted, 0);
    world_finish(&world, 3);
    world_deliver(&world, 1, false);
    cr_assert_eq(world.stream.accepted, 4, "so were those before it");
    client_stream_fini(&world.stream);
}

Test(stream, acknowledges_at_once_when_the_grant_is_used_up)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 100, 1u << 20);
    world_append(&world, 101);
    world_pump(&world, false);
    cr_assert_eq(world.broker.next, 100, "no push goes beyond the grant");
    world_finish(&world, 0);
    world_deliver(&world, 1, false);
    world_taken(&world, 1);
    world_pump(&world, false);
    cr_assert_eq(world.broker.next, 101);
    client_stream_fini(&world.stream);
}

Test(stream, credit_in_bytes_lets_one_overshoot_and_opens_by_taking)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 100, 25);
    world_append(&world, 10);
    world_pump(&world, false);
    for (uint64_t i = 0; i < 10; i++)
        world_finish(&world, i);
    cr_assert_eq(world_deliver(&world, 1, false), 3, "25 bytes: two fit, the third overshoots");
    world_taken(&world, 1);
    world_pump(&world, true);
    cr_assert_eq(world_deliver(&world, 1, false), 1);
    client_stream_fini(&world.stream);
}

Test(stream, pushes_fill_batches_in_order)
{
    struct world world;

    world_start(&world, BELT_ORDERED, WORLD_TASKS, 1u << 20);
    world_append(&world, 1000);
    world_pump(&world, false);
    world_append(&world, 3000); /* the ring has grown and wrapped */
    world_pump(&world, false);
    cr_assert_eq(world.broker.next, 4000);
    cr_assert_leq(world.broker.pushes, 8);
    client_stream_fini(&world.stream);
}

/* ---- duplicates, gaps, loss ---- */

Test(stream, drops_duplicate_deliveries)
{
    struct belt_result_item items[4] = {{.index = 0}, {.index = 1}, {.index = 2}, {.index = 3}};
    struct world world;
    struct belt_msg msg;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 8);
    world_pump(&world, false);
    msg = world_deliver_msg(&world.broker, 0, items, 2);
    world_tell(&world, &msg);
    world_tell(&world, &msg);
    msg = world_deliver_msg(&world.broker, 0, items, 4); /* overlaps */
    world_tell(&world, &msg);
    world_check_order(&world, 4);
    client_stream_fini(&world.stream);
}

Test(stream, ignores_deliveries_of_another_life_of_the_subscription)
{
    struct belt_result_item item = {.index = 0};
    struct world world;
    struct belt_msg msg;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 1);
    world_pump(&world, false);
    client_stream_resync(&world.stream);
    msg = world_deliver_msg(&world.broker, 0, &item, 1);
    world_tell(&world, &msg);
    cr_assert_eq(world.got_count, 0);
    client_stream_fini(&world.stream);
}

Test(stream, a_gap_asks_again_from_where_it_stands)
{
    struct world world;

    world_start(&world, BELT_UNORDERED, 8, 1u << 20);
    world_append(&world, 8);
    world_pump(&world, false);
    world_finish(&world, 3);
    world_deliver(&world, 1, false);
    world_finish(&world, 1);
    world_deliver(&world, 1, true);
    world_finish(&world, 2);
    world_deliver(&world, 1, false); /* number 2, but 1 is missing */
    cr_assert_eq(world.got_count, 1);
    world_pump(&world, false);
    cr_assert_eq(world.broker.subscribes, 2);
    world_deliver(&world, 1, false);
    world_check_order(&world, 3);
    client_stream_fini(&world.stream);
}

Test(stream, resends_what_was_not_accepted)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 3);
    world_pump(&world, false);
    world.deaf = true;
    world_append(&world, 3);
    world_pump(&world, false);
    cr_assert_eq(world.broker.next, 3);
    world.deaf = false;
    client_stream_resync(&world.stream);
    client_stream_end(&world.stream);
    world_pump(&world, false);
    cr_assert_eq(world.broker.next, 6);
    cr_assert_eq(world.broker.pushed, 6);
    cr_assert_eq(world.broker.ends, 1);
    client_stream_fini(&world.stream);
}

Test(stream, goes_on_after_a_reconnect_without_gap_or_duplicate)
{
    static const enum belt_mode modes[] = {BELT_ORDERED, BELT_UNORDERED};

    for (unsigned m = 0; m < 2; m++) {
        struct world world;

        world_start(&world, modes[m], 16, 64);
        world_append(&world, 16);
        world_pump(&world, false);
        for (uint64_t i = 0; i < 16; i++) {
            world_finish(&world, i);
            world_deliver(&world, 4, i % 3 == 1); /* some are on the way when the line breaks */
            if (i % 3 == 1)
                client_stream_resync(&world.stream);
            world_pump(&world, true);
            world_deliver(&world, 4, false);
            world_taken(&world, world.got_count / 2 * 2);
            world_pump(&world, true);
        }
        world_taken(&world, world.got_count);
        world_pump(&world, true);
        world_deliver(&world, 4, false);
        world_check_order(&world, 16);
        client_stream_fini(&world.stream);
    }
}

Test(stream, byte_credit_starts_again_with_the_subscription)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 100, 30);
    world_append(&world, 20);
    world_pump(&world, false);
    for (uint64_t i = 0; i < 20; i++)
        world_finish(&world, i);
    cr_assert_eq(world_deliver(&world, 1, false), 3);
    client_stream_resync(&world.stream); /* three in hand fill the window */
    world_pump(&world, true);
    cr_assert_eq(world.broker.credit.bytes, 0);
    cr_assert_eq(world_deliver(&world, 1, false), 0, "what is in hand counts");
    world_taken(&world, 3);
    world_pump(&world, true);
    cr_assert_eq(world_deliver(&world, 1, false), 3);
    client_stream_fini(&world.stream);
}

Test(stream, fails_when_the_broker_forgot_accepted_tasks)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 4);
    world_pump(&world, false);
    memset(&world.broker, 0, sizeof(world.broker));
    world.broker.window = 8;
    client_stream_resync(&world.stream);
    world_pump(&world, false);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(world.stream.code, BELT_LOST_BROKER);
    cr_assert(strlen(world.stream.text) > 0);
    client_stream_fini(&world.stream);
}

Test(stream, starts_anew_when_the_broker_forgot_what_it_never_accepted)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_pump(&world, false);
    memset(&world.broker, 0, sizeof(world.broker));
    world.broker.window = 8;
    world_append(&world, 4);
    client_stream_resync(&world.stream);
    world_pump(&world, false);
    cr_assert_eq(world.broker.next, 4);
    client_stream_fini(&world.stream);
}

/* ---- the end ---- */

Test(stream, an_empty_job_is_ended_and_done)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    client_stream_end(&world.stream);
    world_pump(&world, false);
    cr_assert_eq(world.broker.ends, 1);
    world_done(&world, BELT_OK);
    cr_assert(client_stream_complete(&world.stream));
    cr_assert(client_stream_settled(&world.stream));
    client_stream_fini(&world.stream);
}

Test(stream, what_is_over_is_not_opened_again)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 1);
    client_stream_end(&world.stream);
    world_pump(&world, false);
    world_finish(&world, 0);
    world_deliver(&world, 1, false);
    world_done(&world, BELT_OK);
    client_stream_resync(&world.stream);
    world_pump(&world, false);
    cr_assert_eq(world.broker.opens, 1, "the broker may have forgotten it by right");
    world_taken(&world, 1);
    world_pump(&world, false);
    cr_assert_eq(world.broker.acked, 1);
    client_stream_fini(&world.stream);
}

Test(stream, a_lost_tail_before_done_is_asked_for_again)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 2);
    client_stream_end(&world.stream);
    world_pump(&world, false);
    world_finish(&world, 0);
    world_finish(&world, 1);
    world_deliver(&world, 4, true);
    world_done(&world, BELT_OK);
    cr_assert_not(client_stream_complete(&world.stream));
    world_pump(&world, false);
    world_deliver(&world, 4, false);
    world_done(&world, BELT_OK);
    world_check_order(&world, 2);
    cr_assert(client_stream_complete(&world.stream));
    client_stream_fini(&world.stream);
}

Test(stream, done_tells_of_a_cancel_by_somebody_else)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 2);
    world_pump(&world, false);
    world_done(&world, BELT_JOB_CANCELLED);
    cr_assert(client_stream_complete(&world.stream));
    cr_assert_eq(world.stream.done_code, BELT_JOB_CANCELLED);
    client_stream_fini(&world.stream);
}

/* ---- cancel, errors ---- */

Test(stream, a_cancel_is_asked_for_until_it_is_answered)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 2);
    world_pump(&world, false);
    client_stream_cancel(&world.stream);
    world.deaf = true;
    world_pump(&world, false);
    cr_assert_neq(world.stream.state, CLIENT_STREAM_CANCELLED);
    world.deaf = false;
    client_stream_resync(&world.stream);
    world_pump(&world, false);
    cr_assert_eq(world.broker.cancels, 1);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_CANCELLED);
    client_stream_fini(&world.stream);
}

/* The broker was restarted after the job was complete, so nobody has opened it since. */
Test(stream, a_cancel_of_a_job_that_belongs_to_nobody_opens_it_first)
{
    struct world world;
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 2);
    world_pump(&world, false);
    world.deaf = true;
    client_stream_cancel(&world.stream);
    world_pump(&world, false);
    world.deaf = false;
    msg.u.error = (struct belt_msg_error){.ref = 7, .code = BELT_NOT_ALLOWED};
    world_tell(&world, &msg);
    cr_assert_neq(world.stream.state, CLIENT_STREAM_CANCELLED, "nothing was cancelled");
    world_pump(&world, false);
    cr_assert_eq(world.broker.opens, 2);
    cr_assert_eq(world.broker.cancels, 1);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_CANCELLED);
    client_stream_fini(&world.stream);
}

Test(stream, a_cancel_before_anything_was_sent_needs_no_broker)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    client_stream_cancel(&world.stream);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_CANCELLED);
    world_pump(&world, false);
    cr_assert_eq(world.broker.opens, 0);
    client_stream_fini(&world.stream);
}

Test(stream, a_refused_job_fails_with_the_brokers_words)
{
    struct world world;
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world.deaf = true;
    world_pump(&world, false);
    msg.u.error = (struct belt_msg_error){.ref = 7, .code = BELT_DRAINING, .text = {(const uint8_t *)"not today", 9}};
    world_tell(&world, &msg);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(world.stream.code, BELT_DRAINING);
    cr_assert_str_eq(world.stream.text, "not today");
    client_stream_fini(&world.stream);
}

Test(stream, sync_lost_for_the_job_opens_it_again)
{
    struct world world;
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world_append(&world, 2);
    world_pump(&world, false);
    msg.u.error = (struct belt_msg_error){.job = world.broker.job, .code = BELT_SYNC_LOST};
    world_tell(&world, &msg);
    world_pump(&world, false);
    cr_assert_eq(world.broker.opens, 2);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_READING);
    client_stream_fini(&world.stream);
}

Test(stream, a_second_reader_of_a_key_begins_with_what_is_kept)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    world.broker.known = true;
    world.broker.job = 9;
    world.broker.next = 5; /* pushed by somebody else */
    world.broker.next_bytes = 50;
    world.broker.cursor = 2;
    world_append(&world, 6);
    world_pump(&world, false);
    cr_assert_eq(world.broker.pushed, 1, "only what the broker lacks");
    cr_assert_eq(world.stream.start, 2);
    client_stream_fini(&world.stream);
}

Test(stream, a_task_over_a_limit_that_was_lowered_fails_the_stream)
{
    struct world world;

    world_start(&world, BELT_ORDERED, 8, 1u << 20);
    client_stream_limit(&world.stream, 9); /* the tasks of this test have 10 bytes */
    world_append(&world, 2);
    world_pump(&world, false);
    cr_assert_eq(world.broker.pushed, 0, "it would end the connection, again and again");
    cr_assert_eq(world.stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(world.stream.code, BELT_TOO_LARGE);
    cr_assert_str_eq(world.stream.text, "task 0 has 10 bytes, over the payload limit of 9 that the broker has");
    client_stream_fini(&world.stream);
}
