/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: what comes out of it: actions, returned tasks, results, and what it tells of itself. Pure.
 */
#include "worker/table/state.h"

#include <assert.h>
#include <string.h>

/* So long results of short tasks wait for company, while there is enough to do. */
#define RESULTS_US 500u

bool slot_table_next_action(struct slot_table *table, struct slot_table_action *action)
{
    if (table->action_at == table->action_count || table->paused) {
        if (!table->paused)
            table->action_at = table->action_count = 0;
        return false;
    }
    *action = table->actions[table->action_at++];
    return true;
}

uint32_t slot_table_take_returned(struct slot_table *table, struct belt_task_ref *refs, uint32_t max)
{
    uint32_t count = table->returned_count - table->returned_at;

    if (count > max)
        count = max;
    if (count > 0)
        memcpy(refs, table->returned + table->returned_at, count * sizeof(*refs));
    table->returned_at += count;
    if (table->returned_at == table->returned_count)
        table->returned_at = table->returned_count = 0;
    return count;
}

/* More than enough to do, and short. */
static bool is_ample(const struct slot_table *table)
{
    if (table->busy < table->cap || table->leaving)
        return false;
    for (uint32_t i = 0; i < table->program_count; i++) {
        const struct slot_table_task *next = table->programs[i].waiting;
        if (next && table->functions[next->job->pub.function].typical_us < SLOT_TABLE_CREDIT_US)
            return true;
    }
    return false;
}

uint64_t slot_table_results_due(const struct slot_table *table, uint64_t now)
{
    if (table->result_unsent == table->result_next)
        return SLOT_TABLE_NEVER;
    return is_ample(table) ? table->sent_us + RESULTS_US : now;
}

void slot_table_unsent(const struct slot_table *table, uint64_t *first, uint64_t *next)
{
    *first = table->result_unsent;
    *next = table->result_next;
}

void slot_table_result(const struct slot_table *table, uint64_t number, struct slot_table_result *result)
{
    assert(number >= table->result_base && number < table->result_next);
    const struct slot_table_task *task = table->results[number % table->result_cap];

    result->job = task->key.job;
    result->started_us = task->started_us;
    result->detail = task->job->pub.detail;
    result->plain = !task->extras;
    result->extras = task->extras ? *task->extras : (struct belt_result_extras){.exit_status = -1};
    result->item = (struct belt_result_item){
        .index = task->key.index,
        .attempt = task->attempt,
        .code = task->code,
        .service_us = task->service_us > UINT32_MAX ? UINT32_MAX : (uint32_t)task->service_us,
        .payload = task->payload,
    };
}

void slot_table_sent(struct slot_table *table, uint64_t now, uint64_t upto)
{
    assert(upto >= table->result_unsent && upto <= table->result_next);
    table->sent_us = now;
    table->result_unsent = upto;
}

void slot_table_resend(struct slot_table *table)
{
    table->result_unsent = table->result_base;
}

static uint32_t sync_list(const struct slot_table_task *list, struct belt_task_ref *refs)
{
    const struct slot_table_task *task;
    uint32_t count = 0;

    DL_FOREACH (list, task)
        if (task->known)
            refs[count++] = slot_table_ref(task);
    return count;
}

uint32_t slot_table_sync(const struct slot_table *table, struct belt_task_ref *refs)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->slot_count; i++) {
        count += sync_list(table->slots[i].given, refs + count);
        count += sync_list(table->slots[i].bound, refs + count);
    }
    for (uint32_t i = 0; i < table->program_count; i++)
        count += sync_list(table->programs[i].waiting, refs + count);
    count += sync_list(table->pending, refs + count);
    for (uint64_t n = table->result_base; n < table->result_next; n++)
        refs[count++] = slot_table_ref(table->results[n % table->result_cap]);
    return count;
}

uint32_t slot_table_held(const struct slot_table *table)
{
    return table->held;
}

uint32_t slot_table_unrecorded(const struct slot_table *table)
{
    return (uint32_t)(table->result_next - table->result_base);
}

uint32_t slot_table_count(const struct slot_table *table)
{
    return table->slot_count;
}

uint32_t slot_table_program_of(const struct slot_table *table, uint32_t slot)
{
    return table->slots[slot].program;
}

bool slot_table_running(const struct slot_table *table, uint32_t slot, struct slot_table_given *task)
{
    const struct slot_table_task *first = table->slots[slot].given;

    if (first)
        *task = (struct slot_table_given){first->key.index, first->attempt, &first->job->pub, first->payload};
    return first != NULL;
}

const struct slot_table_key *slot_table_due(const struct slot_table *table, uint32_t slot)
{
    const struct slot_table_task *first = table->slots[slot].given;

    return first ? &first->key : NULL;
}

uint32_t slot_table_failures(const struct slot_table *table, uint32_t slot)
{
    return table->programs[table->slots[slot].program].failures;
}

uint32_t slot_table_ahead(const struct slot_table *table, uint32_t slot)
{
    return table->slots[slot].ahead;
}

const char *slot_table_why(const struct slot_table *table, uint32_t slot)
{
    return table->programs[table->slots[slot].program].why;
}

bool slot_table_recovered(struct slot_table *table)
{
    bool recovered = table->recovered;

    table->recovered = false;
    return recovered;
}
