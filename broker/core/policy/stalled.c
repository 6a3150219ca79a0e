/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers that speak, and do not answer for their tasks. Of a task without a time-out nobody can tell whether it is
 * only long: a worker is called stalled when its silence is out of all proportion.
 */
#include "broker/core/policy/stalled.h"

#include <stdlib.h>

/* A worker is called stalled when it has answered for none of its tasks for this many times what such a task takes. */
#define STALLED_TIMES 20u
/* It is not called so before this many leases (a minute with the default lease); when nobody knows how long the tasks
 * take, before STALLED_LEASES_UNKNOWN (five minutes). */
#define STALLED_LEASES         12u
#define STALLED_LEASES_UNKNOWN 60u

void stalled_answered(const struct core *core, struct agent *agent)
{
    agent->overdue.quiet_ms = core->now;
}

bool stalled_is_full(const struct agent *agent)
{
    return agent->overdue.count >= agent->slots;
}

void stalled_named(struct agent *agent, const struct belt_task_ref *ref)
{
    for (uint32_t i = 0; i < agent->overdue.count; i++) {
        const struct belt_task_ref *taken = &agent->overdue.tasks[i];
        if (taken->job != ref->job || taken->index != ref->index || taken->attempt != ref->attempt)
            continue;
        agent->overdue.tasks[i] = agent->overdue.tasks[--agent->overdue.count];
        return;
    }
}

void stalled_forget(struct agent *agent)
{
    free(agent->overdue.tasks);
    agent->overdue.tasks = NULL;
    agent->overdue.count = 0;
}

uint64_t stalled_quiet(const struct core *core, const struct agent *agent)
{
    bool holds = agent->held || agent->overdue.count;
    return holds && core->now > agent->overdue.quiet_ms ? core->now - agent->overdue.quiet_ms : 0;
}

bool stalled_seems(const struct core *core, const struct agent *agent)
{
    uint64_t quiet = stalled_quiet(core, agent), lease = core->config.lease_ms;
    double longest = 0;
    uint32_t seen = 0;
    bool known = true;
    if (agent->overdue.count)
        return true;
    if (quiet < STALLED_LEASES * lease)
        return false;
    for (const struct run *run = agent->runs; run && seen < agent->slots; run = run->next, seen++) {
        known &= run->job->queue->service_us > 0;
        if (run->job->queue->service_us > longest)
            longest = run->job->queue->service_us;
    }
    return known ? (double)quiet > STALLED_TIMES * longest / 1000 : quiet >= STALLED_LEASES_UNKNOWN * lease;
}
