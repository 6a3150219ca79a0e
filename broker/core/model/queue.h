/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues, one for each function: the agents that serve it, and its clients' shares. A queue goes when nobody serves it
 * and it has no jobs and no failed tasks. Private to broker/core.
 */
#ifndef BELT_CORE_MODEL_QUEUE_H
#define BELT_CORE_MODEL_QUEUE_H

#include "broker/core/core.h"
#include "broker/core/util/hash.h"
#include "broker/core/util/list.h"
#include "proto/util/heap.h"

struct account;
struct agent;
struct dead_letter;
struct job;
struct session;

/* One client's part of a queue, for as long as it has jobs there. */
struct share {
    uint8_t client[BELT_SESSION_LEN]; /* all zero: the jobs that belong to nobody */
    double pass;                      /* service that it has had, in us */
    double level;                     /* the pass of its job that was served last, before it was served */
    uint32_t jobs;                    /* how many it has in this queue */
    struct heap jobs_heap;            /* those with waiting tasks */
    struct heap_node turn;            /* in the heap of the queue: some job of it has waiting tasks */
    UT_hash_handle hh;
};

/* Failed tasks of the function that are kept: journal/dead_letter.c. */
struct queue_dead_letters {
    struct dead_letter *first; /* the oldest first */
    uint32_t count;
    uint32_t jobs; /* of how many jobs they are */
    uint64_t bytes;
};

/* All waiting tasks of one function name. */
struct queue {
    char function[BELT_MAX_NAME + 1];
    struct agent **agents; /* owned array of those that serve it */
    uint32_t agent_count, agent_room;
    uint32_t cursor;                    /* the agent that is looked at first in the next turn */
    uint32_t slots;                     /* of all these agents */
    struct list active;                 /* jobs with waiting tasks */
    uint32_t jobs;                      /* all that are not freed */
    uint64_t waiting, running, delayed; /* tasks at present */
    uint64_t done, failed, retried;     /* tasks in this life of the broker */
    struct queue_dead_letters dead_letters;
    double service_us;     /* what one task seems to take, in us; 0: not measured yet */
    uint32_t result_bytes; /* of the job that had a result last: what a new job begins with */
    struct share *shares;  /* hash by client */
    uint32_t share_count;
    struct heap shares_heap;      /* clients with waiting tasks: policy/fair.c */
    double level;                 /* the pass of the client that was served last, before it was served */
    uint64_t rate_ms, rate_count; /* results since rate_ms, */
    double rate;                  /* and in one second, as of rate_ms */
    bool hungry;                  /* agents may be idle: at the last look all waiting tasks were given out */
    bool risen;                   /* run times have: agents hold too much */
    bool revisit;                 /* it wants to be looked at again at some time */
    uint64_t given_ms;            /* when the last of its tasks was given to an agent */
    uint64_t balanced_ms;         /* when it was last considered whether to take tasks back */
    struct list_node marked;      /* in core->marks.queues */
    struct queue *prev, *next;
    UT_hash_handle hh;
};

/* The share of an account, or without one (NULL) of a client's session (NULL: nobody's). */
struct share *share_take(struct queue *queue, const struct account *account, const struct session *client);
bool share_is_there(const struct queue *queue, const struct account *account);
void share_drop(struct queue *queue, struct share *share);
struct queue *queue_get(struct core *core, const char *function);
void queue_prune(struct core *core, struct queue *queue);
void queue_free(struct queue *queue);
void queue_serve(struct core *core, struct queue *queue, struct agent *agent);
void queue_unserve(struct core *core, struct queue *queue, struct agent *agent);

#endif
