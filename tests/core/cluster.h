/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker's core, clients and agents on virtual time, for tests that tell a
 * story. Every message goes through the codec in both directions; after every
 * step the books are checked (invariants.h) and so is what a peer may rely on:
 * sequence numbers, grants that never shrink, contiguous deliveries, the
 * agent's window. Fails the running Criterion test when something is off.
 */
#ifndef TESTS_CLUSTER_H
#define TESTS_CLUSTER_H

#include "tests/core/disk.h"

#include "broker/core/core.h"
#include "proto/codec.h"

#define CLUSTER_START 10000u /* virtual ms at the first event */
#define CLUSTER_EPOCH 77u
#define CLUSTER_WALL  1700000000000u /* how far the wall clock is ahead of the monotonic one */

struct cluster;

struct held_task {
    struct belt_task_ref ref;
    bool together;
    uint32_t bytes;
};

/* One subscription as its client sees it. */
struct seen {
    uint64_t sub, next, bytes;
    bool ordered;
};

struct peer {
    struct cluster *cluster;
    uint64_t handle; /* 0: dropped by the broker, or cut */
    uint8_t role;
    uint8_t session[BELT_SESSION_LEN];
    char name[32];
    uint64_t link;                        /* its connection, as the shell numbers it; 0: not known */
    bool reserved;                        /* it comes in on the endpoint of the administration */
    const struct belt_identity *identity; /* of its key; NULL: the broker has no keys */
    uint64_t seq_in, seq_out;
    bool alive; /* says PING by itself in cluster_advance() */
    struct belt_frames *inbox;
    size_t inbox_count, inbox_read;
    struct belt_frames current;

    uint64_t job_granted[8192]; /* by job id */
    struct seen seen[96];
    uint32_t seen_count;
    uint64_t last_ref;

    uint32_t slots, window_items;
    uint64_t window_bytes;
    const char *functions; /* separated by commas */
    struct held_task *held;
    uint32_t held_count, held_room;
    uint64_t results; /* number of the next result */
};

struct cluster {
    struct core *core;
    struct core_update *update;
    struct belt_decoder *decoder;
    uint64_t now, last_handle;
    uint64_t wall_ahead; /* a change is a jump of the wall clock */
    struct core_config config;
    struct disk disk;
    bool held[64]; /* by type: the last message of it waits for the disk */
    bool burst;    /* no CORE_TURN after each message: cluster_turn() says when */
    struct peer *peers[64];
    uint32_t peer_count;
    char *trace;
    size_t trace_len, trace_room;
    char *notice; /* the last for the log */
};

/* ---- the broker ---- */
/** `config` may be NULL; epoch and trace are set here. */
struct cluster *cluster_new(const struct core_config *config);
void cluster_free(struct cluster *cluster);
/** kill -9 and a new broker with what is on the disk: a new epoch, all connections gone. */
void cluster_restart(struct cluster *cluster);
/** One CORE_TURN, though the core may want another at once. */
void cluster_one_turn(struct cluster *cluster);
/** Turns until the core has nothing more to do at once. */
void cluster_turn(struct cluster *cluster);
/** Lets `ms` pass: turns at the core's deadlines, pings of those that are alive. */
void cluster_advance(struct cluster *cluster, uint64_t ms);
void cluster_drain(struct cluster *cluster);
/** The trace so far must be exactly `expected`; it is emptied. */
void cluster_told(struct cluster *cluster, const char *expected);
void cluster_forget_trace(struct cluster *cluster);

/* ---- peers ---- */
struct peer *peer_new(struct cluster *cluster, uint8_t role, const char *name);
/** Says HELLO (on a new connection when it has none) and reads the WELCOME. */
void peer_connect(struct peer *peer);
/** The connection is cut; the broker is not told. */
void peer_cut(struct peer *peer);
/** The same, and the transport tells the broker. */
void peer_gone(struct peer *peer);
/** What was sent to it has not left, or has. `held`: it is the disk that it waits for. */
void peer_is_full(struct peer *peer, bool held, bool full);
void peer_send(struct peer *peer, struct belt_msg msg);
/** With this number instead of the next: something was lost, or came twice. */
void peer_send_at(struct peer *peer, struct belt_msg msg, uint64_t seq);
/** Something that cannot be decoded. */
void peer_send_bad(struct peer *peer, unsigned code, const char *text);
void peer_send_bad_naming(struct peer *peer, unsigned code, const char *text, struct belt_named named);
/** Says HELLO and reads nothing. */
void peer_say_hello(struct peer *peer);
/** The next message but PONG; NULL: none. Valid until the next call for any peer. */
const struct belt_msg *peer_next(struct peer *peer);
/** The next message but PONG, which must be of this type. Valid until the next call for any peer. */
const struct belt_msg *peer_expect(struct peer *peer, enum belt_msg_type type);
/** The next message of this type; others are thrown away. NULL: none. */
const struct belt_msg *peer_skip_to(struct peer *peer, enum belt_msg_type type);
/* Its texts are there until the next message is taken. */
struct belt_msg_error peer_expect_error(struct peer *peer, unsigned code);
void peer_expect_nothing(struct peer *peer);
void peer_clear(struct peer *peer);
void peer_send_type(struct peer *peer, enum belt_msg_type type);

/* ---- clients ---- */
struct peer *client_new(struct cluster *cluster, const char *name);
uint64_t client_open(struct peer *peer, const char *key, const char *function, const struct belt_open_options *options);
void client_send_open(struct peer *peer, const char *key, const char *function,
                      const struct belt_open_options *options);
/** The same although another client that is connected feeds it. */
uint64_t client_take_over(struct peer *peer, const char *key, const char *function,
                          const struct belt_open_options *options);
/** Reads as `reader`, in order, although another client that is connected does. */
uint64_t client_take_reader(struct peer *peer, uint64_t job, const char *reader);
/** Tasks first .. first + count - 1 with `size` bytes each. */
void client_push_sized(struct peer *peer, uint64_t job, uint64_t first, uint32_t count, uint32_t size);
void client_push(struct peer *peer, uint64_t job, uint64_t first, uint32_t count);
void client_end(struct peer *peer, uint64_t job, uint64_t count);
uint64_t client_subscribe(struct peer *peer, uint64_t job, const char *reader, uint8_t mode, uint64_t cursor,
                          uint64_t items);
void client_send_subscribe(struct peer *peer, uint64_t job, const char *reader, uint8_t mode, uint64_t cursor,
                           uint64_t items);
void client_ack(struct peer *peer, uint64_t sub, uint64_t upto, uint64_t items);
void client_cancel(struct peer *peer, uint64_t job);
/** The same also of a job that is complete. */
void client_forget(struct peer *peer, uint64_t job);
/** CANCEL of what has not begun. */
void client_halt(struct peer *peer, uint64_t job);
void client_cancel_task(struct peer *peer, uint64_t job, uint64_t index);
void client_halt_task(struct peer *peer, uint64_t job, uint64_t index);
/** "0 1 2!3" : indexes of all deliveries that lie in the inbox, those with a code marked by '!'; then "." when DONE
 * came. */
const char *client_read(struct peer *peer);
/** Opens, pushes `count` tasks and ends. */
uint64_t client_job(struct peer *peer, const char *function, uint32_t count, const struct belt_open_options *options);

/** Asks about the failed tasks that are kept; `index` UINT64_MAX: all. Returns the answer, FAILURES or ERROR. */
const struct belt_msg *admin_failed(struct peer *peer, uint8_t action, const char *function, uint64_t job,
                                    uint64_t index);
/** "1.0!1 1.3!9": job.index!code of those that are kept. */
const char *admin_list(struct peer *peer, const char *function);

/* ---- agents ---- */
struct peer *agent_new(struct cluster *cluster, const char *name, uint32_t slots, uint32_t window,
                       const char *functions);
/** Takes DISPATCH messages from the inbox; returns how many tasks it holds. Others stay. */
uint32_t agent_take(struct peer *peer);
/** Result of the `place`th held task. */
void agent_result(struct peer *peer, uint32_t place, unsigned code);
void agent_result_sized(struct peer *peer, uint32_t place, unsigned code, uint32_t size, uint32_t service_us);
/** Results of the first `count` held tasks, one message each. */
void agent_finish(struct peer *peer, uint32_t count);
/** Takes and finishes until nothing is dispatched any more. */
void agent_work(struct peer *peer);
void agent_send_result(struct peer *peer, uint64_t number, struct belt_task_ref ref, unsigned code, uint32_t size,
                       uint32_t service_us);
void agent_return(struct peer *peer, uint32_t place);
void agent_return_last(struct peer *peer, uint32_t count); /* in one message */
void agent_sync(struct peer *peer);                        /* names all it holds */
void agent_sync_refs(struct peer *peer, const struct belt_task_ref *refs, uint32_t count, bool more);
/** "1.0/1 1.3/2": job.index/attempt of what it holds. */
const char *agent_holds(struct peer *peer);

#endif
