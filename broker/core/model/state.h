/* SPDX-License-Identifier: Apache-2.0
 *
 * The core: all that the scheduler knows. Each of its parts belongs to the file that its comment names: that file
 * changes it, others read it. The things that it consists of have headers of their own: job.h, queue.h, agent.h,
 * session.h, reader.h, run.h. Private to broker/core.
 */
#ifndef BELT_CORE_STATE_H
#define BELT_CORE_STATE_H

#include "broker/core/core.h"
#include "broker/core/model/agent.h"
#include "broker/core/model/job.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/reader.h"
#include "broker/core/model/run.h"
#include "broker/core/model/run_time.h"
#include "broker/core/model/session.h"
#include "broker/core/util/hash.h"
#include "proto/util/heap.h"
#include "broker/core/util/list.h"

struct claim;
struct dead_letter_job;
struct history_job;

/* Sessions and their connections: events/peer.c. */
struct core_sessions {
    struct session *by_peer, *by_id; /* hashes */
    struct session *live;            /* connected, the least recently heard first */
    struct session *gone;            /* not connected, the one that has been so for longest first */
    struct link *links;              /* hash by id */
    struct list askers;              /* those with questions that wait: events/question.c */
    uint64_t report_rows;            /* rows that were looked at for reports, in this life of the broker */
    uint64_t bytes;                  /* memory of sessions and agents, which has a budget of its own */
    uint32_t clients, workers;       /* connected */
    uint32_t slots;                  /* of all workers */
    uint64_t probe_ms;               /* no peer has been silent for so long before this that it is sent a PING */
    uint64_t awake_ms;               /* turns have come in time since then: older silence proves nothing */
    uint64_t turn_due_ms;            /* when the last turn wanted to come back */
};

/* model/catalog.c; life/opening.c counts. */
struct core_jobs {
    struct job *by_id;      /* hash */
    struct job *by_key;     /* hash of those without an account: model/account.h has the others */
    struct job *catalog[2]; /* volatile, durable jobs in order of id */
    uint32_t count;
    uint32_t detached; /* those that outlive their client */
    uint32_t timed;    /* those with a time-out */
    uint64_t last_id, last_volatile_id;
};

/* life/reader.c */
struct core_readers {
    struct reader *by_id; /* hash */
    uint64_t last_id;
};

/* model/account.c */
struct core_accounts {
    struct account *by_owner; /* hash by name; empty when the broker has no keys */
    uint64_t last_number;     /* of an account, which its shares in queues are known by */
};

/* What the next turn looks at: model/mark.c. */
struct core_marks {
    struct list agents, queues, jobs, readers;
    struct list late_readers; /* marked, too: the last turn had delivered enough before it came to them */
    bool revisit;             /* some queue wants to be looked at again */
    bool again;               /* there is more to do: CORE_TURN is to come at once */
    uint64_t alarm;           /* when the turn wants to come back at the latest; UINT64_MAX: not at all */
};

/* Memory, in bytes, and who waits for it: policy/budget.c, policy/refuse.c. */
struct core_memory {
    uint64_t bytes;            /* of all jobs, of failed tasks and of the history */
    uint64_t payload_bytes;    /* of it: inputs, results and their texts */
    uint64_t fixed_bytes;      /* of it: jobs and their readers before they have tasks */
    uint64_t expected;         /* what the results of all that runs seem to take */
    uint64_t looked_bytes;     /* the most that bytes + expected were in this turn */
    uint64_t looked_delivered; /* deliveries.count when the turn began */
    bool held_back;            /* this turn has not given out something, for want of room */
    struct list starving;      /* jobs that wait for room for their next task */
    struct list refusing;      /* agents with refused results; first the one that was looked at longest ago */
    struct list asked;         /* agents with refused results that there is room for */
};

/* Acknowledgements that wait for company, the one that has waited for longest first: policy/owed.c. */
struct core_owed {
    struct list jobs, agents;
};

/* policy/fair.c */
struct core_fair {
    struct list unsettled; /* jobs whose tasks have ended: what these took is not accounted for yet */
    struct list aside;     /* jobs with waiting tasks that may not go in this turn */
    uint64_t last_rank;
};

/* policy/dispatch.c, policy/run.c */
struct core_dispatch {
    struct list unfed;      /* the last turn had given out enough before it came to them, the first ones first */
    uint64_t last_chunk;    /* number of the chunk that was given out last */
    struct run *spare_runs; /* freed runs, for use again */
    uint32_t spare_run_count;
};

/* policy/stuck.c */
struct core_stuck {
    struct list watched[RUN_TIME_PACES]; /* agents with tasks behind those that run, by pace */
    uint64_t looked_ms;                  /* when they were looked at */
};

/* events/subscription.c */
struct core_deliveries {
    uint64_t count;      /* messages with results that readers were sent */
    uint64_t turn_bytes; /* bytes of results that this turn delivers */
};

/* Jobs that are over: life/closing.c. */
struct core_closing {
    struct list retired; /* the first one since longest ago */
    uint32_t retired_count;
    struct list remembered; /* read to their end; the first one longest ago */
};

/* life/release.c */
struct core_release {
    struct list jobs; /* those with results that may have become free */
    uint64_t steps;   /* results that were looked at for it, in this life of the broker */
};

/* The history: journal/history.c. */
struct core_history {
    struct history_job *first; /* the one that was over earliest */
    struct list due;           /* those to be written */
    struct history_job *by_id, *by_key;
    uint32_t count;
    uint64_t bytes; /* part of core->memory.bytes */
};

/* Failed tasks that are kept: journal/dead_letter.c. */
struct core_dead_letters {
    struct dead_letter_job *by_job;    /* hash by id */
    struct dead_letter *first;         /* the oldest first */
    struct list due;                   /* those to be written */
    struct list let_go_due;            /* jobs of which it is to be written how many were let go */
    uint64_t let_go_untold;            /* failed tasks that were let go since the log was told, */
    uint64_t let_go_told_ms;           /* which was then */
    char let_go_of[BELT_MAX_NAME + 1]; /* the function of the last of them */
    uint64_t bytes;                    /* part of core->memory.bytes */
    uint64_t count, dropped, last_serial;
};

/* What is on disk of all jobs: journal/records.c, journal/withheld.c. */
struct core_store {
    bool failed;                 /* nothing that grows is recorded */
    uint64_t spare_bytes;        /* bytes of results that may be recorded nevertheless */
    uint64_t urgent_bytes;       /* and those that are */
    uint64_t turn_bytes;         /* bytes of results that this turn records */
    uint32_t withheld;           /* jobs with results that wait for the store */
    uint64_t last_record;        /* number of the record that was written last */
    struct gone_record *deleted; /* owned array: records to be deleted at the end of the turn */
    uint32_t deleted_count, deleted_room;
};

/* A record to be deleted at the end of the turn. */
struct gone_record {
    uint64_t number, job;
};

/* A RETRY or DROP of failed tasks that was answered: the answer may be lost, and the question sent again. */
struct settled {
    uint8_t session[BELT_SESSION_LEN], action;
    uint64_t ref, job;            /* of the question */
    uint64_t count, made, let_go; /* the answer; made: the new job */
};
/* As many answers are remembered: a client that asks again does so within seconds. */
#define SETTLED_MAX 64u

/* events/failed.c */
struct core_answers {
    struct settled ring[SETTLED_MAX];
    uint32_t next; /* place of the next one */
};

/* What was refused since the log was told: model/refusal.c. */
#define REFUSAL_CODES 64u /* codes of the broker are below */
struct refusals {
    uint64_t counts[REFUSAL_CODES]; /* by code */
    uint64_t untold, told_ms;
    char last[BELT_MAX_NAME + 204]; /* who, and why */
};

/* What has happened in this life of the broker, for reports. */
struct core_counts {
    uint64_t accepted, done, failed, retried; /* tasks */
    uint64_t stale;                           /* results of attempts that did not count any more */
    uint64_t overdue;                         /* tasks that were taken back, since no worker answered for them */
    uint64_t refused;                         /* requests of peers */
    uint64_t overslept;                       /* see core_overslept() */
};

struct core {
    struct core_config config;
    uint64_t now;            /* of the step under way, in ms of the shell's clock */
    uint64_t wall;           /* the same in ms since 1970; 0: not known */
    uint64_t random;         /* state of the generator; events stir it */
    uint64_t started_ms;     /* when the first step came */
    uint64_t check_after;    /* steps until the books are checked again: core_check_sometimes() */
    bool draining;           /* no new work is taken */
    struct core_update *out; /* of the step under way */
    struct agent *agents;
    struct queue *queues; /* hash by function */
    struct claim *claims; /* the oldest first */
    struct core_sessions sessions;
    struct core_jobs jobs;
    struct core_readers readers;
    struct core_accounts accounts;
    struct core_marks marks;
    struct core_memory memory;
    struct core_owed owed;
    struct core_fair fair;
    struct core_dispatch dispatch;
    struct core_stuck stuck;
    uint64_t overdue_look_ms; /* when to look next for tasks whose time-out is long over: life/overdue.c */
    struct core_deliveries deliveries;
    struct core_closing closing;
    struct core_release release;
    struct heap timer; /* jobs by the time at which they are due: model/timer.c */
    struct core_history history;
    struct core_dead_letters dead_letters;
    struct core_store store;
    struct core_answers answers;
    struct refusals refusals;
    struct core_counts counts;
};

static inline bool is_durable(const struct core *core, const struct belt_open_options *options)
{
    return core->config.durable && !options->never_durable;
}

#endif
