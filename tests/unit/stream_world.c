/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripted broker of stream_world.h; it decides nothing that a test does not say.
 */
#include "tests/unit/stream_world.h"

#include <criterion/criterion.h>
#include <string.h>

void world_start(struct world *world, enum belt_mode mode, uint64_t window, uint64_t window_bytes)
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

void world_tell(struct world *world, struct belt_msg *msg)
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
    world_tell(world, &reply);
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
        world_tell(world, &reply);
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
    world_tell(world, &reply);
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
        world_tell(world, &reply);
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
    world_tell(world, &reply);
}

static void on_cancel(struct world *world, const struct belt_msg_cancel *cancel)
{
    struct belt_msg reply = {.type = BELT_MSG_CANCELLED};

    world->broker.cancels++;
    cr_assert_eq(cancel->job, world->broker.job);
    reply.u.cancelled = *cancel;
    world_tell(world, &reply);
}

void world_pump(struct world *world, bool idle)
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

void world_append(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct belt_payload payload = belt_payload_copy("0123456789", 10);

        cr_assert(client_stream_append(&world->stream, &payload));
    }
}

void world_finish(struct world *world, uint64_t index)
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

struct belt_msg world_deliver_msg(const struct broker *broker, uint64_t first, const struct belt_result_item *items,
                                  uint32_t count)
{
    struct belt_msg msg = {.type = BELT_MSG_DELIVER};

    msg.u.deliver = (struct belt_msg_deliver){.sub = broker->sub, .first = first, .results = items, .count = count};
    return msg;
}

uint64_t world_deliver(struct world *world, uint32_t batch, bool lost)
{
    struct belt_result_item items[16] = {0};
    struct broker *broker = &world->broker;
    uint64_t index, total = 0;

    for (;;) {
        uint32_t count = 0;
        struct belt_msg msg;

        for (; count < batch && deliverable(world, &index); count++) {
            items[count] = (struct belt_result_item){.index = index, .attempt = 1, .payload.len = WORLD_RESULT_LEN};
            broker->cursor++;
            broker->sent_bytes += WORLD_RESULT_LEN;
        }
        if (count == 0)
            return total;
        total += count;
        msg = world_deliver_msg(broker, broker->cursor - count, items, count);
        if (!lost)
            world_tell(world, &msg);
    }
}

void world_taken(struct world *world, uint64_t count)
{
    client_stream_take(&world->stream, count, count * WORLD_RESULT_LEN, world->stream.config.window);
}

void world_done(struct world *world, unsigned code)
{
    struct belt_msg msg = {.type = BELT_MSG_DONE};

    msg.u.done = (struct belt_msg_done){.sub = world->broker.sub, .count = world->broker.count, .code = code};
    world_tell(world, &msg);
}

void world_check_order(const struct world *world, uint64_t count)
{
    bool seen[WORLD_TASKS] = {false};

    cr_assert_eq(world->got_count, count);
    for (uint64_t i = 0; i < count; i++) {
        cr_assert_not(seen[world->got[i]], "index %llu came twice", (unsigned long long)world->got[i]);
        seen[world->got[i]] = true;
        if (world->mode == BELT_ORDERED)
            cr_assert_eq(world->got[i], i);
    }
}
