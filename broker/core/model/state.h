/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core keeps. Private to broker/core; what each file does with it: its header.
 * Lists are intrusive (utlist), look-ups are uthash.
 */
#ifndef BELT_CORE_STATE_H
#define BELT_CORE_STATE_H

#include "broker/core/core.h"
#include "broker/core/model/run_time.h"
#include "broker/core/model/table.h"
#include "broker/core/util/heap.h"

#include <stdlib.h>
#define HASH_FUNCTION     HASH_JEN
#define uthash_fatal(msg) abort()
#include <uthash.h>
#include <utlist.h>

struct job;
struct agent;
struct claim;
struct queue;
struct session;

/* One task in the hands of an agent. */
struct run {
    struct job *job;
    struct agent *agent;
    uint64_t index;
    uint64_t order; /* of dispatch at its agent, from 1 */
    uint64_t dispatched_ms;
    uint64_t begun_ms; /* since when it is seen among those that have a slot, 0: it is not; see overdue.c */
    uint32_t progress_permille;
    uint32_t bytes;          /* of its payload: the agent's window counts them */
    float cost_us;           /* that its job was charged */
    uint32_t used_us;        /* that it took */
    uint64_t chunk;          /* runs of one chunk are neighbours with one number; 0: alone */
    bool named;              /* seen in the SYNC under way */
    bool dropped;            /* DROP was sent: the result is not wanted */
    bool cancelled;          /* this task alone is not wanted any more */
    bool halted;             /* unless it has begun: it is not tried again, here or anywhere else */
    bool refused;            /* there was no room for its result, which its agent keeps */
    uint32_t back;           /* what the result seems to take: part of core->expected. Refused: what it takes */
    struct run *prev, *next; /* of the agent, in dispatch order; refused: in agent->refused, the first one first */
    struct run *refused_prev, *refused_next; /* of its job */
};

/* Where it waits, as bits. */
enum full { FULL_LINK = 1 << CORE_FULL_LINK, FULL_DISK = 1 << CORE_FULL_DISK, FULL_REPLIES = 1 << CORE_FULL_REPLIES };

/* A connection and who is behind it. A client's session outlives its connection by the grace time. */
struct session {
    uint64_t peer; /* 0: not connected */
    uint8_t role;
    uint8_t id[BELT_SESSION_LEN];
    char name[BELT_MAX_NAME + 1];
    uint64_t seq_in, seq_out; /* last received, last sent */
    uint64_t heard_ms;
    uint64_t probed_ms;         /* when it was last spoken to because it was silent */
    uint64_t parted_ms;         /* when it lost its connection last */
    uint64_t gone_ms;           /* when its lease was over */
    uint8_t full;               /* enum full, or'ed: what it was sent has not left, its readers are not served */
    struct link *link;          /* over which it came last; NULL: not known */
    struct question *questions; /* that wait for its turn: question.c */
    uint32_t question_count;
    uint64_t charged_us; /* for reports: when it is even with the others */
    struct session *asker_prev, *asker_next;
    uint64_t cost;               /* part of core->peer_bytes: of itself and its agent */
    uint64_t fixed_bytes;        /* of the jobs that it owns, before their tasks: its part of core->fixed_bytes */
    uint32_t jobs;               /* it owns */
    struct job *owned;           /* these */
    struct reader *readers;      /* that it reads as */
    struct agent *agent;         /* of a worker */
    struct session *prev, *next; /* in core->live (least recently heard first) or core->gone (longest gone first) */
    UT_hash_handle by_peer, by_id;
};

/* What the core knows of a worker. */
struct agent {
    struct session *session;
    uint32_t slots;
    uint32_t window_items;
    uint64_t window_bytes;
    struct queue **queues;
    double *passes; /* service that each of them has had here, in us */
    double level;   /* where the one that was served last stood */
    uint32_t queue_count;
    struct run *runs; /* in dispatch order */
    uint32_t held;
    uint32_t parts;   /* that need a slot each: chunks and single tasks */
    uint32_t adopted; /* tasks of the chunk that was adopted last */
    uint64_t held_bytes;
    double load_us; /* what the tasks it holds seem to take */
    uint64_t connected_ms;
    uint64_t results_next; /* number of the next result */
    uint64_t refused_from; /* number of the first that was refused, REFUSED_NONE: none was */
    uint64_t results_seen; /* those below came before, and may come again */
    uint64_t resent_upto;  /* it was asked to send those below again, 0: they have come */
    struct run *refused;   /* whose results it keeps: not among `runs`, and not counted as held */
    bool refusing;         /* in core->refusing */
    bool asked;            /* in core->asked: there is room for what it keeps */
    struct agent *asked_next;
    struct agent *refusing_prev, *refusing_next;
    uint64_t done, failed, lost;
    bool synced, leaving;
    bool met;              /* it has named all that it held from an earlier life of the broker */
    bool record_due;       /* results came: RECORDED is owed */
    uint64_t record_ms;    /* at the latest */
    bool owed;             /* in core->owed_agents */
    uint64_t recorded;     /* the number that RECORDED told last */
    uint64_t record_bytes; /* payload bytes of what it did not tell */
    struct agent *owed_prev, *owed_next;
    bool holds_kept;              /* there were results that must be on disk first */
    bool recalling;               /* a RECALL is not answered yet */
    const struct queue *recalled; /* for whose sake; to be compared only */
    uint64_t recall_ms;           /* it had nothing to give back: not asked again before */
    uint64_t asked_ms;            /* when it was sent its last RECALL */
    uint64_t begun_ms;            /* what came before has begun: it was asked then, and had nothing to give back */
    uint64_t orders, passed;      /* of dispatch: the last one given, and the latest of those that have ended here */
    bool stuck;                   /* its slots are busy with long ones among short tasks: nothing is put behind them */
    bool surplus, surplus_asked;  /* what it has not begun was given for shorter: it is to come back; RECALL was sent */
    bool watched;                 /* in core->watched[pace] */
    uint8_t pace;
    uint64_t moved_ms; /* when a task of it ended last, or came */
    uint64_t ended;    /* tasks since it was stuck last, or came */
    struct agent *watched_prev, *watched_next;
    struct belt_task_ref *overdue; /* tasks that were taken back and hold its slots, as far as is known */
    uint32_t overdue_count;
    uint64_t quiet_ms;  /* when it answered for a task last, or was given the first */
    uint64_t synced_ms; /* when it had named what it holds */
    bool dirty;         /* in core->dirty_agents */
    bool unfed;         /* in core->unfed */
    struct agent *unfed_prev, *unfed_next;
    struct agent *prev, *next; /* in core->agents */
    struct agent *dirty_next;
};

/* One client's part of a queue, for as long as it has jobs there. */
struct share {
    uint8_t client[BELT_SESSION_LEN]; /* all zero: jobs that belong to nobody */
    double pass;                      /* service used, in us */
    double level;                     /* where its job that was served last stood */
    uint32_t jobs;
    struct heap jobs_heap; /* those with waiting tasks */
    uint32_t place;        /* in the queue's heap, from 1; 0: none of its jobs has any */
    UT_hash_handle hh;
};

/* All waiting tasks of one function name. */
struct queue {
    char function[BELT_MAX_NAME + 1];
    struct agent **agents;
    uint32_t agent_count, agent_room, cursor;
    uint32_t slots;
    struct job *active; /* jobs with waiting tasks */
    uint32_t jobs;
    uint64_t waiting, running, delayed, done, failed, retried;
    struct dead_letter *letters; /* failed tasks, the oldest first */
    uint32_t letter_count, letter_jobs;
    uint64_t letter_bytes;
    double service_us;     /* estimate */
    uint32_t result_bytes; /* of the job that had one last: what a new job begins with */
    struct share *shares;  /* hash by client */
    uint32_t share_count;
    double level;                 /* where the client that was served last stood */
    uint64_t rate_ms, rate_count; /* results since rate_ms */
    double rate;                  /* per second */
    struct heap shares_heap;      /* clients with waiting tasks: whose turn it is */
    bool hungry;                  /* agents may be idle: at the last look all waiting tasks were given out */
    bool dirty;                   /* in core->dirty_queues */
    bool risen;                   /* run times have: agents hold too much */
    uint64_t given_ms;            /* when the last of its tasks was given to an agent */
    uint64_t balanced_ms;         /* when recall was last considered */
    bool revisit;                 /* it wants to be looked at again at some time */
    struct queue *dirty_next;
    struct queue *prev, *next;
    UT_hash_handle hh;
};

/* Records of one kind that are on disk. */
struct kept_list {
    struct kept_record *rows; /* from `head`, in order of `first` */
    uint32_t head, count, room;
    uint64_t bytes; /* of `rows` */
};

/* What of a durable job is on disk. */
struct kept {
    uint64_t job, end, mark, bytes_mark; /* numbers of their records, 0: none */
    uint64_t next;                       /* tasks below it are */
    uint64_t place;                      /* places in the log of completions below it are */
    uint64_t taken; /* those below it were taken by all, and their records know it: the log may forget them */
    struct kept_list tasks, results;
    bool mark_due;
    bool settled;           /* some record of tasks may have become superfluous */
    bool withheld;          /* there are results that the store has no room for */
    uint64_t sorted;        /* places below it are in order of index, of those that are withheld */
    uint64_t urgent_number; /* of the record of results that was written without room, 0: none */
    uint64_t urgent;        /* its bytes */
    uint64_t restored;      /* while it is built anew: tasks that are there */
    uint64_t mark_next, mark_place, mark_failed;
    uint64_t digest_next;     /* while it is built anew: the digest is of the tasks below it */
    uint64_t past;            /* number of its line in the history, which is written when the rest goes; 0: none */
    uint64_t written_over_at; /* as the record of the job says it */
    bool job_due;             /* something that the record of the job says has changed */
};

/* A task that waits for its next try: heap by `when`. Stale when the task has moved on. */
struct delay {
    uint64_t when, index;
};

/* The tries of a task that are on disk, or will be at the end of the turn. */
struct tried {
    uint64_t index;
    uint64_t number; /* of its record, 0: none */
    bool over;       /* it has its result: the record goes */
    bool due;        /* in job->tried_due */
    struct tried *due_next;
    UT_hash_handle hh;
};

/* What failed tasks of one job share; outlives the job. */
struct dead_letter_job {
    uint64_t id;
    struct queue *queue;
    struct belt_open_options options;
    struct belt_payload argument;
    uint64_t number; /* of its record on disk, 0: none */
    uint64_t let_go; /* failed tasks of it that were not kept, or not for long */
    uint64_t let_go_number;
    bool let_go_due; /* in core->let_go_due: to be written */
    struct dead_letter_job *due_prev, *due_next;
    uint32_t count;
    bool durable;
    UT_hash_handle hh;
};

/* A failed task with its input. */
struct dead_letter {
    struct dead_letter_job *job;
    uint64_t serial, index, failed_at;
    uint32_t attempt, code;
    struct belt_payload payload;
    struct belt_result_extras *extras;
    uint64_t number;                         /* of its record on disk, 0: none */
    bool due;                                /* in core->letters_due: to be written */
    struct dead_letter *prev, *next;         /* of the queue */
    struct dead_letter *all_prev, *all_next; /* in core->letters */
    struct dead_letter *due_prev, *due_next;
};

/* A record to be deleted at the end of the turn. */
struct gone_record {
    uint64_t number, job;
};

/* Numbers of one mode (indexes, or places of the log) whose results may have become free: see release.c. */
struct sweep {
    uint64_t at, end;           /* what is left of the sweep under way */
    uint64_t next_at, next_end; /* to be looked at after it */
};

/* A reader's cursor over a job. */
struct reader {
    uint64_t id;
    struct job *job;
    struct session *session; /* NULL: nobody reads at present */
    uint64_t seated_ms;      /* since when */
    bool was_left;           /* its client lost its connection; it is known by: */
    uint8_t client[BELT_SESSION_LEN];
    char name[BELT_MAX_KEY + 1];
    uint8_t mode;
    uint64_t acked, sent;
    uint64_t most_sent; /* before it subscribed again, too */
    struct belt_grant credit;
    uint64_t sent_bytes;
    uint64_t kept_number, kept_acked; /* its record on disk */
    bool engaged;                     /* it has given credit for a delivery: until then it holds nothing back */
    bool done_sent;
    bool dirty; /* in core->dirty_readers */
    struct reader *dirty_next;
    struct reader *prev, *next; /* of the job */
    struct reader *session_prev, *session_next;
    UT_hash_handle hh;
};

struct job {
    uint64_t id;
    char key[BELT_MAX_KEY + 1];
    struct queue *queue;
    struct session *owner; /* NULL: nobody, or forgotten */
    char owner_name[BELT_MAX_NAME + 1];
    uint64_t owned_ms;                /* since when it has that owner */
    uint8_t ousted[BELT_SESSION_LEN]; /* whose job it was when another one opened it; all zero: nobody's */
    char stopped[BELT_MAX_NAME + 32]; /* STOPPED: by whom, or why; else "" */
    struct belt_open_options options;
    struct belt_payload argument;
    uint8_t state; /* enum belt_job_state */
    uint64_t opened_ms;
    uint64_t age_before_ms;     /* its age when this life of the broker took it over */
    uint64_t progress_permille; /* sum over running tasks that tell */
    uint64_t let_go;            /* failed tasks of it that were not kept, or not for long */
    bool forgotten;             /* it was complete when its results were dropped */

    struct table table;
    uint64_t next; /* tasks accepted */
    uint64_t next_bytes;
    struct belt_digest digest; /* of these, with the option */
    uint64_t fresh;            /* lowest index never dispatched */
    uint64_t spoken_of; /* of tasks below it agents spoke of attempts that nobody knows of since a restart, up to … */
    uint32_t spoken;    /* … this one: no other gets their numbers */
    uint64_t *again;    /* heap of indexes that wait again */
    uint32_t again_count, again_room;
    uint64_t waiting, running, done, failed, retried, released;
    uint64_t delays;       /* tasks that wait for their next try; not among the waiting */
    struct delay *delayed; /* heap */
    uint32_t delayed_count, delayed_room;
    struct tried *tried, *tried_due;
    uint64_t start_ms;    /* nothing is dispatched before, 0: it has started */
    uint64_t deadline_ms; /* what has no result then expires; UINT64_MAX: never */
    uint64_t expire_ms;   /* when to go on expiring */
    uint64_t expire_next; /* lower indexes have expired, unless they run */
    bool expired;
    bool halted;     /* what has not begun gets TASK_CANCELLED: `expired` is set, too */
    uint64_t due_ms; /* the next of these; UINT64_MAX: none */
    uint32_t due_at; /* place in core->due, from 1; 0: not in it */
    uint64_t bytes;  /* memory that its payloads and results hold */
    uint64_t unread; /* bytes of results that are not released */
    struct run_time_typical typical;
    uint32_t result_bytes; /* what a result of it seems to take */
    struct run *refused;   /* running tasks that have a result at their agent, which was not taken */
    uint32_t refused_count;
    double pass;         /* fair share: service used, in us */
    uint64_t rank;       /* among equals: since when it has waiting tasks */
    uint32_t place;      /* in the heap of its share, from 1; 0: not in it */
    struct share *share; /* of its client in the queue */

    uint64_t *log; /* order of completion: ring of indexes */
    uint64_t log_base, log_count, log_room, log_head;

    struct reader *readers;
    uint32_t reader_count;
    bool was_read;
    uint64_t whole_from[2]; /* by mode: from this number on nothing has been released */
    struct sweep sweep[2];  /* by mode */
    bool sweeping;          /* in core->sweeping */
    struct job *sweeping_prev, *sweeping_next;

    struct kept kept;
    struct belt_grant granted;
    bool accept_due;                   /* ACCEPTED is owed */
    uint64_t accept_ms;                /* at the latest */
    bool owed;                         /* in core->owed_jobs */
    uint64_t accepted, accepted_bytes; /* `next` as ACCEPTED told it last */
    struct job *owed_prev, *owed_next;
    bool resync_due;      /* tasks were not taken, since there was no room: to be pushed again */
    bool starved;         /* in core->starved */
    uint64_t starved_for; /* bytes of the task that it waits to have room for */
    uint64_t fixed_bytes; /* of itself, its argument and its readers */
    uint64_t list_bytes;  /* of `log`, `again`, `delayed` and `tried` */
    uint64_t own_bytes;   /* of all this, its table and its lists of records, as it is charged in core->bytes */
    bool active;          /* in queue->active */
    bool dirty;           /* in core->dirty_jobs */
    bool unserved;        /* NO_WORKER was told */
    uint64_t recover_ms;  /* built anew: agents may still hold its tasks, so it is not dispatched before */
    uint64_t chunk_ms;    /* since when a partial chunk waits, 0: none */
    uint64_t unserved_ms; /* when to tell NO_WORKER, 0: not */
    uint64_t idle_ms;     /* since when nobody reads or feeds it, 0: somebody does */
    uint64_t retired_ms;  /* when everything was read or stopped */
    bool retired;         /* in core->retired */
    uint64_t remember_ms; /* until when its key stands for it although all was read; 0: it is not in core->remembered */
    struct job *remembered_prev, *remembered_next;
    struct job *dirty_next;
    struct job *aside_next;
    double owes_us; /* what its tasks took beyond what it was charged for them */
    bool unsettled; /* in core->unsettled */
    struct job *unsettled_next;
    struct job *active_prev, *active_next;
    struct job *owned_prev, *owned_next;     /* of its owner */
    struct job *catalog_prev, *catalog_next; /* in core->catalog, in order of id */
    struct job *retired_prev, *retired_next;
    struct job *starved_prev, *starved_next;
    UT_hash_handle by_id, by_key;
};

/* A job that is over and forgotten, but for its line in the history. */
struct history_job {
    struct belt_row_job row; /* its texts lie in `words`; its age was so at `since_ms` */
    uint64_t since_ms;
    uint64_t expire_ms;              /* when the line goes, too */
    uint64_t number;                 /* of its record on disk, 0: none */
    bool due;                        /* in core->past_due: to be written */
    struct history_job *same_key;    /* another one of this key */
    struct history_job *prev, *next; /* in core->past, the earliest that was over first */
    struct history_job *due_prev, *due_next;
    UT_hash_handle by_id, by_key; /* by_key: only the first of those with the same */
    uint8_t words[];
};

/* A RETRY or DROP that was answered: the answer may be lost, and the question sent again. */
struct settled {
    uint8_t session[BELT_SESSION_LEN], action;
    uint64_t ref, job;            /* of the question */
    uint64_t count, made, let_go; /* the answer; made: the new job */
};
/* So many are remembered: who asks again does so within seconds. */
#define SETTLED_MAX 64u

/* What was refused since the log was told: refusal.c. */
#define REFUSAL_CODES 64u /* codes of the broker are below */
struct refusals {
    uint64_t counts[REFUSAL_CODES]; /* by code */
    uint64_t untold, told_ms;
    char last[BELT_MAX_NAME + 204]; /* who, and why */
};

/* A connection as the shell knows it, and how many sessions came over it that are not over. */
struct link {
    uint64_t id;
    uint32_t sessions;
    UT_hash_handle hh;
};

struct core {
    struct core_config config;
    uint64_t now, wall;
    uint64_t random; /* state of the generator; events stir it */
    uint64_t started_ms;
    struct core_update *out; /* of the step under way */
    struct session *by_peer, *by_id;
    struct session *live, *gone;
    struct agent *agents;
    struct queue *queues; /* hash by function */
    struct job *by_job, *by_key;
    struct reader *readers; /* hash by id */
    struct claim *claims;   /* the oldest first */
    struct job *retired;
    uint32_t retired_count;
    struct job *sweeping;      /* results of theirs may have become free: release.c */
    uint64_t release_steps;    /* that release.c has taken */
    struct job *starved;       /* wait for room in memory */
    struct job *remembered;    /* read to their end; the first one longest ago */
    struct job *owed_jobs;     /* whose ACCEPTED waits, the longest first */
    struct agent *owed_agents; /* whose RECORDED waits, likewise */
    struct agent *unfed;       /* the last turn had given out enough before it came to them; the first ones first */
    struct agent *dirty_agents;
    struct agent *asked;
    struct queue *dirty_queues;
    struct job *dirty_jobs;
    struct reader *dirty_readers;
    struct reader *late_readers; /* dirty, too: the last turn had delivered enough before it came to them */
    uint64_t turn_delivered;     /* bytes of results that this turn delivers */
    struct job *unsettled;       /* tasks of theirs have ended */
    struct job *aside;           /* have waiting tasks, and may not go in this turn */
    uint64_t last_rank;
    struct run *spare_runs; /* free list */
    uint32_t spare_run_count;
    struct job *catalog[2]; /* volatile, durable jobs in order of id */
    struct history_job *past, *past_due, *past_by_id, *past_by_key;
    uint32_t past_count;
    uint64_t past_bytes;
    uint64_t last_job, last_volatile_job, last_reader, last_chunk;
    uint32_t detached;      /* jobs that outlive their client */
    struct link *links;     /* hash by id */
    uint32_t timed;         /* jobs with a time-out */
    uint64_t overdue_ms;    /* when to look next for tasks whose time-out is long over */
    uint64_t overdue;       /* tasks that were taken back, since no worker answered for them */
    struct session *askers; /* with questions that wait */
    uint64_t report_rows;   /* that were looked at for reports */
    struct refusals refusals;
    uint64_t refused;                        /* requests of peers, in this life of the broker */
    uint64_t bytes;                          /* memory of all jobs, of failed tasks and of the history */
    uint64_t expected;                       /* what the results of all that runs seem to take */
    uint64_t looked_bytes, looked_delivered; /* of budget_looked() */
    uint64_t delivered;                      /* messages with results that readers were sent */
    bool held_back;                          /* this turn has not given out something, for want of room */
    struct agent *refusing; /* agents with refused results, those first that were looked at longest ago */
    uint64_t payload_bytes; /* of it: inputs, results and their texts */
    uint64_t fixed_bytes;   /* of it: jobs and their readers before their tasks */
    uint64_t peer_bytes;    /* sessions and agents: an account of its own */
    uint32_t clients, workers, slots, jobs;
    uint64_t accepted, done, failed, retried, stale;
    uint64_t overslept; /* see core_overslept() */
    struct job **due;   /* heap of jobs by due_ms */
    uint32_t due_count, due_room;
    struct dead_letter_job *letter_jobs; /* hash by id */
    struct dead_letter *letters;         /* the oldest first */
    struct dead_letter *letters_due;
    struct dead_letter_job *let_go_due;
    uint64_t let_go_untold, let_go_told_ms; /* since the log was told */
    char let_go_of[BELT_MAX_NAME + 1];      /* the function of the last of them */
    uint64_t letter_bytes;                  /* of all, part of `bytes` */
    uint64_t letter_count, letters_dropped, last_letter;
    struct settled settled[SETTLED_MAX]; /* a ring */
    uint32_t settled_next;
    struct gone_record *gone_records;
    uint32_t gone_record_count, gone_record_room;
    uint64_t last_record;
    uint64_t awake_ms;                  /* since when nobody's silence can be the fault of a turn that came late */
    uint64_t probe_ms;                  /* before it no peer is silent for so long that it is spoken to */
    uint64_t asked_ms;                  /* when the last turn wanted to come back */
    bool store_failed;                  /* nothing that grows is recorded */
    uint64_t store_spare, store_urgent; /* bytes of results that may be recorded nevertheless, and that are */
    uint64_t turn_bytes;                /* of results that this turn records */
    uint32_t withheld;                  /* jobs with results that wait for the store */
    bool draining;
    struct agent *watched[RUN_TIME_PACES]; /* with tasks behind those that run */
    uint64_t stuck_ms;                     /* when they were looked at */
    bool revisit;                          /* some queue wants to be looked at again */
    bool again;                            /* more to do: call CORE_TURN at once */
    uint64_t alarm;                        /* of the turn: earliest of what it left to a timer */
};

static inline bool is_durable(const struct core *core, const struct belt_open_options *options)
{
    return core->config.durable && !options->never_durable;
}

#endif
