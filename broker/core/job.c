/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: opening, input, grants, the end, cancelling, and how long a job that
 * is over is remembered (PROTOCOL.md §7.1, §7.3, §7.5).
 */
#include "job.h"
#include "budget.h"
#include "catalog.h"
#include "dispatch.h"
#include "durable.h"
#include "expire.h"
#include "fair.h"
#include "key.h"
#include "late.h"
#include "letter.h"
#include "name.h"
#include "past.h"
#include "pin.h"
#include "release.h"
#include "retry.h"
#include "stream.h"
#include "timer.h"
#include "update.h"
#include "worker.h"

#include <stdio.h>

/* Jobs that are over are kept for a client that lost its connection just then, but not more than these. */
#define RETIRED_MAX 1024u

const char *job_state_name(unsigned state)
{
    static const char *const names[] = {"open", "ended", "complete", "cancelled"};
    return state < sizeof names / sizeof *names ? names[state] : "unknown";
}

struct job *job_find(struct core *core, uint64_t id)
{
    struct job *job = NULL;
    HASH_FIND(by_id, core->by_job, &id, sizeof id, job);
    return job;
}

void job_touch(struct core *core, struct job *job)
{
    if (job->dirty)
        return;
    job->dirty = true;
    LL_PREPEND2(core->dirty_jobs, job, dirty_next);
}

static uint64_t retired_for(const struct core *core)
{
    return 2 * (uint64_t)core->config.lease_ms;
}

static void retire(struct core *core, struct job *job)
{
    if (job->retired)
        return;
    job->retired = true;
    job->retired_ms = core->now;
    DL_APPEND2(core->retired, job, retired_prev, retired_next);
    core->retired_count++;
    core_alarm(core, core->now + retired_for(core));
}

/* Somebody who asked for it hears of it, maybe later than now: it stays for as long as if it were over only now. */
static void retire_anew(struct core *core, struct job *job)
{
    if (!job->retired || !job->retired_ms)
        return;
    job->retired_ms = core->now;
    DL_DELETE2(core->retired, job, retired_prev, retired_next);
    DL_APPEND2(core->retired, job, retired_prev, retired_next);
}

void job_keep_retired(struct core *core)
{
    struct job *job;
    DL_FOREACH2(core->retired, job, retired_next)
    if (job->retired_ms)
        job->retired_ms = core->now;
}

/* Free at the next look, wherever it stands in the list. */
static void retire_now(struct core *core, struct job *job)
{
    if (job->retired) {
        DL_DELETE2(core->retired, job, retired_prev, retired_next);
        core->retired_count--;
        job->retired = false;
    }
    retire(core, job);
    job->retired_ms = 0;
    core_alarm(core, core->now); /* this turn may have looked already */
    DL_DELETE2(core->retired, job, retired_prev, retired_next);
    DL_PREPEND2(core->retired, job, retired_prev, retired_next);
}

static void unremember(struct core *core, struct job *job)
{
    if (!job->remember_ms)
        return;
    DL_DELETE2(core->remembered, job, remembered_prev, remembered_next);
    job->remember_ms = 0;
    timer_set(core, job);
}

/* All was read, and nothing is kept of it but what its key stands for (§7.1). */
static void remember(struct core *core, struct job *job)
{
    if (job->remember_ms || job->retired)
        return;
    uint64_t least = retired_for(core); /* as long as any other job that is over */
    job->remember_ms = core->now + (job->options.remember_ms > least ? job->options.remember_ms : least);
    DL_APPEND2(core->remembered, job, remembered_prev, remembered_next);
    timer_set(core, job);
}

void job_remembered_turn(struct core *core, struct job *job)
{
    if (!job->remember_ms || core->now < job->remember_ms)
        return;
    unremember(core, job);
    retire_now(core, job);
}

static bool read_to_the_end(const struct job *job)
{
    const struct reader *reader;
    if (!job->was_read || job->released < job->next)
        return false;
    DL_FOREACH(job->readers, reader)
    if (!reader->done_sent && reader->session && reader->engaged)
        return false;
    return true;
}

void job_settle(struct core *core, struct job *job)
{
    if (job->state == BELT_JOB_ENDED_INPUT && job->done + job->failed == job->next) {
        job->state = BELT_JOB_COMPLETE;
        if (!job->options.over_at) /* it may have been so before a restart */
            job->options.over_at = core->wall;
        timer_set(core, job);
        update_trace(core, "job %llu > complete: %llu done, %llu failed", (unsigned long long)job->id,
                     (unsigned long long)job->done, (unsigned long long)job->failed);
        stream_wake(core, job);
    }
    if (job->state == BELT_JOB_COMPLETE && read_to_the_end(job)) {
        if (job->options.remember_ms)
            remember(core, job);
        else
            retire(core, job);
    }
    if (job->state == BELT_JOB_STOPPED)
        unremember(core, job);
    if (job->state == BELT_JOB_STOPPED && job->running == 0) {
        if (job->owner)
            retire(core, job);
        else
            retire_now(core, job);
    }
}

bool job_is_attended(const struct job *job)
{
    const struct reader *reader;
    if (job->owner)
        return true;
    DL_FOREACH(job->readers, reader)
    if (reader->session && reader->engaged)
        return true;
    return false;
}

static uint64_t patience_of(const struct core *core, const struct job *job)
{
    if (!job->options.detached)
        return core->config.grace_ms;
    return job->options.keep_ms ? job->options.keep_ms : core->config.keep_ms;
}

uint64_t job_keep_left(const struct core *core, const struct job *job)
{
    uint64_t patience = patience_of(core, job), idle = job->idle_ms ? core->now - job->idle_ms : 0;
    return idle < patience ? patience - idle : 0;
}

void job_attend(struct core *core, struct job *job)
{
    if (job_is_attended(job))
        job->idle_ms = 0;
    else if (!job->idle_ms)
        job->idle_ms = core->now;
    timer_set(core, job);
}

/* Jobs that outlive their client do not live for ever. */
void job_idle_turn(struct core *core, struct job *job)
{
    if (job->idle_ms && job_keep_left(core, job) == 0 && !job->remember_ms && !job->retired)
        job_stop(core, job, NULL, "nobody came for it");
}

/* Whose job it is from now on; NULL: nobody's. */
static void belong(struct core *core, struct job *job, struct session *owner)
{
    if (job->owner) {
        DL_DELETE2(job->owner->owned, job, owned_prev, owned_next);
        job->owner->jobs--;
    }
    job->owner = owner;
    if (owner) {
        DL_APPEND2(owner->owned, job, owned_prev, owned_next);
        owner->jobs++;
        memcpy(job->owner_name, owner->name, sizeof job->owner_name);
        job->kept.job_due = true;
        job_touch(core, job);
    }
    job_attend(core, job);
}

/* In its place comes its line in the history. */
static void let_go(struct core *core, struct job *job)
{
    durable_forget(core, job);
    past_add(core, job);
    job_free(core, job);
}

void job_expire(struct core *core)
{
    uint64_t keep = retired_for(core);
    while (core->retired) {
        struct job *job = core->retired;
        if (job->retired_ms && core->retired_count <= RETIRED_MAX &&
            (core->store_failed || core->now < job->retired_ms + keep)) { /* answers about it may wait for the store */
            core_alarm(core, core->now < job->retired_ms + keep ? job->retired_ms + keep : UINT64_MAX);
            return;
        }
        let_go(core, job);
    }
}

/* A new job finds no room: the one that was read longest ago is not remembered any more. */
static void make_room(struct core *core)
{
    struct job *job = core->remembered;
    if (core->jobs >= core->config.max_jobs && job)
        let_go(core, job);
}

void job_free(struct core *core, struct job *job)
{
    struct queue *queue = job->queue;
    durable_forget(core, job);
    release_forget(core, job);
    stream_free_all(core, job);
    late_accepted(core, job);
    timer_remove(core, job);
    if (job->retired) {
        DL_DELETE2(core->retired, job, retired_prev, retired_next);
        core->retired_count--;
    }
    if (job->remember_ms)
        DL_DELETE2(core->remembered, job, remembered_prev, remembered_next);
    if (job->active)
        DL_DELETE2(queue->active, job, active_prev, active_next);
    fair_leave(core, job);
    if (job->dirty)
        LL_DELETE2(core->dirty_jobs, job, dirty_next);
    if (job->owner) {
        DL_DELETE2(job->owner->owned, job, owned_prev, owned_next);
        job->owner->jobs--;
    }
    catalog_remove(core, job);
    queue->waiting -= job->waiting;
    queue->delayed -= job->delays;
    share_drop(queue, job->share);
    queue->jobs--;
    core->jobs--;
    HASH_DELETE(by_id, core->by_job, job);
    HASH_DELETE(by_key, core->by_key, job);
    core->bytes -= (job->next - job->released) * sizeof(struct task);
    table_clear(&job->table);
    core->bytes -= job->bytes + job->own_bytes; /* large payloads, texts and logs; itself */
    budget_feed(core, job);
    belt_payload_clear(&job->argument);
    free(job->again);
    free(job->delayed);
    free(job->log);
    free(job);
    queue_prune(core, queue);
}

/* ---- input ---- */

static struct belt_grant grant_now(const struct core *core, const struct job *job)
{
    struct belt_grant grant = job->granted;
    uint64_t left = budget_left(core, job);
    if (job->state != BELT_JOB_OPEN || core->draining || (core->store_failed && job->options.durable) || left == 0)
        return grant;
    uint64_t window = job->options.window_bytes ? job->options.window_bytes : core->config.memory_budget;
    uint64_t items =
        job->options.window_items ? job->released + job->options.window_items : job->next + BELT_MAX_BATCH * 16;
    /* Half of what restore.c takes. */
    if (job->options.durable && job->table.used && items > job->table.base + BELT_MAX_SPAN / 2 - 2 * BELT_MAX_BATCH)
        items = job->table.base + BELT_MAX_SPAN / 2 - 2 * BELT_MAX_BATCH;
    if (items > job->next + left / sizeof(struct task) + 1) /* empty ones take memory, too */
        items = job->next + left / sizeof(struct task) + 1;
    uint64_t more = job->bytes < window ? window - job->bytes : 0;
    if (more > left)
        more = left;
    if (job->options.durable && core->store_spare &&
        more > core->store_spare) /* what comes must have room on its way */
        more = core->store_spare;
    uint64_t bytes = job->next_bytes + more;
    if (items > grant.items)
        grant.items = items;
    if (bytes > grant.bytes)
        grant.bytes = bytes;
    return grant;
}

void job_accept(struct core *core, struct job *job)
{
    struct belt_grant grant = grant_now(core, job);
    uint64_t step = job->options.window_items ? job->options.window_items / 8 + 1 : BELT_MAX_BATCH;
    bool starved = job->next >= job->granted.items || job->next_bytes >= job->granted.bytes;
    bool wider = grant.items >= job->granted.items + step || grant.bytes >= job->granted.bytes + BELT_BATCH_BYTES;
    bool more = grant.items > job->granted.items || grant.bytes > job->granted.bytes;
    if (starved && budget_left(core, job) == 0 && job->state == BELT_JOB_OPEN && !job->starved)
        budget_starve(core, job, 1);
    else if (job->starved && budget_takes(core, job, job->starved_for))
        budget_feed(core, job);
    if (job->resync_due && !job->starved && !(core->store_failed && job->options.durable)) {
        job->resync_due = false;
        update_error(core, job->owner, 0, job->id, BELT_SYNC_LOST,
                     update_text(core, "there is room again: task %llu is next", (unsigned long long)job->next));
    }
    if (!wider && !(starved && more) && (!job->accept_due || late_accept_waits(core, job)))
        return;
    job->granted = grant;
    late_accepted(core, job);
    struct belt_msg *msg = update_send_kept(core, job->owner, job, BELT_MSG_ACCEPTED);
    msg->u.accepted = (struct belt_msg_accepted){.job = job->id, .next = job->next, .grant = grant};
}

static void job_error(struct core *core, struct session *to, uint64_t job, unsigned code, struct belt_bytes text)
{
    update_error(core, to, 0, job, code, text);
}

/* The job that `from` may feed, or NULL after an answer. */
static struct job *job_to_feed(struct core *core, struct session *from, uint64_t id)
{
    struct job *job = job_find(core, id);
    if (!job)
        job_error(core, from, id, BELT_UNKNOWN_JOB, update_text(core, "there is no job %llu", (unsigned long long)id));
    else if (job->owner != from)
        job_error(core, from, id, BELT_NOT_ALLOWED,
                  update_text(core, "job %llu belongs to another client", (unsigned long long)id));
    else if (job->state == BELT_JOB_STOPPED)
        job_error(core, from, id, BELT_JOB_CANCELLED,
                  update_text(core, "job %llu was cancelled", (unsigned long long)id));
    else
        return job;
    return NULL;
}

void job_take(struct core *core, struct job *job, struct belt_payload from, struct pinned *last)
{
    struct task *task = table_add(&job->table, job->next);
    if (!task)
        abort();
    struct belt_payload payload = pin_payload(core, job, last, from);
    task->buf = payload.buf;
    task->data = payload.data;
    task->len = payload.len;
    task->u.since_ms = core->now;
    job->next++;
    job->next_bytes += payload.len;
    core->bytes += sizeof *task;
    job->waiting++;
}

/* True when one more task of the job may be accepted. */
static bool within_grant(const struct job *job)
{
    return job->next < job->granted.items && job->next_bytes < job->granted.bytes;
}

/* Tasks that there is no room for are not taken: their client keeps them, and is asked for them later (§7.1). */
static bool is_put_off(const struct core *core, struct job *job, uint64_t end)
{
    if (job->resync_due && end > job->next) /* what comes behind those that were not taken */
        return true;
    if (!core->store_failed || !job->options.durable || job->state != BELT_JOB_OPEN || end <= job->next)
        return false;
    job->resync_due = true;
    return true;
}

/* What keeping it takes. Small payloads share the frame they came in: the first one brings all of it (pin.c). */
static uint64_t cost_of(const struct pinned *last, const struct belt_payload *payload)
{
    bool small = payload->buf && payload->len <= BELT_INLINE_PAYLOAD;
    if (small && payload->buf == last->frame)
        return 0;
    return sizeof(struct task) + (small ? payload->buf->len : payload->len);
}

void job_push(struct core *core, struct session *from, const struct belt_msg_push *msg)
{
    struct job *job = job_to_feed(core, from, msg->job);
    if (!job || is_put_off(core, job, msg->first + msg->count))
        return;
    if (msg->first > job->next) {
        job_error(core, from, job->id, BELT_SYNC_LOST,
                  update_text(core, "task %llu is next, not %llu", (unsigned long long)job->next,
                              (unsigned long long)msg->first));
        return;
    }
    uint64_t skip = job->next - msg->first;
    uint64_t before = job->next;
    struct pinned last = {0};
    for (uint64_t i = skip; i < msg->count; i++) {
        if (job->state != BELT_JOB_OPEN) {
            job_error(core, from, job->id, BELT_JOB_ENDED,
                      update_text(core, "the job has %llu inputs, and more were handed in: use another key",
                                  (unsigned long long)job->next));
            break;
        }
        if (!within_grant(job)) {
            job_error(core, from, job->id, BELT_BAD_MESSAGE,
                      update_text(core, "task %llu is beyond the grant", (unsigned long long)job->next));
            break;
        }
        uint64_t cost = cost_of(&last, &msg->tasks[i].payload);
        if (cost && !budget_takes(core, job, cost)) {
            budget_starve(core, job, cost);
            job->resync_due = true;
            break;
        }
        job_take(core, job, msg->tasks[i].payload, &last);
    }
    pin_done(&last);
    core->accepted += job->next - before;
    job->queue->waiting += job->next - before;
    late_accept_owed(core, job);
    job_touch(core, job);
    if (job->next > before)
        dispatch_waiting_changed(core, job);
    if (job->expired)
        expire_more(core, job);
}

void job_end(struct core *core, struct session *from, const struct belt_msg_end *msg)
{
    struct job *job = job_to_feed(core, from, msg->job);
    if (!job || is_put_off(core, job, msg->count))
        return;
    if (msg->count > job->next) {
        job_error(core, from, job->id, BELT_SYNC_LOST,
                  update_text(core, "task %llu is next, the end was said at %llu", (unsigned long long)job->next,
                              (unsigned long long)msg->count));
        return;
    }
    if (msg->count < job->next) {
        job_error(core, from, job->id, BELT_BAD_MESSAGE,
                  update_text(core, "the job has %llu inputs, and the end was said at %llu: use another key",
                              (unsigned long long)job->next, (unsigned long long)msg->count));
        return;
    }
    struct belt_msg *answer = update_send_kept(core, from, job, BELT_MSG_ENDED);
    answer->u.ended = (struct belt_msg_end){.job = job->id, .count = job->next};
    if (job->state != BELT_JOB_OPEN)
        return;
    job->state = BELT_JOB_ENDED_INPUT;
    dispatch_waiting_changed(core, job); /* a partial chunk may go */
    job_settle(core, job);
}

/* ---- opening ---- */

static void opened(struct core *core, struct session *to, uint64_t ref, const struct job *job)
{
    struct belt_msg *msg = update_send_kept(core, to, job, BELT_MSG_OPENED);
    msg->u.opened = (struct belt_msg_opened){.ref = ref,
                                             .job = job->id,
                                             .next = job->next,
                                             .next_bytes = job->next_bytes,
                                             .grant = job->granted,
                                             .state = job->state};
}

/* What a job takes before it has any task. */
static uint64_t job_cost(const struct belt_open_options *options)
{
    return sizeof(struct job) + sizeof(struct share) + options->argument.len;
}

bool job_refused(struct core *core, struct session *from, uint64_t ref, const struct belt_open_options *options)
{
    if (core->draining)
        update_error(core, from, ref, 0, BELT_DRAINING,
                     update_text(core, "the broker is shutting down: open the job on another, or later"));
    else if (core->store_failed && !options->never_durable)
        update_error(core, from, ref, 0, BELT_STORE_FAILED,
                     update_text(core,
                                 "the disk of the broker is full, or fails: it takes durable jobs again when results "
                                 "have been read or room was made; a volatile job needs no disk"));
    else if (options->durable && !core->config.durable)
        update_error(core, from, ref, 0, BELT_NOT_DURABLE, update_text(core, "this broker keeps no durable jobs"));
    else if (core->jobs >= core->config.max_jobs)
        update_error(core, from, ref, 0, BELT_LIMIT,
                     update_text(core, "the broker has %u jobs already, its limit", core->jobs));
    else if (!budget_keeps(core, job_cost(options)))
        update_error(core, from, ref, 0, BELT_LIMIT,
                     update_text(core,
                                 "the broker's memory budget of %llu bytes is used up: it takes new jobs when results "
                                 "have been read, or start it with a larger --memory-budget",
                                 (unsigned long long)core->config.memory_budget));
    else
        return false;
    return true;
}

struct job *job_new(struct core *core, struct session *owner, uint64_t id, const struct belt_msg_open *msg)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        abort();
    job->id = id;
    if (core->last_job < id && is_durable(core, &msg->options))
        core->last_job = id;
    if (msg->key.len)
        name_copy(job->key, sizeof job->key, msg->key);
    else
        snprintf(job->key, sizeof job->key, "job-%llx-%llu", (unsigned long long)core->config.epoch,
                 (unsigned long long)job->id);
    char function[BELT_MAX_NAME + 1];
    name_copy(function, sizeof function, msg->function);
    job->queue = queue_get(core, function);
    job->queue->jobs++;
    job->share = share_take(job->queue, owner);
    job->options = msg->options;
    job->options.durable = is_durable(core, &msg->options);
    if (!job->options.max_attempts)
        job->options.max_attempts = BELT_MAX_ATTEMPTS_DEFAULT;
    if (msg->options.argument.len)
        job->argument = belt_payload_copy(msg->options.argument.data, (uint32_t)msg->options.argument.len);
    job->options.argument = (struct belt_bytes){job->argument.data, job->argument.len};
    if (!job->options.opened_at)
        job->options.opened_at = core->wall;
    job->opened_ms = core->now;
    table_init(&job->table);
    HASH_ADD(by_id, core->by_job, id, sizeof job->id, job);
    HASH_ADD(by_key, core->by_key, key, (unsigned)strlen(job->key), job);
    catalog_add(core, job);
    core->jobs++;
    job->own_bytes = job_cost(&job->options);
    core->bytes += job->own_bytes;
    expire_times(core, job);
    name_copy(job->owner_name, sizeof job->owner_name, msg->options.owner);
    belong(core, job, owner);
    job->options.owner = name_bytes(job->owner_name);
    job->granted = grant_now(core, job);
    job_touch(core, job);
    return job;
}

uint64_t job_new_id(struct core *core, bool durable)
{
    uint64_t *last = durable ? &core->last_job : &core->last_volatile_job;
    do
        ++*last;
    while (job_find(core, *last) || letter_job_find(core, *last) || past_find(core, *last));
    return *last;
}

/* What the broker alone says of a job, on its disk. */
static bool says_too_much(struct core *core, struct session *from, const struct belt_msg_open *msg)
{
    const struct belt_open_options *options = &msg->options;
    if (!options->opened_at && !options->over_at && !options->owner.len)
        return false;
    update_error(core, from, msg->ref, 0, BELT_BAD_OPTION,
                 update_text(core, "opened_at, over_at and owner are the broker's to say"));
    return true;
}

static bool contradicts_itself(struct core *core, struct session *from, const struct belt_msg_open *msg)
{
    if (!msg->options.durable || !msg->options.never_durable)
        return false;
    update_error(core, from, msg->ref, 0, BELT_BAD_OPTION,
                 update_text(core, "durable and volatile contradict each other: a job is on the broker's disk, or it "
                                   "is not"));
    return true;
}

void job_open(struct core *core, struct session *from, const struct belt_msg_open *msg)
{
    struct job *job = NULL;
    if (says_too_much(core, from, msg) || contradicts_itself(core, from, msg))
        return;
    if (msg->key.len)
        HASH_FIND(by_key, core->by_key, msg->key.data, (unsigned)msg->key.len, job);
    if (!job)
        make_room(core);
    if (job && job->owner && job->owner != from && !job->options.detached) {
        update_error(core, from, msg->ref, 0, BELT_NOT_ALLOWED,
                     update_text(core, "a job with this key belongs to another client"));
        return;
    }
    if (job ? job_key_refused(core, from, msg, job) : job_refused(core, from, msg->ref, &msg->options))
        return;
    if (job && job->owner != from) {
        if (job->owner)
            memcpy(job->ousted, job->owner->id, sizeof job->ousted);
        fair_leave(core, job);
        share_drop(job->queue, job->share);
        job->share = share_take(job->queue, from);
        if (job->active)
            fair_enter(core, job);
        belong(core, job, from);
    }
    if (!job) {
        job = job_new(core, from, job_new_id(core, is_durable(core, &msg->options)), msg);
        update_trace(core, "%s > job %llu opened: function %s", from->name, (unsigned long long)job->id,
                     job->queue->function);
    }
    retire_anew(core, job);
    opened(core, from, msg->ref, job);
}

/* ---- cancelling ---- */

/* Everything but what runs is let go. */
static void release_all(struct core *core, struct job *job)
{
    for (uint64_t index = table_seek(&job->table, 0); index < job->next; index = table_seek(&job->table, index + 1)) {
        struct task *task = table_at(&job->table, index);
        if (task->state == TASK_RELEASED || task->state == TASK_RUNNING)
            continue;
        task_forget(core, job, index, task);
    }
    job->queue->waiting -= job->waiting;
    job->waiting = 0;
    job->fresh = job->next;
    job->again_count = 0;
    retry_forget(core, job);
    job->log_base += job->log_count;
    job->log_count = 0;
}

void job_stop(struct core *core, struct job *job, const char *who, const char *why)
{
    if (job->state == BELT_JOB_STOPPED)
        return;
    update_trace(core, "job %llu > cancelled: %s", (unsigned long long)job->id, who ? who : why);
    snprintf(job->stopped, sizeof job->stopped, "%s%s",
             !who             ? "given up: "
             : job->forgotten ? "its results were dropped by "
                              : "cancelled by ",
             who ? who : why);
    job->state = BELT_JOB_STOPPED;
    budget_feed(core, job);
    if (!job->options.over_at)
        job->options.over_at = core->wall;
    timer_set(core, job);
    durable_forget(core, job);
    release_forget(core, job);
    release_all(core, job);
    worker_drop_job(core, job);
    dispatch_waiting_changed(core, job);
    stream_wake(core, job);
    job_settle(core, job);
}

static void cancelled(struct core *core, struct session *to, const struct belt_msg_cancel *msg, const struct job *job)
{
    struct belt_msg *answer =
        job ? update_send_kept(core, to, job, BELT_MSG_CANCELLED) : update_send(core, to, BELT_MSG_CANCELLED);
    answer->u.cancelled = (struct belt_msg_cancel){.ref = msg->ref, .job = msg->job};
}

/* §7.3: complete is complete. */
static void complete_already(struct core *core, struct session *to, const struct belt_msg_cancel *msg, bool past)
{
    update_error(core, to, msg->ref, msg->job, BELT_JOB_ENDED,
                 update_text(core, "job %llu is complete: there is nothing to cancel%s", (unsigned long long)msg->job,
                             past ? "" : ", and its results stay until they are read"));
}

/* A job that is over and forgotten, but for its line in the history. */
static void cancel_past(struct core *core, struct session *from, const struct belt_msg_cancel *msg)
{
    struct past_job *past = past_find(core, msg->job);
    if (!past)
        update_error(core, from, msg->ref, msg->job, BELT_UNKNOWN_JOB,
                     update_text(core, "there is no job %llu", (unsigned long long)msg->job));
    else if (msg->forget && from->role == BELT_ROLE_ADMIN) {
        past_drop(core, past);
        cancelled(core, from, msg, NULL);
    } else if (msg->forget || past->row.state == BELT_JOB_STOPPED)
        cancelled(core, from, msg, NULL);
    else
        complete_already(core, from, msg, true);
}

void job_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg)
{
    struct job *job = job_find(core, msg->job);
    if (!job) {
        cancel_past(core, from, msg);
        return;
    }
    if (from->role != BELT_ROLE_ADMIN && job->owner != from && !job->options.detached) {
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core, "job %llu belongs to another client", (unsigned long long)msg->job));
        return;
    }
    if (msg->waiting) {
        if (job->state < BELT_JOB_COMPLETE)
            expire_halt(core, job, from->name);
        return;
    }
    if (job->state == BELT_JOB_COMPLETE && !msg->forget) {
        complete_already(core, from, msg, false);
        return;
    }
    job->forgotten |= job->state == BELT_JOB_COMPLETE;
    job_stop(core, job, from->name, NULL);
    cancelled(core, from, msg, job);
}

void job_orphan(struct core *core, struct session *owner)
{
    while (owner->owned) {
        struct job *job = owner->owned;
        belong(core, job, NULL);
        if (job->options.detached)
            continue;
        if (job->remember_ms)
            continue;
        if (!job->retired)
            job_stop(core, job, NULL, "its client is gone");
        if (job->running == 0)
            retire_now(core, job);
    }
}
