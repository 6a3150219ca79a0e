/* SPDX-License-Identifier: Apache-2.0
 *
 * A job. Each of its parts belongs to the file that its comment names: that file changes it, others read it. Made by
 * life/opening.c, freed by life/closing.c. Private to broker/core.
 */
#ifndef BELT_CORE_MODEL_JOB_H
#define BELT_CORE_MODEL_JOB_H

#include "broker/core/core.h"
#include "broker/core/model/run.h"
#include "broker/core/model/run_time.h"
#include "broker/core/model/table.h"
#include "broker/core/util/hash.h"
#include "proto/util/heap.h"
#include "broker/core/util/list.h"
#include "broker/core/util/pairs.h"

struct account;
struct kept_record;
struct queue;
struct reader;
struct session;
struct share;

/* Who feeds the job: model/owner.c. */
struct job_owner {
    struct account *account;          /* of whose key opened it (life/opening.c); NULL: the broker had no keys */
    struct session *session;          /* NULL: nobody, or forgotten */
    char name[BELT_MAX_NAME + 1];     /* of its key's owner, else as it called itself; outlives the session */
    uint64_t since_ms;                /* since when it owns the job */
    uint8_t ousted[BELT_SESSION_LEN]; /* the session that owned it before another one opened it; all zero: none */
    struct list_node owned;           /* in session->owned */
};

/* Tasks as they come in: life/grant.c, and policy/budget.c for the room that they need. */
struct job_input {
    uint64_t next;             /* tasks that were accepted; the next one gets this index */
    uint64_t bytes;            /* of their payloads */
    struct belt_digest digest; /* of them all, when the option asks for it */
    struct belt_grant granted; /* what the client may send, as it was told last */
    bool resync_due;           /* tasks were not taken for want of room: the client is to push them again */
    uint64_t starved_for;      /* bytes of the task that the job waits to have room for */
    struct list_node starving; /* in core->memory.starving */
};

/* The acknowledgement of tasks (ACCEPTED) that the client is owed: policy/owed.c. */
struct job_accept {
    bool due;              /* something has changed that ACCEPTED tells */
    uint64_t when_ms;      /* ACCEPTED is sent then at the latest */
    uint64_t told;         /* input.next as ACCEPTED told it last */
    uint64_t told_bytes;   /* input.bytes at that time */
    struct list_node owed; /* in core->owed.jobs: it waits for company */
};

/* How many tasks are in which state, kept by whoever changes a state. */
struct job_counts {
    uint64_t waiting, running;
    uint64_t delayed; /* wait for their next try; not among the waiting */
    uint64_t done, failed;
    uint64_t retried;           /* tries that ended without a result and were followed by another */
    uint64_t released;          /* done or failed tasks that every reader has taken */
    uint64_t progress_permille; /* the sum over all running tasks that tell their progress */
    uint64_t let_go;            /* failed tasks that were not kept as dead letters, or not for long */
};

/* Which tasks wait for an agent: policy/waiting.c. */
struct job_waiting {
    uint64_t fresh;          /* the lowest index that was never dispatched; those from it on wait */
    struct pairs again;      /* the lower indexes that wait (again), by index; stale ones among them */
    struct list_node active; /* in queue->active: it has waiting tasks that may start */
};

/* After a restart agents speak of attempts that nobody here knows of; no other attempt gets their numbers. */
struct job_fence {
    uint64_t below;   /* such attempts were of tasks with indexes below this */
    uint32_t attempt; /* and had this number at the most */
};

/* Tasks that wait for their next try: policy/delay.c. */
struct job_delayed {
    struct pairs heap; /* indexes by the time of the next try; stale when the task has moved on */
};

/* The tries of a task that are on disk, or will be at the end of the turn. */
struct tried {
    uint64_t index;
    uint64_t number;      /* of its record, 0: none */
    bool over;            /* the task has its result: the record goes */
    struct list_node due; /* in job->tries.due */
    UT_hash_handle hh;
};

/* The tries of durable tasks: journal/tries.c. */
struct job_tries {
    struct tried *by_index; /* owned hash */
    struct list due;        /* those whose records are to be written or deleted in this turn */
};

/* When something happens to the job by itself, in ms of the core's clock: model/timer.c finds the earliest. */
struct job_times {
    uint64_t opened_ms;
    uint64_t opened_at;     /* the same by the wall clock, in ms since 1970, over restarts; 0: not known */
    uint64_t over_at;       /* when it ended, likewise; 0: it has not ended */
    uint64_t age_before_ms; /* its age when this life of the broker took it over */
    uint64_t start_ms;      /* nothing is dispatched before this; 0: it has started */
    uint64_t deadline_ms;   /* tasks that have no result then expire; UINT64_MAX: never */
    uint64_t expire_ms;     /* when to go on with expiring them */
    uint64_t expire_next;   /* tasks with lower indexes have expired, unless they run */
    bool expired;           /* the deadline is over, or the job was halted: life/expire.c is at work */
    bool halted;            /* what has not begun gets TASK_CANCELLED; `expired` is set, too */
    bool unserved;          /* its client was told that no worker serves it */
    uint64_t unserved_ms;   /* when to tell it; 0: there is nothing to tell */
    uint64_t recover_ms;    /* built anew: agents may still hold its tasks, so none is dispatched before this */
    uint64_t chunk_ms;      /* since when a chunk waits that is not full; 0: none does */
    uint64_t idle_ms;       /* since when nobody reads or feeds it; 0: somebody does */
    uint64_t due_ms;        /* the earliest of these; UINT64_MAX: none */
    struct heap_node due;   /* in core->timer */
};

/* Memory that the job takes, in bytes: model/charge.h, model/pin.h. */
struct job_memory {
    uint64_t payload_bytes; /* of its inputs and results with their texts */
    uint64_t unread_bytes;  /* of results that are not released */
    uint64_t fixed_bytes;   /* of itself, its argument and its readers */
    uint64_t list_bytes;    /* of its log of completions, its heaps and its tries */
    uint64_t own_bytes;     /* of all but payloads, as it is charged in core->memory.bytes */
};

/* Results that there is no room for: policy/budget.c, policy/refuse.c. */
struct job_results {
    uint32_t typical_bytes; /* what a result of the job seems to take */
    struct run *refused;    /* running tasks whose results their agents keep, since they were not taken */
    uint32_t refused_count;
};

/* Its part of its queue: policy/fair.c. */
struct job_share {
    struct share *client;            /* its client's part of the queue; freed with the last job of it there */
    struct run_time_typical typical; /* what a task of it takes */
    double pass;                     /* service that it has had, in us */
    double owes_us;                  /* what its tasks took beyond what it was charged for them */
    uint64_t rank;                   /* among equals the lower goes first: drawn when it had waiting tasks again */
    struct heap_node turn;           /* in the heap of its client's jobs: it has waiting tasks */
    struct list_node unsettled;      /* in core->fair.unsettled: owes_us is not 0 */
    struct list_node aside;          /* in core->fair.aside */
};

/* The log of completions: model/completions.c. */
struct job_completions {
    uint64_t *ring; /* owned: indexes in the order in which they got their results */
    uint64_t base;  /* place of the first that is there */
    uint64_t count, room, head;
};

/* Places of one mode whose results may have become free: life/release.c. */
struct sweep {
    uint64_t at, end;           /* what is left of the sweep under way */
    uint64_t next_at, next_end; /* to be looked at after it */
};

/* Letting go of results that all readers have taken: life/release.c. Arrays are by mode (ordered, unordered). */
struct job_release {
    uint64_t whole_from[2]; /* results with numbers from this on were never released */
    struct sweep sweep[2];
    struct list_node sweeping; /* in core->release.jobs */
};

/* life/reader.c */
struct job_readers {
    struct reader *first; /* owned list */
    uint32_t count;
    bool was_read; /* it has had a reader at some time */
};

/* Records of one kind that are on disk: journal/records.c. */
struct kept_list {
    struct kept_record *rows; /* from `head`, in order of `first` */
    uint32_t head, count, room;
    uint64_t bytes; /* of `rows` */
};

/* What of a durable job is on disk: journal/durable.c, journal/withheld.c. */
struct job_on_disk {
    uint64_t job, end, mark; /* numbers of their records; 0: none */
    uint64_t next;           /* tasks with indexes below it are on disk */
    uint64_t place;          /* results at lower places of the log of completions are on disk */
    uint64_t taken; /* results below it were taken by all, and their records know it: the log may forget them */
    struct kept_list tasks, results;
    bool mark_due;          /* the record of how far readers are has to be written */
    bool settled;           /* some record of tasks may have become superfluous */
    bool withheld;          /* there are results that the store has no room for */
    uint64_t sorted;        /* results that are withheld are in order of index at places below it */
    uint64_t urgent_number; /* of the record of results that was written without room; 0: none */
    uint64_t urgent;        /* its bytes */
    uint64_t restored;      /* while it is built anew: tasks that are there */
    uint64_t mark_next, mark_place, mark_failed;
    uint64_t digest_next;     /* while it is built anew: the digest is of the tasks below it */
    uint64_t past;            /* number of its line in the history, which is written when the rest goes; 0: none */
    uint64_t written_over_at; /* when it is over, as the record of the job says it */
    bool job_due;             /* something that the record of the job says has changed */
};

/* How it ended, and when it goes: life/closing.c. */
struct job_closing {
    char stopped[BELT_MAX_NAME + 32]; /* STOPPED: by whom, or why; else "" */
    bool forgotten;                   /* it was complete when its results were dropped */
    uint64_t retired_ms;              /* since when it is retired; 0: it is to be freed at the next look */
    uint64_t remember_ms;             /* until when it is remembered; 0: it is not */
    struct list_node retired;         /* in core->closing.retired: everything was read, or it was stopped */
    struct list_node remembered;      /* in core->closing.remembered: all was read, and its key stands for it */
};

struct job {
    uint64_t id;
    char key[BELT_MAX_KEY + 1]; /* "": none */
    struct queue *queue;
    struct belt_open_options options;
    struct belt_payload argument; /* owned */
    uint8_t state;                /* enum belt_job_state */
    struct table table;           /* its tasks */
    struct job_owner owner;
    struct job_input input;
    struct job_accept accept;
    struct job_counts counts;
    struct job_waiting waiting;
    struct job_fence fence;
    struct job_delayed delayed;
    struct job_tries tries;
    struct job_times times;
    struct job_memory memory;
    struct job_results results;
    struct job_share share;
    struct job_completions completions;
    struct job_release release;
    struct job_readers readers;
    struct job_on_disk on_disk;
    struct job_closing closing;
    struct list_node marked;                 /* in core->marks.jobs */
    struct job *catalog_prev, *catalog_next; /* in core->jobs.catalog, in order of id */
    UT_hash_handle by_id, by_key;
};

#endif
