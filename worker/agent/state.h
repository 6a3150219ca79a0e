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
    bool starting;      /* the keeper was asked to start it */
    bool doomed;        /* it is killed as soon as it has started */
    bool dirty;         /* it is on the agent's list of those with something to write or to read on */
    bool writing;       /* it waits for room to write */
    bool unread;        /* it has written more than was read in this turn */
    bool ended;         /* its output is at its end */
    bool over;          /* its output is larger than a result may be */
    bool tty;           /* it has the terminal of the pool's owner */
    bool lingers;   /* it has ended with `status`; others of its process group, or its lines, are still waited for */
    bool killed;    /* its process group got SIGKILL */
    bool settled;   /* it lingers for lines that are not shown yet alone: all of its process group have ended */
    bool muted;     /* it is not read from until the owner has taken its lines */
    bool blameless; /* it is stopped for what it did between two tasks, so that no task is to blame */
    int status;
    char error[320]; /* what it did wrong; "": nothing */
    struct slot_reader reader;
    struct slot_outbox queue;   /* bytes that are to be written to it */
    struct slot_queue captured; /* the output of a command so far */
    struct slot_queue log;      /* the end of its standard error */
    uint64_t log_cut;           /* this many bytes before `log` are left out */
    bool log_begins_line;       /* the last byte before `log` was a newline */
    struct slot_queue unsaid;   /* standard error that the owner of a private pool has not been shown yet */
    uint64_t held_until;      /* it lingers until this time because others still hold its output open; 0: it does not */
    uint64_t given, answered; /* tasks since it started */
    uint64_t due;             /* tasks of C functions that are answered, or given and not taken back */
    uint64_t ended_us, told_us;
    UT_hash_handle hh;
};

/** The agent's conversation with its broker (wire.c). */
struct agent_wire {
    void *context, *socket;
    struct belt_access_link keys; /* of its connections */
    int socket_fd;
    struct belt_link_watch socket_watch;
    uint64_t overslept; /* sleeps that a time-out ended although a message was there: each is a fault of Belt */
    struct belt_session session;
    struct belt_decoder *decoder;
    uint8_t id[BELT_SESSION_LEN];
    struct outbox outbox; /* messages that are stamped and not sent yet */
    uint64_t started_ms;
    bool welcomed;
    uint64_t apart_us; /* since when no broker has answered; 0: one does */
    bool apart_said;   /* the operator was told why no broker answers */
    bool apart_logged;
    int reach_fd; /* where the reason comes from why no broker answers; -1: nobody looks for it */
    int64_t wall_offset_us;
    bool said_leaving; /* the broker was told so in this conversation */
};

/** Standard error of the tasks, on its way to the owner of a private pool (process_log.c). */
struct agent_log {
    int fd;                 /* the pipe to the owner; 0: nobody wants the lines */
    bool full;              /* the pipe has no room, and is watched until it has */
    uint32_t next;          /* the slot whose process is the first to go on */
    struct slot_queue left; /* records of tasks that are over, which go first */
};

struct agent {
    const struct belt_agent_options *options;
    char name[BELT_MAX_TEXT / 8];
    char *error;
    uint32_t error_size;
    int rc;
    bool done;            /* leave the loop */
    bool leaving;         /* it takes no more tasks */
    bool ending;          /* the input of all slots has ended */
    bool abrupt;          /* it was asked to end a second time: nothing is waited for */
    bool orphan;          /* the owner of the private pool is gone */
    bool signalled;       /* a signal has asked it to end */
    bool shared;          /* that signal has reached the processes of its tasks, too */
    bool paused;          /* SIGTSTP: what runs is stopped until SIGCONT */
    uint64_t shared_us;   /* when the last look at `shared` was */
    uint64_t leave_until; /* running tasks may finish until then */
    sigset_t slot_mask, old_mask;
    struct belt_signals spared;
    int epoll, signals;
    struct keeper keeper;
    struct slot_table *table;
    struct belt_bytes *functions; /* names of those that it serves */
    struct program *programs;
    uint32_t program_count;
    struct process *processes;
    struct process *by_pid;
    uint32_t *dirty, dirty_count;
    uint32_t *asks, ask_count; /* slots that the keeper has yet to be asked for */
    uint32_t hung;             /* processes whose output has ended while they go on */
    uint32_t lingering;        /* processes that linger */
    uint64_t now;              /* us, when this turn began */
    uint64_t broke_us;         /* when a slot that broke the protocol between tasks was last told of; 0: never */
    uint64_t short_us;         /* when it was last said that the system has no room for processes; 0: never */
    bool held_said; /* the operator was told that a process still held a command's output when the command had ended */
    uint64_t rested_us; /* when the slots were last asked for memory that they do not use */
    struct agent_wire wire;
    struct agent_log log;
};

#endif
