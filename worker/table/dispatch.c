/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: what the broker says: DISPATCH, DROP, RECORDED. Pure. (RECALL is in reclaim.c.)
 */
#include "worker/table/task.h"
#include "worker/table/stop.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slot_table_job_entry *job_get(struct slot_table *table, const struct belt_msg_dispatch *msg,
                                            uint32_t function)
{
    struct slot_table_job_entry *job = NULL;

    HASH_FIND(hh, table->jobs, &msg->job, sizeof(msg->job), job);
    if (job && job->pub.function == function && job->pub.argument.len == msg->argument.len &&
        (msg->argument.len == 0 || memcmp(job->pub.argument.data, msg->argument.data, msg->argument.len) == 0))
        return job;
    if (job) { /* another broker's job of this number: its tasks keep what they came with */
        HASH_DEL(table->jobs, job);
        job->hashed = false;
    }
    job = calloc(1, sizeof(*job));
    if (!job)
        slot_table_no_memory();
    job->pub = (struct slot_table_job){.job = msg->job, .function = function};
    job->pub.argument = belt_payload_copy(msg->argument.data, (uint32_t)msg->argument.len);
    if (msg->argument.len > 0 && !job->pub.argument.buf)
        slot_table_no_memory();
    HASH_ADD(hh, table->jobs, pub.job, sizeof(job->pub.job), job);
    job->hashed = true;
    return job;
}

/* The table held an older attempt of the task: it makes way (PROTOCOL.md §8.2). */
static void task_supersede(struct slot_table *table, uint64_t now, struct slot_table_task *old)
{
    slot_table_task_forget(table, old);
    if (old->state == SLOT_TABLE_DONE)
        return;
    old->silent = true;
    if (old->state == SLOT_TABLE_GIVEN) {
        old->dropped = true;
        if (table->slots[old->slot].given == old)
            slot_table_stop(table, now, &table->slots[old->slot], true);
        return;
    }
    slot_table_withdraw(table, old);
    slot_table_task_return(table, old);
}

/* A function that nobody here serves: said so, task by task. */
static void dispatch_refuse(struct slot_table *table, const struct belt_msg_dispatch *msg, struct slot_table_task *task)
{
    char text[BELT_MAX_NAME + 64];
    int len = snprintf(text, sizeof(text), "this worker does not serve '%.*s'", (int)msg->function.len,
                       (const char *)msg->function.data);
    struct slot_table_outcome outcome = {.code = BELT_NOT_SERVED, .timed = true, .exit_status = -1};

    outcome.text = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
    slot_table_task_end(table, 0, task, &outcome);
}

static void dispatch_one(struct slot_table *table, uint64_t now, const struct belt_msg_dispatch *msg,
                         struct slot_table_job_entry *job, const struct belt_task_item *item, uint64_t chunk)
{
    const struct slot_table_function_state *function = NULL;
    struct slot_table_task *old = slot_table_index_find(&table->tasks, msg->job, item->index);

    if (old && old->attempt >= item->attempt && !old->dropped)
        return;
    if (old)
        task_supersede(table, now, old);
    if (job->pub.function != SLOT_TABLE_NO_FUNCTION)
        function = &table->functions[job->pub.function];
    struct slot_table_task *task = slot_table_task_new(table, job, item);
    task->chunk = chunk;
    if (!function) {
        dispatch_refuse(table, msg, task);
    } else if (table->leaving) {
        slot_table_task_return(table, task);
    } else {
        struct slot_table_program_state *program = &table->programs[function->pub.program];
        DL_APPEND(program->waiting, task);
        program->waiting_count++;
    }
}

void slot_table_dispatch(struct slot_table *table, uint64_t now, const struct belt_msg_dispatch *msg)
{
    struct slot_table_function_state *function = NULL;

    HASH_FIND(hh, table->by_name, msg->function.data, msg->function.len, function);
    struct slot_table_job_entry *job =
        job_get(table, msg, function ? (uint32_t)(function - table->functions) : SLOT_TABLE_NO_FUNCTION);
    uint64_t chunk = msg->together && msg->count > 1 ? ++table->chunks : 0;
    job->refs++; /* ours, while tasks come and go */
    job->pub.timeout_us = msg->timeout_ms > UINT64_MAX / 2000 ? 0 : msg->timeout_ms * 1000;
    job->pub.detail = msg->detail;
    for (uint32_t i = 0; i < msg->count; i++)
        dispatch_one(table, now, msg, job, &msg->tasks[i], chunk);
    slot_table_job_unref(table, job);
}

void slot_table_drop(struct slot_table *table, uint64_t now, const struct belt_task_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct slot_table_task *task = slot_table_index_find(&table->tasks, refs[i].job, refs[i].index);
        if (!task || task->attempt > refs[i].attempt || task->state == SLOT_TABLE_DONE) {
            /* A broker that was restarted counts attempts anew: what it does not want must not hide what it sends. */
            if (task && task->attempt == refs[i].attempt)
                slot_table_task_forget(table, task);
            slot_table_returned_add(table, refs[i]);
        } else if (task->state != SLOT_TABLE_GIVEN) {
            slot_table_withdraw(table, task);
            slot_table_task_return(table, task);
        } else {
            struct slot_table_slot *slot = &table->slots[task->slot];
            task->dropped = true;
            if (slot->given == task || table->programs[slot->program].pub.polite) /* it may be running already */
                slot_table_stop(table, now, slot, true);
        }
    }
}

void slot_table_recorded(struct slot_table *table, uint64_t upto)
{
    while (table->result_base < upto && table->result_base < table->result_next)
        slot_table_task_free(table, table->results[table->result_base++ % table->result_cap]);
    if (table->result_unsent < table->result_base)
        table->result_unsent = table->result_base;
}
