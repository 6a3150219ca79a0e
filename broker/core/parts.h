/* SPDX-License-Identifier: Apache-2.0
 *
 * Which file of the core owns which transition, and what it offers the others. Private to broker/core.
 */
#ifndef BELT_CORE_PARTS_H
#define BELT_CORE_PARTS_H

#include "state.h"

/* ---- update.c: what a step asks for ---- */
struct belt_msg *update_send(struct core *core, struct session *to, enum belt_msg_type type);
/* A message that must not leave before what this turn records of `job` is on disk. */
struct belt_msg *update_send_kept(struct core *core, struct session *to, const struct job *job,
                                  enum belt_msg_type type);
struct core_record *update_record(struct core *core);
struct belt_msg *update_send_stranger(struct core *core, uint64_t peer, enum belt_msg_type type);
void *update_alloc(struct core *core, size_t size);
struct belt_bytes update_text(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_notice(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_drop(struct core *core, uint64_t peer);
void update_trace(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_error(struct core *core, struct session *to, uint64_t ref, uint64_t job, unsigned code,
                  struct belt_bytes text);

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

/* ---- budget.c: who may make the broker keep more ---- */
uint64_t budget_left(const struct core *core, const struct job *job); /* bytes of inputs that the job may add */
bool budget_takes(const struct core *core, const struct job *job, uint64_t size); /* an input of this size */
bool budget_keeps(const struct core *core, uint64_t size);                        /* anything else */
/* It waits until there is room for a task of this size. */
void budget_starve(struct core *core, struct job *job, uint64_t size);
void budget_feed(struct core *core, struct job *job); /* it has room, or is over */
void budget_turn(struct core *core);

/* ---- peer.c: connections ---- */
struct session *peer_find(struct core *core, uint64_t peer);
/* True: `msg` is next in sequence and from a known peer. */
bool peer_admit(struct core *core, const struct core_event *event, struct session **session);
void peer_other_version(struct core *core, uint64_t peer, uint64_t version); /* refuses it */
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
/** True when `job` has the key of `msg`, but not its function and options; the refusal is sent. In key.c. */
bool job_key_refused(struct core *core, struct session *from, const struct belt_msg_open *msg, const struct job *job);
void job_stop(struct core *core, struct job *job, const char *who, const char *why); /* either is NULL */
void job_orphan(struct core *core, struct session *owner);
void job_attend(struct core *core, struct job *job);          /* somebody came to it or left it */
void job_idle_turn(struct core *core, struct job *job);       /* it is due, maybe for this */
void job_remembered_turn(struct core *core, struct job *job); /* its key is free when the time is over */
void job_settle(struct core *core, struct job *job);          /* complete? retired? call when something of it ended */
void job_free(struct core *core, struct job *job);
void job_keep_retired(
    struct core *core); /* the store works again: those that are over stay for as long as if they were only now */
struct job *job_new(struct core *core, struct session *owner, uint64_t id, const struct belt_msg_open *msg);
uint64_t job_new_id(struct core *core, bool durable); /* durable jobs count from 1 for the life of the store */
void job_touch(struct core *core, struct job *job);   /* the turn looks at its grant */
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
void late_accept_owed(struct core *core, struct job *job);  /* tasks came */
bool late_accept_waits(struct core *core, struct job *job); /* true: not now, the turn comes back to it */
void late_accepted(struct core *core, struct job *job);     /* told, or the job goes */
void late_record_owed(struct core *core, struct agent *agent, const struct belt_msg_results *msg); /* these came */
bool late_record_waits(struct core *core, struct agent *agent);                                    /* likewise */
void late_recorded(struct core *core, struct agent *agent); /* told, or the agent goes */
void late_turn(struct core *core);      /* before the acknowledgements: those that have waited long enough */
void late_turn_over(struct core *core); /* after them */

/* ---- retry.c: what runs again, and when ---- */
/* Whether this outcome is not final; counts the try. */
bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item);
uint64_t retry_pause(struct core *core, const struct job *job,
                     const struct task *task); /* before its next run, in ms */
void retry_delay(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause);
void retry_undelay(struct core *core, struct job *job, struct task *task); /* it is WAITING, and yet in no list */
void retry_due(struct core *core, struct job *job);
void retry_forget(struct core *core, struct job *job);               /* nothing of it waits any more */
void retry_note(struct core *core, struct job *job, uint64_t index); /* its tries changed: to disk */
void retry_over(struct core *core, struct job *job, uint64_t index); /* it has its result */
void retry_persist(struct core *core, struct job *job);
int retry_restore(struct core *core, struct job *job, uint64_t number, const struct belt_msg_progress *msg);
void retry_forget_tries(struct job *job);

/* ---- expire.c: start and deadline ---- */
void expire_times(struct core *core, struct job *job);                 /* of a new job, from its options */
void expire_turn(struct core *core, struct job *job);                  /* it is due, maybe for this */
void expire_more(struct core *core, struct job *job);                  /* tasks came after the deadline */
void expire_halt(struct core *core, struct job *job, const char *who); /* nothing more of it begins */
void expire_task(struct core *core, struct job *job, uint64_t index, struct task *task);

/* ---- letter.c: failed tasks that are kept ---- */
void letter_bury(struct core *core, struct job *job, const struct task *task, const struct belt_result_item *item);
void letter_drop(struct core *core, struct letter *letter);
struct letter_job *letter_job_find(struct core *core, uint64_t id);
void letter_tell(struct core *core);                     /* turn: to the log what was let go */
uint64_t letter_let_go(struct core *core, uint64_t job); /* failed tasks of this job that were */
int letter_restore_let_go(struct core *core, uint64_t number, const struct belt_msg_progress *msg);
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
void stream_log_trim(struct job *job);                                /* places that nobody needs go from the front */
void stream_log_add(struct job *job, uint64_t index);
uint64_t stream_place(const struct job *job, const struct task *task); /* in the log, of a task that is DONE */
bool stream_is_released(const struct job *job, uint64_t index);
struct belt_result_item stream_item_of(uint64_t index, const struct task *task);
struct reader *stream_reader_new(struct core *core, struct job *job, struct belt_bytes name, uint8_t mode,
                                 uint64_t acked);
bool stream_lags(const struct job *job); /* there are results that a reader could take and has not */
void stream_free_all(struct core *core, struct job *job);

/* ---- release.c: what every reader has acknowledged is let go ---- */
void release_finished(struct core *core, struct job *job, uint64_t index, struct task *task); /* it is DONE now */
void release_acknowledged(struct core *core, struct reader *reader, uint64_t from); /* from there to `acked` */
void release_came(struct core *core,
                  struct reader *reader); /* it holds back from now on what it has not acknowledged */
void release_left(struct core *core, struct job *job, unsigned mode, uint64_t acked); /* a reader that stood there */
void release_restored(struct core *core, struct job *job);
void release_forget(struct core *core, struct job *job); /* nothing of it is looked at any more */
void release_turn(struct core *core);

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
uint64_t
dispatch_oldest(const struct job *job); /* since when its first waiting task has waited, UINT64_MAX: none does */
bool dispatch_has_room(const struct agent *agent, uint32_t bytes); /* for a task of this size, in its byte window */
/* The queue is looked at again then, whatever happens in between. */
void dispatch_come_back(struct core *core, struct queue *queue, uint64_t when);
bool dispatch_may_go(struct core *core, struct job *job); /* it has tasks that may be given out now */
void dispatch_turn(struct core *core);
void dispatch_notices(struct core *core, struct job *job);

/* ---- fair.c: whose turn it is ---- */
void fair_enter(struct core *core, struct job *job); /* it has waiting tasks now */
void fair_leave(struct core *core, struct job *job);
struct job *fair_first(struct core *core,
                       struct queue *queue); /* NULL: none may go. Those that may not are set aside for the turn */
float fair_cost(const struct job *job);      /* of a task, as it seems, in us */
void fair_given(struct agent *agent, uint32_t place, struct job *job,
                uint32_t count);                            /* so many tasks, of this queue of the agent */
void fair_settle(struct core *core, const struct run *run); /* it is over */
void fair_charge_anew(struct core *core, struct run *run);  /* such tasks take longer than it seemed */
void fair_turn(struct core *core);                          /* before the first is asked for */
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
/* How many slots of the agent are busy with much longer tasks than was expected, as far as can be seen: they have been
 * there for long, and later ones have ended. */
uint32_t stuck_late(const struct core *core, const struct agent *agent);
/* With late slots it holds so many tasks like those of `job` in effect, and should hold `target`: it gives back what is
 * too much. */
void stuck_check(struct core *core, struct agent *agent, const struct job *job, uint32_t held, uint32_t target);
void stuck_shift(struct core *core);                         /* run times of some queues have risen */
void stuck_returned(struct core *core, struct agent *agent); /* RECALL is answered */

/* ---- durable.c: what is on disk ---- */
void kept_add(struct kept_list *list, uint64_t number, uint64_t first, uint32_t count, uint64_t bytes);
uint64_t kept_put(struct core *core, uint64_t job, struct belt_msg msg, uint64_t first, uint32_t count);
void kept_drop(struct core *core, uint64_t job, uint64_t *number);
bool kept_settle(struct job *job, uint64_t index); /* has a result on disk; true: so have all tasks of its record */
void durable_turn(struct core *core, struct job *job);
void durable_reader_gone(struct core *core, struct reader *reader);
void durable_forget(struct core *core, struct job *job); /* the job is over */
bool durable_withholds(const struct job *job);           /* it has results that are not recorded */

/* ---- withheld.c: while the store has no room ---- */
uint32_t withheld_wanted(const struct core *core, struct job *job); /* so many results may be recorded */
/* They are, in the record with this number. */
void withheld_written(struct core *core, struct job *job, uint64_t number, uint64_t first, uint32_t count);
void withheld_taken(struct core *core, struct job *job); /* the room they took is there again */
void withheld_note(struct core *core, struct job *job);  /* turn, or the job's end: does it withhold something? */

/* ---- catalog.c: jobs by id and by name ---- */
void catalog_add(struct core *core, struct job *job);
void catalog_remove(struct core *core, struct job *job);
/* Both lists of jobs, each from its next job on. */
struct catalog_place {
    struct job *at[2];
};
struct catalog_place catalog_from(struct core *core, uint64_t after); /* ids above it */
struct job *catalog_next(struct catalog_place *place);                /* in order of id; NULL: that was all */
/* What somebody calls a job: an id, or else a key. */
struct catalog_name {
    bool is_id;
    uint64_t id;
    struct belt_bytes key;
};
struct catalog_name catalog_name(struct belt_bytes text);
struct job *catalog_living(struct core *core, const struct catalog_name *name);

/* ---- past.c: the history ---- */
struct past_job *past_find(struct core *core, uint64_t id);
struct past_job *past_of_key(struct core *core, struct belt_bytes key); /* the others hang on it (`same_key`) */
void past_note(struct core *core, struct job *job); /* all records of it go: its line is on disk from then on */
void past_add(struct core *core, struct job *job);  /* it will be freed */
void past_drop(struct core *core, struct past_job *past);
void past_turn(struct core *core); /* turn: what is too old goes, what is not on disk yet is written */
int past_restore(struct core *core, uint64_t number, const struct belt_msg_report *msg);
void past_free_all(struct core *core);

/* ---- report.c ---- */
void report_status(struct core *core, struct session *from, const struct belt_msg_status *msg);
uint64_t report_since(const struct core *core, uint64_t then);

/* ---- report_jobs.c ---- */
struct belt_row_job report_row(struct core *core, const struct job *job);
void report_jobs(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report);

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
    if (task->state == TASK_DONE && job->whole_from[BELT_UNORDERED] <= stream_place(job, task))
        job->whole_from[BELT_UNORDERED] = stream_place(job, task) + 1;
    if (job->whole_from[BELT_ORDERED] <= index)
        job->whole_from[BELT_ORDERED] = index + 1;
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
