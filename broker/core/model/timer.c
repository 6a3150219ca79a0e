/* SPDX-License-Identifier: Apache-2.0
 *
 * Which job is due next: a heap of jobs, each by the earliest of its start, its
 * deadline, the next try of one of its tasks, and the end of patience when nobody comes for it. What becomes of it is
 * for expire.c and retry.c.
 */
#include "broker/core/model/timer.h"
#include "broker/core/model/mark.h"

#include <stdlib.h>

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

static void place(struct core *core, struct job *job, uint32_t at)
{
    core->timer.heap[at] = job;
    job->times.due_at = at + 1;
}

static void rise(struct core *core, struct job *job, uint32_t at)
{
    while (at && core->timer.heap[(at - 1) / 2]->times.due_ms > job->times.due_ms) {
        place(core, core->timer.heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(core, job, at);
}

static void sink(struct core *core, struct job *job, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < core->timer.count; at = child) {
        if (child + 1 < core->timer.count &&
            core->timer.heap[child + 1]->times.due_ms < core->timer.heap[child]->times.due_ms)
            child++;
        if (core->timer.heap[child]->times.due_ms >= job->times.due_ms)
            break;
        place(core, core->timer.heap[child], at);
    }
    place(core, job, at);
}

static void add(struct core *core, struct job *job)
{
    if (core->timer.count == core->timer.room) {
        core->timer.room = core->timer.room ? core->timer.room * 2 : 16;
        core->timer.heap = realloc(core->timer.heap, core->timer.room * sizeof(*core->timer.heap));
        if (!core->timer.heap)
            abort();
    }
    rise(core, job, core->timer.count++);
}

void timer_remove(struct core *core, struct job *job)
{
    if (!job->times.due_at)
        return;
    uint32_t at = job->times.due_at - 1;
    job->times.due_at = 0;
    struct job *last = core->timer.heap[--core->timer.count];
    if (last == job)
        return;
    if (at && core->timer.heap[(at - 1) / 2]->times.due_ms > last->times.due_ms)
        rise(core, last, at);
    else
        sink(core, last, at);
}

static uint64_t due_of(const struct core *core, const struct job *job)
{
    uint64_t due = UINT64_MAX;
    if (job->state == BELT_JOB_STOPPED)
        return due;
    if (job->closing.remember_ms)
        return job->closing.remember_ms;
    if (job->closing.retired)
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
    if (job->delayed.count && job->delayed.heap[0].when < due)
        due = job->delayed.heap[0].when;
    return due;
}

void timer_set(struct core *core, struct job *job)
{
    uint64_t due = due_of(core, job);
    if (job->times.due_at && job->times.due_ms == due)
        return;
    timer_remove(core, job);
    job->times.due_ms = due;
    if (due != UINT64_MAX)
        add(core, job);
    if (due != UINT64_MAX)
        mark_alarm(core, due);
}

struct job *timer_due(struct core *core)
{
    if (core->timer.count && core->timer.heap[0]->times.due_ms <= core->now)
        return core->timer.heap[0];
    if (core->timer.count)
        mark_alarm(core, core->timer.heap[0]->times.due_ms);
    return NULL;
}
