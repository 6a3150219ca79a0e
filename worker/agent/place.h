/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the process of a slot is held: its descriptors, its output, its log, its end.
 */
#ifndef BELT_WORKER_AGENT_PLACE_H
#define BELT_WORKER_AGENT_PLACE_H

#include "worker/slot/arena.h"
#include "worker/slot/outbox.h"
#include "worker/slot/pipe.h"
#include "worker/slot/protocol.h"
#include "worker/agent/runner.h"

#include <uthash.h>

/** Where the process of a slot is held. */
struct place {
    uint32_t slot;
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

void place_started(struct agent *agent, struct place *place, pid_t pid, int in, int out, int err);
void place_close(struct agent *agent, struct place *place);
/** One read into `queue`: more than 0: so many bytes; 0: the end; -1: nothing there. */
ssize_t place_read(int fd, struct slot_queue *queue);
/** Writes what waits; watches for room when it does not fit. */
void place_write(struct agent *agent, struct place *place);
void place_dirty(struct agent *agent, struct place *place);
void place_kill(struct agent *agent, struct place *place, int signal);
/** Its process did something that it must not do: it is stopped as one that is over its time is. */
void place_fault(struct agent *agent, struct place *place);
/** Its process has ended and was reaped: what is left of its process group ends first when it was stopped or crashed,
 *  and then runner.ended() is called. */
void place_ended(struct agent *agent, struct place *place, int status);
/** Looks at those that linger. */
void places_linger(struct agent *agent);
/** Starts a process for the place; `env` NULL: with the agent's environment. 0 or errno. */
int place_spawn(struct agent *agent, struct place *place, char *const *argv, char *const *env, bool input, bool tty);
/** Fills text (`size` bytes) and the numbers from a wait status. */
void place_status(int status, char *text, size_t size, struct slot_table_outcome *outcome);
/** A lasting slot could not be started. */
void place_lost(struct agent *agent, struct place *place, const char *why);
/** The system had no room to start a process for the place (spawn_is_short(error)): it is tried again. */
void place_short(struct agent *agent, struct place *place, int error);
/** Asks the slots from time to time for memory that they do not use. */
void places_rest(struct agent *agent);
/* A command that is named in a message: enough of its first line to know it by. */
#define PLACE_COMMAND 80
/** "'COMMAND'", cut to its first line and to `size` (PLACE_COMMAND), or what else the place runs. */
const char *place_command(const struct place *place, char *text, size_t size);
/** Says that a lasting slot ended without an answer. */
void place_warn(struct agent *agent, const struct place *place);

#endif
