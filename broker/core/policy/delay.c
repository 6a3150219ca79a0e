/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks that failed and wait for some time before their next try.
 */
#include "broker/core/policy/delay.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/waiting.h"

void delay_add(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause)
{
    task_step(task, TASK_DELAYED);
    task->u.until_ms = core->now + pause;
    job->counts.delayed++;
    job->queue->delayed++;
    uint64_t before = pairs_bytes(&job->delayed.heap);
    pairs_add(&job->delayed.heap, task->u.until_ms, index);
    job->memory.list_bytes += pairs_bytes(&job->delayed.heap) - before;
    charge_own(core, job);
    timer_set(core, job);
}

void delay_remove(struct core *core, struct job *job, struct task *task)
{
    (void)core;
    task_step(task, TASK_WAITING);
    job->counts.delayed--;
    job->queue->delayed--;
}

void delay_turn(struct core *core, struct job *job)
{
    struct pairs *heap = &job->delayed.heap;
    while (heap->count && heap->heap[0].key <= core->now) {
        struct pair delay = pairs_pop(heap);
        struct task *task = table_at(&job->table, delay.value);
        if (!task || task->state != TASK_DELAYED || task->u.until_ms != delay.key)
            continue; /* it was adopted, or has expired */
        delay_remove(core, job, task);
        waiting_add(core, job, delay.value, task);
    }
}

void delay_forget(struct core *core, struct job *job)
{
    job->queue->delayed -= job->counts.delayed;
    job->counts.delayed = 0;
    job->delayed.heap.count = 0;
    timer_set(core, job);
}
