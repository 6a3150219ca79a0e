/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the agent's shell, for its own files: agent_start.c (its beginning and end), agent.c (the loop),
 * agent_wire.c (the broker), place.c (one slot's process) and the runners.
 */
#ifndef BELT_AGENT_PARTS_H
#define BELT_AGENT_PARTS_H

#include "../proto/link.h"
#include "../proto/session.h"
#include "../proto/signals.h"
#include "agent.h"
#include "arena.h"
#include "keeper.h"
#include "slot_outbox.h"
#include "slot_pipe.h"
#include "slot_protocol.h"
#include "slots.h"

#include <uthash.h>

struct agent;
struct place;

/** How the slots of a program are run: one file each. */
struct runner {
    struct slots_program kind;
    enum slot_side side; /* of the reader, for lasting slots */
    bool names;          /* its answers may name their tasks; those that do not get them one by one */
    /** Starts the process of a lasting slot; agent_place_lost() when that fails. */
    void (*start)(struct agent *agent, struct place *place);
    void (*give)(struct agent *agent, struct place *place, const struct slots_given *task);
    /** Takes back what it has not begun: slots_taken(). Of a program that yields. */
    void (*take)(struct agent *agent, struct place *place);
    /** A lasting slot answered a task; may be NULL. */
    void (*answered)(struct agent *agent, struct place *place);
    /** Tells the table which task runs, if the slot says more than its answers; may be NULL. */
    void (*look)(struct agent *agent, struct place *place);
    /** From time to time: gives back memory that is not used; may be NULL. */
    void (*rest)(struct agent *agent, struct place *place);
    /** Its running task is to stop; NULL: not before a signal. */
    void (*ask)(struct agent *agent, struct place *place);
    /** There is output to read. */
    void (*output)(struct agent *agent, struct place *place);
    /** The process has ended and was reaped. */
    void (*ended)(struct agent *agent, struct place *place, int status);
};

extern const struct runner runner_c, runner_command, runner_coproc, runner_filter;

/** A program of the slot table. */
struct program {
    const struct runner *runner;
    const char *command; /* COPROC, FILTER */
};

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
    struct slots *table;
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

uint64_t agent_clock_us(void);
void agent_loop(struct agent *agent);       /* until agent->done */
void agent_end_slots(struct agent *agent);  /* those that idle: their input ends, then by signals */
void agent_stop_slots(struct agent *agent); /* at once */
__attribute__((format(printf, 2, 3))) void agent_log(const struct agent *agent, const char *format, ...);
/** Said even when quiet: that what was warned of is over. */
__attribute__((format(printf, 1, 2))) void agent_say(const char *format, ...);
/** Said even when quiet: the operator must do something. */
__attribute__((format(printf, 2, 3))) void agent_warn(const struct agent *agent, const char *format, ...);
/** The end of the agent, for a reason. */
__attribute__((format(printf, 3, 4))) void agent_fail(struct agent *agent, int rc, const char *format, ...);
void agent_watch(struct agent *agent, int fd, enum agent_watch what, uint32_t slot, uint32_t events);
void agent_unwatch(struct agent *agent, int fd);
_Noreturn void slots_no_memory(void);
uint32_t agent_max_payload(const struct agent *agent);

/* place.c */
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
void place_status(int status, char *text, size_t size, struct slots_outcome *outcome);
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

/* place_log.c: what its process writes to standard error */
/** Reads what is there, unless it is muted. */
void place_read_log(struct agent *agent, struct place *place);
/** The log so far, as part of an outcome, at its task's end; place_log_clear() when it was used. */
struct belt_bytes place_log(struct agent *agent, struct place *place);
/** The same of a process that has ended without a task: what it said last, whatever results carry. */
struct belt_bytes place_log_start(struct agent *agent, struct place *place);
void place_log_clear(struct place *place);
/** Before the place of a task that is not finished is closed. */
void place_log_last(struct agent *agent, struct place *place);
/** The owner's pipe has room again. */
void place_log_resume(struct agent *agent);
/** At the agent's end, within bounded time: the owner takes what is left. */
void place_log_finish(struct agent *agent);

/* stream.c: what lasting slots have in common */
void stream_started(struct agent *agent, struct place *place, pid_t pid, int in, int out, int err);
void stream_give(struct agent *agent, struct place *place, const struct slots_given *task);
/** The same, for a runner that does not count the tasks itself. */
void stream_give_counted(struct agent *agent, struct place *place, const struct slots_given *task);
/** Its payload lies at `at` in memory that the slot shares. */
void stream_give_at(struct agent *agent, struct place *place, const struct slots_given *task, size_t at);
/** The slot broke the protocol, in `what` way: it is killed, and the task that it runs is to blame. */
void stream_violation(struct agent *agent, struct place *place, const char *what);
void stream_output(struct agent *agent, struct place *place);
void stream_ended(struct agent *agent, struct place *place, int status);
void stream_spawn(struct agent *agent, struct place *place);
/** Its input ends. */
void stream_close(struct agent *agent, struct place *place);

/* agent_wire.c */
int wire_open(struct agent *agent);
void wire_close(struct agent *agent);
void wire_receive(struct agent *agent);
void wire_reach(struct agent *agent); /* why the broker cannot be reached is known */
void wire_timer(struct agent *agent);
void wire_send_news(struct agent *agent); /* returned, results */
void wire_progress(struct agent *agent, struct place *place, uint64_t done, uint64_t total);
void wire_leaving(struct agent *agent);
void wire_bye(struct agent *agent);
bool wire_quiet(const struct agent *agent); /* nothing waits to be sent */
uint64_t wire_deadline_us(const struct agent *agent);
bool wire_ready(struct agent *agent); /* something can be received, or sent that waits */

#endif
