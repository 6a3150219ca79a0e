/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: what comes out of it: actions, returned tasks, results, and what it tells of itself. Pure.
 */
#include "worker/table/books.h"

#include <assert.h>
#include <string.h>

/* So long results of short tasks wait for company, while there is enough to do. */
#define RESULTS_US 500u

bool slot_table_next_action(struct slot_table *slots, struct slot_table_action *action)
{
    if (slots->action_at == slots->action_count || slots->paused) {
        if (!slots->paused)
            slots->action_at = slots->action_count = 0;
        return false;
    }
    *action = slots->actions[slots->action_at++];
    return true;
}

uint32_t slot_table_take_returned(struct slot_table *slots, struct belt_task_ref *refs, uint32_t max)
{
    uint32_t count = slots->returned_count - slots->returned_at;

    if (count > max)
        count = max;
    if (count > 0)
        memcpy(refs, slots->returned + slots->returned_at, count * sizeof(*refs));
    slots->returned_at += count;
    if (slots->returned_at == slots->returned_count)
        slots->returned_at = slots->returned_count = 0;
    return count;
}

/* More than enough to do, and short. */
static bool is_ample(const struct slot_table *slots)
{
    if (slots->busy < slots->cap || slots->leaving)
        return false;
    for (uint32_t i = 0; i < slots->program_count; i++) {
        const struct slot_table_task *next = slots->programs[i].waiting;
        if (next && slots->functions[next->job->pub.function].typical_us < SLOT_TABLE_CREDIT_US)
            return true;
    }
    return false;
}

uint64_t slot_table_results_due(const struct slot_table *slots, uint64_t now)
{
    if (slots->result_unsent == slots->result_next)
        return SLOT_TABLE_NEVER;
    return is_ample(slots) ? slots->sent_us + RESULTS_US : now;
}

void slot_table_unsent(const struct slot_table *slots, uint64_t *first, uint64_t *next)
{
    *first = slots->result_unsent;
    *next = slots->result_next;
}

void slot_table_result(const struct slot_table *slots, uint64_t number, struct slot_table_result *result)
{
    assert(number >= slots->result_base && number < slots->result_next);
    const struct slot_table_task *task = slots->results[number % slots->result_cap];

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

void slot_table_sent(struct slot_table *slots, uint64_t now, uint64_t upto)
{
    assert(upto >= slots->result_unsent && upto <= slots->result_next);
    slots->sent_us = now;
    slots->result_unsent = upto;
}

void slot_table_resend(struct slot_table *slots)
{
    slots->result_unsent = slots->result_base;
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

uint32_t slot_table_sync(const struct slot_table *slots, struct belt_task_ref *refs)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < slots->slot_count; i++) {
        count += sync_list(slots->slots[i].given, refs + count);
        count += sync_list(slots->slots[i].bound, refs + count);
    }
    for (uint32_t i = 0; i < slots->program_count; i++)
        count += sync_list(slots->programs[i].waiting, refs + count);
    count += sync_list(slots->doubted, refs + count);
    for (uint64_t n = slots->result_base; n < slots->result_next; n++)
        refs[count++] = slot_table_ref(slots->results[n % slots->result_cap]);
    return count;
}

uint32_t slot_table_held(const struct slot_table *slots)
{
    return slots->held;
}

uint32_t slot_table_unrecorded(const struct slot_table *slots)
{
    return (uint32_t)(slots->result_next - slots->result_base);
}

uint32_t slot_table_count(const struct slot_table *slots)
{
    return slots->slot_count;
}

uint32_t slot_table_program_of(const struct slot_table *slots, uint32_t slot)
{
    return slots->slots[slot].program;
}

bool slot_table_running(const struct slot_table *slots, uint32_t slot, struct slot_table_given *task)
{
    const struct slot_table_task *first = slots->slots[slot].given;

    if (first)
        *task = (struct slot_table_given){first->key.index, first->attempt, &first->job->pub, first->payload};
    return first != NULL;
}

const struct slot_table_key *slot_table_due(const struct slot_table *slots, uint32_t slot)
{
    const struct slot_table_task *first = slots->slots[slot].given;

    return first ? &first->key : NULL;
}

uint32_t slot_table_failures(const struct slot_table *slots, uint32_t slot)
{
    return slots->programs[slots->slots[slot].program].failures;
}

uint32_t slot_table_ahead(const struct slot_table *slots, uint32_t slot)
{
    return slots->slots[slot].ahead;
}

const char *slot_table_why(const struct slot_table *slots, uint32_t slot)
{
    return slots->programs[slots->slots[slot].program].why;
}

bool slot_table_recovered(struct slot_table *slots)
{
    bool recovered = slots->recovered;

    slots->recovered = false;
    return recovered;
}
