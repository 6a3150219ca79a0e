/* SPDX-License-Identifier: Apache-2.0
 *
 * How a durable job is built anew from its records (durable.c wrote them).
 * Indexes that no record names any more were done, on disk and read. A store is not to be trusted: what durable.c
 * cannot have written is BELT_BAD_MESSAGE.
 */
#include "broker/core/events/restore.h"
#include "broker/core/journal/dead_letter.h"
#include "broker/core/journal/history.h"
#include "broker/core/journal/records.h"
#include "broker/core/journal/tries.h"
#include "broker/core/life/closing.h"
#include "broker/core/life/opening.h"
#include "broker/core/life/reader.h"
#include "broker/core/life/release.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/waiting.h"

#include <stdlib.h>

/* Ids, indexes and bytes stay below it, so that sums do not overflow. */
#define NUMBER_MAX ((uint64_t)1 << 62)

/* The job may have tasks `first` .. `first + count - 1`. */
static bool fits(const struct job *job, uint64_t first, uint64_t count)
{
    if (first > NUMBER_MAX || count > NUMBER_MAX)
        return false;
    uint64_t end = first + count > job->next ? first + count : job->next;
    uint64_t oldest = count ? first : end;
    if (job->table.used && job->table.base < oldest)
        oldest = job->table.base;
    if (job->state != BELT_JOB_OPEN && end > job->next)
        return false;
    return end - oldest <= BELT_MAX_SPAN;
}

static bool is_there(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return task && task->state != TASK_RELEASED;
}

static int restore_job(struct core *core, uint64_t number, const struct belt_msg_open *msg)
{
    /* The record's number was above the id (durable.c). */
    if (msg->ref == 0 || msg->ref >= number || msg->ref > NUMBER_MAX || catalog_find(core, msg->ref) ||
        history_find(core, msg->ref) || !is_durable(core, &msg->options))
        return BELT_BAD_MESSAGE;
    struct job *job = opening_new(core, NULL, msg->ref, msg);
    job->kept.job = number;
    job->kept.job_due = false;
    job->kept.written_over_at = job->options.over_at;
    return BELT_OK;
}

static struct task *restore_task(struct core *core, struct job *job, uint64_t index)
{
    struct task *task = table_restore(&job->table, index);
    if (!task)
        abort();
    charge_own(core, job);
    job->kept.restored++;
    if (job->next <= index)
        job->next = index + 1;
    return task;
}

static void restore_payload(struct core *core, struct job *job, struct task *task, struct pinned *last,
                            struct belt_payload from)
{
    struct belt_payload payload = pin_payload(core, job, last, from);
    task->buf = payload.buf;
    task->data = payload.data;
    task->len = payload.len;
}

static int restore_tasks(struct core *core, struct job *job, uint64_t number, const struct belt_msg_push *msg)
{
    struct pinned last = {0};
    if (msg->count == 0 || msg->first < job->kept.next || !fits(job, msg->first, msg->count))
        return BELT_BAD_MESSAGE;
    for (uint32_t i = 0; i < msg->count; i++)
        if (is_there(job, msg->first + i)) /* results have higher numbers than their tasks */
            return BELT_BAD_MESSAGE;
    records_add(&job->kept.tasks, number, msg->first, msg->count, 0);
    for (uint32_t i = 0; i < msg->count; i++) {
        struct task *task = restore_task(core, job, msg->first + i);
        restore_payload(core, job, task, &last, msg->tasks[i].payload);
        task->state = TASK_WAITING;
        task->u.since_ms = core->now;
        task->tie = TIE_HELD; /* somebody may be running it */
        job->next_bytes += task->len;
        if (job->kept.digest_next == msg->first + i) {
            belt_digest_add(&job->digest, task->data, task->len);
            job->kept.digest_next++;
        }
        job->waiting++;
    }
    pin_done(&last);
    job->kept.next = msg->first + msg->count;
    return BELT_OK;
}

/* It was taken before it was written. */
static void restore_taken(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    if (task) {
        job->waiting--;
        records_settle(job, index);
        job->kept.restored--;
        pin_drop(core, job, task);
        table_release(&job->table, index, job->next);
        charge_own(core, job);
    }
    if (job->next <= index)
        job->next = index + 1;
}

static int restore_result(struct core *core, struct job *job, const struct belt_result_item *item, struct pinned *last)
{
    struct task *task = table_at(&job->table, item->index);
    bool waiting = task && task->state == TASK_WAITING;
    if (!fits(job, item->index, 1) || (!waiting && is_there(job, item->index)))
        return BELT_BAD_MESSAGE;
    tries_over(core, job, item->index);
    if (item->attempt == 0 && item->code == BELT_OK) { /* as durable.c writes what was taken already */
        restore_taken(core, job, item->index, waiting ? task : NULL);
        return BELT_OK;
    }
    if (waiting) {
        job->waiting--;
        records_settle(job, item->index);
        pin_drop(core, job, task);
    } else {
        task = restore_task(core, job, item->index);
    }
    restore_payload(core, job, task, last, item->payload);
    task->u.extras = NULL;
    if (item->extras && !(task->u.extras = extras_copy(item->extras)))
        abort();
    charge_bytes(core, job, extras_bytes(task->u.extras));
    job->unread += task->len + (uint64_t)extras_bytes(task->u.extras);
    task->n.service_us = item->service_us;
    task->attempt = item->attempt;
    task->code = (uint8_t)item->code;
    task->state = TASK_DONE;
    return BELT_OK;
}

static int restore_results(struct core *core, struct job *job, uint64_t number, const struct belt_msg_results *msg)
{
    struct pinned last = {0};
    int rc = BELT_OK;
    /* Records of results go from the front only. */
    if (msg->count == 0 || msg->first > NUMBER_MAX || (job->log_count && msg->first != job->kept.place))
        return BELT_BAD_MESSAGE;
    if (job->log_count == 0)
        job->log_base = msg->first;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < msg->count; i++)
        bytes += msg->results[i].payload.len + (uint64_t)extras_bytes(msg->results[i].extras);
    records_add(&job->kept.results, number, msg->first, msg->count, bytes);
    for (uint32_t i = 0; rc == BELT_OK && i < msg->count; i++) {
        rc = restore_result(core, job, &msg->results[i], &last);
        completions_add(job, msg->results[i].index);
        *(msg->results[i].code == BELT_OK ? &job->done : &job->failed) += 1;
    }
    pin_done(&last);
    job->kept.place = msg->first + msg->count;
    return rc;
}

static int restore_reader(struct core *core, struct job *job, uint64_t number, const struct belt_msg_subscribe *msg)
{
    struct reader *reader;
    if (job->reader_count >= BELT_MAX_READERS)
        return BELT_BAD_MESSAGE;
    DL_FOREACH (job->readers, reader)
        if (name_equals(reader->name, msg->reader))
            return BELT_BAD_MESSAGE;
    reader = reader_new(core, job, msg->reader, msg->mode, msg->cursor);
    reader->engaged = true;
    reader->kept_number = number;
    reader->kept_acked = msg->cursor;
    return BELT_OK;
}

/* The mark of the job, or the tries of one task. */
static int restore_mark(struct core *core, struct job *job, uint64_t number, const struct belt_msg_progress *msg)
{
    if (msg->task.attempt)
        return tries_restore(core, job, number, msg);
    if (job->kept.mark || msg->done > NUMBER_MAX || !fits(job, msg->task.index, 0))
        return BELT_BAD_MESSAGE;
    job->kept.mark = number;
    job->kept.mark_next = msg->task.index;
    job->kept.mark_place = msg->done;
    job->kept.mark_failed = msg->total;
    return BELT_OK;
}

/* All tasks in records with lower numbers are below it. */
static int restore_bytes(struct job *job, uint64_t number, uint64_t bytes)
{
    if (job->kept.bytes_mark || bytes > NUMBER_MAX || bytes < job->next_bytes)
        return BELT_BAD_MESSAGE;
    job->kept.bytes_mark = number;
    job->next_bytes = bytes;
    return BELT_OK;
}

/* The same with their digest. */
static int restore_digest(struct job *job, uint64_t number, const struct belt_msg_opened *msg)
{
    if (!msg->digested || !fits(job, msg->next, 0))
        return BELT_BAD_MESSAGE;
    job->digest = msg->digest;
    job->kept.digest_next = msg->next;
    return restore_bytes(job, number, msg->next_bytes);
}

static int restore_end(struct job *job, uint64_t number, const struct belt_msg_end *msg)
{
    if (job->kept.end || msg->count < job->next || !fits(job, msg->count, 0))
        return BELT_BAD_MESSAGE;
    job->kept.end = number;
    job->state = BELT_JOB_ENDED_INPUT;
    job->next = msg->count;
    return BELT_OK;
}

static uint64_t job_of(const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_PUSH:
        return msg->u.push.job;
    case BELT_MSG_ACCEPTED:
        return msg->u.accepted.job;
    case BELT_MSG_OPENED:
        return msg->u.opened.job;
    case BELT_MSG_END:
        return msg->u.end.job;
    case BELT_MSG_RESULTS:
        return msg->u.results.job;
    case BELT_MSG_SUBSCRIBE:
        return msg->u.subscribe.job;
    case BELT_MSG_PROGRESS:
        return msg->u.progress.task.job;
    default:
        return 0;
    }
}

int core_restore(struct core *core, uint64_t now, uint64_t number, const struct belt_msg *msg)
{
    core->now = now;
    if (number <= core->last_record)
        return BELT_BAD_MESSAGE;
    core->last_record = number;
    if (msg->type == BELT_MSG_OPEN && (msg->u.open.ref & CORE_KEPT_FAILED))
        return dead_letter_restore_job(core, number, &msg->u.open);
    if (msg->type == BELT_MSG_RESULTS && (msg->u.results.job & CORE_KEPT_FAILED))
        return dead_letter_restore(core, number, &msg->u.results);
    if (msg->type == BELT_MSG_PROGRESS && (msg->u.progress.task.job & CORE_KEPT_FAILED))
        return dead_letter_restore_let_go(core, number, &msg->u.progress);
    if (msg->type == BELT_MSG_OPEN)
        return restore_job(core, number, &msg->u.open);
    if (msg->type == BELT_MSG_REPORT)
        return history_restore(core, number, &msg->u.report);
    struct job *job = catalog_find(core, job_of(msg));
    if (!job)
        return BELT_BAD_MESSAGE;
    switch (msg->type) {
    case BELT_MSG_PUSH:
        return restore_tasks(core, job, number, &msg->u.push);
    case BELT_MSG_RESULTS:
        return restore_results(core, job, number, &msg->u.results);
    case BELT_MSG_SUBSCRIBE:
        return restore_reader(core, job, number, &msg->u.subscribe);
    case BELT_MSG_ACCEPTED:
        return restore_bytes(job, number, msg->u.accepted.grant.bytes);
    case BELT_MSG_OPENED:
        return restore_digest(job, number, &msg->u.opened);
    case BELT_MSG_PROGRESS:
        return restore_mark(core, job, number, &msg->u.progress);
    default: /* END: job_of() knows no other */
        return restore_end(job, number, &msg->u.end);
    }
}

/* Every task has its result in the log or waits, what is gone from the front of the log is summed up in the mark, and
 * readers are where they can be. */
static bool adds_up(const struct job *job)
{
    const struct kept *kept = &job->kept;
    const struct reader *reader;
    if (kept->place != job->next - job->waiting || kept->mark_failed > kept->place)
        return false;
    if (job->log_count && (job->log_base > kept->mark_place || kept->place != job->log_base + job->log_count))
        return false;
    DL_FOREACH (job->readers, reader)
        if (reader->acked > (reader->mode == BELT_ORDERED ? job->next : kept->place))
            return false;
    return true;
}

/* Nothing was let go that an unordered reader has not taken. */
static bool readers_fit(const struct job *job)
{
    const struct reader *reader;
    uint64_t gone = job->log_base;
    while (gone < job->log_base + job->log_count && !is_there(job, completions_at(job, gone)))
        gone++;
    DL_FOREACH (job->readers, reader)
        if (reader->mode == BELT_UNORDERED && reader->acked < gone)
            return false;
    return true;
}

static int restored(struct core *core, struct job *job)
{
    struct kept *kept = &job->kept;
    if (!fits(job, kept->mark_next, 0))
        return BELT_BAD_MESSAGE;
    if (job->next < kept->mark_next)
        job->next = kept->mark_next;
    if (kept->place < kept->mark_place)
        kept->place = kept->mark_place;
    if (job->log_count == 0)
        job->log_base = kept->place;
    kept->taken = job->log_base;
    if (!adds_up(job))
        return BELT_BAD_MESSAGE;
    table_restored(&job->table, job->next);
    charge_own(core, job);
    kept->next = job->next;
    if (kept->digest_next != job->next) /* of a store that was damaged: there is nothing to compare with */
        job->options.digest = false;
    job->released = job->next - kept->restored;
    uint64_t over = job->next - job->waiting; /* waiting or over: nothing runs in a broker that has just begun */
    job->failed = job->failed > kept->mark_failed ? job->failed : kept->mark_failed;
    job->done = over - job->failed;
    if (job->granted.items < job->next) /* what was accepted had been granted */
        job->granted.items = job->next;
    if (job->granted.bytes < job->next_bytes)
        job->granted.bytes = job->next_bytes;
    job->queue->waiting += job->waiting;
    if (core->wall > job->options.opened_at && job->options.opened_at)
        job->age_before_ms = core->wall - job->options.opened_at;
    job->recover_ms = core->now + 2 * (uint64_t)core->config.heartbeat_ms;
    release_restored(core, job);
    timer_set(core, job);
    waiting_changed(core, job);
    closing_settle(core, job);
    mark_job(core, job);
    return readers_fit(job) ? BELT_OK : BELT_BAD_MESSAGE;
}

int core_restored(struct core *core, uint64_t now, uint64_t last_number)
{
    struct job *job, *next;
    int rc = BELT_OK;
    core->now = now;
    if (core->last_record < last_number)
        core->last_record = last_number;
    if (core->last_job < last_number)
        core->last_job = last_number;
    HASH_ITER (by_id, core->by_job, job, next)
        if (rc == BELT_OK)
            rc = restored(core, job);
    core->again = true;
    return rc;
}
