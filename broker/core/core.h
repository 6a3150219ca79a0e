/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler: all that the broker decides. Pure: no socket, file, clock,
 * random number or thread (tests/core/purity checks the object files).
 *
 *     event in, with the time as a field  ->  core_step  ->  update out
 *
 * The shell feeds the messages of one burst, then one CORE_TURN; what has
 * piled up in the burst (dispatches, deliveries, acknowledgements, grants) is
 * decided once in the turn, so batches form under load and an idle system
 * answers at once. The shell applies an update in one fixed order: persist
 * the records, then send, then free (core_update_clear).
 *
 * Layers, each of which calls only those before it (tests/layers.py):
 *
 *     util/      a heap; knows nothing of Belt
 *     model/     what there is: tasks, jobs, queues, agents, sessions, readers, and what the turn must look at (mark.h)
 *     policy/    who gets what, when and how much: reads the model, gives tasks and takes them back
 *     journal/   what is on disk: jobs, tries, failed tasks (dead letters), the history
 *     life/      how a job begins and ends, and what becomes of each of its tasks
 *     events/    one file for each family of messages; restore.c for the records of an earlier life
 *     core.c     one event to its family, one turn in its order
 */
#ifndef BELT_CORE_H
#define BELT_CORE_H

#include "broker/core/record.h"
#include "proto/identity.h"

struct core;

/** All times in ms, sizes in bytes; zero means the default of limits.h. */
struct core_config {
    const char *name;    /* borrowed for the life of the core; shown to peers */
    const char *version; /* of the program, likewise; shown in reports */
    uint64_t epoch;      /* of this life of the broker, not 0 */
    uint64_t first_job; /* volatile jobs get ids above it, which the life before has not used: agents may still speak of
                           them */
    uint32_t heartbeat_ms;
    uint32_t lease_ms;
    uint64_t grace_ms; /* a job that is not detached outlives its client's connection by this */
    uint32_t max_payload;
    uint64_t memory_budget;    /* of jobs, their tasks and results, failed tasks and the history */
    uint64_t peer_budget;      /* of sessions and agents; 0: an eighth as much again, and BELT_PEERS_LEAST at least */
    uint64_t turn_bytes;       /* so much of deliveries leaves in one turn, and a batch more; 0: no such bound */
    const char *memory_option; /* borrowed likewise; what advice says to raise it with */
    uint32_t max_peers;
    uint32_t max_jobs;
    bool durable;     /* there is a store: jobs may outlive the broker */
    uint64_t keep_ms; /* a durable job that nobody reads or feeds is kept for this long */
    uint32_t ack_ms; /* ACCEPTED and RECORDED of what need not be on disk may wait so long for company; 0: not at all */
    uint32_t max_failed;   /* failed tasks that are kept of a function, */
    uint64_t failed_bytes; /* and their bytes; also of all functions, when that is more than their part of the budget */
    uint64_t history_ms;   /* a job that is over and forgotten is remembered for this, */
    uint32_t max_history;  /* and so many of them at the most */
    uint64_t keep_max_ms;  /* the most that a job may ask to be kept for */
    bool tell_refusals;    /* the log hears of what peers were refused */
    uint64_t wall_ms;      /* the wall clock now, for jobs that are built anew: ms since 1970 */
    bool trace;            /* write trace lines into each update */
};

/* What of a peer's messages has not left. */
enum core_full {
    CORE_FULL_LINK,   /* much that was sent to it: it gets no deliveries and no tasks */
    CORE_FULL_DISK,   /* much that waits for the disk: it gets no deliveries of durable jobs */
    CORE_FULL_REPLIES /* much of what it asked for: its questions are refused */
};

enum core_event_type {
    CORE_MESSAGE, /* `msg` came from `peer` */
    CORE_BAD,     /* something undecodable came from `peer`: `code`, `text`, and what it `named` */
    CORE_GONE,    /* `peer` cannot be reached any more */
    CORE_FULL,    /* much of what `peer` is sent has not left: `where` */
    CORE_ROOM,    /* that is over */
    CORE_TURN,    /* the burst is over, or the deadline is reached */
    CORE_DRAIN    /* take no new work; core_drained() tells when the old is done */
};

/** A peer's handle is the shell's: never 0, never used twice in an epoch. */
struct core_event {
    enum core_event_type type;
    uint64_t now;    /* ms, monotonic */
    uint64_t wall;   /* ms since 1970, for what is shown or outlives this process; 0: not known. Drives nothing */
    uint64_t random; /* of a TURN: bits for the back-off of retries; 0: none */
    uint64_t peer;
    bool worker_side;     /* the endpoint it came in on */
    bool reserved;        /* it came in on the endpoint that places are kept for: administration */
    uint64_t link;        /* of HELLO: the connection it came over, which has the same number under another handle;
                           * 0: not known */
    enum core_full where; /* of FULL and ROOM */
    const struct belt_msg *msg; /* borrowed during the call */
    unsigned code;
    const char *text;
    struct belt_named named; /* of BAD */
    /* Of MESSAGE and BAD: who sent it, borrowed during the call. NULL: the broker has no keys, and nobody has to prove
     * who he is. */
    const struct belt_identity *identity;
};

/**
 * One message to send. It borrows from the update and from the core: encode it before the next
 * core_step. Its sequence number is given by core_stamp() when it really leaves.
 */
struct core_send {
    uint64_t peer;
    struct belt_msg msg;
    bool held; /* not before the records up to the end of this turn are durable; else at once */
};

/** What a step asks the shell to do. */
struct core_update {
    struct core_send *sends;
    uint32_t send_count;
    struct core_record *records; /* to be persisted as one transaction, before the sends that wait for them */
    uint32_t record_count;
    uint64_t *drops; /* peers to forget: their handles are dead */
    uint32_t drop_count;
    const char *notice;              /* a sentence for the log, or NULL */
    const char *trace;               /* lines, when config.trace; else NULL */
    struct core_update_arena *arena; /* private: what the sends borrow from */
};

/** NULL when out of memory. Copies the config, borrows the name. */
struct core *core_new(const struct core_config *config);
void core_free(struct core *core);

/** An empty update, used again and again. NULL when out of memory. */
struct core_update *core_update_new(void);
/** Empties it: call after sending and before the next core_step. */
void core_update_clear(struct core_update *update);
void core_update_free(struct core_update *update);

/** Adds to `update` (which is not cleared first). Out of memory aborts: the supervisor restarts us. */
void core_step(struct core *core, const struct core_event *event, struct core_update *update);

/** The sequence number of a message that leaves now (PROTOCOL.md §6.2). False: its peer is not connected any more, drop
 * it. */
bool core_stamp(struct core *core, uint64_t peer, uint8_t type, uint64_t *seq);

/**
 * Before the first step of a broker with a store: every record in order of number, then once
 * core_restored(). Both return BELT_OK, or BELT_BAD_MESSAGE for a record that fits no job, or when those of a job do
 * not add up: the store is damaged, and the core good for core_free() only.
 */
int core_restore(struct core *core, uint64_t now, const struct core_record *record);
int core_restored(struct core *core, uint64_t now, uint64_t last_number); /* the highest number ever used */

/**
 * While the store has no room (or fails) nothing that grows is recorded: durable jobs are refused new tasks, and
 * results wait in memory. What makes room is recorded all the same, and so are up to `spare` bytes of results that
 * their readers wait for, so that reading goes on where what is next was not yet on disk. While the store works a turn
 * records about so many bytes of results at most, and a job is granted no more of tasks; 0: no such bound.
 */
void core_store_works(struct core *core, bool works, uint64_t spare);

/** The shell has found a message that it should have been woken for. For the report; answers how often so far. */
uint64_t core_overslept(struct core *core);

/**
 * Whether the books add up: each sum is counted anew, and each relation is looked at from both ends. False is an error
 * of the program; `text` says what is wrong. The first looks at everything, which takes time in proportion to all jobs,
 * tasks and agents; the second does so only when enough steps have gone by since the last look that it costs each of
 * them little. For builds that look for errors, and for tests.
 */
bool core_check(struct core *core, char *text, size_t room);
bool core_check_sometimes(struct core *core, char *text, size_t room);

/** When CORE_TURN must come at the latest (ms on the events' clock); UINT64_MAX: never. Before `now`: at once. */
uint64_t core_deadline(const struct core *core);

/** After CORE_DRAIN: no job has work that could still be finished, and no result waits for a connected reader. */
bool core_drained(const struct core *core);

#endif
