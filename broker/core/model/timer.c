/* SPDX-License-Identifier: Apache-2.0
 *
 * Which job is due next. Each job stands in one heap by the earliest of its times: its start, its deadline, the next
 * try of one of its tasks, the notice that no worker serves it, and the end of the time for which it is kept when
 * nobody feeds or reads it. The turn asks for the jobs that are due and gives each to those who act on these times
 * (life/closing.c, life/expire.c, policy/delay.c).
 */
#include "broker/core/model/timer.h"
#include "broker/core/model/mark.h"

static uint64_t patience_of(const struct core *core, const struct job *job)
{
    uint64_t keep = job->options.keep_ms;
    if (keep)
        return keep < core->config.keep_max_ms ? keep : core->config.keep_max_ms;
    return job->options.detached ? core->config.keep_ms : core->config.grace_ms;
}

uint64_t timer_patience_left(const struct core *core, const struct job *job)
{
    uint64_t patience = patience_of(core, job), idle = job->times.idle_ms ? core->now - job->times.idle_ms : 0;
    return idle < patience ? patience - idle : 0;
}

static bool due_before(const struct heap_node *a, const struct heap_node *b)
{
    return HEAP_OWNER(a, struct job, times.due)->times.due_ms < HEAP_OWNER(b, struct job, times.due)->times.due_ms;
}

void timer_remove(struct core *core, struct job *job)
{
    if (heap_holds(&job->times.due))
        heap_remove(&core->timer, due_before, &job->times.due);
}

static uint64_t due_of(const struct core *core, const struct job *job)
{
    uint64_t due = UINT64_MAX;
    if (job->state == BELT_JOB_STOPPED)
        return due;
    if (job->closing.remember_ms)
        return job->closing.remember_ms;
    if (list_holds(&job->closing.retired))
        return due;
    if (job->times.idle_ms)
        due = core->now + timer_patience_left(core, job);
    if (job->state == BELT_JOB_COMPLETE)
        return due;
    if (job->times.unserved_ms > core->now && job->times.unserved_ms < due)
        due = job->times.unserved_ms;
    if (job->times.start_ms && job->times.start_ms < due)
        due = job->times.start_ms;
    if (!job->times.expired && job->times.deadline_ms < due)
        due = job->times.deadline_ms;
    if (job->times.expired && job->times.expire_next < job->input.next && job->times.expire_ms < due)
        due = job->times.expire_ms;
    if (job->delayed.heap.count && job->delayed.heap.heap[0].key < due)
        due = job->delayed.heap.heap[0].key;
    return due;
}

void timer_set(struct core *core, struct job *job)
{
    uint64_t due = due_of(core, job);
    if (heap_holds(&job->times.due) && job->times.due_ms == due)
        return;
    timer_remove(core, job);
    job->times.due_ms = due;
    if (due == UINT64_MAX)
        return;
    heap_add(&core->timer, due_before, &job->times.due);
    mark_alarm(core, due);
}

struct job *timer_due(struct core *core)
{
    if (core->timer.count == 0)
        return NULL;
    struct job *first = HEAP_FIRST(&core->timer, struct job, times.due);
    if (first->times.due_ms <= core->now)
        return first;
    mark_alarm(core, first->times.due_ms);
    return NULL;
}
