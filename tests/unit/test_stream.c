/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire's half of a stream against a scripted broker that keeps
 * PROTOCOL.md §7 and checks what the client sends.
 */
#include "client/stream.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TASKS      4096u
#define RESULT_LEN 10u

/** One job and one subscription of the broker. */
struct broker {
    bool known;
    uint64_t window;
    uint64_t job, next, next_bytes;
    bool ended;
    uint64_t count;
    uint64_t released;
    uint64_t finished[TASKS]; /* indexes in the order of their recording */
    uint64_t finished_count;
    bool done[TASKS];
    bool subscribed;
    uint64_t sub, cursor, sent_bytes;
    struct belt_grant credit;
    uint64_t acked;
    unsigned opens, pushes, subscribes, acks, ends, cancels;
    uint64_t pushed; /* tasks in pushes, again counted when sent again */
};

struct world {
    struct client_stream stream;
    struct broker broker;
    enum belt_mode mode;
    uint64_t got[TASKS]; /* indexes as they came */
    uint64_t got_count;
    bool deaf; /* what the client sends is lost */
    bool late; /* the broker says ACCEPTED when the grant grows, and not before */
};

static void start(struct world *world, enum belt_mode mode, uint64_t window, uint64_t window_bytes)
{
    struct client_stream_config config = {.ref = 7,
                                          .key = {(const uint8_t *)"key", 3},
                                          .function = {(const uint8_t *)"f", 1},
                                          .reader = {(const uint8_t *)"r", 1},
                                          .mode = mode,
                                          .window = window,
                                          .window_bytes = window_bytes};

    memset(world, 0, sizeof(*world));
    world->mode = mode;
    world->broker.window = window;
    client_stream_init(&world->stream, &config);
}

static void tell(struct world *world, struct belt_msg *msg)
{
    uint32_t skip;

    switch (client_stream_receive(&world->stream, msg, &skip)) {
    case CLIENT_STREAM_RESULTS:
        for (uint32_t i = skip; i < msg->u.deliver.count; i++)
            world->got[world->got_count++] = msg->u.deliver.results[i].index;
        break;
    case CLIENT_STREAM_NOTHING:
    case CLIENT_STREAM_CHANGED:
        break;
    }
}

static struct belt_grant grant(const struct broker *broker)
{
    return (struct belt_grant){.items = broker->released + broker->window, .bytes = UINT64_MAX};
}

static void on_open(struct world *world, const struct belt_msg *msg)
{
    struct broker *broker = &world->broker;
    struct belt_msg reply = {.type = BELT_MSG_OPENED};

    broker->opens++;
    if (!broker->known) {
        broker->known = true;
        broker->job++;
    }
    reply.u.opened = (struct belt_msg_opened){.ref = msg->u.open.ref,
                                              .job = broker->job,
                                              .next = broker->next,
                                              .next_bytes = broker->next_bytes,
                                              .grant = grant(broker)};
    tell(world, &reply);
}

static void on_push(struct world *world, const struct belt_msg_push *push)
{
    struct broker *broker = &world->broker;
    struct belt_msg reply = {.type = BELT_MSG_ACCEPTED};

    broker->pushes++;
    broker->pushed += push->count;
    cr_assert_eq(push->job, broker->job);
    cr_assert_leq(push->first, broker->next, "a push leaves a gap");
    cr_assert_leq(push->first + push->count, grant(broker).items, "a push is beyond the grant");
    for (uint32_t i = 0; i < push->count; i++) {
        if (push->first + i < broker->next)
            continue;
        cr_assert_eq(push->tasks[i].index, broker->next);
        broker->next++;
        broker->next_bytes += push->tasks[i].payload.len;
    }
    reply.u.accepted = (struct belt_msg_accepted){.job = broker->job, .next = broker->next, .grant = grant(broker)};
    if (!world->late)
        tell(world, &reply);
}

static void on_subscribe(struct world *world, const struct belt_msg_subscribe *subscribe)
{
    struct broker *broker = &world->broker;
    struct belt_msg reply = {.type = BELT_MSG_SUBSCRIBED};

    broker->subscribes++;
    if (subscribe->cursor != BELT_CURSOR_KEPT)
        broker->cursor = subscribe->cursor;
    broker->subscribed = true;
    broker->sub = 100 + broker->subscribes;
    broker->sent_bytes = 0;
    broker->credit = subscribe->credit;
    reply.u.subscribed = (struct belt_msg_subscribed){
        .ref = subscribe->ref, .job = broker->job, .sub = broker->sub, .cursor = broker->cursor};
    tell(world, &reply);
}

static void on_ack(struct world *world, const struct belt_msg_ack *ack)
{
    struct broker *broker = &world->broker;
    struct belt_msg reply = {.type = BELT_MSG_ACCEPTED};

    broker->acks++;
    cr_assert_eq(ack->sub, broker->sub);
    cr_assert_leq(ack->upto, world->got_count, "what was not delivered is acknowledged");
    cr_assert_geq(ack->credit.items, broker->credit.items, "credit is a running total");
    cr_assert_geq(ack->credit.bytes, broker->credit.bytes, "credit is a running total");
    broker->credit = ack->credit;
    broker->acked = ack->upto;
    if (ack->upto > broker->released) {
        broker->released = ack->upto;
        reply.u.accepted = (struct belt_msg_accepted){.job = broker->job, .next = broker->next, .grant = grant(broker)};
        tell(world, &reply);
    }
}

static void on_end(struct world *world, const struct belt_msg_end *end)
{
    struct broker *broker = &world->broker;
    struct belt_msg reply = {.type = BELT_MSG_ENDED};

    broker->ends++;
    cr_assert_eq(end->count, broker->next);
    broker->ended = true;
    broker->count = end->count;
    reply.u.ended = (struct belt_msg_end){.job = broker->job, .count = end->count};
    tell(world, &reply);
}

static void on_cancel(struct world *world, const struct belt_msg_cancel *cancel)
{
    struct belt_msg reply = {.type = BELT_MSG_CANCELLED};

    world->broker.cancels++;
    cr_assert_eq(cancel->job, world->broker.job);
    reply.u.cancelled = *cancel;
    tell(world, &reply);
}

/** Everything that the client has to send now. */
static void pump(struct world *world, bool idle)
{
    struct belt_msg msg;

    while (client_stream_send(&world->stream, idle, &msg)) {
        if (world->deaf)
            continue;
        switch (msg.type) {
        case BELT_MSG_OPEN:
            on_open(world, &msg);
            break;
        case BELT_MSG_PUSH:
            on_push(world, &msg.u.push);
            break;
        case BELT_MSG_SUBSCRIBE:
            on_subscribe(world, &msg.u.subscribe);
            break;
        case BELT_MSG_ACK:
            on_ack(world, &msg.u.ack);
            break;
        case BELT_MSG_END:
            on_end(world, &msg.u.end);
            break;
        case BELT_MSG_CANCEL:
            on_cancel(world, &msg.u.cancel);
            break;
        default:
            cr_assert_fail("the client sends %s", belt_msg_name(msg.type));
        }
    }
}

static void append(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct belt_payload payload = belt_payload_copy("0123456789", 10);

        cr_assert(client_stream_append(&world->stream, &payload));
    }
}

static void finish(struct world *world, uint64_t index)
{
    cr_assert_lt(index, world->broker.next);
    world->broker.done[index] = true;
    world->broker.finished[world->broker.finished_count++] = index;
}

static bool deliverable(const struct world *world, uint64_t *index)
{
    const struct broker *broker = &world->broker;

    if (broker->cursor >= broker->credit.items || broker->sent_bytes >= broker->credit.bytes)
        return false;
    *index = world->mode == BELT_ORDERED ? broker->cursor : broker->finished[broker->cursor];
    return world->mode == BELT_ORDERED ? broker->done[broker->cursor] : broker->cursor < broker->finished_count;
}

static struct belt_msg deliver_msg(const struct broker *broker, uint64_t first, const struct belt_result_item *items,
                                   uint32_t count)
{
    struct belt_msg msg = {.type = BELT_MSG_DELIVER};

    msg.u.deliver = (struct belt_msg_deliver){.sub = broker->sub, .first = first, .results = items, .count = count};
    return msg;
}

/** As much as credit allows, in batches of up to `batch`; `lost`: none of it arrives. */
static uint64_t deliver(struct world *world, uint32_t batch, bool lost)
{
    struct belt_result_item items[16] = {0};
    struct broker *broker = &world->broker;
    uint64_t index, total = 0;

    for (;;) {
        uint32_t count = 0;
        struct belt_msg msg;

        for (; count < batch && deliverable(world, &index); count++) {
            items[count] = (struct belt_result_item){.index = index, .attempt = 1, .payload.len = RESULT_LEN};
            broker->cursor++;
            broker->sent_bytes += RESULT_LEN;
        }
        if (count == 0)
            return total;
        total += count;
        msg = deliver_msg(broker, broker->cursor - count, items, count);
        if (!lost)
            tell(world, &msg);
    }
}

static void taken(struct world *world, uint64_t count)
{
    client_stream_take(&world->stream, count, count * RESULT_LEN, world->stream.config.window);
}

static void done(struct world *world, unsigned code)
{
    struct belt_msg msg = {.type = BELT_MSG_DONE};

    msg.u.done = (struct belt_msg_done){.sub = world->broker.sub, .count = world->broker.count, .code = code};
    tell(world, &msg);
}

static void check_order(const struct world *world, uint64_t count)
{
    bool seen[TASKS] = {false};

    cr_assert_eq(world->got_count, count);
    for (uint64_t i = 0; i < count; i++) {
        cr_assert_not(seen[world->got[i]], "index %llu came twice", (unsigned long long)world->got[i]);
        seen[world->got[i]] = true;
        if (world->mode == BELT_ORDERED)
            cr_assert_eq(world->got[i], i);
    }
}

/* ---- the straight way ---- */

static void run_through(enum belt_mode mode)
{
    struct world world;

    start(&world, mode, 8, 1u << 20);
    append(&world, 8);
    pump(&world, false);
    for (uint64_t i = 0; i < 100; i++) { /* the window moves one by one */
        finish(&world, i ^ (mode == BELT_UNORDERED ? 1 : 0));
        deliver(&world, 3, false);
        taken(&world, world.got_count);
        pump(&world, true);
        if (i < 92)
            append(&world, 1);
        pump(&world, false);
    }
    client_stream_end(&world.stream);
    pump(&world, false);
    done(&world, BELT_OK);
    check_order(&world, 100);
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

    start(&world, BELT_ORDERED, 100, 1u << 20);
    append(&world, 100);
    pump(&world, false);
    for (uint64_t i = 0; i < 100; i++)
        finish(&world, i);
    deliver(&world, 16, false);
    taken(&world, 24);
    pump(&world, false);
    cr_assert_eq(world.broker.acks, 0);
    taken(&world, 25);
    pump(&world, false);
    cr_assert_eq(world.broker.acks, 1);
    cr_assert_eq(world.broker.acked, 25);
    taken(&world, 26);
    pump(&world, true);
    cr_assert_eq(world.broker.acked, 26, "when nothing else goes on all is acknowledged");
    pump(&world, true);
    cr_assert_eq(world.broker.acks, 2, "nothing new is not told again");
    client_stream_fini(&world.stream);
}

Test(stream, a_small_window_is_acknowledged_by_the_quarter_of_its_slack)
{
    struct world world;

    start(&world, BELT_ORDERED, 1, 1u << 20);
    world.stream.config.slack = 63;
    world.broker.window = 80; /* the broker's is wider, too */
    for (uint64_t i = 0; i < 16; i++) {
        cr_assert_eq(world.broker.acks, 0);
        append(&world, 1);
        pump(&world, false);
        cr_assert_eq(world.broker.next, i + 1, "no push waits for an acknowledgement");
        finish(&world, i);
        deliver(&world, 1, false);
        taken(&world, i + 1);
        pump(&world, false);
    }
    cr_assert_eq(world.broker.acks, 1);
    cr_assert_eq(world.broker.acked, 16);
    client_stream_fini(&world.stream);
}

Test(stream, a_task_with_a_result_was_accepted)
{
    struct world world;

    start(&world, BELT_UNORDERED, 8, 1u << 20);
    pump(&world, false);
    world.late = true;
    append(&world, 5);
    pump(&world, false);
    cr_assert_eq(world.stream.accepted, 0);
    finish(&world, 3);
    deliver(&world, 1, false);
    cr_assert_eq(world.stream.accepted, 4, "so were those before it");
    client_stream_fini(&world.stream);
}

Test(stream, acknowledges_at_once_when_the_grant_is_used_up)
{
    struct world world;

    start(&world, BELT_ORDERED, 100, 1u << 20);
    append(&world, 101);
    pump(&world, false);
    cr_assert_eq(world.broker.next, 100, "no push goes beyond the grant");
    finish(&world, 0);
    deliver(&world, 1, false);
    taken(&world, 1);
    pump(&world, false);
    cr_assert_eq(world.broker.next, 101);
    client_stream_fini(&world.stream);
}

Test(stream, credit_in_bytes_lets_one_overshoot_and_opens_by_taking)
{
    struct world world;

    start(&world, BELT_ORDERED, 100, 25);
    append(&world, 10);
    pump(&world, false);
    for (uint64_t i = 0; i < 10; i++)
        finish(&world, i);
    cr_assert_eq(deliver(&world, 1, false), 3, "25 bytes: two fit, the third overshoots");
    taken(&world, 1);
    pump(&world, true);
    cr_assert_eq(deliver(&world, 1, false), 1);
    client_stream_fini(&world.stream);
}

Test(stream, pushes_fill_batches_in_order)
{
    struct world world;

    start(&world, BELT_ORDERED, TASKS, 1u << 20);
    append(&world, 1000);
    pump(&world, false);
    append(&world, 3000); /* the ring has grown and wrapped */
    pump(&world, false);
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

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 8);
    pump(&world, false);
    msg = deliver_msg(&world.broker, 0, items, 2);
    tell(&world, &msg);
    tell(&world, &msg);
    msg = deliver_msg(&world.broker, 0, items, 4); /* overlaps */
    tell(&world, &msg);
    check_order(&world, 4);
    client_stream_fini(&world.stream);
}

Test(stream, ignores_deliveries_of_another_life_of_the_subscription)
{
    struct belt_result_item item = {.index = 0};
    struct world world;
    struct belt_msg msg;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 1);
    pump(&world, false);
    client_stream_resync(&world.stream);
    msg = deliver_msg(&world.broker, 0, &item, 1);
    tell(&world, &msg);
    cr_assert_eq(world.got_count, 0);
    client_stream_fini(&world.stream);
}

Test(stream, a_gap_asks_again_from_where_it_stands)
{
    struct world world;

    start(&world, BELT_UNORDERED, 8, 1u << 20);
    append(&world, 8);
    pump(&world, false);
    finish(&world, 3);
    deliver(&world, 1, false);
    finish(&world, 1);
    deliver(&world, 1, true);
    finish(&world, 2);
    deliver(&world, 1, false); /* number 2, but 1 is missing */
    cr_assert_eq(world.got_count, 1);
    pump(&world, false);
    cr_assert_eq(world.broker.subscribes, 2);
    deliver(&world, 1, false);
    check_order(&world, 3);
    client_stream_fini(&world.stream);
}

Test(stream, resends_what_was_not_accepted)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 3);
    pump(&world, false);
    world.deaf = true;
    append(&world, 3);
    pump(&world, false);
    cr_assert_eq(world.broker.next, 3);
    world.deaf = false;
    client_stream_resync(&world.stream);
    client_stream_end(&world.stream);
    pump(&world, false);
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

        start(&world, modes[m], 16, 64);
        append(&world, 16);
        pump(&world, false);
        for (uint64_t i = 0; i < 16; i++) {
            finish(&world, i);
            deliver(&world, 4, i % 3 == 1); /* some are on the way when the line breaks */
            if (i % 3 == 1)
                client_stream_resync(&world.stream);
            pump(&world, true);
            deliver(&world, 4, false);
            taken(&world, world.got_count / 2 * 2);
            pump(&world, true);
        }
        taken(&world, world.got_count);
        pump(&world, true);
        deliver(&world, 4, false);
        check_order(&world, 16);
        client_stream_fini(&world.stream);
    }
}

Test(stream, byte_credit_starts_again_with_the_subscription)
{
    struct world world;

    start(&world, BELT_ORDERED, 100, 30);
    append(&world, 20);
    pump(&world, false);
    for (uint64_t i = 0; i < 20; i++)
        finish(&world, i);
    cr_assert_eq(deliver(&world, 1, false), 3);
    client_stream_resync(&world.stream); /* three in hand fill the window */
    pump(&world, true);
    cr_assert_eq(world.broker.credit.bytes, 0);
    cr_assert_eq(deliver(&world, 1, false), 0, "what is in hand counts");
    taken(&world, 3);
    pump(&world, true);
    cr_assert_eq(deliver(&world, 1, false), 3);
    client_stream_fini(&world.stream);
}

Test(stream, fails_when_the_broker_forgot_accepted_tasks)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 4);
    pump(&world, false);
    memset(&world.broker, 0, sizeof(world.broker));
    world.broker.window = 8;
    client_stream_resync(&world.stream);
    pump(&world, false);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(world.stream.code, BELT_LOST_BROKER);
    cr_assert(strlen(world.stream.text) > 0);
    client_stream_fini(&world.stream);
}

Test(stream, starts_anew_when_the_broker_forgot_what_it_never_accepted)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    pump(&world, false);
    memset(&world.broker, 0, sizeof(world.broker));
    world.broker.window = 8;
    append(&world, 4);
    client_stream_resync(&world.stream);
    pump(&world, false);
    cr_assert_eq(world.broker.next, 4);
    client_stream_fini(&world.stream);
}

/* ---- the end ---- */

Test(stream, an_empty_job_is_ended_and_done)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    client_stream_end(&world.stream);
    pump(&world, false);
    cr_assert_eq(world.broker.ends, 1);
    done(&world, BELT_OK);
    cr_assert(client_stream_complete(&world.stream));
    cr_assert(client_stream_settled(&world.stream));
    client_stream_fini(&world.stream);
}

Test(stream, what_is_over_is_not_opened_again)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 1);
    client_stream_end(&world.stream);
    pump(&world, false);
    finish(&world, 0);
    deliver(&world, 1, false);
    done(&world, BELT_OK);
    client_stream_resync(&world.stream);
    pump(&world, false);
    cr_assert_eq(world.broker.opens, 1, "the broker may have forgotten it by right");
    taken(&world, 1);
    pump(&world, false);
    cr_assert_eq(world.broker.acked, 1);
    client_stream_fini(&world.stream);
}

Test(stream, a_lost_tail_before_done_is_asked_for_again)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 2);
    client_stream_end(&world.stream);
    pump(&world, false);
    finish(&world, 0);
    finish(&world, 1);
    deliver(&world, 4, true);
    done(&world, BELT_OK);
    cr_assert_not(client_stream_complete(&world.stream));
    pump(&world, false);
    deliver(&world, 4, false);
    done(&world, BELT_OK);
    check_order(&world, 2);
    cr_assert(client_stream_complete(&world.stream));
    client_stream_fini(&world.stream);
}

Test(stream, done_tells_of_a_cancel_by_somebody_else)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 2);
    pump(&world, false);
    done(&world, BELT_JOB_CANCELLED);
    cr_assert(client_stream_complete(&world.stream));
    cr_assert_eq(world.stream.done_code, BELT_JOB_CANCELLED);
    client_stream_fini(&world.stream);
}

/* ---- cancel, errors ---- */

Test(stream, a_cancel_is_asked_for_until_it_is_answered)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 2);
    pump(&world, false);
    client_stream_cancel(&world.stream);
    world.deaf = true;
    pump(&world, false);
    cr_assert_neq(world.stream.state, CLIENT_STREAM_CANCELLED);
    world.deaf = false;
    client_stream_resync(&world.stream);
    pump(&world, false);
    cr_assert_eq(world.broker.cancels, 1);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_CANCELLED);
    client_stream_fini(&world.stream);
}

/* The broker was restarted after the job was complete, so nobody has opened it since. */
Test(stream, a_cancel_of_a_job_that_belongs_to_nobody_opens_it_first)
{
    struct world world;
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 2);
    pump(&world, false);
    world.deaf = true;
    client_stream_cancel(&world.stream);
    pump(&world, false);
    world.deaf = false;
    msg.u.error = (struct belt_msg_error){.ref = 7, .code = BELT_NOT_ALLOWED};
    tell(&world, &msg);
    cr_assert_neq(world.stream.state, CLIENT_STREAM_CANCELLED, "nothing was cancelled");
    pump(&world, false);
    cr_assert_eq(world.broker.opens, 2);
    cr_assert_eq(world.broker.cancels, 1);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_CANCELLED);
    client_stream_fini(&world.stream);
}

Test(stream, a_cancel_before_anything_was_sent_needs_no_broker)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    client_stream_cancel(&world.stream);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_CANCELLED);
    pump(&world, false);
    cr_assert_eq(world.broker.opens, 0);
    client_stream_fini(&world.stream);
}

Test(stream, a_refused_job_fails_with_the_brokers_words)
{
    struct world world;
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    start(&world, BELT_ORDERED, 8, 1u << 20);
    world.deaf = true;
    pump(&world, false);
    msg.u.error = (struct belt_msg_error){.ref = 7, .code = BELT_DRAINING, .text = {(const uint8_t *)"not today", 9}};
    tell(&world, &msg);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_FAILED);
    cr_assert_eq(world.stream.code, BELT_DRAINING);
    cr_assert_str_eq(world.stream.text, "not today");
    client_stream_fini(&world.stream);
}

Test(stream, sync_lost_for_the_job_opens_it_again)
{
    struct world world;
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    start(&world, BELT_ORDERED, 8, 1u << 20);
    append(&world, 2);
    pump(&world, false);
    msg.u.error = (struct belt_msg_error){.job = world.broker.job, .code = BELT_SYNC_LOST};
    tell(&world, &msg);
    pump(&world, false);
    cr_assert_eq(world.broker.opens, 2);
    cr_assert_eq(world.stream.state, CLIENT_STREAM_READING);
    client_stream_fini(&world.stream);
}

Test(stream, a_second_reader_of_a_key_begins_with_what_is_kept)
{
    struct world world;

    start(&world, BELT_ORDERED, 8, 1u << 20);
    world.broker.known = true;
    world.broker.job = 9;
    world.broker.next = 5; /* pushed by somebody else */
    world.broker.next_bytes = 50;
    world.broker.cursor = 2;
    append(&world, 6);
    pump(&world, false);
    cr_assert_eq(world.broker.pushed, 1, "only what the broker lacks");
    cr_assert_eq(world.stream.start, 2);
    client_stream_fini(&world.stream);
}
