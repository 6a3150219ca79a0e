/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/journal/write.h"
#include "broker/core/model/account.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/name.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"

#include <string.h>

static struct core_record *put(struct core *core, uint64_t job, uint64_t number, enum record_kind kind)
{
    struct core_record *record = update_record(core);
    *record = (struct core_record){
        .op = CORE_PUT, .number = number ? number : ++core->store.last_record, .job = job, .kind = (uint8_t)kind};
    return record;
}

uint64_t write_job(struct core *core, const struct job *job, uint64_t number)
{
    struct core_record *record = put(core, job->id, number, RECORD_JOB);
    record->u.job = (struct record_job){.key = name_bytes(job->key),
                                        .function = name_bytes(job->queue->function),
                                        .owner = name_bytes(job->owner.name),
                                        .account = account_name(job->owner.account),
                                        .opened_at = job->times.opened_at,
                                        .over_at = job->times.over_at,
                                        .options = job->options};
    return record->number;
}

uint64_t write_tasks(struct core *core, const struct job *job, uint64_t first, uint32_t count)
{
    struct belt_payload *inputs = update_alloc(core, count * sizeof(*inputs));
    for (uint32_t i = 0; i < count; i++) {
        const struct task *task = table_at(&job->table, first + i);
        inputs[i] = (struct belt_payload){task->buf, task->data, task->len};
    }
    struct core_record *record = put(core, job->id, 0, RECORD_TASKS);
    record->u.tasks = (struct record_tasks){.first = first, .count = count, .inputs = inputs};
    return record->number;
}

uint64_t write_results(struct core *core, const struct job *job, uint64_t first, uint32_t count)
{
    struct belt_result_item *items = update_alloc(core, count * sizeof(*items));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = completions_at(job, first + i);
        items[i] = task_item(index, table_at(&job->table, index));
    }
    struct core_record *record = put(core, job->id, 0, RECORD_RESULTS);
    record->u.results = (struct record_results){.first = first, .count = count, .items = items};
    return record->number;
}

uint64_t write_taken(struct core *core, const struct job *job, uint64_t first, uint32_t count, uint64_t number)
{
    uint64_t *indexes = update_alloc(core, count * sizeof(*indexes));
    for (uint32_t i = 0; i < count; i++)
        indexes[i] = completions_at(job, first + i);
    struct core_record *record = put(core, job->id, number, RECORD_TAKEN);
    record->u.taken = (struct record_taken){.first = first, .count = count, .indexes = indexes};
    return record->number;
}

uint64_t write_end(struct core *core, const struct job *job)
{
    struct core_record *record = put(core, job->id, 0, RECORD_END);
    record->u.end = (struct record_end){.tasks = job->input.next};
    return record->number;
}

uint64_t write_reader(struct core *core, const struct reader *reader)
{
    struct core_record *record = put(core, reader->job->id, 0, RECORD_READER);
    record->u.reader = (struct record_reader){.name = name_bytes(reader->name),
                                              .account = account_name(reader->account),
                                              .mode = reader->mode,
                                              .taken = reader->acked};
    return record->number;
}

/* Of the results that are recorded: those that wait for room lie behind them. */
static uint64_t failed_kept(const struct job *job)
{
    uint64_t failed = job->counts.failed;
    for (uint64_t place = job->on_disk.place; place < job->completions.base + job->completions.count; place++) {
        const struct task *task = table_at(&job->table, completions_at(job, place));
        failed -= task && task->state == TASK_DONE && task->code != BELT_OK;
    }
    return failed;
}

uint64_t write_mark(struct core *core, const struct job *job)
{
    struct core_record *record = put(core, job->id, 0, RECORD_MARK);
    record->u.mark = (struct record_mark){.next = job->on_disk.next,
                                          .bytes = job->input.bytes,
                                          .place = job->on_disk.place,
                                          .failed = failed_kept(job),
                                          .digested = job->options.digest,
                                          .digest = job->input.digest};
    return record->number;
}

uint64_t write_tries(struct core *core, const struct job *job, uint64_t index, const struct task *task,
                     uint32_t attempt)
{
    struct core_record *record = put(core, job->id, 0, RECORD_TRIES);
    record->u.tries = (struct record_tries){
        .index = index, .attempt = attempt, .failures = task->n.tries.failures, .losses = task->n.tries.losses};
    return record->number;
}

uint64_t write_failed_job(struct core *core, const struct dead_letter_job *job)
{
    struct core_record *record = put(core, job->id, 0, RECORD_FAILED_JOB);
    record->u.failed_job = (struct record_failed_job){
        .function = name_bytes(job->queue->function), .account = account_name(job->account), .options = job->options};
    return record->number;
}

uint64_t write_failed_task(struct core *core, const struct dead_letter *letter)
{
    struct core_record *record = put(core, letter->job->id, 0, RECORD_FAILED_TASK);
    record->u.failed_task = (struct record_failed_task){.index = letter->index,
                                                        .attempt = letter->attempt,
                                                        .code = letter->code,
                                                        .failed_at = letter->failed_at,
                                                        .input = letter->payload,
                                                        .extras = letter->extras};
    return record->number;
}

uint64_t write_let_go(struct core *core, const struct dead_letter_job *job, uint64_t number)
{
    struct core_record *record = put(core, job->id, number, RECORD_LET_GO);
    record->u.let_go = (struct record_let_go){.count = job->let_go};
    return record->number;
}

static struct belt_bytes copy(struct core *core, struct belt_bytes text)
{
    if (!text.len)
        return (struct belt_bytes){0};
    return (struct belt_bytes){memcpy(update_alloc(core, text.len), text.data, text.len), text.len};
}

uint64_t write_history(struct core *core, const struct belt_row_job *row)
{
    struct core_record *record = put(core, row->job, 0, RECORD_HISTORY);
    record->u.history = (struct record_history){.key = copy(core, row->key),
                                                .function = copy(core, row->function),
                                                .owner = copy(core, row->owner),
                                                .account = row->keyed ? copy(core, row->owner) : (struct belt_bytes){0},
                                                .why = copy(core, row->why),
                                                .state = row->state,
                                                .priority = row->priority,
                                                .total = row->total,
                                                .done = row->done,
                                                .failed = row->failed,
                                                .retried = row->retried,
                                                .unread = row->unread,
                                                .readers = row->readers,
                                                .opened_at = row->opened_at,
                                                .over_at = row->over_at};
    return record->number;
}
