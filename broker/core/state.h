/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core keeps, and which file owns which transition. Private to
 * broker/core. Lists are intrusive (utlist), look-ups are uthash.
 */
#ifndef BELT_CORE_STATE_H
#define BELT_CORE_STATE_H

#include "core.h"
#include "sizing.h"
#include "table.h"

#include <stdlib.h>
#define HASH_FUNCTION HASH_JEN
#define uthash_fatal(msg) abort()
#include <uthash.h>
#include <utlist.h>

struct job;
struct agent;
struct queue;
struct session;

/* fair.c: who goes before whom. */
struct heap {
    void **members;
    uint32_t count, room;
};

/* One task in the hands of an agent. */
struct run {
    struct job *job;
    struct agent *agent;
    uint64_t index;
    uint64_t dispatched_ms;
    uint64_t progress_done, progress_total;
    uint32_t bytes;   /* of its payload: the agent's window counts them */
    float cost_us;    /* that its job was charged */
    uint32_t used_us; /* that it took */
    uint64_t chunk;   /* runs of one chunk are neighbours with one number; 0: alone */
    bool named;       /* seen in the SYNC under way */
    bool dropped;     /* DROP was sent: the result is not wanted */
    struct run *prev, *next; /* of the agent, in dispatch order */
};

/* Where it waits: on the connection; for the disk, which is of durable jobs. */
enum full { FULL_LINK = 1, FULL_DISK = 2 };

/* A connection and who is behind it. A client's session outlives its connection by the grace time. */
struct session {
    uint64_t peer; /* 0: not connected */
    uint8_t role;
    uint8_t id[BELT_SESSION_LEN];
    char name[BELT_MAX_NAME + 1];
    uint64_t seq_in, seq_out; /* last received, last sent */
    uint64_t heard_ms;
    uint64_t probed_ms; /* when it was last spoken to because it was silent */
    uint64_t gone_ms; /* when the connection was given up */
    uint8_t full;     /* enum full, or'ed: what it was sent has not left, its readers are not served */
    uint32_t jobs;    /* it owns */
    struct agent *agent; /* of a worker */
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
    uint32_t parts; /* that need a slot each: chunks and single tasks */
    uint32_t adopted; /* tasks of the chunk that was adopted last */
    uint64_t held_bytes;
    double load_us;   /* what the tasks it holds seem to take */
    uint64_t connected_ms;
    uint64_t results_next; /* number of the next result */
    uint64_t done, failed, lost;
    bool synced, leaving;
    bool met; /* it has named all that it held from an earlier life of the broker */
    bool record_due;  /* results came: RECORDED is owed */
    uint64_t record_ms;    /* at the latest */
    bool late;             /* in core->late_agents */
    uint64_t recorded;     /* the number that RECORDED told last */
    uint64_t record_bytes; /* payload bytes of what it did not tell */
    struct agent *late_prev, *late_next;
    bool holds_kept; /* there were results that must be on disk first */
    bool recalling;   /* a RECALL is not answered yet */
    const struct queue *recalled; /* for whose sake; to be compared only */
    uint64_t recall_ms; /* it had nothing to give back: not asked again before */
    uint64_t asked_ms;  /* when it was sent its last RECALL */
    uint64_t begun_ms;  /* what came before has begun: it was asked then, and had nothing to give back */
    bool stuck;         /* its slots are busy with long ones among short tasks: nothing is put behind them */
    bool watched;       /* in core->watched[pace] */
    uint8_t pace;
    uint64_t moved_ms;  /* when a task of it ended last, or came */
    struct agent *watched_prev, *watched_next;
    bool dirty;       /* in core->dirty_agents */
    bool unfed;       /* the turn ended before it was full: it stays there */
    struct agent *prev, *next;             /* in core->agents */
    struct agent *dirty_next;
};

/* One client's part of a queue, for as long as it has jobs there. */
struct share {
    uint8_t client[BELT_SESSION_LEN]; /* all zero: jobs that belong to nobody */
    double pass;   /* service used, in us */
    double level;  /* where its job that was served last stood */
    uint32_t jobs;
    struct heap jobs_heap; /* those with waiting tasks */
    uint32_t place;        /* in the queue's heap, from 1; 0: none of its jobs has any */
    struct share *next;
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
    struct letter *letters; /* failed tasks, the oldest first */
    uint32_t letter_count, letter_jobs;
    uint64_t letter_bytes;
    double service_us; /* estimate */
    struct share *shares;
    uint32_t share_count;
    double level;      /* where the client that was served last stood */
    uint64_t rate_ms, rate_count; /* results since rate_ms */
    double rate;                  /* per second */
    struct heap shares_heap; /* clients with waiting tasks: whose turn it is */
    bool hungry;      /* agents may be idle: at the last look all waiting tasks were given out */
    bool dirty;       /* in core->dirty_queues */
    uint64_t given_ms;    /* when the last of its tasks was given to an agent */
    uint64_t balanced_ms; /* when recall was last considered */
    bool revisit;         /* it wants to be looked at again at some time */
    struct queue *dirty_next;
    struct queue *prev, *next;
    UT_hash_handle hh;
};

/* Records of one kind that are on disk. */
struct kept_list {
    struct kept_record *rows; /* from `head`, in order of `first` */
    uint32_t head, count, room;
};

/* What of a durable job is on disk. */
struct kept {
    uint64_t job, end, mark, bytes_mark; /* numbers of their records, 0: none */
    uint64_t next;           /* tasks below it are */
    uint64_t place;          /* places in the log of completions below it are */
    uint64_t taken;          /* those below it were taken by all, and their records know it: the log may forget them */
    struct kept_list tasks, results;
    bool mark_due;
    bool settled;            /* some record of tasks may have become superfluous */
    bool withheld;           /* there are results that the store has no room for */
    uint64_t sorted;         /* places below it are in order of index, of those that are withheld */
    uint64_t urgent_number; /* of the record of results that was written without room, 0: none */
    uint64_t urgent;         /* its bytes */
    uint64_t restored;       /* while it is built anew: tasks that are there */
    uint64_t mark_next, mark_place, mark_failed;
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
struct letter_job {
    uint64_t id;
    struct queue *queue;
    struct belt_job_options options;
    struct belt_payload argument;
    uint64_t number; /* of its record on disk, 0: none */
    uint32_t count;
    bool durable;
    UT_hash_handle hh;
};

/* A failed task with its input. */
struct letter {
    struct letter_job *job;
    uint64_t serial, index, failed_at;
    uint32_t attempt, code;
    struct belt_payload payload;
    struct belt_result_extras *extras;
    uint64_t number; /* of its record on disk, 0: none */
    bool due;        /* in core->letters_due: to be written */
    struct letter *prev, *next;             /* of the queue */
    struct letter *all_prev, *all_next;     /* in core->letters */
    struct letter *due_prev, *due_next;
};

/* A record to be deleted at the end of the turn. */
struct gone_record {
    uint64_t number, job;
};

/* A reader's cursor over a job. */
struct reader {
    uint64_t id;
    struct job *job;
    struct session *session; /* NULL: nobody reads at present */
    bool was_left;           /* its client lost its connection; it is known by: */
    uint8_t client[BELT_SESSION_LEN];
    char name[BELT_MAX_KEY + 1];
    uint8_t mode;
    uint64_t acked, sent;
    uint64_t most_sent; /* before it subscribed again, too */
    struct belt_grant credit;
    uint64_t sent_bytes;
    uint64_t kept_number, kept_acked; /* its record on disk */
    bool done_sent;
    bool dirty; /* in core->dirty_readers */
    struct reader *dirty_next;
    struct reader *prev, *next; /* of the job */
    UT_hash_handle hh;
};

struct job {
    uint64_t id;
    char key[BELT_MAX_KEY + 1];
    struct queue *queue;
    struct session *owner; /* NULL: nobody, or forgotten */
    char owner_name[BELT_MAX_NAME + 1];
    char stopped[BELT_MAX_NAME + 32]; /* STOPPED: by whom, or why; else "" */
    struct belt_job_options options;
    struct belt_payload argument;
    uint8_t state; /* enum belt_job_state */
    uint64_t opened_ms;

    struct table table;
    uint64_t next;       /* tasks accepted */
    uint64_t next_bytes;
    uint64_t fresh;      /* lowest index never dispatched */
    uint64_t *again;     /* heap of indexes that wait again */
    uint32_t again_count, again_room;
    uint64_t waiting, running, done, failed, retried, released;
    uint64_t delays;     /* tasks that wait for their next try; not among the waiting */
    struct delay *delayed; /* heap */
    uint32_t delayed_count, delayed_room;
    struct tried *tried, *tried_due;
    uint64_t start_ms;    /* nothing is dispatched before, 0: it has started */
    uint64_t deadline_ms; /* what has no result then expires; UINT64_MAX: never */
    uint64_t expire_ms;   /* when to go on expiring */
    uint64_t expire_next; /* lower indexes have expired, unless they run */
    bool expired;
    uint64_t due_ms;      /* the next of these; UINT64_MAX: none */
    uint32_t due_at;      /* place in core->due, from 1; 0: not in it */
    uint64_t bytes;      /* memory that its payloads and results hold */
    uint64_t unread;     /* bytes of results that are not released */
    double typical_us;   /* what a task takes that is rather short, 0: unknown */
    double pass;         /* fair share: service used, in us */
    uint64_t rank;       /* among equals: since when it has waiting tasks */
    uint32_t place;      /* in the heap of its share, from 1; 0: not in it */
    struct share *share; /* of its client in the queue */

    uint64_t *log;       /* order of completion: ring of indexes */
    uint64_t log_base, log_count, log_room, log_head;

    struct reader *readers;
    uint32_t reader_count;
    bool was_read;

    struct kept kept;
    struct belt_grant granted;
    bool accept_due;  /* ACCEPTED is owed */
    uint64_t accept_ms; /* at the latest */
    bool late;          /* in core->late_jobs */
    uint64_t accepted, accepted_bytes; /* `next` as ACCEPTED told it last */
    struct job *late_prev, *late_next;
    bool resync_due;  /* tasks were not taken, since the store had no room: to be pushed again */
    bool active;      /* in queue->active */
    bool dirty;       /* in core->dirty_jobs */
    bool unserved;    /* NO_WORKER was told */
    uint64_t recover_ms; /* built anew: agents may still hold its tasks, so it is not dispatched before */
    uint64_t chunk_ms; /* since when a partial chunk waits, 0: none */
    uint64_t unserved_ms; /* when to tell NO_WORKER, 0: not */
    uint64_t idle_ms;     /* since when nobody reads or feeds it, 0: somebody does */
    uint64_t retired_ms;  /* when everything was read or stopped */
    bool retired;         /* in core->retired */
    struct job *dirty_next;
    struct job *aside_next;
    double owes_us;    /* what its tasks took beyond what it was charged for them */
    bool unsettled;    /* in core->unsettled */
    struct job *unsettled_next;
    struct job *active_prev, *active_next;
    struct job *retired_prev, *retired_next;
    UT_hash_handle by_id, by_key;
};

struct past_job {
    struct belt_row_job row;
    uint64_t opened_ms;
    char key[BELT_MAX_KEY + 1], function[BELT_MAX_NAME + 1], owner[BELT_MAX_NAME + 1];
    char why[sizeof(((struct job *)0)->stopped)];
};

/* A RETRY or DROP that was answered: the answer may be lost, and the question sent again. */
struct settled {
    uint8_t session[BELT_SESSION_LEN], action;
    uint64_t ref, job; /* of the question */
    uint64_t count, made; /* the answer; made: the new job */
};
/* So many are remembered: who asks again does so within seconds. */
#define SETTLED_MAX 64u

struct core {
    struct core_config config;
    uint64_t now, wall;
    uint64_t random;     /* state of the generator; events stir it */
    uint64_t started_ms;
    struct core_update *out; /* of the step under way */
    struct session *by_peer, *by_id;
    struct session *live, *gone;
    struct agent *agents;
    struct queue *queues;      /* hash by function */
    struct job *by_job, *by_key;
    struct reader *readers;    /* hash by id */
    struct job *retired;
    uint32_t retired_count;
    struct job *late_jobs;     /* whose ACCEPTED waits, the longest first */
    struct agent *late_agents; /* whose RECORDED waits, likewise */
    struct agent *dirty_agents;
    struct queue *dirty_queues;
    struct job *dirty_jobs;
    struct reader *dirty_readers;
    struct job *unsettled;     /* tasks of theirs have ended */
    struct job *aside;         /* have waiting tasks, and may not go in this turn */
    uint64_t last_rank;
    struct run *spare_runs;    /* free list */
    struct past_job *history;  /* ring of BELT_MAX_HISTORY */
    uint32_t history_count, history_head;
    uint64_t last_job, last_volatile_job, last_reader, last_chunk;
    uint64_t bytes;            /* memory of all jobs */
    uint32_t clients, workers, slots, jobs;
    uint64_t accepted, done, failed, retried, stale;
    struct job **due;    /* heap of jobs by due_ms */
    uint32_t due_count, due_room;
    struct letter_job *letter_jobs; /* hash by id */
    struct letter *letters; /* the oldest first */
    struct letter *letters_due;
    uint64_t letter_bytes;  /* of all, part of `bytes` */
    uint64_t letters_dropped, last_letter;
    struct settled settled[SETTLED_MAX]; /* a ring */
    uint32_t settled_next;
    struct gone_record *gone_records;
    uint32_t gone_record_count, gone_record_room;
    uint64_t last_record;
    uint64_t awake_ms;         /* since when nobody's silence can be the fault of a turn that came late */
    uint64_t probe_ms;         /* before it no peer is silent for so long that it is spoken to */
    uint64_t asked_ms;         /* when the last turn wanted to come back */
    uint64_t sweep_ms;         /* when to look for jobs that nobody wants */
    bool store_failed;         /* nothing that grows is recorded */
    uint64_t store_spare, store_urgent; /* bytes of results that may be recorded nevertheless, and that are */
    uint64_t turn_bytes;       /* of results that this turn records */
    uint32_t withheld;         /* jobs with results that wait for the store */
    bool draining;
    struct agent *watched[SIZING_PACES]; /* with tasks behind those that run */
    uint64_t stuck_ms;         /* when they were looked at */
    bool revisit;              /* some queue wants to be looked at again */
    bool again;                /* more to do: call CORE_TURN at once */
    uint64_t alarm;            /* of the turn: earliest of what it left to a timer */
};

/* ---- update.c: what a step asks for ---- */
struct belt_msg *update_send(struct core *core, struct session *to, enum belt_msg_type type);
/* A message that must not leave before what this turn records of `job` is on disk. */
struct belt_msg *update_send_kept(struct core *core, struct session *to, const struct job *job, enum belt_msg_type type);
struct core_record *update_record(struct core *core);
struct belt_msg *update_send_stranger(struct core *core, uint64_t peer, enum belt_msg_type type);
void *update_alloc(struct core *core, size_t size);
struct belt_bytes update_text(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_drop(struct core *core, uint64_t peer);
void update_trace(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_error(struct core *core, struct session *to, uint64_t ref, uint64_t job, unsigned code, struct belt_bytes text);

/* ---- pin.c: what kept payloads cost ---- */
/* The frame that the last payload of a message came in; zero at first, pin_done() at the end. */
struct pinned {
    const struct belt_buf *frame;
    struct belt_buf *pin;
};
/* A reference to keep; its frame is charged to the job until the last one into it is given back. */
struct belt_payload pin_payload(struct core *core, struct job *job, struct pinned *last, struct belt_payload payload);
void pin_done(struct pinned *last);
void pin_drop(struct core *core, struct job *job, struct task *task); /* the task's payload is not needed any more */

/* ---- peer.c: connections ---- */
struct session *peer_find(struct core *core, uint64_t peer);
/* True: `msg` is next in sequence and from a known peer. */
bool peer_admit(struct core *core, const struct core_event *event, struct session **session);
void peer_hello(struct core *core, const struct core_event *event);
void peer_lost(struct core *core, struct session *session, const char *why);
void peer_full(struct core *core, const struct core_event *event);
void peer_bye(struct core *core, struct session *session);
void peer_expire(struct core *core);
void peer_forget_all(struct core *core);

/* ---- job.c: jobs and their input ---- */
struct job *job_find(struct core *core, uint64_t id);
void job_open(struct core *core, struct session *from, const struct belt_msg_open *msg);
void job_push(struct core *core, struct session *from, const struct belt_msg_push *msg);
void job_end(struct core *core, struct session *from, const struct belt_msg_end *msg);
void job_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg);
void job_stop(struct core *core, struct job *job, const char *who, const char *why); /* either is NULL */
void job_orphan(struct core *core, struct session *owner);
void job_settle(struct core *core, struct job *job); /* complete? retired? call when something of it ended */
void job_free(struct core *core, struct job *job);
struct job *job_new(struct core *core, struct session *owner, uint64_t id, const struct belt_msg_open *msg);
uint64_t job_new_id(struct core *core, bool durable); /* durable jobs count from 1 for the life of the store */
void job_touch(struct core *core, struct job *job); /* the turn looks at its grant */
bool job_refused(struct core *core, struct session *from, uint64_t ref, const struct belt_job_options *options);
void job_take(struct core *core, struct job *job, struct belt_payload payload, struct pinned *last); /* its next task */
void job_accept(struct core *core, struct job *job); /* turn: ACCEPTED when owed */
void job_expire(struct core *core);
uint64_t job_keep_left(const struct core *core, const struct job *job); /* ms until it is given up when nobody comes */
bool job_is_attended(const struct job *job); /* somebody who is connected feeds or reads it */
const char *job_state_name(unsigned state);

/* ---- worker.c: agents, results, retries ---- */
void worker_hello(struct core *core, struct session *session, const struct belt_worker_props *props);
void worker_sync(struct core *core, struct agent *agent, const struct belt_msg_refs *msg);
void worker_results(struct core *core, struct agent *agent, const struct belt_msg_results *msg);
void worker_returned(struct core *core, struct agent *agent, const struct belt_msg_refs *msg);
void worker_progress(struct core *core, struct agent *agent, const struct belt_msg_progress *msg);
void worker_leaving(struct core *core, struct agent *agent);
void worker_gone(struct core *core, struct agent *agent, bool blame);
void worker_record(struct core *core, struct agent *agent); /* turn: RECORDED when owed */
void worker_touch(struct core *core, struct agent *agent);
/* The one place where a task gets its result; its state is its caller's. */
void worker_outcome(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item,
                    struct pinned *last);
void worker_drop_job(struct core *core, struct job *job); /* DROP for all that runs of it */
void run_free(struct core *core, struct run *run);

/* ---- timer.c: which job is due next ---- */
void timer_set(struct core *core, struct job *job); /* something of its times changed */
void timer_remove(struct core *core, struct job *job);
void timer_turn(struct core *core);

/* ---- late.c: acknowledgements that wait for company ---- */
void late_accept_owed(struct core *core, struct job *job);      /* tasks came */
bool late_accept_waits(struct core *core, struct job *job);     /* not now: the turn comes back to it */
void late_accepted(struct core *core, struct job *job);         /* told, or the job goes */
void late_record_owed(struct core *core, struct agent *agent, const struct belt_msg_results *msg); /* these came */
bool late_record_waits(struct core *core, struct agent *agent); /* likewise */
void late_recorded(struct core *core, struct agent *agent);     /* told, or the agent goes */
void late_turn(struct core *core);      /* before the acknowledgements: those that have waited long enough */
void late_turn_over(struct core *core); /* after them */

/* ---- retry.c: what runs again, and when ---- */
/* Whether this outcome is not final; counts the try. */
bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item);
uint64_t retry_pause(struct core *core, const struct job *job, const struct task *task); /* before its next run, in ms */
void retry_delay(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause);
void retry_undelay(struct core *core, struct job *job, struct task *task); /* it is WAITING, and yet in no list */
void retry_due(struct core *core, struct job *job);
void retry_forget(struct core *core, struct job *job); /* nothing of it waits any more */
void retry_note(struct core *core, struct job *job, uint64_t index); /* its tries changed: to disk */
void retry_over(struct core *core, struct job *job, uint64_t index); /* it has its result */
void retry_persist(struct core *core, struct job *job);
int retry_restore(struct core *core, struct job *job, uint64_t number, const struct belt_msg_progress *msg);
void retry_forget_tries(struct job *job);

/* ---- expire.c: start and deadline ---- */
void expire_times(struct core *core, struct job *job); /* of a new job, from its options */
void expire_turn(struct core *core, struct job *job);  /* it is due, maybe for this */
void expire_more(struct core *core, struct job *job);  /* tasks came after the deadline */
void expire_task(struct core *core, struct job *job, uint64_t index, struct task *task);

/* ---- letter.c: failed tasks that are kept ---- */
void letter_bury(struct core *core, struct job *job, const struct task *task, const struct belt_result_item *item);
void letter_drop(struct core *core, struct letter *letter);
struct letter_job *letter_job_find(struct core *core, uint64_t id);
void letter_turn(struct core *core); /* turn: what is on disk of them */
int letter_restore_job(struct core *core, uint64_t number, const struct belt_msg_open *msg);
int letter_restore(struct core *core, uint64_t number, const struct belt_msg_results *msg);
void letter_free_all(struct core *core);

/* ---- failed.c: questions about them ---- */
void failed_request(struct core *core, struct session *from, const struct belt_msg_failed *msg);

/* ---- stream.c: subscriptions ---- */
void stream_subscribe(struct core *core, struct session *from, const struct belt_msg_subscribe *msg);
void stream_ack(struct core *core, struct session *from, const struct belt_msg_ack *msg);
void stream_detach(struct core *core, struct session *from, const struct belt_msg_sub *msg);
void stream_unplug(struct core *core, struct session *session); /* its readers lose their connection */
void stream_resume(struct core *core, struct session *session); /* its connection has room for deliveries again */
void stream_deliver(struct core *core, struct reader *reader);  /* turn */
void stream_finished(struct core *core, struct job *job, uint64_t index); /* this task has its result now */
void stream_wake(struct core *core, struct job *job);
uint64_t stream_log_at(const struct job *job, uint64_t place);
void stream_log_set(struct job *job, uint64_t place, uint64_t index); /* of a place that nobody has seen */
void stream_log_trim(struct job *job); /* places that nobody needs go from the front */
void stream_log_add(struct job *job, uint64_t index);
struct belt_result_item stream_item_of(uint64_t index, const struct task *task);
struct reader *stream_reader_new(struct core *core, struct job *job, struct belt_bytes name, uint8_t mode, uint64_t acked);
void stream_recount(struct core *core, struct job *job);
bool stream_lags(const struct job *job); /* there are results that a reader could take and has not */
void stream_free_all(struct core *core, struct job *job);

/* ---- dispatch.c: who gets what ---- */
struct share *share_take(struct queue *queue, const struct session *client);
void share_drop(struct queue *queue, struct share *share);
struct queue *queue_get(struct core *core, const char *function);
void queue_touch(struct core *core, struct queue *queue);
void queue_prune(struct core *core, struct queue *queue);
void queue_free(struct queue *queue);
void dispatch_wait(struct core *core, struct job *job, uint64_t index, struct task *task); /* waits (again) */
struct run *dispatch_adopt(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task);
void dispatch_waiting_changed(struct core *core, struct job *job);
void dispatch_serve(struct core *core, struct queue *queue, struct agent *agent);
void dispatch_unserve(struct core *core, struct queue *queue, struct agent *agent);
uint64_t dispatch_oldest(const struct job *job); /* since when its first waiting task has waited, UINT64_MAX: none does */
bool dispatch_has_room(const struct agent *agent, uint32_t bytes); /* for a task of this size, in its byte window */
/* The queue is looked at again then, whatever happens in between. */
void dispatch_come_back(struct core *core, struct queue *queue, uint64_t when);
bool dispatch_may_go(struct core *core, struct job *job); /* it has tasks that may be given out now */
void dispatch_turn(struct core *core);
void dispatch_notices(struct core *core, struct job *job);

/* ---- fair.c: whose turn it is ---- */
void fair_enter(struct core *core, struct job *job); /* it has waiting tasks now */
void fair_leave(struct core *core, struct job *job);
struct job *fair_first(struct core *core, struct queue *queue); /* NULL: none may go. Those that may not are set aside for the turn */
float fair_cost(const struct job *job); /* of a task, as it seems, in us */
void fair_given(struct agent *agent, uint32_t place, struct job *job, uint32_t count); /* so many tasks, of this queue of the agent */
void fair_settle(struct core *core, const struct run *run); /* it is over */
void fair_turn(struct core *core); /* before the first is asked for */
void fair_turn_over(struct core *core);

/* ---- balance.c: what lies unstarted is taken back for who idles ---- */
void balance_turn(struct core *core, struct queue *queue);
/* An agent that idles now could take what lies at others, in every queue it serves. */
void balance_offer(struct core *core, struct agent **agents, uint32_t count);
/* RECALL, unless one is not answered yet; for the sake of this queue. False: not now. */
bool balance_recall(struct core *core, const struct queue *queue, struct agent *agent, uint32_t count, const char *why);

/* ---- stuck.c: agents whose slots are busy with much longer tasks than was expected ---- */
void stuck_watch(struct core *core, struct agent *agent, double typical_us); /* it was given tasks that take so long */
void stuck_moved(struct core *core, struct agent *agent);                    /* a task of it has ended */
void stuck_forget(struct core *core, struct agent *agent);
void stuck_turn(struct core *core);

/* ---- durable.c: what is on disk ---- */
void kept_add(struct kept_list *list, uint64_t number, uint64_t first, uint32_t count, uint64_t bytes);
uint64_t kept_put(struct core *core, uint64_t job, struct belt_msg msg, uint64_t first, uint32_t count);
void kept_drop(struct core *core, uint64_t job, uint64_t *number);
bool kept_settle(struct job *job, uint64_t index); /* has a result on disk; true: so have all tasks of its record */
void durable_turn(struct core *core, struct job *job);
void durable_reader_gone(struct core *core, struct reader *reader);
void durable_forget(struct core *core, struct job *job); /* the job is over */
bool durable_withholds(const struct job *job); /* it has results that are not recorded */

/* ---- withheld.c: while the store has no room ---- */
uint32_t withheld_wanted(const struct core *core, struct job *job); /* so many results may be recorded */
/* They are, in the record with this number. */
void withheld_written(struct core *core, struct job *job, uint64_t number, uint64_t first, uint32_t count);
void withheld_taken(struct core *core, struct job *job); /* the room they took is there again */
void withheld_note(struct core *core, struct job *job); /* turn, or the job's end: does it withhold something? */

/* ---- report.c ---- */
void report_status(struct core *core, struct session *from, const struct belt_msg_status *msg);
void report_remember(struct core *core, const struct job *job);

/* ---- core.c ---- */
void core_alarm(struct core *core, uint64_t when); /* the turn wants to come back then */

static inline void charge_bytes(struct core *core, struct job *job, int64_t bytes)
{
    core->bytes += (uint64_t)bytes;
    job->bytes += (uint64_t)bytes;
}

/* Memory of a result beside its payload. */
static inline int64_t extras_bytes(const struct belt_result_extras *extras)
{
    return extras ? (int64_t)(sizeof *extras + extras->text.len + extras->log.len + extras->host.len) : 0;
}

/* Lets go of a task for good. */
static inline void task_forget(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    if (task->state == TASK_DONE) {
        charge_bytes(core, job, -extras_bytes(task->u.extras));
        job->unread -= task->len + (uint64_t)extras_bytes(task->u.extras);
    }
    pin_drop(core, job, task);
    core->bytes -= sizeof *task;
    table_release(&job->table, index, job->next);
    job->released++;
}

static inline bool is_durable(const struct core *core, const struct belt_job_options *options)
{
    return core->config.durable && !options->never_durable;
}

static inline bool name_equals(const char *name, struct belt_bytes bytes)
{
    return strlen(name) == bytes.len && memcmp(name, bytes.data, bytes.len) == 0;
}

static inline void name_copy(char *to, size_t room, struct belt_bytes from)
{
    size_t len = from.len < room - 1 ? from.len : room - 1;
    if (len)
        memcpy(to, from.data, len);
    to[len] = 0;
}

static inline struct belt_bytes name_bytes(const char *name)
{
    return (struct belt_bytes){(const uint8_t *)name, strlen(name)};
}

#endif
