/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent: what the core knows of a worker. Each part belongs to the file that its comment names; others read it.
 * Owned by its session. Private to broker/core.
 */
#ifndef BELT_CORE_MODEL_AGENT_H
#define BELT_CORE_MODEL_AGENT_H

#include "broker/core/core.h"
#include "broker/core/model/run.h"
#include "broker/core/util/hash.h"
#include "broker/core/util/list.h"

struct queue;
struct session;

/* Results that the agent keeps because there was no room for them: policy/refuse.c. */
struct agent_results {
    uint64_t next_number;      /* of the next result that is expected */
    uint64_t refused_from;     /* number of the first result that was refused; REFUSED_NONE: none was */
    uint64_t seen;             /* results with numbers below it came before, and may come again */
    uint64_t resent_upto;      /* the agent was asked to send those below it again; 0: it was not, or they have come */
    struct run *refused;       /* runs whose results it keeps: not among `runs`, and not counted as held */
    struct list_node refusing; /* in core->memory.refusing: it keeps some */
    struct list_node asked;    /* in core->memory.asked: there is room for what it keeps, and it is to send it */
};

/* The acknowledgement of results (RECORDED) that the agent is owed: policy/owed.c. */
struct agent_record {
    bool due;              /* results came that were not acknowledged */
    bool needs_disk;       /* some of them must be on disk first */
    uint64_t when_ms;      /* RECORDED is sent then at the latest */
    uint64_t told;         /* the number that RECORDED told last */
    uint64_t untold_bytes; /* payload bytes of the results after it */
    struct list_node owed; /* in core->owed.agents: it waits for company */
};

/* Asking the agent to give back what it has not begun: policy/balance.c. */
struct agent_recall {
    bool under_way;            /* a RECALL is not answered yet */
    const struct queue *queue; /* for whose sake it was sent; to be compared only */
    uint64_t again_ms;         /* the agent had nothing to give back, and is not asked again before this */
    uint64_t asked_ms;         /* when it was sent its last RECALL */
    uint64_t begun_ms;         /* what was dispatched before this has begun: it could not be given back */
};

/* Noticing that the slots are busy with much longer tasks than was expected: policy/stuck.c. */
struct agent_stuck {
    bool stuck;               /* nothing is put behind the tasks that run */
    bool surplus;             /* what it has not begun was given for shorter tasks, and is to come back */
    bool surplus_asked;       /* RECALL was sent for it */
    uint8_t pace;             /* run_time_pace() of the tasks it was given */
    uint64_t dispatched;      /* order of the last run that it was given */
    uint64_t passed;          /* order of the latest run that has ended here */
    uint64_t moved_ms;        /* when a task of it ended last, or it came */
    uint64_t ended;           /* tasks that have ended since it was stuck last, or came */
    struct list_node watched; /* in core->stuck.watched[pace] */
};

/* Tasks that it does not answer for: policy/stalled.c, life/overdue.c. */
struct agent_overdue {
    struct belt_task_ref *tasks; /* owned: tasks that were taken back and hold its slots, as far as is known */
    uint32_t count;
    uint64_t quiet_ms;  /* when it answered for a task last, or was given the first */
    uint64_t synced_ms; /* when it had named what it holds */
};

/* In this order: one that is SYNCED, or comes after it, has named all that it holds. */
enum agent_state {
    AGENT_AWAY,    /* not connected */
    AGENT_GREETED, /* it said HELLO, and has yet to name what it holds (SYNC) */
    AGENT_SYNCED,  /* it gets tasks */
    AGENT_LEAVING  /* it gets no more tasks; it stays so when its connection is lost, until it says HELLO */
};

struct agent {
    struct session *session;
    uint32_t slots;
    uint32_t window_items; /* tasks that it takes at once */
    uint64_t window_bytes; /* payload bytes that it takes at once */
    struct queue **queues; /* owned array of the queues that it serves */
    double *passes;        /* for each of them the service that it has had here, in us */
    double level;          /* the pass of the queue that was served last, before it was served */
    uint32_t queue_count;
    struct run *runs;    /* what it holds, in order of dispatch */
    uint32_t held;       /* how many these are */
    uint32_t parts;      /* how many slots they need when each chunk and each single task takes one */
    uint32_t adopted;    /* tasks of the chunk that was adopted last */
    uint64_t held_bytes; /* payload bytes of what it holds */
    double load_us;      /* what the tasks that it holds seem to take */
    uint64_t connected_ms;
    uint64_t done, failed, lost; /* tasks, since it came */
    uint8_t state;               /* enum agent_state */
    bool met;                    /* it has named all that it held from an earlier life of the broker */
    struct agent_results results;
    struct agent_record record;
    struct agent_recall recall;
    struct agent_stuck stuck;
    struct agent_overdue overdue;
    struct list_node marked;   /* in core->marks.agents */
    struct list_node unfed;    /* in core->dispatch.unfed */
    struct agent *prev, *next; /* in core->agents */
};

#endif
