/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the slot table, for its own files: table/tasks.c (events and tasks), table/placing.c (who
 * gets what), table/taking.c (taking back), table/doubts.c (outcomes that wait), table/lives.c (starting, stopping,
 * dying).
 */
#ifndef BELT_WORKER_TABLE_BOOKS_H
#define BELT_WORKER_TABLE_BOOKS_H

#include "worker/table/doubt.h"
#include "worker/table/slot_table.h"
#include "worker/table/index.h"

/* A failed allocation inside uthash goes the way of all others. */
#define uthash_fatal(text) slot_table_no_memory()
#include <uthash.h>
#include <utlist.h>

#define SLOT_TABLE_NEVER       UINT64_MAX
#define SLOT_TABLE_NO_FUNCTION UINT32_MAX

enum slot_table_task_state {
    SLOT_TABLE_WAITING,
    SLOT_TABLE_BOUND,
    SLOT_TABLE_GIVEN,
    SLOT_TABLE_DOUBTED,
    SLOT_TABLE_DONE
};

struct slot_table_job_entry {
    struct slot_table_job pub;
    uint32_t refs; /* tasks */
    bool hashed;
    UT_hash_handle hh;
};

/* A task with a larger payload is not taken back: it would be written twice. */
#define SLOT_TABLE_TAKE_BYTES (32u << 10)
/* A payload up to this lies in its task: no allocation of its own, and it is where the processor looks anyway. */
#define SLOT_TABLE_SMALL 64u

struct slot_table_task {
    struct slot_table_key key;
    uint32_t attempt;
    uint8_t state;
    bool known;   /* the table knows it by its key */
    bool dropped; /* its result is not wanted: it is returned */
    bool silent;  /* a higher attempt replaced it: its end is nobody's business */
    bool timed_out;
    uint8_t cuts; /* how often a signal from outside ended it here */
    uint32_t slot;
    unsigned code;
    struct slot_table_job_entry *job;
    struct slot_table_task *prev,
        *next;                   /* in its program's queue or its slot's lists; next: also among the spare ones */
    struct belt_payload payload; /* the input, then the result */
    uint64_t order;              /* of arrival */
    uint64_t chunk;              /* tasks of one chunk go to one slot; 0: none */
    uint64_t cost_us;
    uint64_t service_us, started_us;
    struct slot_table_doubted *doubted; /* its outcome, while it is DOUBTED */
    struct belt_result_extras *extras;  /* with its bytes behind it; NULL: none */
    uint8_t small[SLOT_TABLE_SMALL];    /* not set to zero */
};

enum slot_table_state { SLOT_TABLE_OFF, SLOT_TABLE_STARTING, SLOT_TABLE_READY, SLOT_TABLE_CLOSING };
/* How far a slot is on its way to be stopped. */
enum slot_table_stop {
    SLOT_TABLE_STOP_NONE,
    SLOT_TABLE_STOP_WAIT,
    SLOT_TABLE_STOP_ASKED,
    SLOT_TABLE_STOP_TERMED,
    SLOT_TABLE_STOP_KILLED
};
enum slot_table_room { SLOT_TABLE_ROOM_NONE, SLOT_TABLE_ROOM_IDLE, SLOT_TABLE_ROOM_SOME };

struct slot_table_slot {
    uint32_t number, program;
    uint8_t state, stop, room;
    struct slot_table_task *given, *bound; /* lists; the first given one is running */
    uint32_t given_count;
    uint64_t load_us;
    uint64_t handed;    /* tasks since its process started */
    bool answered;      /* it answered one */
    bool faulty;        /* it was ended for something that it did */
    bool gone;          /* its process has ended by itself, others of its group are being stopped */
    uint64_t since_us;  /* when its running task started */
    uint32_t ahead;     /* of the given tasks: so many have ended, their answers are held back in the slot */
    bool resting;       /* and none of the others has begun */
    bool late;          /* what runs takes much longer than its like: nothing more is put behind it */
    bool laden, taking; /* it has tasks behind the first; they were asked for */
    uint64_t deadline_us;
    uint32_t heap_at;                    /* place in the heap, from 1; 0: not there */
    const char *why;                     /* why the table ended it, for the text of its death */
    bool unable;                         /* it has said itself why it cannot start */
    struct slot_table_slot *prev, *next; /* in its program's list for its room, or of those that are off */
    struct slot_table_slot *laden_prev, *laden_next;
    uint64_t again_us; /* it was asked: not again before, what it has may have begun and its answers be on the way */
};

struct slot_table_program_state {
    struct slot_table_program pub;
    struct slot_table_task *waiting;
    uint32_t waiting_count;
    struct slot_table_slot *idle, *some, *off; /* slots: without a task, with room for more, not started */
    struct slot_table_slot *laden; /* slots that hold tasks behind another and could give them back, longest first */
    uint32_t idle_count, some_count, starting;
    uint32_t failures;
    char why[BELT_MAX_TEXT + 1]; /* the last start failed */
    bool unable;                 /* in these words of the slot */
    bool gave_up;                /* tasks were refused: others may serve them */
    uint64_t pause_us, pause_until;
    bool scarce;          /* the system was short when a slot was to start, and none has started since */
    uint64_t short_since; /* when that began */
    bool blocked;         /* nothing more can be placed in this turn */
    uint32_t row;         /* tasks of each slot in a row in this turn; 0: not decided */
};

struct slot_table_function_state {
    struct slot_table_function pub;
    uint64_t estimate_us; /* of one task, in the mean of late; 0: not measured */
    uint64_t typical_us;  /* half of them take less: one long among many short ones changes little */
    uint64_t last_us;     /* of the task that ended last */
    uint32_t measured;    /* tasks, up to SLOT_TABLE_MEASURED */
    bool one_by_one;
    UT_hash_handle hh;
};

struct slot_table {
    uint32_t cap, slot_count, program_count, function_count;
    uint64_t start_us, kill_us, max_tasks;
    struct slot_table_program_state *programs;
    struct slot_table_function_state *functions, *by_name;
    struct slot_table_slot *slots;
    uint32_t busy; /* slots with a task */
    struct slot_table_index tasks;
    struct slot_table_task *spare; /* for new tasks; they lie in blocks, which stay until the end */
    struct slot_table_block *blocks;
    struct slot_table_job_entry *jobs;
    uint64_t orders, chunks;
    uint32_t held;
    struct slot_table_task **results; /* ring of those not recorded, by number */
    uint64_t result_base, result_next, result_unsent;
    uint64_t sent_us; /* when results were sent last */
    uint32_t result_cap;
    uint32_t takes, recalled; /* slots that were asked; tasks that the broker wants of what they give */
    bool recalling, brought, none;
    uint64_t look_us; /* when some laden slot may be late */
    struct slot_table_action *actions;
    uint32_t action_at, action_count, action_cap;
    struct belt_task_ref *returned;
    uint32_t returned_at, returned_count, returned_cap;
    struct slot_table_slot **heap; /* by deadline; [1 .. heap_count] */
    uint32_t heap_count;
    struct slot_table_task *doubted; /* those whose outcome waits, by the time when it is decided */
    struct doubt doubt;
    bool leaving, alone, recovered;
    uint64_t leave_until;
    bool paused; /* what runs is stopped, since `paused_us` */
    uint64_t paused_us;
};

void *slot_table_grow(void *array, uint32_t *cap, uint32_t need, size_t size);
void slot_table_act(struct slot_table *slots, enum slot_table_action_type type, uint32_t slot);

static inline struct belt_task_ref slot_table_ref(const struct slot_table_task *task)
{
    return (struct belt_task_ref){task->key.job, task->key.index, task->attempt};
}

#endif
