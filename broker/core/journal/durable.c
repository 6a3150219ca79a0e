/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a durable job is on disk: which records a turn asks for, which are
 * not needed any more. What they say is in write.c, and how a job is built anew from them in restore.c. Only what
 * changes the promise to somebody is recorded: accepted tasks, results, the end, what readers have taken. Dispatches
 * are not.
 *
 * A record of tasks goes when each of them has a result on disk; a record of
 * results goes when all in it are released and none of their tasks could be
 * read back as waiting. What has gone is summed up in the job's mark.
 */
#include "broker/core/journal/durable.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/model/charge.h"
#include "broker/core/journal/history.h"
#include "broker/core/journal/records.h"
#include "broker/core/journal/tries.h"
#include "broker/core/journal/withheld.h"
#include "broker/core/journal/write.h"

#include <stdlib.h>

/* A record of results that were taken is written anew without them when it is larger than this: some pages; when the
 * store has no room, anything. */
#define SHORTEN_BYTES ((uint64_t)64 << 10)
#define SHORTEN_FULL  ((uint64_t)15)

/* ---- writing ---- */

static void drop(struct core *core, struct job *job, uint64_t *number)
{
    records_drop(core, job->id, number);
}

static void put_job(struct core *core, struct job *job)
{
    job->on_disk.job_due = false;
    job->on_disk.written_over_at = job->times.over_at;
    /* The store remembers the highest number for ever, and so no job's id is used twice. */
    if (core->store.last_record < job->id)
        core->store.last_record = job->id;
    /* Times and owner change; the record keeps its place. */
    job->on_disk.job = write_job(core, job, job->on_disk.job);
}

static void put_tasks(struct core *core, struct job *job)
{
    struct belt_batch batch = {0};
    uint64_t first = job->on_disk.next;
    uint64_t most = job->input.next - first < BELT_MAX_BATCH ? job->input.next - first : BELT_MAX_BATCH;
    while (batch.count < most && belt_batch_add(&batch, table_at(&job->table, first + batch.count)->len, 8))
        ;
    records_add(&job->on_disk.tasks, write_tasks(core, job, first, batch.count), first, batch.count, 0);
    job->on_disk.next += batch.count;
}

/* Records of tasks that all have their results on disk now. */
static void drop_settled(struct core *core, struct job *job)
{
    struct kept_list *list = &job->on_disk.tasks;
    for (uint32_t i = list->head; i < list->head + list->count; i++)
        if (list->rows[i].live == 0 && list->rows[i].number) {
            drop(core, job, &list->rows[i].number);
            job->on_disk.mark_due = true;
        }
    records_trim(list);
}

/* The task at a place of the log whose result is there; NULL: every reader has taken it. */
static struct task *result_at(const struct job *job, uint64_t place)
{
    struct task *task = table_at(&job->table, completions_at(job, place));
    return task && task->state == TASK_DONE ? task : NULL;
}

/* Writes the next results of the log into one record: as far as they are there, at most `most` of them, and about
 * `most_bytes` of payloads and texts. Answers how many these are. */
static uint32_t put_results_there(struct core *core, struct job *job, uint64_t most, uint64_t most_bytes)
{
    struct belt_batch batch = {0};
    uint64_t first = job->on_disk.place, bytes = 0;
    struct task *task;
    while (batch.count < most && (bytes < most_bytes || batch.count == 0) &&
           (task = result_at(job, first + batch.count)) &&
           belt_batch_add(&batch, task->len, 16 + (size_t)extras_bytes(task->u.extras))) {
        bytes += task->len + (uint64_t)extras_bytes(task->u.extras);
        task->unrecorded = false;
    }
    if (batch.count)
        records_add(&job->on_disk.results, write_results(core, job, first, batch.count), first, batch.count, bytes);
    return batch.count;
}

/* Results that are not there any more, since their readers began further on and they were released at once, are
 * recorded as taken. */
static uint32_t put_results_taken(struct core *core, struct job *job, uint64_t most)
{
    uint64_t first = job->on_disk.place;
    uint32_t count = 0;
    while (count < most && !result_at(job, first + count))
        count++;
    records_add(&job->on_disk.results, write_taken(core, job, first, count, 0), first, count, 0);
    job->on_disk.mark_due = true; /* which of them had failed is only there */
    return count;
}

/* Writes one record of the next results of the log, with the same bounds. */
static void put_results(struct core *core, struct job *job, uint64_t most, uint64_t most_bytes)
{
    uint64_t first = job->on_disk.place;
    most = most < BELT_MAX_BATCH ? most : BELT_MAX_BATCH;
    uint32_t count = put_results_there(core, job, most, most_bytes);
    if (!count)
        count = put_results_taken(core, job, most);
    for (uint32_t i = 0; i < count; i++)
        job->on_disk.settled |= records_settle(job, completions_at(job, first + i));
    job->on_disk.place += count;
}

/* What had been withheld comes in parts: the store must have room for all that is on its way to it. */
static void put_all_results(struct core *core, struct job *job)
{
    uint64_t end = job->completions.base + job->completions.count,
             most = core->store.spare_bytes ? core->store.spare_bytes : UINT64_MAX;
    while (job->on_disk.place < end && core->store.turn_bytes < most) {
        put_results(core, job, end - job->on_disk.place, most - core->store.turn_bytes);
        core->store.turn_bytes += records_last(&job->on_disk.results)->bytes;
    }
    if (job->on_disk.withheld)
        mark_readers(core, job);
    withheld_taken(core, job); /* there is room for all */
}

static void put_reader(struct core *core, struct reader *reader)
{
    drop(core, reader->job, &reader->kept_number);
    reader->kept_number = write_reader(core, reader);
    reader->kept_acked = reader->acked;
}

static void put_mark(struct core *core, struct job *job)
{
    drop(core, job, &job->on_disk.mark);
    job->on_disk.mark = write_mark(core, job);
    job->on_disk.mark_due = false;
}

static bool results_needed(const struct job *job, const struct kept_record *row)
{
    for (uint64_t place = row->first; place < row->first + row->count; place++) {
        if (place < job->completions.base)
            continue;
        uint64_t index = completions_at(job, place);
        const struct task *task = table_at(&job->table, index);
        if (task && task->state != TASK_RELEASED)
            return true;
    }
    return false;
}

/* A task that is still in a record of tasks would be read back as waiting without its result. */
static bool tasks_recorded(const struct job *job, uint64_t from_number)
{
    return job->on_disk.tasks.count && job->on_disk.tasks.rows[job->on_disk.tasks.head].number < from_number;
}

/* All in the record were taken, but their tasks' record still needs to know that: their payloads go. */
static void shorten(struct core *core, struct job *job, struct kept_record *row)
{
    write_taken(core, job, row->first, row->count, row->number);
    row->bytes = 0;
    job->on_disk.mark_due = true; /* which of them had failed is only there now */
}

/* What was read makes room; the log need not remember it any longer. */
static void release_read(struct core *core, struct job *job)
{
    struct kept_record *row;
    while ((row = records_find(&job->on_disk.results, job->on_disk.taken)) && !results_needed(job, row)) {
        if (row->bytes > (core->store.failed ? SHORTEN_FULL : SHORTEN_BYTES) && tasks_recorded(job, row->number))
            shorten(core, job, row);
        job->on_disk.taken = row->first + row->count;
    }
    completions_trim(job);
}

static void drop_read(struct core *core, struct job *job)
{
    struct kept_list *list = &job->on_disk.results;
    while (list->count) {
        struct kept_record *row = &list->rows[list->head];
        if (row->first + row->count > job->completions.base || results_needed(job, row) ||
            tasks_recorded(job, row->number))
            return;
        drop(core, job, &row->number);
        records_trim(list);
        job->on_disk.mark_due = true;
    }
}

/* Room is made first, then used for what readers wait for. */
static void put_wanted_results(struct core *core, struct job *job)
{
    release_read(core, job);
    struct kept_record *row = records_last(&job->on_disk.results);
    if (job->on_disk.urgent_number && !(row && results_needed(job, row))) {
        withheld_taken(core, job);
        if (row && row->bytes && tasks_recorded(job, row->number))
            shorten(core, job, row);
    }
    uint32_t count = withheld_wanted(core, job);
    if (!count)
        return;
    put_results(core, job, count, UINT64_MAX);
    row = records_last(&job->on_disk.results);
    withheld_written(core, job, row->number, row->first, row->count);
    mark_readers(core, job);
}

/* A job that was read as it became complete is about to go: that is not worth a record. */
static bool job_record_is_old(const struct job *job)
{
    return job->on_disk.job_due ||
           (job->on_disk.written_over_at != job->times.over_at && job->counts.released < job->input.next);
}

void durable_turn(struct core *core, struct job *job)
{
    struct reader *reader;
    if (!job->options.durable || job->state == BELT_JOB_STOPPED)
        return;
    if (!job->on_disk.job || (!core->store.failed && job_record_is_old(job)))
        put_job(core, job);
    while (job->on_disk.next < job->input.next)
        put_tasks(core, job);
    if (core->store.failed)
        put_wanted_results(core, job);
    else
        put_all_results(core, job);
    tries_turn(core, job);
    if (job->state != BELT_JOB_OPEN && !job->on_disk.end)
        job->on_disk.end = write_end(core, job);
    DL_FOREACH (job->readers.first, reader)
        if (reader->engaged && (!reader->kept_number || reader->kept_acked != reader->acked))
            put_reader(core, reader);
    if (job->on_disk.settled)
        drop_settled(core, job);
    job->on_disk.settled = false;
    charge_own(core, job);
    release_read(core, job);
    drop_read(core, job);
    if (job->on_disk.mark_due)
        put_mark(core, job);
    withheld_note(core, job);
}

void durable_reader_gone(struct core *core, struct reader *reader)
{
    drop(core, reader->job, &reader->kept_number);
}

void durable_forget(struct core *core, struct job *job)
{
    if (job->on_disk.job)
        history_note(core, job);
    if (job->on_disk.job && core->out)
        *update_record(core) =
            (struct core_record){.op = CORE_DELETE_JOB, .number = ++core->store.last_record, .job = job->id};
    job->on_disk.job = 0;
    tries_forget(job);
    struct reader *reader;
    DL_FOREACH (job->readers.first, reader)
        reader->kept_number = 0;
    free(job->on_disk.tasks.rows);
    free(job->on_disk.results.rows);
    job->on_disk.tasks = job->on_disk.results = (struct kept_list){0};
    charge_own(core, job);
    withheld_taken(core, job);
    job->on_disk.place = job->completions.base + job->completions.count;
    withheld_note(core, job);
}
