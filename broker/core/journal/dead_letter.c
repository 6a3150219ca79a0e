/* SPDX-License-Identifier: Apache-2.0
 *
 * Failed tasks that are kept with their inputs: one list per function, bounded,
 * the oldest let go first; those of durable jobs on disk (PROTOCOL.md §9.3).
 * What is asked about them is in failed.c.
 */
#include "broker/core/journal/dead_letter.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/journal/records.h"
#include "broker/core/journal/write.h"

#include <stdlib.h>
#include <string.h>

struct dead_letter_job *dead_letter_job_find(struct core *core, uint64_t id)
{
    struct dead_letter_job *job = NULL;
    HASH_FIND(hh, core->dead_letters.by_job, &id, sizeof(id), job);
    return job;
}

static void charge(struct core *core, struct queue *queue, int64_t bytes)
{
    core->memory.bytes += (uint64_t)bytes;
    core->dead_letters.bytes += (uint64_t)bytes;
    queue->dead_letters.bytes += (uint64_t)bytes;
}

static int64_t bytes_of(const struct dead_letter *letter)
{
    return (int64_t)(sizeof(*letter) + letter->payload.len) + extras_bytes(letter->extras);
}

static int64_t bytes_of_job(const struct dead_letter_job *job)
{
    return (int64_t)(sizeof(*job) + sizeof(*job->queue) + job->argument.len);
}

/* `account`: of its owner, which it holds. */
static struct dead_letter_job *job_add(struct core *core, uint64_t id, struct account *account, struct queue *queue,
                                       const struct belt_open_options *options, bool durable)
{
    struct dead_letter_job *job = calloc(1, sizeof(*job));
    if (!job)
        abort();
    job->id = id;
    job->queue = queue;
    queue->dead_letters.jobs++;
    job->options = *options;
    job->account = account_hold(account);
    job->durable = durable;
    if (options->argument.len)
        job->argument = belt_payload_copy(options->argument.data, (uint32_t)options->argument.len);
    job->options.argument = (struct belt_bytes){job->argument.data, job->argument.len};
    HASH_ADD(hh, core->dead_letters.by_job, id, sizeof(job->id), job);
    charge(core, queue, bytes_of_job(job));
    return job;
}

/* The record goes with the turn, not before what takes its place is on disk. */
static void record_gone(struct core *core, uint64_t number, uint64_t job)
{
    if (!number)
        return;
    if (core->store.deleted_count == core->store.deleted_room) {
        core->store.deleted_room = core->store.deleted_room ? core->store.deleted_room * 2 : 16;
        core->store.deleted = realloc(core->store.deleted, core->store.deleted_room * sizeof(*core->store.deleted));
        if (!core->store.deleted)
            abort();
    }
    core->store.deleted[core->store.deleted_count++] = (struct gone_record){number, job};
}

static void job_release(struct core *core, struct dead_letter_job *job)
{
    struct queue *queue = job->queue;
    if (job->count)
        return;
    record_gone(core, job->number, job->id);
    record_gone(core, job->let_go_number, job->id);
    list_remove(&job->let_go_due);
    charge(core, queue, -bytes_of_job(job));
    HASH_DELETE(hh, core->dead_letters.by_job, job);
    belt_payload_clear(&job->argument);
    account_drop(core, job->account);
    free(job);
    queue->dead_letters.jobs--;
    queue_prune(core, queue);
}

void dead_letter_drop(struct core *core, struct dead_letter *letter)
{
    struct dead_letter_job *job = letter->job;
    record_gone(core, letter->number, job->id);
    charge(core, job->queue, -bytes_of(letter));
    job->queue->dead_letters.count--;
    core->dead_letters.count--;
    DL_DELETE(job->queue->dead_letters.first, letter);
    DL_DELETE2(core->dead_letters.first, letter, all_prev, all_next);
    list_remove(&letter->due);
    belt_payload_clear(&letter->payload);
    free(letter->extras);
    free(letter);
    job->count--;
    job_release(core, job);
}

static void let_go(struct core *core, struct dead_letter *letter)
{
    struct dead_letter_job *of = letter->job;
    struct job *job = catalog_find(core, of->id);
    of->let_go++;
    if (job)
        job->counts.let_go = of->let_go;
    if (of->durable && !list_holds(&of->let_go_due)) {
        list_append(&core->dead_letters.let_go_due, &of->let_go_due);
    }
    core->dead_letters.dropped++;
    core->dead_letters.let_go_untold++;
    memcpy(core->dead_letters.let_go_of, of->queue->function, sizeof(core->dead_letters.let_go_of));
    dead_letter_drop(core, letter);
}

/* The oldest make room for the newest. */
static void trim(struct core *core, struct queue *queue)
{
    const struct core_config *config = &core->config;
    uint64_t all = config->memory_budget / BELT_FAILED_SHARE;
    if (config->failed_bytes != BELT_FAILED_BYTES && all < config->failed_bytes)
        all = config->failed_bytes; /* somebody wanted it so */
    /* The queue goes with its last letter, so it is looked at only while it has some. */
    while (queue->dead_letters.count > config->max_failed ||
           (queue->dead_letters.count > 1 && queue->dead_letters.bytes > config->failed_bytes))
        let_go(core, queue->dead_letters.first);
    while (core->dead_letters.first && core->dead_letters.bytes > all)
        let_go(core, core->dead_letters.first);
}

uint64_t dead_letter_let_go(struct core *core, uint64_t id)
{
    const struct dead_letter_job *of = dead_letter_job_find(core, id);
    const struct job *job = catalog_find(core, id);
    return of ? of->let_go : job ? job->counts.let_go : 0;
}

void dead_letter_tell(struct core *core)
{
    uint64_t next = core->dead_letters.let_go_told_ms ? core->dead_letters.let_go_told_ms + BELT_LET_GO_TOLD_MS : 0;
    if (!core->dead_letters.let_go_untold)
        return;
    if (core->now < next) {
        mark_alarm(core, next);
        return;
    }
    update_notice(core,
                  "%llu failed task%s (the last: function %s) let go to stay within the bounds of --failed-count and "
                  "--failed-bytes: they cannot be retried",
                  (unsigned long long)core->dead_letters.let_go_untold,
                  core->dead_letters.let_go_untold == 1 ? "" : "s", core->dead_letters.let_go_of);
    core->dead_letters.let_go_untold = 0;
    core->dead_letters.let_go_told_ms = core->now;
}

/* A small input is copied, so that it does not keep the frame it came in; a large one has a frame of its own. */
static struct belt_payload keep_input(struct belt_payload payload)
{
    if (!payload.len)
        return (struct belt_payload){0};
    if (payload.len > BELT_INLINE_PAYLOAD)
        return belt_payload_ref(payload);
    payload = belt_payload_copy(payload.data, payload.len);
    if (!payload.buf)
        abort();
    return payload;
}

static struct dead_letter *letter_add(struct core *core, struct dead_letter_job *job,
                                      const struct belt_result_item *item, struct belt_payload input)
{
    struct dead_letter *letter = calloc(1, sizeof(*letter));
    if (!letter || (item->extras && !(letter->extras = extras_copy(item->extras))))
        abort();
    letter->job = job;
    letter->serial = ++core->dead_letters.last_serial;
    letter->index = item->index;
    letter->attempt = item->attempt;
    letter->code = item->code;
    letter->payload = keep_input(input);
    job->count++;
    job->queue->dead_letters.count++;
    core->dead_letters.count++;
    DL_APPEND(job->queue->dead_letters.first, letter);
    DL_APPEND2(core->dead_letters.first, letter, all_prev, all_next);
    charge(core, job->queue, bytes_of(letter));
    return letter;
}

void dead_letter_add(struct core *core, struct job *job, const struct task *task, const struct belt_result_item *item)
{
    struct dead_letter_job *of = dead_letter_job_find(core, job->id);
    if (!of)
        of = job_add(core, job->id, job->owner.account, job->queue, &job->options, job->options.durable);
    of->let_go = job->counts.let_go;
    struct dead_letter *letter = letter_add(core, of, item, (struct belt_payload){task->buf, task->data, task->len});
    letter->failed_at = core->wall;
    if (of->durable) {
        list_append(&core->dead_letters.due, &letter->due);
    }
    trim(core, job->queue);
}

/* ---- on disk ---- */

static void put_letter(struct core *core, struct dead_letter *letter)
{
    if (!letter->job->number)
        letter->job->number = write_failed_job(core, letter->job);
    letter->number = write_failed_task(core, letter);
}

/* Its result is not recorded yet: the task may run again. Both go to disk in one turn. */
static bool is_withheld(struct core *core, const struct dead_letter *letter)
{
    const struct job *job = core->store.withheld ? catalog_find(core, letter->job->id) : NULL;
    const struct task *task = job ? table_at(&job->table, letter->index) : NULL;
    return task && task->state == TASK_DONE && task->unrecorded;
}

/* How many of a job were let go; the record keeps its place. */
static void put_let_go(struct core *core)
{
    struct dead_letter_job *job, *next;
    LIST_EACH_SAFE (&core->dead_letters.let_go_due, job, next, let_go_due) {
        if (!job->number) /* its own record waits for the store */
            continue;
        job->let_go_number = write_let_go(core, job, job->let_go_number);
        list_remove(&job->let_go_due);
    }
}

void dead_letter_turn(struct core *core)
{
    struct dead_letter *letter, *next;
    LIST_EACH_SAFE (&core->dead_letters.due, letter, next, due) {
        if (is_withheld(core, letter))
            continue;
        list_remove(&letter->due);
        put_letter(core, letter);
    }
    put_let_go(core);
    for (uint32_t i = 0; i < core->store.deleted_count; i++)
        records_drop(core, core->store.deleted[i].job, &core->store.deleted[i].number);
    core->store.deleted_count = 0;
}

struct dead_letter_job *dead_letter_restore_job(struct core *core, uint64_t id, struct account *account,
                                                struct queue *queue, const struct belt_open_options *options)
{
    return job_add(core, id, account, queue, options, true);
}

void dead_letter_restore(struct core *core, struct dead_letter_job *job, uint64_t number,
                         const struct record_failed_task *task)
{
    const struct belt_result_item item = {
        .index = task->index, .attempt = task->attempt, .code = task->code, .extras = task->extras};
    struct dead_letter *letter = letter_add(core, job, &item, task->input);
    letter->failed_at = task->failed_at;
    letter->number = number;
    trim(core, job->queue);
}

void dead_letter_free_all(struct core *core)
{
    while (core->dead_letters.first)
        dead_letter_drop(core, core->dead_letters.first);
    struct dead_letter_job *job, *next;
    HASH_ITER (hh, core->dead_letters.by_job, job, next)
        job_release(core, job);
    free(core->store.deleted);
}
