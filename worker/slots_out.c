/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: what comes out of it: actions, returned tasks, results, and what it tells of itself. Pure.
 */
#include "slots_table.h"

#include <assert.h>
#include <string.h>

/* So long results of short tasks wait for company, while there is enough to do. */
#define RESULTS_US 500u

bool slots_next_action(struct slots *slots, struct slots_action *action)
{
    if (slots->action_at == slots->action_count || slots->paused) {
        if (!slots->paused)
            slots->action_at = slots->action_count = 0;
        return false;
    }
    *action = slots->actions[slots->action_at++];
    return true;
}

uint32_t slots_take_returned(struct slots *slots, struct belt_task_ref *refs, uint32_t max)
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

/** More than enough to do, and short. */
static bool is_ample(const struct slots *slots)
{
    if (slots->busy < slots->cap || slots->leaving)
        return false;
    for (uint32_t i = 0; i < slots->program_count; i++) {
        const struct slots_task *next = slots->programs[i].waiting;
        if (next && slots->functions[next->job->pub.function].typical_us < SLOTS_CREDIT_US)
            return true;
    }
    return false;
}

uint64_t slots_results_due(const struct slots *slots, uint64_t now)
{
    if (slots->result_unsent == slots->result_next)
        return SLOTS_NEVER;
    return is_ample(slots) ? slots->sent_us + RESULTS_US : now;
}

void slots_unsent(const struct slots *slots, uint64_t *first, uint64_t *next)
{
    *first = slots->result_unsent;
    *next = slots->result_next;
}

void slots_result(const struct slots *slots, uint64_t number, struct slots_result *result)
{
    assert(number >= slots->result_base && number < slots->result_next);
    const struct slots_task *task = slots->results[number % slots->result_cap];

    result->job = task->key.job;
    result->started_us = task->started_us;
    result->detail = task->job->pub.detail;
    result->plain = task->extras == NULL;
    result->extras = task->extras ? *task->extras : (struct belt_result_extras){.exit_status = -1};
    result->item = (struct belt_result_item){
        .index = task->key.index,
        .attempt = task->attempt,
        .code = task->code,
        .service_us = task->service_us > UINT32_MAX ? UINT32_MAX : (uint32_t)task->service_us,
        .payload = task->payload,
    };
}

void slots_sent(struct slots *slots, uint64_t now, uint64_t upto)
{
    assert(upto >= slots->result_unsent && upto <= slots->result_next);
    slots->sent_us = now;
    slots->result_unsent = upto;
}

void slots_resend(struct slots *slots)
{
    slots->result_unsent = slots->result_base;
}

static uint32_t sync_list(const struct slots_task *list, struct belt_task_ref *refs)
{
    const struct slots_task *task;
    uint32_t count = 0;

    DL_FOREACH (list, task)
        if (task->known)
            refs[count++] = slots_ref(task);
    return count;
}

uint32_t slots_sync(const struct slots *slots, struct belt_task_ref *refs)
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
        refs[count++] = slots_ref(slots->results[n % slots->result_cap]);
    return count;
}

uint32_t slots_held(const struct slots *slots)
{
    return slots->held;
}

uint32_t slots_unrecorded(const struct slots *slots)
{
    return (uint32_t)(slots->result_next - slots->result_base);
}

uint32_t slots_count(const struct slots *slots)
{
    return slots->slot_count;
}

uint32_t slots_program_of(const struct slots *slots, uint32_t slot)
{
    return slots->slots[slot].program;
}

bool slots_running(const struct slots *slots, uint32_t slot, struct slots_given *task)
{
    const struct slots_task *first = slots->slots[slot].given;

    if (first)
        *task = (struct slots_given){first->key.index, first->attempt, &first->job->pub, first->payload};
    return first != NULL;
}

const struct slots_key *slots_due(const struct slots *slots, uint32_t slot)
{
    const struct slots_task *first = slots->slots[slot].given;

    return first ? &first->key : NULL;
}

uint32_t slots_failures(const struct slots *slots, uint32_t slot)
{
    return slots->programs[slots->slots[slot].program].failures;
}

uint32_t slots_ahead(const struct slots *slots, uint32_t slot)
{
    return slots->slots[slot].ahead;
}

const char *slots_why(const struct slots *slots, uint32_t slot)
{
    return slots->programs[slots->slots[slot].program].why;
}

bool slots_recovered(struct slots *slots)
{
    bool recovered = slots->recovered;

    slots->recovered = false;
    return recovered;
}
