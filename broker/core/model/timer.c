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
    uint64_t patience = patience_of(core, job), idle = job->idle_ms ? core->now - job->idle_ms : 0;
    return idle < patience ? patience - idle : 0;
}

static void place(struct core *core, struct job *job, uint32_t at)
{
    core->due[at] = job;
    job->due_at = at + 1;
}

static void rise(struct core *core, struct job *job, uint32_t at)
{
    while (at && core->due[(at - 1) / 2]->due_ms > job->due_ms) {
        place(core, core->due[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(core, job, at);
}

static void sink(struct core *core, struct job *job, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < core->due_count; at = child) {
        if (child + 1 < core->due_count && core->due[child + 1]->due_ms < core->due[child]->due_ms)
            child++;
        if (core->due[child]->due_ms >= job->due_ms)
            break;
        place(core, core->due[child], at);
    }
    place(core, job, at);
}

static void add(struct core *core, struct job *job)
{
    if (core->due_count == core->due_room) {
        core->due_room = core->due_room ? core->due_room * 2 : 16;
        core->due = realloc(core->due, core->due_room * sizeof *core->due);
        if (!core->due)
            abort();
    }
    rise(core, job, core->due_count++);
}

void timer_remove(struct core *core, struct job *job)
{
    if (!job->due_at)
        return;
    uint32_t at = job->due_at - 1;
    job->due_at = 0;
    struct job *last = core->due[--core->due_count];
    if (last == job)
        return;
    if (at && core->due[(at - 1) / 2]->due_ms > last->due_ms)
        rise(core, last, at);
    else
        sink(core, last, at);
}

static uint64_t due_of(const struct core *core, const struct job *job)
{
    uint64_t due = UINT64_MAX;
    if (job->state == BELT_JOB_STOPPED)
        return due;
    if (job->remember_ms)
        return job->remember_ms;
    if (job->retired)
        return due;
    if (job->idle_ms)
        due = core->now + timer_patience_left(core, job);
    if (job->state == BELT_JOB_COMPLETE)
        return due;
    if (job->unserved_ms > core->now && job->unserved_ms < due)
        due = job->unserved_ms;
    if (job->start_ms && job->start_ms < due)
        due = job->start_ms;
    if (!job->expired && job->deadline_ms < due)
        due = job->deadline_ms;
    if (job->expired && job->expire_next < job->next && job->expire_ms < due)
        due = job->expire_ms;
    if (job->delayed_count && job->delayed[0].when < due)
        due = job->delayed[0].when;
    return due;
}

void timer_set(struct core *core, struct job *job)
{
    uint64_t due = due_of(core, job);
    if (job->due_at && job->due_ms == due)
        return;
    timer_remove(core, job);
    job->due_ms = due;
    if (due != UINT64_MAX)
        add(core, job);
    if (due != UINT64_MAX)
        mark_alarm(core, due);
}

struct job *timer_due(struct core *core)
{
    if (core->due_count && core->due[0]->due_ms <= core->now)
        return core->due[0];
    if (core->due_count)
        mark_alarm(core, core->due[0]->due_ms);
    return NULL;
}
