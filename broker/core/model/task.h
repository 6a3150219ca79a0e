/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: its payload, its state and the steps that it may make. It lies in the table of its job, which owns it.
 * Private to broker/core.
 */
#ifndef BELT_CORE_TASK_H
#define BELT_CORE_TASK_H

#include "proto/codec.h"

struct run;
enum task_state {
    TASK_WAITING,  /* for an agent */
    TASK_RUNNING,  /* an agent has it */
    TASK_DONE,     /* it has its result, good or bad */
    TASK_RELEASED, /* every reader has taken its result, or its job is not wanted any more */
    TASK_DELAYED   /* it waits for its next try */
};
/* What becomes of the latest attempt when its agent comes back with it. */
enum task_tie {
    TIE_NONE,  /* over: it has an outcome, or was never begun */
    TIE_HELD,  /* its agent was lost and may still hold it */
    TIE_BLAMED /* the same, and it was counted as lost */
};
/* Kept at 48 bytes: a million waiting tasks are 48 MB beside their payloads. */
struct task {
    struct belt_buf *buf; /* payload: the input until the task is done, then the output */
    const uint8_t *data;
    union {
        uint64_t since_ms;                 /* WAITING: since when */
        uint64_t until_ms;                 /* DELAYED: until when */
        struct run *run;                   /* RUNNING */
        struct belt_result_extras *extras; /* DONE: NULL or owned */
    } u;
    uint32_t len;
    union {
        struct {
            uint16_t failures; /* WAITING, DELAYED, RUNNING: runs that ended as failed or timed out */
            uint16_t losses;   /* runs whose slot died */
        } tries;
        uint32_t service_us; /* DONE */
    } n;
    uint32_t attempt; /* of the latest dispatch, 0: none yet */
    uint32_t place;   /* DONE: of its job's log of completions, the lower half: completions_place() */
    uint8_t state;    /* enum task_state */
    uint8_t code;     /* DONE: of the result */
    uint8_t tie;      /* WAITING, DELAYED, DONE: enum task_tie */
    bool unrecorded;  /* DONE, of a durable job: its result was not given to the disk yet, and nobody may see it */
};

/** Every change of a task's state is made here; a step that the table in task.c does not allow asserts. It leaves no
 *  trace line, since tasks step in their thousands: who takes many at once leaves one line for all of them. */
void task_step(struct task *task, enum task_state to);
/** Drops the payload of a task. */
void task_drop_payload(struct task *task);
/** Frees what the task holds; it is RELEASED then. */
void task_release(struct task *task);
/** The result of a task that is DONE; borrows from it. */
struct belt_result_item task_item(uint64_t index, const struct task *task);
/** An owned copy of `extras` in one block (free() it); NULL when out of memory. */
struct belt_result_extras *extras_copy(const struct belt_result_extras *extras);

#endif
