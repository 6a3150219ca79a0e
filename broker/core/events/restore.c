/* SPDX-License-Identifier: Apache-2.0
 *
 * How what is durable is built anew from its records: one function for each kind, the mirror of journal/write.c.
 * Indexes that no record names any more were done, on disk and read. A store is not to be trusted: what the
 * journal cannot have written is BELT_BAD_MESSAGE.
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
#include "broker/core/model/steps.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/waiting.h"

#include <stdlib.h>

/* The job may have tasks `first` .. `first + count - 1`. */
static bool fits(const struct job *job, uint64_t first, uint64_t count)
{
    if (first > RECORD_NUMBER_MAX || count > RECORD_NUMBER_MAX)
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

/* To be dropped again by who called. */
static struct account *account_of(struct core *core, struct belt_bytes owner)
{
    return owner.len ? account_take(core, owner) : NULL;
}

static int restore_job(struct core *core, uint64_t number, uint64_t id, const struct record_job *record)
{
    struct belt_msg_open open = {
        .ref = id, .key = record->key, .function = record->function, .options = record->options};
    /* The record's number was above the id (durable.c). */
    if (id == 0 || id >= number || id > RECORD_NUMBER_MAX || catalog_find(core, id) || history_find(core, id) ||
        !is_durable(core, &record->options))
        return BELT_BAD_MESSAGE;
    struct account *account = account_of(core, record->account);
    struct job *job = opening_new(core, account, NULL, id, &open);
    account_drop(core, account);
    job->on_disk.job = number;
    job->on_disk.job_due = false;
    if (!job->owner.account)
        name_copy(job->owner.name, sizeof(job->owner.name), record->owner);
    if (record->opened_at)
        job->times.opened_at = record->opened_at;
    job->times.over_at = record->over_at;
    job->on_disk.written_over_at = job->times.over_at;
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

static int restore_tasks(struct core *core, struct job *job, uint64_t number, const struct record_tasks *record)
{
    struct pinned last = {0};
    if (record->count == 0 || record->first < job->on_disk.next || !fits(job, record->first, record->count))
        return BELT_BAD_MESSAGE;
    for (uint32_t i = 0; i < record->count; i++)
        if (is_there(job, record->first + i)) /* results have higher numbers than their tasks */
            return BELT_BAD_MESSAGE;
    records_add(&job->on_disk.tasks, number, record->first, record->count, 0);
    for (uint32_t i = 0; i < record->count; i++) {
        struct task *task = restore_task(core, job, record->first + i);
        restore_payload(core, job, task, &last, record->inputs[i]);
        task->u.since_ms = core->now;
        task->tie = TIE_HELD; /* somebody may be running it */
        job->input.bytes += task->len;
        if (job->on_disk.digest_next == record->first + i) {
            belt_digest_add(&job->input.digest, task->data, task->len);
            job->on_disk.digest_next++;
        }
        job->counts.waiting++;
    }
    pin_done(&last);
    job->on_disk.next = record->first + record->count;
    return BELT_OK;
}

/* Records of results and of what was taken follow on each other in the log; they go from the front only. */
static bool follows(struct job *job, uint64_t first, uint32_t count)
{
    if (count == 0 || first > RECORD_NUMBER_MAX || (job->completions.count && first != job->on_disk.place))
        return false;
    if (job->completions.count == 0)
        job->completions.base = first;
    job->on_disk.place = first + count;
    return true;
}

/* The task may have its result now: it waits, or its record is gone. */
static bool may_end(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return fits(job, index, 1) && ((task && task->state == TASK_WAITING) || !is_there(job, index));
}

static void restore_result(struct core *core, struct job *job, const struct belt_result_item *item, struct pinned *last)
{
    struct task *task = table_at(&job->table, item->index);
    tries_over(core, job, item->index);
    if (task && task->state == TASK_WAITING) {
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
    charge_unread(job, (int64_t)task->len + extras_bytes(task->u.extras));
    task->n.service_us = item->service_us;
    task->attempt = item->attempt;
    task->code = (uint8_t)item->code;
    task_step(task, TASK_DONE);
}

static int restore_results(struct core *core, struct job *job, uint64_t number, const struct record_results *record)
{
    struct pinned last = {0};
    int rc = BELT_OK;
    if (!follows(job, record->first, record->count))
        return BELT_BAD_MESSAGE;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < record->count; i++)
        bytes += record->items[i].payload.len + (uint64_t)extras_bytes(record->items[i].extras);
    records_add(&job->on_disk.results, number, record->first, record->count, bytes);
    for (uint32_t i = 0; rc == BELT_OK && i < record->count; i++) {
        if (!may_end(job, record->items[i].index)) {
            rc = BELT_BAD_MESSAGE;
            break;
        }
        restore_result(core, job, &record->items[i], &last);
        completions_add(job, record->items[i].index);
    }
    pin_done(&last);
    return rc;
}

static int restore_taken(struct core *core, struct job *job, uint64_t number, const struct record_taken *record)
{
    if (!follows(job, record->first, record->count))
        return BELT_BAD_MESSAGE;
    records_add(&job->on_disk.results, number, record->first, record->count, 0);
    for (uint32_t i = 0; i < record->count; i++) {
        uint64_t index = record->indexes[i];
        struct task *task = table_at(&job->table, index);
        if (!may_end(job, index))
            return BELT_BAD_MESSAGE;
        tries_over(core, job, index);
        if (task && task->state == TASK_WAITING) {
            job->counts.waiting--;
            records_settle(job, index);
            job->on_disk.restored--;
            pin_drop(core, job, task);
            table_release(&job->table, index, job->input.next);
            charge_own(core, job);
        }
        if (job->input.next <= index)
            job->input.next = index + 1;
        completions_add(job, index);
    }
    return BELT_OK;
}

static int restore_end(struct core *core, struct job *job, uint64_t number, const struct record_end *record)
{
    if (job->on_disk.end || record->tasks < job->input.next || !fits(job, record->tasks, 0))
        return BELT_BAD_MESSAGE;
    job->on_disk.end = number;
    job->input.next = record->tasks;
    job_step(core, job, BELT_JOB_ENDED_INPUT, NULL);
    return BELT_OK;
}

static int restore_reader(struct core *core, struct job *job, uint64_t number, const struct record_reader *record)
{
    struct reader *reader;
    if (job->readers.count >= BELT_MAX_READERS)
        return BELT_BAD_MESSAGE;
    struct account *account = account_of(core, record->account);
    bool known = reader_by_name(job, account, record->name) || (account && account == job->owner.account);
    reader = known ? NULL : reader_new(core, job, account, record->name, record->mode, record->taken);
    account_drop(core, account);
    if (!reader)
        return BELT_BAD_MESSAGE;
    reader->engaged = true;
    reader->kept_number = number;
    reader->kept_acked = record->taken;
    return BELT_OK;
}

/* All tasks in records with lower numbers are below it, and so are their bytes in its sum. */
static int restore_mark(struct job *job, uint64_t number, const struct record_mark *record)
{
    if (job->on_disk.mark || record->place > RECORD_NUMBER_MAX || !fits(job, record->next, 0) ||
        record->bytes > RECORD_NUMBER_MAX || record->bytes < job->input.bytes)
        return BELT_BAD_MESSAGE;
    job->on_disk.mark = number;
    job->on_disk.mark_next = record->next;
    job->on_disk.mark_place = record->place;
    job->on_disk.mark_failed = record->failed;
    job->input.bytes = record->bytes;
    if (record->digested) {
        job->input.digest = record->digest;
        job->on_disk.digest_next = record->next;
    }
    return BELT_OK;
}

static int restore_tries(struct core *core, struct job *job, uint64_t number, const struct record_tries *record)
{
    struct task *task = table_at(&job->table, record->index);
    if (record->attempt == 0 || record->attempt > INT32_MAX || !tries_restore(job, record->index, number))
        return BELT_BAD_MESSAGE;
    if (!task || task->state != TASK_WAITING) {
        tries_over(core, job, record->index);
        return BELT_OK;
    }
    task->attempt = record->attempt;
    task->tie = TIE_NONE; /* this attempt is over; a later one may be running somewhere */
    task->n.tries.failures = record->failures;
    task->n.tries.losses = record->losses;
    return BELT_OK;
}

static int restore_failed_job(struct core *core, uint64_t number, uint64_t id, const struct record_failed_job *record)
{
    char function[BELT_MAX_NAME + 1];
    if (id == 0 || id > RECORD_NUMBER_MAX || dead_letter_job_find(core, id))
        return BELT_BAD_MESSAGE;
    name_copy(function, sizeof(function), record->function);
    struct account *account = account_of(core, record->account);
    dead_letter_restore_job(core, id, account, queue_get(core, function), &record->options)->number = number;
    account_drop(core, account);
    if (core->jobs.last_id < id)
        core->jobs.last_id = id;
    return BELT_OK;
}

static int restore_failed_task(struct core *core, uint64_t number, uint64_t id, const struct record_failed_task *record)
{
    struct dead_letter_job *job = dead_letter_job_find(core, id);
    if (!job)
        return BELT_BAD_MESSAGE;
    dead_letter_restore(core, job, number, record);
    return BELT_OK;
}

static int restore_let_go(struct core *core, uint64_t number, uint64_t id, const struct record_let_go *record)
{
    struct dead_letter_job *job = dead_letter_job_find(core, id);
    if (!job || job->let_go_number || record->count == 0)
        return BELT_BAD_MESSAGE;
    job->let_go_number = number;
    job->let_go += record->count;
    return BELT_OK;
}

static int restore_history(struct core *core, uint64_t number, uint64_t id, const struct record_history *record)
{
    const struct belt_row_job row = {.job = id,
                                     .key = record->key,
                                     .function = record->function,
                                     .owner = record->account.len ? record->account : record->owner,
                                     .keyed = record->account.len > 0,
                                     .why = record->why,
                                     .state = record->state,
                                     .priority = record->priority,
                                     .total = record->total,
                                     .done = record->done,
                                     .failed = record->failed,
                                     .retried = record->retried,
                                     .unread = record->unread,
                                     .readers = record->readers,
                                     .opened_at = record->opened_at,
                                     .over_at = record->over_at};
    if (id == 0 || id > RECORD_NUMBER_MAX || record->key.len == 0 || record->function.len == 0 ||
        catalog_find(core, id) || history_find(core, id))
        return BELT_BAD_MESSAGE;
    history_restore(core, number, &row);
    if (core->jobs.last_id < id)
        core->jobs.last_id = id;
    return BELT_OK;
}

/* Records of a job that is there. */
static int restore_of_job(struct core *core, struct job *job, const struct core_record *record)
{
    switch (record->kind) {
    case RECORD_TASKS:
        return restore_tasks(core, job, record->number, &record->u.tasks);
    case RECORD_RESULTS:
        return restore_results(core, job, record->number, &record->u.results);
    case RECORD_TAKEN:
        return restore_taken(core, job, record->number, &record->u.taken);
    case RECORD_END:
        return restore_end(core, job, record->number, &record->u.end);
    case RECORD_READER:
        return restore_reader(core, job, record->number, &record->u.reader);
    case RECORD_MARK:
        return restore_mark(job, record->number, &record->u.mark);
    case RECORD_TRIES:
        return restore_tries(core, job, record->number, &record->u.tries);
    default:
        return BELT_BAD_MESSAGE;
    }
}

int core_restore(struct core *core, uint64_t now, const struct core_record *record)
{
    core->now = now;
    if (record->number <= core->store.last_record)
        return BELT_BAD_MESSAGE;
    core->store.last_record = record->number;
    switch (record->kind) {
    case RECORD_JOB:
        return restore_job(core, record->number, record->job, &record->u.job);
    case RECORD_FAILED_JOB:
        return restore_failed_job(core, record->number, record->job, &record->u.failed_job);
    case RECORD_FAILED_TASK:
        return restore_failed_task(core, record->number, record->job, &record->u.failed_task);
    case RECORD_LET_GO:
        return restore_let_go(core, record->number, record->job, &record->u.let_go);
    case RECORD_HISTORY:
        return restore_history(core, record->number, record->job, &record->u.history);
    default: {
        struct job *job = catalog_find(core, record->job);
        return job ? restore_of_job(core, job, record) : BELT_BAD_MESSAGE;
    }
    }
}

/* Every task has its result in the log or waits, what is gone from the front of the log is summed up in the mark, and
 * readers are where they can be. */
static bool adds_up(const struct job *job)
{
    const struct job_on_disk *kept = &job->on_disk;
    const struct reader *reader;
    if (kept->place != job->input.next - job->counts.waiting || kept->mark_failed > kept->mark_place)
        return false;
    if (job->completions.count &&
        (job->completions.base > kept->mark_place || kept->place != job->completions.base + job->completions.count))
        return false;
    DL_FOREACH (job->readers.first, reader)
        if (reader->acked > (reader->mode == BELT_ORDERED ? job->input.next : kept->place))
            return false;
    return true;
}

/* Errors among the results behind the mark; of those before it the mark says how many there were. */
static uint64_t failed_behind_mark(const struct job *job)
{
    const struct job_completions *log = &job->completions;
    uint64_t failed = 0;
    for (uint64_t place = log->base; place < log->base + log->count; place++) {
        const struct task *task = table_at(&job->table, completions_at(job, place));
        failed += place >= job->on_disk.mark_place && task && task->state == TASK_DONE && task->code != BELT_OK;
    }
    return failed;
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
    job->counts.failed = kept->mark_failed + failed_behind_mark(job);
    job->counts.done = over - job->counts.failed;
    if (job->input.granted.items < job->input.next) /* what was accepted had been granted */
        job->input.granted.items = job->input.next;
    if (job->input.granted.bytes < job->input.bytes)
        job->input.granted.bytes = job->input.bytes;
    job->queue->waiting += job->counts.waiting;
    if (core->wall > job->times.opened_at && job->times.opened_at)
        job->times.age_before_ms = core->wall - job->times.opened_at;
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
