/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks that wait for their next try.
 */
#include "broker/core/policy/delay.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/waiting.h"

#include <stdlib.h>

static void heap_push(struct job *job, struct delay delay)
{
    if (job->delayed.count == job->delayed.room) {
        job->memory.list_bytes += (job->delayed.room ? job->delayed.room : 8) * sizeof(*job->delayed.heap);
        job->delayed.room = job->delayed.room ? job->delayed.room * 2 : 8;
        job->delayed.heap = realloc(job->delayed.heap, job->delayed.room * sizeof(*job->delayed.heap));
        if (!job->delayed.heap)
            abort();
    }
    uint32_t at = job->delayed.count++;
    for (; at && job->delayed.heap[(at - 1) / 2].when > delay.when; at = (at - 1) / 2)
        job->delayed.heap[at] = job->delayed.heap[(at - 1) / 2];
    job->delayed.heap[at] = delay;
}

static struct delay heap_pop(struct job *job)
{
    struct delay first = job->delayed.heap[0], last = job->delayed.heap[--job->delayed.count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < job->delayed.count; at = child) {
        if (child + 1 < job->delayed.count && job->delayed.heap[child + 1].when < job->delayed.heap[child].when)
            child++;
        if (job->delayed.heap[child].when >= last.when)
            break;
        job->delayed.heap[at] = job->delayed.heap[child];
    }
    job->delayed.heap[at] = last;
    return first;
}

void delay_add(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause)
{
    task->state = TASK_DELAYED;
    task->u.until_ms = core->now + pause;
    job->counts.delayed++;
    job->queue->delayed++;
    heap_push(job, (struct delay){task->u.until_ms, index});
    charge_own(core, job);
    timer_set(core, job);
}

void delay_remove(struct core *core, struct job *job, struct task *task)
{
    (void)core;
    task->state = TASK_WAITING;
    job->counts.delayed--;
    job->queue->delayed--;
}

void delay_turn(struct core *core, struct job *job)
{
    while (job->delayed.count && job->delayed.heap[0].when <= core->now) {
        struct delay delay = heap_pop(job);
        struct task *task = table_at(&job->table, delay.index);
        if (!task || task->state != TASK_DELAYED || task->u.until_ms != delay.when)
            continue; /* it was adopted, or has expired */
        delay_remove(core, job, task);
        waiting_add(core, job, delay.index, task);
    }
}

void delay_forget(struct core *core, struct job *job)
{
    job->queue->delayed -= job->counts.delayed;
    job->counts.delayed = 0;
    job->delayed.count = 0;
    timer_set(core, job);
}
