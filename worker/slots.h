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
#ifndef BELT_SLOTS_H
#define BELT_SLOTS_H

#include "../proto/message.h"

/* Measured work that one slot may have in hand. Long enough to hide the round
 * trip between agent and slot, short enough that nobody waits behind it. */
#define SLOTS_CREDIT_US 500u
/* The same of a slot that gives back what it has not begun: an agent that is woken late finds it busy still. */
#define SLOTS_CREDIT_YIELDS_US 700u
/* Tasks in a slot's hands, however short they are. */
#define SLOTS_GIVEN_MAX 1024u
/* So many tasks of a function run alone before it is believed to be short and silent. */
#define SLOTS_MEASURED 8u
/* A program whose slots fail to start so often in a row is left alone for a while, and its tasks do not wait for it
 * (SLOTS.md, "Life"). */
#define SLOTS_FAILURES     3u
#define SLOTS_PAUSE_US     1000000u
#define SLOTS_PAUSE_MAX_US 30000000u
/* After the system had no descriptor, process or memory for a slot, one is tried at a time and so far apart: tasks that
 * end meanwhile make room. */
#define SLOTS_SHORT_US 100000u
/* A shared worker none of whose slots could start for so long leaves the tasks to other workers. */
#define SLOTS_SHORT_MAX_US 10000000u

struct slots;

struct slots_program {
    bool lasting; /* a slot is a process that outlives its tasks; else each task starts a process */
    bool greets;  /* a new slot may be given tasks only after slots_ready() */
    bool polite;  /* functions: a task that is to stop is asked (SLOTS_ASK) before its slot is signalled */
    bool ahead;   /* slots are started before there is work */
    bool yields;  /* a slot gives back what it has not begun (SLOTS_TAKE) */
};

struct slots_function {
    struct belt_bytes name; /* copied */
    uint32_t program;
};

struct slots_config {
    uint32_t slots;
    const struct slots_program *programs;
    uint32_t program_count;
    const struct slots_function *functions;
    uint32_t function_count;
    uint64_t start_us;  /* for a slot's hello */
    uint64_t kill_us;   /* between the first signal and the last */
    uint64_t max_tasks; /* of one slot process; 0: no limit */
    bool alone;         /* no other worker could serve instead: tasks of a program that cannot start fail */
};

/** What is common to the tasks of one job. */
struct slots_job {
    uint64_t job;
    uint32_t function;   /* place in the configuration's list */
    uint64_t timeout_us; /* 0: none */
    bool detail;
    struct belt_payload argument;
};

/** How a task ended; bytes are borrowed during the call. */
struct slots_outcome {
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
struct slots_given {
    uint64_t index;
    uint32_t attempt;
    const struct slots_job *job;
    struct belt_payload payload; /* borrowed until the task is answered */
};

/** A result that is not recorded. */
struct slots_result {
    uint64_t job, started_us;
    bool detail;
    bool plain;                   /* nothing in `extras` */
    struct belt_result_item item; /* item.extras is not set */
    struct belt_result_extras extras;
};

/** Names a task. */
struct slots_key {
    uint64_t job, index;
};

enum slots_action_type {
    SLOTS_START, /* start a process for `slot`: slots_ready(), slots_died() follow */
    SLOTS_GIVE,  /* hand `task` to `slot`: slots_answer() follows */
    SLOTS_TAKE,  /* take back from `slot` what it has not begun: slots_taken() follows */
    SLOTS_CLOSE, /* end the input of `slot`: slots_died() follows */
    SLOTS_ASK,   /* tell `slot` that its running task is not wanted any more */
    SLOTS_TERM,  /* ask `slot` to end */
    SLOTS_KILL   /* end `slot` */
};

struct slots_action {
    enum slots_action_type type;
    uint32_t slot;
    struct slots_given task;
};

/** NULL when out of memory. */
struct slots *slots_new(const struct slots_config *config);
void slots_free(struct slots *slots);

/* ---- events ---- */

/** DISPATCH. Takes references to the payloads, copies the rest. */
void slots_dispatch(struct slots *slots, uint64_t now, const struct belt_msg_dispatch *msg);
/** RECALL. What it brings comes with slots_take_returned(), after the actions of the next turn; nothing: slots_none().
 */
void slots_recall(struct slots *slots, uint64_t now, uint32_t count);
void slots_drop(struct slots *slots, uint64_t now, const struct belt_task_ref *refs, uint32_t count);
void slots_recorded(struct slots *slots, uint64_t upto);
/** A slot said hello. */
void slots_ready(struct slots *slots, uint32_t slot);
/** A slot says in place of its hello that it cannot serve, and why; slots_died() follows. False: it has said hello. */
bool slots_unable(struct slots *slots, uint32_t slot, struct belt_bytes why);
/** The first unanswered task of `slot` has ended. False: it had none. */
bool slots_answer(struct slots *slots, uint64_t now, uint32_t slot, const struct slots_outcome *outcome);
/** `slot` has given back the last `count` of its unanswered tasks: it will not begin them. */
void slots_taken(struct slots *slots, uint64_t now, uint32_t slot, uint32_t count);
/**
 * What a slot says beside its answers: the first `ahead` of its unanswered tasks have ended (their answers are on the
 * way, or lost if it died), and the one behind them runs since `since`, or none when not `running`. Call before
 * slots_turn() when slots_overdue() and before slots_died(); without it the first unanswered task is taken to run.
 */
void slots_look(struct slots *slots, uint32_t slot, uint32_t ahead, bool running, uint64_t since);
/** The process of a lasting slot ended, or could not be started. `outcome` says how: text, log, exit_status,
 * term_signal. */
void slots_died(struct slots *slots, uint64_t now, uint32_t slot, const struct slots_outcome *outcome);
/** The system had no descriptor, process or memory to start a process for `slot`: `why` says which. Nobody is to blame;
 * what was given to the slot waits for the next try. */
void slots_short(struct slots *slots, uint64_t now, uint32_t slot, const char *why);
/** The tasks of the function that runs in `slot` are handed over one by one from here on: its slots write a log, which
 * has to find its task, or do not name the tasks that they answer. */
void slots_one_by_one(struct slots *slots, uint32_t slot);
/** Take nothing more, return what did not start, stop what still runs at `until`. */
void slots_leave(struct slots *slots, uint64_t now, uint64_t until);
/** The slots are killed without waiting for them: every task that is held goes back. Only results may be asked for
 * after this. */
void slots_abandon(struct slots *slots);
/** `slot` did something that it must not do: it is ended like a task that is over its time. */
void slots_end(struct slots *slots, uint64_t now, uint32_t slot);
/** The process of `slot` has ended, others of its process group have not: they are stopped. */
void slots_remains(struct slots *slots, uint64_t now, uint32_t slot);
/** Whether `slot` was told to end by a signal. */
bool slots_ends(const struct slots *slots, uint32_t slot);
/** A signal from outside has asked this agent to end: what tasks say around it is no outcome (doubt.h). */
void slots_signalled(struct slots *slots, uint64_t now);
/** The tasks' processes have got that signal too. */
void slots_shared(struct slots *slots);
/** SIGCONT from outside: a signal that ends may follow. */
void slots_warned(struct slots *slots, uint64_t now);
/** The slots' processes are stopped (SIGSTOP), and nothing is decided until slots_resume(). */
void slots_pause(struct slots *slots, uint64_t now);
void slots_resume(struct slots *slots, uint64_t now);
/** Decides what can start now and what is over its time. Call after the events of a burst and at the deadline. */
void slots_turn(struct slots *slots, uint64_t now);
/** When slots_turn() must be called at the latest; UINT64_MAX: never. */
uint64_t slots_deadline(const struct slots *slots);
/** Something may be over its time: slots_look() should tell what runs before slots_turn(). */
bool slots_overdue(const struct slots *slots, uint64_t now);

/* ---- what comes out ---- */

/** The next thing to do, in order; false: nothing. */
bool slots_next_action(struct slots *slots, struct slots_action *action);
/** Up to `max` references for RETURNED, taken off the list. */
uint32_t slots_take_returned(struct slots *slots, struct belt_task_ref *refs, uint32_t max);
/** True once after a recall that brought nothing, which is an answer too (PROTOCOL.md §8.3). */
bool slots_none(struct slots *slots);
/**
 * When results that were not sent yet are to be; UINT64_MAX: there are none. At once, as a rule. While all slots are
 * busy and more short tasks wait beside those that they have in hand nobody waits for the broker, and a message costs
 * more than such a task: then half a millisecond after the last ones were sent.
 */
uint64_t slots_results_due(const struct slots *slots, uint64_t now);
/** Results [*first, *next) were not sent (again) yet. */
void slots_unsent(const struct slots *slots, uint64_t *first, uint64_t *next);
/** Result `number`, which is not recorded. Borrows. */
void slots_result(const struct slots *slots, uint64_t number, struct slots_result *result);
/** Results below `upto` were sent. */
void slots_sent(struct slots *slots, uint64_t now, uint64_t upto);
/** A new connection: all that is not recorded is unsent again. */
void slots_resend(struct slots *slots);

/** For SYNC: all that is held or not recorded, in `refs` (room for slots_held() + slots_unrecorded()). */
uint32_t slots_sync(const struct slots *slots, struct belt_task_ref *refs);
uint32_t slots_held(const struct slots *slots); /* without a result */
uint32_t slots_unrecorded(const struct slots *slots);
uint32_t slots_count(const struct slots *slots); /* slot numbers are below it */
uint32_t slots_program_of(const struct slots *slots, uint32_t slot);
/** The running task of `slot`; false: none. */
bool slots_running(const struct slots *slots, uint32_t slot, struct slots_given *task);
/** The task that the next answer of `slot` is for; NULL: none. Borrowed until then. */
const struct slots_key *slots_due(const struct slots *slots, uint32_t slot);
/** How many of its unanswered tasks the slot has ended, as far as slots_look() told. */
uint32_t slots_ahead(const struct slots *slots, uint32_t slot);
/** Consecutive failed starts of the slot's program, for the log. */
uint32_t slots_failures(const struct slots *slots, uint32_t slot);
/** Why the program's last start failed, with the last line that it wrote; "": none did. */
const char *slots_why(const struct slots *slots, uint32_t slot);
/** True once after a program whose tasks were refused has started after all: its functions are to be offered again. */
bool slots_recovered(struct slots *slots);

#endif
