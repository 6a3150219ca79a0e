/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: the `belt worker` process of a host. It owns the connection to
 * the broker and the slots; the tasks run in the slots, which are processes
 * of their own.
 */
#ifndef BELT_WORKER_AGENT_H
#define BELT_WORKER_AGENT_H

#include <belt/belt.h>

/* A slot, or a coprocess, must be ready for its first task within this, in ms, unless told otherwise. */
#define BELT_START_MS_DEFAULT 10000u

/** How a function is run. */
enum belt_runner {
    BELT_RUN_C,       /* registered C function in a forked slot */
    BELT_RUN_COMMAND, /* one process per task: `command` with {} replaced by the payload, or the payload on its standard
                         input */
    BELT_RUN_COPROC,  /* long-lived process that speaks the slot protocol (worker/SLOTS.md) */
    BELT_RUN_FILTER,  /* long-lived process that answers each line with one line */
    BELT_RUN_EXEC     /* one process per task, the command comes with the job: the operator must switch it on */
};

struct belt_agent_function {
    const char *name;
    enum belt_runner runner;
    const char *command;    /* COMMAND, COPROC, FILTER: run by /bin/sh -c */
    belt_function function; /* C */
    void *ctx;
    bool tty;   /* EXEC in a private pool with one slot: its tasks have the terminal of the pool's owner */
    bool clean; /* EXEC: its commands come from the network, and get only the variables that environment.h lets pass */
};

struct belt_agent_options {
    const char *broker; /* the workers' endpoint */
    const char *access; /* the access file for it, as in belt_pool_options; NULL: the user's own, if there is one */
    const char *name;   /* default host:pid */
    uint32_t slots;     /* default: number of processors */
    const struct belt_agent_function *functions;
    uint32_t function_count;
    const char *const *keep_env; /* names of variables that commands of a `clean` function get, too */
    uint32_t keep_env_count;
    uint64_t drain_ms;            /* SIGTERM: running tasks may finish for this long, default 10000 */
    uint64_t kill_ms;             /* between SIGTERM and SIGKILL for a task that is stopped, default 2000 */
    uint64_t max_tasks_per_slot;  /* 0: no limit */
    int (*slot_init)(void *ctx);  /* C slots: before the first task; nonzero: the slot cannot start */
    void (*slot_exit)(void *ctx); /* C slots: after the last */
    void *slot_ctx;
    uint64_t start_ms;           /* a slot, or coprocess, must be ready for its first task within this; default 10000 */
    uint64_t connect_timeout_ms; /* 0: tries for ever */
    uint32_t log_bytes;          /* of a task's standard error that its result carries; default BELT_LOG_BYTES, or
                                    BELT_AGENT_NO_LOG */
    int log_fd; /* > 0: a pipe that does not wait, for all that tasks write to standard error (log_lines.h); borrowed */
    int lifeline_fd;     /* > 0: stop at once when it reads end of file */
    int owner_fd;        /* > 0: stop at once when the process of this pidfd has ended */
    bool quiet;          /* warnings only */
    bool no_dump;        /* the agent, once it has read its keys, leaves no core dump */
    bool inherit_output; /* slots of C functions write to our own standard output and error, and no log */
    uint32_t slots_room; /* there are processes for so many slots; 0: it finds out before it starts them */
    bool reaper;         /* the process has no other children: those that tasks leave behind become its own */
    bool alone;          /* the broker's only worker: tasks of a slot that cannot start fail instead of going back */
};

/* A task that is stopped has this long between SIGTERM and SIGKILL, unless told otherwise: enough to remove its files,
 * and nobody waits long for the end of a program. */
#define BELT_KILL_AFTER_MS 2000u

/** `slots` from an option of which 0 means one for each processor. */
uint32_t belt_agent_slots(uint32_t slots);

/** `kill_ms` from an option of which 0 means at once. */
static inline uint64_t belt_agent_kill_ms(uint64_t ms)
{
    return ms > 0 ? ms : 1;
}

/* `log_bytes`: none. */
#define BELT_AGENT_NO_LOG UINT32_MAX

/** `log_bytes` from an option of which 0 means none. */
static inline uint32_t belt_agent_log_bytes(uint64_t bytes)
{
    return bytes > 0 ? (uint32_t)bytes : BELT_AGENT_NO_LOG;
}

/**
 * Runs until SIGTERM or SIGINT has drained it. Call from a process without threads and
 * without a ZeroMQ context (it forks). Returns BELT_OK or a code, with the reason in `error`.
 */
int belt_agent_run(const struct belt_agent_options *options, char *error, uint32_t size);

/** What belt_function_register() has collected so far (worker/public.c); borrowed, NULL when there is none. */
const struct belt_agent_function *belt_function_list(uint32_t *count);

/* ---- the job's argument for EXEC: how `belt map` passes a command to `exec` ----
 * one byte of flags, then the words of the command, each followed by NUL. */
#define BELT_EXEC_FUNCTION "exec"
#define BELT_EXEC_STDIN                                                                                                \
    0x01 /* the payload goes to standard input; else it replaces {} in each word (or is appended as the last word when \
            no word holds {}) */
#define BELT_EXEC_SHELL                                                                                                \
    0x02 /* there is one word: a command line for /bin/sh -c, whose {} are the payload (shell_line.h) */

#endif
