/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent knows: its slots, its connection, its reasons to end.
 */
#ifndef BELT_WORKER_AGENT_STATE_H
#define BELT_WORKER_AGENT_STATE_H

#include "proto/link.h"
#include "proto/session.h"
#include "proto/signals.h"
#include "worker/agent/agent.h"
#include "worker/agent/keeper.h"
#include "worker/agent/place.h"

enum agent_watch {
    WATCH_BROKER,
    WATCH_SIGNALS,
    WATCH_LIFELINE,
    WATCH_OWNER,
    WATCH_REACH,
    WATCH_KEEPER,
    WATCH_IN,
    WATCH_OUT,
    WATCH_ERR,
    WATCH_LOG
};

struct agent {
    const struct belt_agent_options *options;
    char name[BELT_MAX_TEXT / 8];
    char *error;
    uint32_t error_size;
    int rc;
    bool done; /* leave the loop */
    bool leaving, said_leaving;
    bool ending;          /* the input of all slots is at its end */
    bool abrupt;          /* asked twice */
    bool orphan;          /* the pool's owner is gone */
    bool signalled;       /* asked by a signal */
    bool shared;          /* which has reached the tasks' processes too */
    bool paused;          /* SIGTSTP: what runs is stopped until SIGCONT */
    uint64_t shared_us;   /* when that was looked at last */
    uint64_t leave_until; /* running tasks may finish until then */
    sigset_t slot_mask, old_mask;
    struct belt_signals spared;
    int epoll, signals;
    struct keeper keeper;
    struct slot_table *table;
    struct program *programs;
    uint32_t program_count;
    struct place *places;
    struct place *by_pid;
    uint32_t *dirty, dirty_count;
    uint32_t *asks, ask_count; /* slots that the keeper has yet to be asked for */
    uint32_t hung;             /* places whose output ended before their process */
    uint32_t lingering;        /* places that linger */
    uint64_t now;              /* us, of this turn */
    uint64_t broke_us;         /* when a slot that broke the protocol between tasks was last told of; 0: never */
    uint64_t short_us;         /* when it was last said that the system has no room for processes; 0: never */
    uint64_t rested_us;        /* when the slots were last asked for memory that they do not use */
    /* the broker */
    void *context, *socket;
    int socket_fd;
    struct belt_link_watch socket_watch;
    uint64_t overslept; /* sleeps that their time ended although a message was there: a fault */
    struct belt_session session;
    struct belt_decoder *decoder;
    uint8_t id[BELT_SESSION_LEN];
    struct belt_frames *outbox; /* stamped, not sent yet, in order */
    uint32_t outbox_at, outbox_count, outbox_cap;
    struct belt_bytes *functions;
    uint64_t started_ms;
    bool welcomed;
    uint64_t apart_us; /* since when no broker answers; 0: one does */
    bool apart_said;   /* that was said, with its reason */
    bool apart_logged;
    bool held_said; /* that a command's output was held by another process at its end */
    int reach_fd;   /* the reason is being looked for; -1: it is not */
    int64_t wall_offset_us;
    /* standard error of the tasks, on its way to the owner (place_log.c) */
    int log_fd;                 /* 0: nobody wants it */
    bool log_full;              /* there is no room in the pipe, and it is watched for some */
    uint32_t log_next;          /* the place that is the first to go on */
    struct slot_queue log_left; /* records of tasks that are over */
};

#endif
