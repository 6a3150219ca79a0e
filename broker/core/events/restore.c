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
    uint64_t end = first + count > job->input.next ? first + count : job->input.next;
    uint64_t oldest = count ? first : end;
    if (job->table.used && job->table.base < oldest)
        oldest = job->table.base;
    if (job->state != BELT_JOB_OPEN && end > job->input.next)
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
    job->on_disk.job = number;
    job->on_disk.job_due = false;
    job->on_disk.written_over_at = job->options.over_at;
    return BELT_OK;
}

static struct task *restore_task(struct core *core, struct job *job, uint64_t index)
{
    struct task *task = table_restore(&job->table, index);
    if (!task)
        abort();
    charge_own(core, job);
    job->on_disk.restored++;
    if (job->input.next <= index)
        job->input.next = index + 1;
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
    if (msg->count == 0 || msg->first < job->on_disk.next || !fits(job, msg->first, msg->count))
        return BELT_BAD_MESSAGE;
    for (uint32_t i = 0; i < msg->count; i++)
        if (is_there(job, msg->first + i)) /* results have higher numbers than their tasks */
            return BELT_BAD_MESSAGE;
    records_add(&job->on_disk.tasks, number, msg->first, msg->count, 0);
    for (uint32_t i = 0; i < msg->count; i++) {
        struct task *task = restore_task(core, job, msg->first + i);
        restore_payload(core, job, task, &last, msg->tasks[i].payload);
        task->state = TASK_WAITING;
        task->u.since_ms = core->now;
        task->tie = TIE_HELD; /* somebody may be running it */
        job->input.bytes += task->len;
        if (job->on_disk.digest_next == msg->first + i) {
            belt_digest_add(&job->input.digest, task->data, task->len);
            job->on_disk.digest_next++;
        }
        job->counts.waiting++;
    }
    pin_done(&last);
    job->on_disk.next = msg->first + msg->count;
    return BELT_OK;
}

/* It was taken before it was written. */
static void restore_taken(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    if (task) {
        job->counts.waiting--;
        records_settle(job, index);
        job->on_disk.restored--;
        pin_drop(core, job, task);
        table_release(&job->table, index, job->input.next);
        charge_own(core, job);
    }
    if (job->input.next <= index)
        job->input.next = index + 1;
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
        job->counts.waiting--;
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
    job->memory.unread_bytes += task->len + (uint64_t)extras_bytes(task->u.extras);
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
    if (msg->count == 0 || msg->first > NUMBER_MAX || (job->completions.count && msg->first != job->on_disk.place))
        return BELT_BAD_MESSAGE;
    if (job->completions.count == 0)
        job->completions.base = msg->first;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < msg->count; i++)
        bytes += msg->results[i].payload.len + (uint64_t)extras_bytes(msg->results[i].extras);
    records_add(&job->on_disk.results, number, msg->first, msg->count, bytes);
    for (uint32_t i = 0; rc == BELT_OK && i < msg->count; i++) {
        rc = restore_result(core, job, &msg->results[i], &last);
        completions_add(job, msg->results[i].index);
        *(msg->results[i].code == BELT_OK ? &job->counts.done : &job->counts.failed) += 1;
    }
    pin_done(&last);
    job->on_disk.place = msg->first + msg->count;
    return rc;
}

static int restore_reader(struct core *core, struct job *job, uint64_t number, const struct belt_msg_subscribe *msg)
{
    struct reader *reader;
    if (job->readers.count >= BELT_MAX_READERS)
        return BELT_BAD_MESSAGE;
    DL_FOREACH (job->readers.first, reader)
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
    if (job->on_disk.mark || msg->done > NUMBER_MAX || !fits(job, msg->task.index, 0))
        return BELT_BAD_MESSAGE;
    job->on_disk.mark = number;
    job->on_disk.mark_next = msg->task.index;
    job->on_disk.mark_place = msg->done;
    job->on_disk.mark_failed = msg->total;
    return BELT_OK;
}

/* All tasks in records with lower numbers are below it. */
static int restore_bytes(struct job *job, uint64_t number, uint64_t bytes)
{
    if (job->on_disk.bytes_mark || bytes > NUMBER_MAX || bytes < job->input.bytes)
        return BELT_BAD_MESSAGE;
    job->on_disk.bytes_mark = number;
    job->input.bytes = bytes;
    return BELT_OK;
}

/* The same with their digest. */
static int restore_digest(struct job *job, uint64_t number, const struct belt_msg_opened *msg)
{
    if (!msg->digested || !fits(job, msg->next, 0))
        return BELT_BAD_MESSAGE;
    job->input.digest = msg->digest;
    job->on_disk.digest_next = msg->next;
    return restore_bytes(job, number, msg->next_bytes);
}

static int restore_end(struct job *job, uint64_t number, const struct belt_msg_end *msg)
{
    if (job->on_disk.end || msg->count < job->input.next || !fits(job, msg->count, 0))
        return BELT_BAD_MESSAGE;
    job->on_disk.end = number;
    job->state = BELT_JOB_ENDED_INPUT;
    job->input.next = msg->count;
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
    if (number <= core->store.last_record)
        return BELT_BAD_MESSAGE;
    core->store.last_record = number;
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
    const struct job_on_disk *kept = &job->on_disk;
    const struct reader *reader;
    if (kept->place != job->input.next - job->counts.waiting || kept->mark_failed > kept->place)
        return false;
    if (job->completions.count &&
        (job->completions.base > kept->mark_place || kept->place != job->completions.base + job->completions.count))
        return false;
    DL_FOREACH (job->readers.first, reader)
        if (reader->acked > (reader->mode == BELT_ORDERED ? job->input.next : kept->place))
            return false;
    return true;
}

/* Nothing was let go that an unordered reader has not taken. */
static bool readers_fit(const struct job *job)
{
    const struct reader *reader;
    uint64_t gone = job->completions.base;
    while (gone < job->completions.base + job->completions.count && !is_there(job, completions_at(job, gone)))
        gone++;
    DL_FOREACH (job->readers.first, reader)
        if (reader->mode == BELT_UNORDERED && reader->acked < gone)
            return false;
    return true;
}

static int restored(struct core *core, struct job *job)
{
    struct job_on_disk *kept = &job->on_disk;
    if (!fits(job, kept->mark_next, 0))
        return BELT_BAD_MESSAGE;
    if (job->input.next < kept->mark_next)
        job->input.next = kept->mark_next;
    if (kept->place < kept->mark_place)
        kept->place = kept->mark_place;
    if (job->completions.count == 0)
        job->completions.base = kept->place;
    kept->taken = job->completions.base;
    if (!adds_up(job))
        return BELT_BAD_MESSAGE;
    table_restored(&job->table, job->input.next);
    charge_own(core, job);
    kept->next = job->input.next;
    if (kept->digest_next != job->input.next) /* of a store that was damaged: there is nothing to compare with */
        job->options.digest = false;
    job->counts.released = job->input.next - kept->restored;
    uint64_t over =
        job->input.next - job->counts.waiting; /* waiting or over: nothing runs in a broker that has just begun */
    job->counts.failed = job->counts.failed > kept->mark_failed ? job->counts.failed : kept->mark_failed;
    job->counts.done = over - job->counts.failed;
    if (job->input.granted.items < job->input.next) /* what was accepted had been granted */
        job->input.granted.items = job->input.next;
    if (job->input.granted.bytes < job->input.bytes)
        job->input.granted.bytes = job->input.bytes;
    job->queue->waiting += job->counts.waiting;
    if (core->wall > job->options.opened_at && job->options.opened_at)
        job->times.age_before_ms = core->wall - job->options.opened_at;
    job->times.recover_ms = core->now + 2 * (uint64_t)core->config.heartbeat_ms;
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
    if (core->store.last_record < last_number)
        core->store.last_record = last_number;
    if (core->jobs.last_id < last_number)
        core->jobs.last_id = last_number;
    HASH_ITER (by_id, core->jobs.by_id, job, next)
        if (rc == BELT_OK)
            rc = restored(core, job);
    core->marks.again = true;
    return rc;
}
