/* SPDX-License-Identifier: Apache-2.0
 *
 * What the slot table knows: its programs, functions, slots, jobs and tasks, and the lists that they are in. Private to
 * worker/table. Each file calls only those before it: state, deadline, pending, task, capacity, stop, judge, placement,
 * reclaim, lifecycle, dispatch, slot_table.
 */
#ifndef BELT_WORKER_TABLE_STATE_H
#define BELT_WORKER_TABLE_STATE_H

#include "proto/util/heap.h"
#include "worker/table/verdict.h"
#include "worker/table/slot_table.h"
#include "worker/table/task_index.h"

/* A failed allocation inside uthash goes the way of all others. */
#define uthash_fatal(text) slot_table_no_memory()
#include <uthash.h>
#include <utlist.h>

#define SLOT_TABLE_NEVER       UINT64_MAX
#define SLOT_TABLE_NO_FUNCTION UINT32_MAX

/** Where a task is; the drawing of the steps between them is in ARCHITECTURE.md. */
enum slot_table_task_state {
    SLOT_TABLE_WAITING, /* in its program's queue */
    SLOT_TABLE_BOUND,   /* in a slot's list, because its chunk belongs to that slot; not handed over */
    SLOT_TABLE_GIVEN,   /* in a slot's hands; the first of them runs */
    SLOT_TABLE_PENDING, /* ended, and it is not known whether its outcome counts (judge.c) */
    SLOT_TABLE_DONE     /* it has a result, which the broker has not recorded */
};

struct slot_table_job_entry {
    struct slot_table_job pub;
    uint32_t refs; /* tasks that point here */
    bool hashed;   /* it is found by its number */
    UT_hash_handle hh;
};

/* A task with a larger payload is not taken back: it would be written twice. */
#define SLOT_TABLE_RECLAIM_BYTES (32u << 10)
/* A payload up to this lies in its task: no allocation of its own, and it is where the processor looks anyway. */
#define SLOT_TABLE_SMALL 64u

struct slot_table_task {
    struct slot_table_key key;
    uint32_t attempt;
    uint8_t state;
    bool known;            /* the table finds it by its key */
    bool dropped;          /* the broker does not want its result: it is returned when it has ended */
    bool silent;           /* a higher attempt has replaced it: the broker is not told of its end */
    bool timed_out;        /* it is being stopped because it ran over its time-out */
    uint8_t interruptions; /* how often a signal from outside has ended it here */
    uint32_t slot;         /* the slot that it is bound or given to */
    unsigned code;         /* of its result */
    struct slot_table_job_entry *job;
    /* In its program's queue, in a list of its slot, or among the spare tasks, which use `next` alone. */
    struct slot_table_task *prev, *next;
    struct belt_payload payload; /* its input, then its result */
    uint64_t order;              /* of arrival */
    uint64_t chunk;              /* all tasks of a chunk go to one slot; 0: it belongs to none */
    uint64_t cost_us;            /* what it counts for in its slot's load */
    uint64_t service_us, started_us;
    struct slot_table_pending *pending; /* its outcome, while it is PENDING */
    struct belt_result_extras *extras;  /* of its result, with their bytes behind them; NULL: none */
    uint8_t small[SLOT_TABLE_SMALL];    /* a small payload; not set to zero */
};

/** Whether a slot has a process; the drawing of the steps between them is in ARCHITECTURE.md. */
enum slot_table_state {
    SLOT_TABLE_OFF,      /* it has none */
    SLOT_TABLE_STARTING, /* it has one that has not said hello */
    SLOT_TABLE_READY,    /* it takes tasks */
    SLOT_TABLE_CLOSING   /* its input has ended, and its process is to end by itself */
};
/** How far a slot is on its way to be stopped. */
enum slot_table_stop {
    SLOT_TABLE_STOP_NONE,
    SLOT_TABLE_STOP_WAIT,   /* its dropped task may have ended already: nothing is done for a moment */
    SLOT_TABLE_STOP_ASKED,  /* its function was told that the task is not wanted */
    SLOT_TABLE_STOP_TERMED, /* its process got SIGTERM */
    SLOT_TABLE_STOP_KILLED  /* its process got SIGKILL */
};
/** In which list of its program a slot is: of none, of idle slots, of slots with a task and room for more. */
enum slot_table_room { SLOT_TABLE_ROOM_NONE, SLOT_TABLE_ROOM_IDLE, SLOT_TABLE_ROOM_SOME };

struct slot_table_slot {
    uint32_t number, program;
    uint8_t state, stop, room;
    struct slot_table_task *given, *bound; /* tasks in its hands, and tasks of its chunk behind them */
    uint32_t given_count;
    uint64_t load_us;     /* the work that it has in hand, as far as run times are known */
    uint64_t handed;      /* tasks that its process got since it started */
    bool answered;        /* its process has answered a task */
    bool faulty;          /* its process was ended for something that it did */
    bool gone;            /* its process has ended by itself, and others of its group are being stopped */
    uint64_t since_us;    /* when its running task started */
    uint32_t ahead;       /* this many of the given tasks have ended, and their answers are on the way */
    bool resting;         /* none of the other given tasks has begun */
    bool late;            /* what runs takes much longer than its like: nothing more is put behind it */
    bool reclaimable;     /* it holds tasks behind another, which it could give back */
    bool reclaiming;      /* it was asked to give them back */
    uint64_t deadline_us; /* when it must be looked at */
    struct heap_node by_deadline;
    const char *why;                     /* why the table ended its process, for the text of its death */
    bool unable;                         /* its process has said itself why it cannot start */
    struct slot_table_slot *prev, *next; /* in its program's list for its room, or of slots that are off */
    struct slot_table_slot *reclaimable_prev, *reclaimable_next;
    uint64_t reclaim_after_us; /* it was asked: before this its tasks may have begun, with their answers on the way */
};

struct slot_table_program_state {
    struct slot_table_program pub;
    struct slot_table_task *waiting; /* by order of arrival */
    uint32_t waiting_count;
    struct slot_table_slot *idle, *some, *off; /* slots without a task, with room for more, without a process */
    struct slot_table_slot *reclaimable;       /* slots that hold tasks which they could give back, longest first */
    uint32_t idle_count, some_count, starting; /* slots of these lists; slots that are starting */
    uint32_t failures;                         /* starts that failed in a row */
    char why[BELT_MAX_TEXT + 1];               /* why the last start failed */
    bool unable;                               /* `why` is in the words of the slot */
    bool gave_up;                              /* its tasks were refused, and none of its slots has started since */
    uint64_t pause_us, pause_until;            /* no slot is started before this; 0: no start has failed */
    bool scarce;                               /* the system had no room for a process, and no slot has started since */
    uint64_t short_since;                      /* when that began */
    bool blocked;                              /* nothing more can be placed in this turn */
    uint32_t row;                              /* tasks that each slot gets in a row in this turn; 0: not decided */
};

struct slot_table_function_state {
    struct slot_table_function pub;
    uint64_t estimate_us; /* the run time of one task, in the mean of the last ones; 0: not measured */
    uint64_t typical_us;  /* half of its tasks take less: one long task among short ones changes little */
    uint64_t last_us;     /* the run time of the task that ended last */
    uint32_t measured;    /* tasks, up to SLOT_TABLE_MEASURED */
    bool one_by_one;      /* a slot gets a task of it only when it has answered the last one */
    UT_hash_handle hh;
};

struct slot_table {
    uint32_t cap; /* slots that may be busy at a time, over all programs */
    uint32_t slot_count, program_count, function_count;
    uint64_t start_us, kill_us, max_tasks; /* as configured */
    struct slot_table_program_state *programs;
    struct slot_table_function_state *functions, *by_name;
    struct slot_table_slot *slots;
    uint32_t busy;                 /* slots with a task */
    struct slot_table_index tasks; /* by their key */
    struct slot_table_task *spare; /* memory for new tasks, from blocks that stay until the end */
    struct slot_table_block *blocks;
    struct slot_table_job_entry *jobs;
    uint64_t orders, chunks; /* the last numbers that were given */
    uint32_t held;           /* tasks without a result */
    /* Results that are not recorded: a ring, by number. */
    struct slot_table_task **results;
    uint32_t result_cap;
    uint64_t result_base, result_next, result_unsent;
    uint64_t sent_us; /* when results were sent last */
    /* Taking back. */
    uint32_t reclaims; /* slots that were asked and have not answered */
    uint32_t recalled; /* tasks that the broker wants of what they give back */
    bool recalling;    /* a recall is not answered */
    bool brought;      /* it has brought something */
    bool none;         /* a recall has brought nothing, and the broker is to be told */
    uint64_t look_us;  /* when a running task may be late */
    /* What comes out. */
    struct slot_table_action *actions;
    uint32_t action_at, action_count, action_cap;
    struct belt_task_ref *returned;
    uint32_t returned_at, returned_count, returned_cap;
    struct heap deadlines;           /* slots, the earliest deadline first */
    struct slot_table_task *pending; /* tasks whose outcome waits, by the time when it is decided */
    struct verdict_signals signals;
    bool leaving, alone;
    bool recovered; /* a program whose tasks were refused has started */
    uint64_t leave_until;
    bool paused; /* what runs has been stopped since `paused_us` */
    uint64_t paused_us;
};

/** Room for `need` elements of `size` bytes; `cap` is how many there are. */
void *slot_table_grow(void *array, uint32_t *cap, uint32_t need, size_t size);
/** Adds to what slot_table_next_action() gives. */
void slot_table_act(struct slot_table *table, enum slot_table_action_type type, uint32_t slot);
/** What was to be done with a slot that is no more is not done. */
void slot_table_actions_forget(struct slot_table *table, uint32_t number);

/** A task, or a slot, makes a step. The steps that are allowed are tables in state.c; another one aborts. */
void slot_table_task_becomes(struct slot_table_task *task, enum slot_table_task_state state);
void slot_table_slot_becomes(struct slot_table_slot *slot, enum slot_table_state state);

static inline struct belt_task_ref slot_table_ref(const struct slot_table_task *task)
{
    return (struct belt_task_ref){task->key.job, task->key.index, task->attempt};
}

#endif
