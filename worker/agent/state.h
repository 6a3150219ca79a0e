/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent knows: the processes of its slots, its connection, its reasons to end.
 */
#ifndef BELT_WORKER_AGENT_STATE_H
#define BELT_WORKER_AGENT_STATE_H

#include "proto/link.h"
#include "proto/access_link.h"
#include "proto/outbox.h"
#include "proto/session.h"
#include "proto/signals.h"
#include "worker/agent.h"
#include "worker/agent/keeper.h"
#include "worker/slot/arena.h"
#include "worker/slot/outbox.h"
#include "worker/slot/pipe.h"
#include "worker/slot/protocol.h"
#include "worker/agent/runner.h"

#include <uthash.h>

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

/** The process of a slot, as the agent holds it. */
struct process {
    uint32_t slot; /* its number */
    const struct program *program;
    pid_t pid;                /* 0: none */
    int in, out, err;         /* -1: closed; in and out may be the same */
    struct slot_rings *rings; /* a slot of C functions: the bytes go through them, and `out` is the bell; else NULL */
    struct slot_pipe pipe;
    struct arena arena; /* likewise: large payloads lie there */
    bool starting;      /* the keeper was asked */
    bool doomed;        /* kill it as soon as it is there */
    bool dirty;         /* in the agent's list of those with something to write, or to read on */
    bool writing;       /* waits for room to write */
    bool unread;        /* there is more to read than was read in this turn */
    bool ended;         /* its output is at its end */
    bool over;          /* a task's output is over the limit */
    bool tty;           /* its task has the terminal */
    bool lingers;       /* it has ended with `status`, and others of its process group are still to end */
    bool killed;        /* its process group got SIGKILL */
    bool settled;       /* it lingers only for lines that are not shown yet: all of its process group have ended */
    bool muted;         /* it is not read from until the owner has taken lines of it */
    bool blameless;     /* it is being stopped for what it did between two tasks: no task of its is to blame */
    int status;
    char error[320]; /* what it did wrong; "" nothing */
    struct slot_reader reader;
    struct slot_outbox queue;   /* to be written */
    struct slot_queue captured; /* output of a command */
    struct slot_queue log;      /* tail of the standard error */
    uint64_t log_cut;           /* bytes before it that are left out */
    bool log_begins_line;       /* the last of these was a newline */
    struct slot_queue unsaid;   /* standard error that the owner has not got yet, of a private pool that shows it */
    uint64_t held_until;        /* it lingers until then for output that others still hold; 0: it does not */
    uint64_t given, answered;   /* tasks since it started */
    uint64_t due;               /* of C functions: answered, or given and not taken back */
    uint64_t ended_us, told_us;
    UT_hash_handle hh;
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
    struct process *processes;
    struct process *by_pid;
    uint32_t *dirty, dirty_count;
    uint32_t *asks, ask_count; /* slots that the keeper has yet to be asked for */
    uint32_t hung;             /* processes whose output has ended before they did */
    uint32_t lingering;        /* processes that linger */
    uint64_t now;              /* us, of this turn */
    uint64_t broke_us;         /* when a slot that broke the protocol between tasks was last told of; 0: never */
    uint64_t short_us;         /* when it was last said that the system has no room for processes; 0: never */
    uint64_t rested_us;        /* when the slots were last asked for memory that they do not use */
    /* the broker */
    void *context, *socket;
    struct belt_access_link keys; /* of its connections */
    int socket_fd;
    struct belt_link_watch socket_watch;
    uint64_t overslept; /* sleeps that their time ended although a message was there: a fault */
    struct belt_session session;
    struct belt_decoder *decoder;
    uint8_t id[BELT_SESSION_LEN];
    struct outbox outbox; /* messages that are stamped and not sent yet */
    struct belt_bytes *functions;
    uint64_t started_ms;
    bool welcomed;
    uint64_t apart_us; /* since when no broker answers; 0: one does */
    bool apart_said;   /* that was said, with its reason */
    bool apart_logged;
    bool held_said; /* that a command's output was held by another process at its end */
    int reach_fd;   /* the reason is being looked for; -1: it is not */
    int64_t wall_offset_us;
    /* standard error of the tasks, on its way to the owner (process_log.c) */
    int log_fd;                 /* 0: nobody wants it */
    bool log_full;              /* there is no room in the pipe, and it is watched for some */
    uint32_t log_next;          /* the slot whose process is the first to go on */
    struct slot_queue log_left; /* records of tasks that are over */
};

#endif
