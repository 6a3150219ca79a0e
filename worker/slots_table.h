/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the slot table, for its own files: slots.c (events and tasks), slots_place.c (who
 * gets what), slots_take.c (taking back), slots_doubt.c (outcomes that wait), slots_life.c (starting, stopping, dying).
 */
#ifndef BELT_SLOTS_TABLE_H
#define BELT_SLOTS_TABLE_H

#include "doubt.h"
#include "slots.h"
#include "slots_index.h"

/* A failed allocation inside uthash goes the way of all others. */
#define uthash_fatal(text) slots_no_memory()
#include <uthash.h>
#include <utlist.h>

#define SLOTS_NEVER       UINT64_MAX
#define SLOTS_NO_FUNCTION UINT32_MAX

enum slots_task_state { SLOTS_WAITING, SLOTS_BOUND, SLOTS_GIVEN, SLOTS_DOUBTED, SLOTS_DONE };

struct slots_job_entry {
    struct slots_job pub;
    uint32_t refs; /* tasks */
    bool hashed;
    UT_hash_handle hh;
};

/* A task with a larger payload is not taken back: it would be written twice. */
#define SLOTS_TAKE_BYTES (32u << 10)
/* A payload up to this lies in its task: no allocation of its own, and it is where the processor looks anyway. */
#define SLOTS_SMALL 64u

struct slots_task {
    struct slots_key key;
    uint32_t attempt;
    uint8_t state;
    bool known;   /* the table knows it by its key */
    bool dropped; /* its result is not wanted: it is returned */
    bool silent;  /* a higher attempt replaced it: its end is nobody's business */
    bool timed_out;
    uint8_t cuts; /* how often a signal from outside ended it here */
    uint32_t slot;
    unsigned code;
    struct slots_job_entry *job;
    struct slots_task *prev, *next; /* in its program's queue or its slot's lists; next: also among the spare ones */
    struct belt_payload payload;    /* the input, then the result */
    uint64_t order;                 /* of arrival */
    uint64_t chunk;                 /* tasks of one chunk go to one slot; 0: none */
    uint64_t cost_us;
    uint64_t service_us, started_us;
    struct slots_doubted *doubted;     /* its outcome, while it is DOUBTED */
    struct belt_result_extras *extras; /* with its bytes behind it; NULL: none */
    uint8_t small[SLOTS_SMALL];        /* not set to zero */
};

enum slots_state { SLOTS_OFF, SLOTS_STARTING, SLOTS_READY, SLOTS_CLOSING };
/* How far a slot is on its way to be stopped. */
enum slots_stop { SLOTS_STOP_NONE, SLOTS_STOP_WAIT, SLOTS_STOP_ASKED, SLOTS_STOP_TERMED, SLOTS_STOP_KILLED };
enum slots_room { SLOTS_ROOM_NONE, SLOTS_ROOM_IDLE, SLOTS_ROOM_SOME };

struct slots_slot {
    uint32_t number, program;
    uint8_t state, stop, room;
    struct slots_task *given, *bound; /* lists; the first given one is running */
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
    uint32_t heap_at;               /* place in the heap, from 1; 0: not there */
    const char *why;                /* why the table ended it, for the text of its death */
    bool unable;                    /* it has said itself why it cannot start */
    struct slots_slot *prev, *next; /* in its program's list for its room, or of those that are off */
    struct slots_slot *laden_prev, *laden_next;
    uint64_t again_us; /* it was asked: not again before, what it has may have begun and its answers be on the way */
};

struct slots_program_state {
    struct slots_program pub;
    struct slots_task *waiting;
    uint32_t waiting_count;
    struct slots_slot *idle, *some, *off; /* slots: without a task, with room for more, not started */
    struct slots_slot *laden; /* slots that hold tasks behind another and could give them back, longest first */
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

struct slots_function_state {
    struct slots_function pub;
    uint64_t estimate_us; /* of one task, in the mean of late; 0: not measured */
    uint64_t typical_us;  /* half of them take less: one long among many short ones changes little */
    uint64_t last_us;     /* of the task that ended last */
    uint32_t measured;    /* tasks, up to SLOTS_MEASURED */
    bool one_by_one;
    UT_hash_handle hh;
};

struct slots {
    uint32_t cap, slot_count, program_count, function_count;
    uint64_t start_us, kill_us, max_tasks;
    struct slots_program_state *programs;
    struct slots_function_state *functions, *by_name;
    struct slots_slot *slots;
    uint32_t busy; /* slots with a task */
    struct slots_index tasks;
    struct slots_task *spare; /* for new tasks; they lie in blocks, which stay until the end */
    struct slots_block *blocks;
    struct slots_job_entry *jobs;
    uint64_t orders, chunks;
    uint32_t held;
    struct slots_task **results; /* ring of those not recorded, by number */
    uint64_t result_base, result_next, result_unsent;
    uint64_t sent_us; /* when results were sent last */
    uint32_t result_cap;
    uint32_t takes, recalled; /* slots that were asked; tasks that the broker wants of what they give */
    bool recalling, brought, none;
    uint64_t look_us; /* when some laden slot may be late */
    struct slots_action *actions;
    uint32_t action_at, action_count, action_cap;
    struct belt_task_ref *returned;
    uint32_t returned_at, returned_count, returned_cap;
    struct slots_slot **heap; /* by deadline; [1 .. heap_count] */
    uint32_t heap_count;
    struct slots_task *doubted; /* those whose outcome waits, by the time when it is decided */
    struct doubt doubt;
    bool leaving, alone, recovered;
    uint64_t leave_until;
    bool paused; /* what runs is stopped, since `paused_us` */
    uint64_t paused_us;
};

_Noreturn void slots_no_memory(void);
void *slots_grow(void *array, uint32_t *cap, uint32_t need, size_t size);
void slots_act(struct slots *slots, enum slots_action_type type, uint32_t slot);

static inline struct belt_task_ref slots_ref(const struct slots_task *task)
{
    return (struct belt_task_ref){task->key.job, task->key.index, task->attempt};
}

/* slots.c */
void slots_task_end(struct slots *slots, uint64_t now, struct slots_task *task, const struct slots_outcome *outcome);
void slots_task_return(struct slots *slots, struct slots_task *task);
/* Waits again, at its old place by order of arrival. `behind`: waits and came later (NULL: nobody knows one), so that a
 * run of tasks, the last one first, is walked through once. Returns the task, which is that for the next one. */
struct slots_task *slots_enqueue_again(struct slots *slots, struct slots_task *task, struct slots_task *behind);
void slots_withdraw(struct slots *slots,
                    struct slots_task *task); /* takes one that was not handed over out of its queue */

/* slots_place.c */
void slots_place_turn(struct slots *slots, uint64_t now);
void slots_feed(struct slots *slots, uint64_t now, struct slots_slot *slot);
void slots_room_update(struct slots *slots, struct slots_slot *slot);
void slots_measure(struct slots *slots, const struct slots_task *task, uint64_t service_us);

/* slots_take.c */
void slots_laden_update(struct slots *slots, struct slots_slot *slot);
bool slots_late(struct slots *slots, uint64_t now, struct slots_slot *slot);
void slots_take_turn(struct slots *slots, uint64_t now);
void slots_take_all(struct slots *slots, uint64_t now);
void slots_take_over(struct slots *slots, struct slots_slot *slot); /* what it was asked for is not to be had */

/* slots_doubt.c */
/** A task that is in no list any more has ended, if nothing from outside has ended it. `ours`: Belt itself has. */
void slots_doubt(struct slots *slots, uint64_t now, struct slots_task *task, const struct slots_outcome *outcome,
                 bool ours);
void slots_doubt_turn(struct slots *slots, uint64_t now);
void slots_doubt_return(struct slots *slots); /* all of them */
void slots_doubt_withdraw(struct slots *slots, struct slots_task *task);
uint64_t slots_doubt_due(const struct slots *slots);

/* slots_life.c */
void slots_deadline_set(struct slots *slots, struct slots_slot *slot, uint64_t when);
void slots_begin(struct slots *slots, uint64_t now, struct slots_slot *slot);
void slots_stop(struct slots *slots, uint64_t now, struct slots_slot *slot, bool patient);
bool slots_ours(const struct slots_slot *slot);
void slots_retire(struct slots *slots, uint64_t now, struct slots_slot *slot, bool ran);
void slots_expire(struct slots *slots, uint64_t now);
void slots_start_wanted(struct slots *slots, uint64_t now);
void slots_give_up(struct slots *slots, uint64_t now);

#endif
