/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: which tasks an agent holds, which slot runs which, which
 * results the broker has not recorded (PROTOCOL.md §8). Pure: events in, with the time; actions out.
 * Knows nothing of processes, pipes or shells: a cluster simulator drives it as well as the agent does.
 *
 * A *program* is what a slot process executes (all C functions together are
 * one, each coprocess command is one, "a process per task" is one). Each has
 * its own slots; over all programs at most `slots` are busy at a time.
 *
 * A task is WAITING in its program's queue, BOUND to a slot but not handed over,
 * GIVEN to the slot (the first given one is running), or DONE until its result is recorded.
 *
 * Times are in us on any monotonic clock. Out of memory aborts: the broker
 * gives the tasks of an agent that is gone to others.
 */
#ifndef BELT_WORKER_TABLE_SLOT_TABLE_H
#define BELT_WORKER_TABLE_SLOT_TABLE_H

#include "proto/message.h"

/* Measured work that one slot may have in hand. Long enough to hide the round
 * trip between agent and slot, short enough that nobody waits behind it. */
#define SLOT_TABLE_CREDIT_US 500u
/* The same of a slot that gives back what it has not begun: an agent that is woken late finds it busy still. */
#define SLOT_TABLE_CREDIT_YIELDS_US 700u
/* Tasks in a slot's hands, however short they are. */
#define SLOT_TABLE_GIVEN_MAX 1024u
/* So many tasks of a function run alone before it is believed to be short and silent. */
#define SLOT_TABLE_MEASURED 8u
/* A program whose slots fail to start so often in a row is left alone for a while, and its tasks do not wait for it
 * (SLOTS.md, "Life"). */
#define SLOT_TABLE_FAILURES     3u
#define SLOT_TABLE_PAUSE_US     1000000u
#define SLOT_TABLE_PAUSE_MAX_US 30000000u
/* After the system had no descriptor, process or memory for a slot, one is tried at a time and so far apart: tasks that
 * end meanwhile make room. */
#define SLOT_TABLE_SHORT_US 100000u
/* A shared worker none of whose slots could start for so long leaves the tasks to other workers. */
#define SLOT_TABLE_SHORT_MAX_US 10000000u

struct slot_table;

struct slot_table_program {
    bool persistent; /* a slot is a process that outlives its tasks; else each task starts a process */
    bool greets;     /* a new slot may be given tasks only after slot_table_ready() */
    bool polite;     /* functions: a task that is to stop is asked (SLOT_TABLE_ASK) before its slot is signalled */
    bool ahead;      /* slots are started before there is work */
    bool yields;     /* a slot gives back what it has not begun (SLOT_TABLE_RECLAIM) */
};

struct slot_table_function {
    struct belt_bytes name; /* copied */
    uint32_t program;
};

struct slot_table_config {
    uint32_t slots;
    const struct slot_table_program *programs;
    uint32_t program_count;
    const struct slot_table_function *functions;
    uint32_t function_count;
    uint64_t start_us;  /* for a slot's hello */
    uint64_t kill_us;   /* between the first signal and the last */
    uint64_t max_tasks; /* of one slot process; 0: no limit */
    bool alone;         /* no other worker could serve instead: tasks of a program that cannot start fail */
};

/** What is common to the tasks of one job. */
struct slot_table_job {
    uint64_t job;
    uint32_t function;   /* place in the configuration's list */
    uint64_t timeout_us; /* 0: none */
    bool detail;
    struct belt_payload argument;
};

/** How a task ended; bytes are borrowed during the call. */
struct slot_table_outcome {
    unsigned code;
    bool timed; /* service_us was measured in the slot; else the table measures it */
    uint64_t service_us;
    struct belt_bytes payload; /* copied; or `kept` is set */
    struct belt_payload kept;  /* a buffer that the table shares instead of copying */
    struct belt_bytes text, log;
    int exit_status; /* -1: none */
    int term_signal; /* 0: none */
};

/** A task that was handed to a slot. */
struct slot_table_given {
    uint64_t index;
    uint32_t attempt;
    const struct slot_table_job *job;
    struct belt_payload payload; /* borrowed until the task is answered */
};

/** A result that is not recorded. */
struct slot_table_result {
    uint64_t job, started_us;
    bool detail;
    bool plain;                   /* nothing in `extras` */
    struct belt_result_item item; /* item.extras is not set */
    struct belt_result_extras extras;
};

/** Names a task. */
struct slot_table_key {
    uint64_t job, index;
};

enum slot_table_action_type {
    SLOT_TABLE_START,   /* start a process for `slot`: slot_table_ready(), slot_table_died() follow */
    SLOT_TABLE_GIVE,    /* hand `task` to `slot`: slot_table_answer() follows */
    SLOT_TABLE_RECLAIM, /* take back from `slot` what it has not begun: slot_table_reclaimed() follows */
    SLOT_TABLE_CLOSE,   /* end the input of `slot`: slot_table_died() follows */
    SLOT_TABLE_ASK,     /* tell `slot` that its running task is not wanted any more */
    SLOT_TABLE_TERM,    /* ask `slot` to end */
    SLOT_TABLE_KILL     /* end `slot` */
};

struct slot_table_action {
    enum slot_table_action_type type;
    uint32_t slot;
    struct slot_table_given task;
};

/** NULL when out of memory. */
struct slot_table *slot_table_new(const struct slot_table_config *config);
void slot_table_free(struct slot_table *table);

/* ---- events ---- */

/** DISPATCH. Takes references to the payloads, copies the rest. */
void slot_table_dispatch(struct slot_table *table, uint64_t now, const struct belt_msg_dispatch *msg);
/** RECALL. What it brings comes with slot_table_take_returned(), after the actions of the next turn; nothing:
 * slot_table_none().
 */
void slot_table_recall(struct slot_table *table, uint64_t now, uint32_t count);
void slot_table_drop(struct slot_table *table, uint64_t now, const struct belt_task_ref *refs, uint32_t count);
void slot_table_recorded(struct slot_table *table, uint64_t upto);
/** A slot said hello. */
void slot_table_ready(struct slot_table *table, uint32_t slot);
/** A slot says in place of its hello that it cannot serve, and why; slot_table_died() follows. False: it has said
 * hello. */
bool slot_table_unable(struct slot_table *table, uint32_t slot, struct belt_bytes why);
/** The first unanswered task of `slot` has ended. False: it had none. */
bool slot_table_answer(struct slot_table *table, uint64_t now, uint32_t slot, const struct slot_table_outcome *outcome);
/** `slot` has given back the last `count` of its unanswered tasks: it will not begin them. */
void slot_table_reclaimed(struct slot_table *table, uint64_t now, uint32_t slot, uint32_t count);
/**
 * What a slot says beside its answers: the first `ahead` of its unanswered tasks have ended (their answers are on the
 * way, or lost if it died), and the one behind them runs since `since`, or none when not `running`. Call before
 * slot_table_turn() when slot_table_overdue() and before slot_table_died(); without it the first unanswered task is
 * taken to run.
 */
void slot_table_look(struct slot_table *table, uint32_t slot, uint32_t ahead, bool running, uint64_t since);
/** The process of a persistent slot ended, or could not be started. `outcome` says how: text, log, exit_status,
 * term_signal. */
void slot_table_died(struct slot_table *table, uint64_t now, uint32_t slot, const struct slot_table_outcome *outcome);
/** The system had no descriptor, process or memory to start a process for `slot`: `why` says which. Nobody is to blame;
 * what was given to the slot waits for the next try. */
void slot_table_short(struct slot_table *table, uint64_t now, uint32_t slot, const char *why);
/** The tasks of the function that runs in `slot` are handed over one by one from here on: its slots write a log, which
 * has to find its task, or do not name the tasks that they answer. */
void slot_table_one_by_one(struct slot_table *table, uint32_t slot);
/** Take nothing more, return what did not start, stop what still runs at `until`. */
void slot_table_leave(struct slot_table *table, uint64_t now, uint64_t until);
/** The slots are killed without waiting for them: every task that is held goes back. Only results may be asked for
 * after this. */
void slot_table_abandon(struct slot_table *table);
/** `slot` did something that it must not do: it is ended like a task that is over its time. */
void slot_table_end(struct slot_table *table, uint64_t now, uint32_t slot);
/** The process of `slot` has ended, others of its process group have not: they are stopped. */
void slot_table_remains(struct slot_table *table, uint64_t now, uint32_t slot);
/** Whether `slot` was told to end by a signal. */
bool slot_table_ends(const struct slot_table *table, uint32_t slot);
/** A signal from outside has asked this agent to end: what tasks say around it is no outcome (verdict.h). */
void slot_table_signalled(struct slot_table *table, uint64_t now);
/** The tasks' processes have got that signal too. */
void slot_table_shared(struct slot_table *table);
/** SIGCONT from outside: a signal that ends may follow. */
void slot_table_warned(struct slot_table *table, uint64_t now);
/** The slots' processes are stopped (SIGSTOP), and nothing is decided until slot_table_resume(). */
void slot_table_pause(struct slot_table *table, uint64_t now);
void slot_table_resume(struct slot_table *table, uint64_t now);
/** Decides what can start now and what is over its time. Call after the events of a burst and at the deadline. */
void slot_table_turn(struct slot_table *table, uint64_t now);
/** When slot_table_turn() must be called at the latest; UINT64_MAX: never. */
uint64_t slot_table_deadline(const struct slot_table *table);
/** Something may be over its time: slot_table_look() should tell what runs before slot_table_turn(). */
bool slot_table_overdue(const struct slot_table *table, uint64_t now);

/* ---- what comes out ---- */

/** The next thing to do, in order; false: nothing. */
bool slot_table_next_action(struct slot_table *table, struct slot_table_action *action);
/** Up to `max` references for RETURNED, taken off the list. */
uint32_t slot_table_take_returned(struct slot_table *table, struct belt_task_ref *refs, uint32_t max);
/** True once after a recall that brought nothing, which is an answer too (PROTOCOL.md §8.3). */
bool slot_table_none(struct slot_table *table);
/**
 * When results that were not sent yet are to be; UINT64_MAX: there are none. At once, as a rule. While all slots are
 * busy and more short tasks wait beside those that they have in hand nobody waits for the broker, and a message costs
 * more than such a task: then half a millisecond after the last ones were sent.
 */
uint64_t slot_table_results_due(const struct slot_table *table, uint64_t now);
/** Results [*first, *next) were not sent (again) yet. */
void slot_table_unsent(const struct slot_table *table, uint64_t *first, uint64_t *next);
/** Result `number`, which is not recorded. Borrows. */
void slot_table_result(const struct slot_table *table, uint64_t number, struct slot_table_result *result);
/** Results below `upto` were sent. */
void slot_table_sent(struct slot_table *table, uint64_t now, uint64_t upto);
/** A new connection: all that is not recorded is unsent again. */
void slot_table_resend(struct slot_table *table);

/** For SYNC: all that is held or not recorded, in `refs` (room for slot_table_held() + slot_table_unrecorded()). */
uint32_t slot_table_sync(const struct slot_table *table, struct belt_task_ref *refs);
uint32_t slot_table_held(const struct slot_table *table); /* without a result */
uint32_t slot_table_unrecorded(const struct slot_table *table);
uint32_t slot_table_count(const struct slot_table *table); /* slot numbers are below it */
uint32_t slot_table_program_of(const struct slot_table *table, uint32_t slot);
/** The running task of `slot`; false: none. */
bool slot_table_running(const struct slot_table *table, uint32_t slot, struct slot_table_given *task);
/** The task that the next answer of `slot` is for; NULL: none. Borrowed until then. */
const struct slot_table_key *slot_table_due(const struct slot_table *table, uint32_t slot);
/** How many of its unanswered tasks the slot has ended, as far as slot_table_look() told. */
uint32_t slot_table_ahead(const struct slot_table *table, uint32_t slot);
/** Consecutive failed starts of the slot's program, for the log. */
uint32_t slot_table_failures(const struct slot_table *table, uint32_t slot);
/** Why the program's last start failed, with the last line that it wrote; "": none did. */
const char *slot_table_why(const struct slot_table *table, uint32_t slot);
/** True once after a program whose tasks were refused has started after all: its functions are to be offered again. */
bool slot_table_recovered(struct slot_table *table);

/** The end of a process that is out of memory: says so, and aborts. */
_Noreturn void slot_table_no_memory(void);

#endif
