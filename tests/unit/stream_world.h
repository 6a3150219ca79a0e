/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of a stream: its wire's half beside a scripted broker that keeps
 * PROTOCOL.md §7 and checks what the client sends. No tests.
 */
#ifndef BELT_TESTS_STREAM_WORLD_H
#define BELT_TESTS_STREAM_WORLD_H

#include "client/stream.h"

#define WORLD_TASKS      4096u
#define WORLD_RESULT_LEN 10u

/** One job and one subscription of the broker. */
struct broker {
    bool known;
    uint64_t window;
    uint64_t job, next, next_bytes;
    bool ended;
    uint64_t count;
    uint64_t released;
    uint64_t finished[WORLD_TASKS]; /* indexes in the order of their recording */
    uint64_t finished_count;
    bool done[WORLD_TASKS];
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
    uint64_t got[WORLD_TASKS]; /* indexes as they came */
    uint64_t got_count;
    bool deaf; /* what the client sends is lost */
    bool late; /* the broker says ACCEPTED when the grant grows, and not before */
};

void world_start(struct world *world, enum belt_mode mode, uint64_t window, uint64_t window_bytes);
/** The broker says this. */
void world_tell(struct world *world, struct belt_msg *msg);
/** Everything that the client has to send now. */
void world_pump(struct world *world, bool idle);
/** So many more tasks in the hands of the client. */
void world_append(struct world *world, unsigned count);
/** The broker has recorded the result of this task. */
void world_finish(struct world *world, uint64_t index);
/** Results from delivery `first` on, of the subscription as it is. */
struct belt_msg world_deliver_msg(const struct broker *broker, uint64_t first, const struct belt_result_item *items,
                                  uint32_t count);
/** As much as credit allows, in batches of up to `batch`; `lost`: none of it arrives. */
uint64_t world_deliver(struct world *world, uint32_t batch, bool lost);
/** The user has taken so many results in all. */
void world_taken(struct world *world, uint64_t count);
/** The subscription is at its end. */
void world_done(struct world *world, unsigned code);
/** So many results came, each once, in the order that the mode promises. */
void world_check_order(const struct world *world, uint64_t count);

#endif
