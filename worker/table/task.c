/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: one task: its memory, where it waits, and how it leaves the table: returned, or as a result. Pure.
 */
#include "worker/table/task.h"
#include "worker/table/pending.h"
#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>

/* -------------------------------------------------------------- memory */

void slot_table_job_unref(struct slot_table *table, struct slot_table_job_entry *job)
{
    if (--job->refs > 0)
        return;
    if (job->hashed)
        HASH_DEL(table->jobs, job);
    belt_payload_clear(&job->pub.argument);
    free(job);
}

#define BLOCK_TASKS 64u

struct slot_table_block {
    struct slot_table_block *next;
    struct slot_table_task tasks[BLOCK_TASKS];
};

/* A task of which only its name is not set to zero. */
static struct slot_table_task *task_alloc(struct slot_table *table)
{
    if (!table->spare) {
        struct slot_table_block *block = malloc(sizeof(*block));
        if (!block)
            slot_table_no_memory();
        LL_PREPEND(table->blocks, block);
        for (uint32_t i = BLOCK_TASKS; i-- > 0;)
            LL_PREPEND(table->spare, &block->tasks[i]);
    }
    struct slot_table_task *task = table->spare;
    table->spare = task->next;
    memset(task, 0, offsetof(struct slot_table_task, small));
    return task;
}

/* Nobody can name it any more. */
void slot_table_task_forget(struct slot_table *table, struct slot_table_task *task)
{
    if (task->known)
        slot_table_index_remove(&table->tasks, task);
    task->known = false;
}

void slot_table_task_free(struct slot_table *table, struct slot_table_task *task)
{
    slot_table_task_forget(table, task);
    belt_payload_clear(&task->payload);
    slot_table_job_unref(table, task->job);
    free(task->extras);
    LL_PREPEND(table->spare, task);
}

/* Copies what is small into the task itself. */
static void task_payload(struct slot_table_task *task, struct belt_bytes bytes)
{
    if (bytes.len > SLOT_TABLE_SMALL) {
        task->payload = belt_payload_copy(bytes.data, (uint32_t)bytes.len);
        if (!task->payload.buf)
            slot_table_no_memory();
        return;
    }
    if (bytes.len > 0)
        memcpy(task->small, bytes.data, bytes.len);
    task->payload = (struct belt_payload){NULL, task->small, (uint32_t)bytes.len};
}

void slot_table_tasks_free(struct slot_table *table, struct slot_table_task *list)
{
    struct slot_table_task *task, *next;

    DL_FOREACH_SAFE (list, task, next)
        slot_table_task_free(table, task);
}

struct slot_table_task *slot_table_task_new(struct slot_table *table, struct slot_table_job_entry *job,
                                            const struct belt_task_item *item)
{
    struct slot_table_task *task = task_alloc(table);

    task->key = (struct slot_table_key){job->pub.job, item->index};
    task->attempt = item->attempt;
    task->job = job;
    job->refs++;
    task->order = ++table->orders;
    if (item->payload.buf)
        task->payload = belt_payload_ref(item->payload);
    else
        task_payload(task, (struct belt_bytes){item->payload.data, item->payload.len});
    slot_table_index_add(&table->tasks, task);
    task->known = true;
    table->held++;
    return task;
}

void slot_table_blocks_free(struct slot_table *table)
{
    struct slot_table_block *block, *next;

    LL_FOREACH_SAFE (table->blocks, block, next)
        free(block);
}

/* -------------------------------------------------------------- waiting and returned */

void slot_table_returned_add(struct slot_table *table, struct belt_task_ref ref)
{
    table->returned =
        slot_table_grow(table->returned, &table->returned_cap, table->returned_count + 1, sizeof(*table->returned));
    table->returned[table->returned_count++] = ref;
}

void slot_table_task_return(struct slot_table *table, struct slot_table_task *task)
{
    if (!task->silent)
        slot_table_returned_add(table, slot_table_ref(task));
    table->held--;
    slot_table_task_free(table, task);
}

static struct slot_table_program_state *task_program(struct slot_table *table, const struct slot_table_task *task)
{
    return &table->programs[table->functions[task->job->pub.function].pub.program];
}

struct slot_table_task *slot_table_enqueue_again(struct slot_table *table, struct slot_table_task *task,
                                                 struct slot_table_task *behind)
{
    struct slot_table_program_state *program = task_program(table, task);

    if (!behind) { /* what comes back is older than most of what waits */
        behind = program->waiting;
        while (behind && behind->order < task->order)
            behind = behind->next;
    }
    while (behind && behind != program->waiting && behind->prev->order > task->order)
        behind = behind->prev;
    slot_table_task_becomes(task, SLOT_TABLE_WAITING);
    if (behind)
        DL_PREPEND_ELEM(program->waiting, behind, task);
    else
        DL_APPEND(program->waiting, task);
    program->waiting_count++;
    return task;
}

/* Takes a task that was not handed over out of its queue. */
void slot_table_withdraw(struct slot_table *table, struct slot_table_task *task)
{
    struct slot_table_program_state *program = task_program(table, task);

    if (task->state == SLOT_TABLE_WAITING) {
        DL_DELETE(program->waiting, task);
        program->waiting_count--;
    } else if (task->state == SLOT_TABLE_PENDING) {
        slot_table_pending_remove(table, task);
    } else {
        assert(task->state == SLOT_TABLE_BOUND);
        DL_DELETE(table->slots[task->slot].bound, task);
    }
}

/* -------------------------------------------------------------- results */

/* The bytes of text and log behind the struct: one allocation, one free. */
static struct belt_result_extras *extras_new(struct belt_bytes text, const struct slot_table_outcome *o)
{
    struct belt_bytes log = o->log;
    size_t room = text.len < BELT_MAX_TEXT ? text.len : BELT_MAX_TEXT;

    if (log.len > BELT_MAX_LOG)
        log = (struct belt_bytes){log.data + (log.len - BELT_MAX_LOG), BELT_MAX_LOG};
    struct belt_result_extras *extras = calloc(1, sizeof(*extras) + room + log.len);
    if (!extras)
        slot_table_no_memory();
    uint8_t *bytes = (uint8_t *)(extras + 1);
    size_t len = text_cut(bytes, room, text);
    if (log.len > 0)
        memcpy(bytes + len, log.data, log.len);
    extras->text = (struct belt_bytes){bytes, len};
    extras->log = (struct belt_bytes){bytes + len, log.len};
    extras->exit_status = o->exit_status;
    extras->term_signal = o->term_signal;
    return extras;
}

static void result_push(struct slot_table *table, struct slot_table_task *task)
{
    uint32_t count = (uint32_t)(table->result_next - table->result_base);

    if (count == table->result_cap) {
        uint32_t cap = table->result_cap ? 2 * table->result_cap : 64;
        struct slot_table_task **ring = calloc(cap, sizeof(struct slot_table_task *));
        if (!ring)
            slot_table_no_memory();
        for (uint64_t n = table->result_base; n < table->result_next; n++)
            ring[n % cap] = table->results[n % table->result_cap];
        free(table->results);
        table->results = ring;
        table->result_cap = cap;
    }
    table->results[table->result_next++ % table->result_cap] = task;
}

static void task_done(struct slot_table *table, struct slot_table_task *task, const struct slot_table_outcome *o)
{
    char text[80];
    struct belt_bytes why = o->text;

    task->code = o->code;
    if (task->timed_out) {
        int len = snprintf(text, sizeof(text), "ran over its time-out of %llu ms and was stopped",
                           (unsigned long long)(task->job->pub.timeout_us / 1000));
        why = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
        task->code = BELT_TASK_TIMEOUT;
    }
    belt_payload_clear(&task->payload);
    if (o->kept.buf)
        task->payload = belt_payload_ref(o->kept);
    else
        task_payload(task, o->payload);
    if (why.len > 0 || o->log.len > 0 || o->exit_status >= 0 || o->term_signal > 0)
        task->extras = extras_new(why, o);
    slot_table_task_becomes(task, SLOT_TABLE_DONE);
    table->held--;
    result_push(table, task);
}

/* A task that is in no list any more has ended. */
void slot_table_task_end(struct slot_table *table, uint64_t now, struct slot_table_task *task,
                         const struct slot_table_outcome *outcome)
{
    task->service_us = outcome->timed ? outcome->service_us : now - task->started_us;
    if (task->silent || task->dropped)
        slot_table_task_return(table, task);
    else
        task_done(table, task, outcome);
}
