/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a job that wait for an agent, the lowest index first.
 */
#include "broker/core/policy/waiting.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/table.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/fair.h"

void waiting_put_back(struct job *job, uint64_t index)
{
    uint64_t before = pairs_bytes(&job->waiting.again);
    pairs_add(&job->waiting.again, index, 0);
    job->memory.list_bytes += pairs_bytes(&job->waiting.again) - before;
}

static bool waits(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return task && task->state == TASK_WAITING;
}

uint64_t waiting_oldest(const struct job *job)
{
    uint64_t oldest = UINT64_MAX;
    const struct pairs *again = &job->waiting.again;
    if (again->count && waits(job, again->heap[0].key))
        oldest = table_at(&job->table, again->heap[0].key)->u.since_ms;
    if (waits(job, job->waiting.fresh) && table_at(&job->table, job->waiting.fresh)->u.since_ms < oldest)
        oldest = table_at(&job->table, job->waiting.fresh)->u.since_ms;
    return oldest;
}

uint64_t waiting_pop(struct job *job)
{
    while (job->waiting.again.count) {
        uint64_t index = pairs_pop(&job->waiting.again).key;
        if (index < job->waiting.fresh && waits(job, index))
            return index;
    }
    while (!waits(job, job->waiting.fresh))
        job->waiting.fresh++;
    return job->waiting.fresh++;
}

void waiting_add(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    if (task->state != TASK_WAITING)
        task_step(task, TASK_WAITING);
    task->u.since_ms = core->now;
    if (index < job->waiting.fresh)
        waiting_put_back(job, index);
    charge_own(core, job);
    job->counts.waiting++;
    job->queue->waiting++;
    waiting_changed(core, job);
}

void waiting_changed(struct core *core, struct job *job)
{
    struct queue *queue = job->queue;
    bool ready = job->counts.waiting && !job->times.start_ms;
    bool active = list_holds(&job->waiting.active);
    if (ready && !active) {
        list_append(&queue->active, &job->waiting.active);
        fair_enter(core, job);
    } else if (!ready && active) {
        list_remove(&job->waiting.active);
        fair_leave(job);
    }
    mark_job(core, job); /* notices */
    mark_queue(core, queue);
}
