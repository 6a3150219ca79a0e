/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks whose worker does not answer for them. A task with a time-out is stopped by its worker. When the worker has not
 * answered for it long after that, the task is taken back and runs elsewhere; what the worker may say of it later is
 * refused, since that attempt is over
 * (PROTOCOL.md §8.6).
 */
#include "broker/core/life/overdue.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/run.h"
#include "broker/core/policy/stalled.h"
#include "broker/core/life/outcome.h"
#include "broker/core/model/steps.h"

#include <stdlib.h>

static uint64_t margin_of(const struct core *core)
{
    return (uint64_t)BELT_OVERDUE_LEASES * core->config.lease_ms;
}

static bool is_overdue(const struct core *core, const struct agent *agent, const struct run *run)
{
    uint64_t from = run->begun_ms;
    if (from < core->sessions.awake_ms) /* what came in while the broker was held up may not be read yet */
        from = core->sessions.awake_ms;
    if (from < agent->overdue.synced_ms)
        from = agent->overdue.synced_ms;
    return run->job->options.timeout_ms && core->now >= from + run->job->options.timeout_ms + margin_of(core);
}

static void drop(struct core *core, struct agent *agent, struct belt_task_ref ref)
{
    struct belt_task_ref *refs = update_alloc(core, sizeof(*refs));
    *refs = ref;
    run_send_drop(core, agent, refs, 1);
}

static struct belt_task_ref ref_of(const struct run *run)
{
    return (struct belt_task_ref){run->job->id, run->index, table_at(&run->job->table, run->index)->attempt};
}

static void remember(struct agent *agent, struct belt_task_ref ref)
{
    struct belt_task_ref *grown = realloc(agent->overdue.tasks, (agent->overdue.count + 1) * sizeof(*grown));
    if (!grown)
        abort();
    agent->overdue.tasks = grown;
    agent->overdue.tasks[agent->overdue.count++] = ref;
}

/* The task must have been running, so this counts as if its slot had died. */
static void take_back(struct core *core, struct agent *agent, struct run *run)
{
    struct belt_task_ref ref = ref_of(run);
    uint64_t limit = run->job->options.timeout_ms;
    update_trace(core, "%s > job %llu task %llu is not answered within its time-out: taken back (attempt %u)",
                 agent->session->name, (unsigned long long)ref.job, (unsigned long long)ref.index, ref.attempt);
    remember(agent, ref);
    drop(core, agent, ref);
    core->counts.overdue++;
    agent->lost++;
    outcome_lost(core, run, TIE_NONE,
                 update_text(core,
                             "worker %s has not answered for the task within its time-out of %.1f s and %.1f s more "
                             "(attempt %u)",
                             agent->session->name, (double)limit / 1000, (double)margin_of(core) / 1000, ref.attempt));
}

/* Nothing of what it has not begun will ever begin there. */
static void take_back_rest(struct core *core, struct agent *agent)
{
    update_trace(core, "%s > is stalled, %u tasks that it has not begun go elsewhere", agent->session->name,
                 agent->held);
    while (agent->runs) {
        struct belt_task_ref ref = ref_of(agent->runs);
        drop(core, agent, ref);
        outcome_again(core, agent->runs, table_at(&agent->runs->job->table, agent->runs->index), TIE_NONE);
    }
}

/* The first of each part that has a slot: a single task, or a chunk. */
static void look_at(struct core *core, struct agent *agent)
{
    struct run *run, *next;
    uint32_t begun = 0;
    uint64_t chunk = 0;
    bool any = false;
    if (!agent_is_synced(agent))
        return;
    DL_FOREACH_SAFE (agent->runs, run, next) {
        bool first = !run->chunk || run->chunk != chunk;
        chunk = run->chunk;
        if (first && begun++ >= agent->slots - agent->overdue.count)
            break;
        if (first && !run->begun_ms)
            run->begun_ms = core->now;
        if (!first || !is_overdue(core, agent, run))
            continue;
        take_back(core, agent, run);
        begun--;
        any = true;
        if (stalled_is_full(agent))
            break;
    }
    if (any && stalled_is_full(agent))
        take_back_rest(core, agent);
}

void overdue_turn(struct core *core)
{
    struct agent *agent;
    if (!core->jobs.timed)
        return;
    if (core->now >= core->overdue_look_ms) {
        core->overdue_look_ms = core->now + core->config.heartbeat_ms;
        DL_FOREACH (core->agents, agent)
            if (agent->held)
                look_at(core, agent);
    }
    mark_alarm(core, core->overdue_look_ms);
}
