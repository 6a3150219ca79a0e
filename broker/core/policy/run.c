/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs: a task goes to an agent, ends there, or is not wanted any more.
 */
#include "broker/core/policy/run.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/fair.h"
#include "broker/core/policy/refuse.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/model/steps.h"

#include <stdlib.h>

/* Freed runs that are kept for the next tasks. */
#define SPARE_RUNS_MAX 4096u

struct run *run_new(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task,
                    uint64_t chunk)
{
    struct run *run = core->dispatch.spare_runs;
    if (run) {
        LL_DELETE(core->dispatch.spare_runs, run);
        core->dispatch.spare_run_count--;
    } else if (!(run = malloc(sizeof(*run))))
        abort();
    *run = (struct run){.job = job,
                        .agent = agent,
                        .index = index,
                        .order = ++agent->stuck.dispatched,
                        .bytes = task->len,
                        .chunk = chunk,
                        .back = budget_expect(core, job),
                        .dispatched_ms = core->now};
    if (agent->held == 0)
        agent->overdue.quiet_ms = core->now;
    task_step(task, TASK_RUNNING);
    task->u.run = run;
    DL_APPEND(agent->runs, run);
    agent->parts += !chunk || run == agent->runs || run->prev->chunk != chunk;
    agent->held++;
    agent->held_bytes += run->bytes;
    job->memory.list_bytes += sizeof(*run);
    charge_own(core, job);
    job->counts.waiting--;
    job->counts.running++;
    job->queue->waiting--;
    job->queue->running++;
    return run;
}

struct run *run_adopt(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task)
{
    /* What is left of a chunk comes back in a row: no gap, and not more than a chunk. Tasks that are taken for chunks
     * of their own cost a question at most; chunks that are taken for one would lie unseen behind one another. */
    const struct run *last = agent->runs ? agent->runs->prev : NULL;
    uint64_t chunk = 0;
    if (job->options.chunk > 1) {
        bool more =
            last && last->job == job && last->chunk && last->index + 1 == index && agent->adopted < job->options.chunk;
        agent->adopted = more ? agent->adopted + 1 : 1;
        chunk = more ? last->chunk : ++core->dispatch.last_chunk;
    }
    struct run *run = run_new(core, agent, job, index, task, chunk);
    waiting_changed(core, job);
    return run;
}

bool run_has_room(const struct agent *agent, uint32_t bytes)
{
    return agent->held == 0 || agent->held_bytes + bytes <= agent->window_bytes;
}

/* Another task of its chunk is still at the agent. The tasks of a chunk are neighbours in the list. */
static bool has_company(const struct agent *agent, const struct run *run)
{
    if (!run->chunk)
        return false;
    return (run->next && run->next->chunk == run->chunk) || (run != agent->runs && run->prev->chunk == run->chunk);
}

void run_unload(struct core *core, struct run *run)
{
    struct agent *agent = run->agent;
    agent->parts -= !has_company(agent, run);
    DL_DELETE(agent->runs, run);
    agent->held--;
    agent->held_bytes -= run->bytes;
    agent->load_us = agent->held ? agent->load_us - (double)run->cost_us : 0;
    core->memory.expected -= run->back;
    if (run->job->owner.account)
        run->job->owner.account->expected -= run->back;
    mark_agent(core, agent);
}

void run_free(struct core *core, struct run *run)
{
    fair_settle(core, run);
    if (run->refused)
        refuse_over(core, run);
    else
        run_unload(core, run);
    run->job->memory.list_bytes -= sizeof(*run);
    charge_own(core, run->job);
    run->job->counts.progress_permille -= run->progress_permille;
    run->job->counts.running--;
    run->job->queue->running--;
    mark_queue(core, run->job->queue);
    if (core->dispatch.spare_run_count == SPARE_RUNS_MAX) {
        free(run);
        return;
    }
    LL_PREPEND(core->dispatch.spare_runs, run);
    core->dispatch.spare_run_count++;
}

struct run *run_find(struct core *core, const struct agent *agent, const struct belt_task_ref *ref, struct job **job,
                     struct task **task)
{
    *job = catalog_find(core, ref->job);
    *task = *job ? table_at(&(*job)->table, ref->index) : NULL;
    if (!*task || (*task)->state != TASK_RUNNING || (*task)->attempt != ref->attempt)
        return NULL;
    return (*task)->u.run->agent == agent ? (*task)->u.run : NULL;
}

void run_send_drop(struct core *core, struct agent *agent, const struct belt_task_ref *refs, uint32_t count)
{
    if (count == 0)
        return;
    struct belt_msg *msg = update_send(core, agent->session, BELT_MSG_DROP);
    msg->u.drop = (struct belt_msg_refs){.refs = refs, .count = count};
}

static struct belt_task_ref ref_of(const struct run *run)
{
    const struct task *task = table_at(&run->job->table, run->index);
    return (struct belt_task_ref){run->job->id, run->index, task->attempt};
}

/* Sends DROP for all runs of the agent that are marked as dropped and belong to `job` (NULL: to any job). */
static void drop_marked(struct core *core, struct agent *agent, const struct job *job)
{
    struct belt_task_ref *refs = NULL;
    uint32_t count = 0;
    struct run *run;
    DL_FOREACH (agent->runs, run) {
        if (!run->dropped || (job && run->job != job))
            continue;
        if (count == 0)
            refs = update_alloc(core, BELT_MAX_BATCH * sizeof(*refs));
        refs[count++] = ref_of(run);
        if (count == BELT_MAX_BATCH) {
            run_send_drop(core, agent, refs, count);
            count = 0;
        }
    }
    run_send_drop(core, agent, refs, count);
}

void run_drop_job(struct core *core, struct job *job)
{
    struct agent *agent;
    if (job->counts.running == 0)
        return;
    DL_FOREACH (core->agents, agent) {
        struct run *run;
        bool any = false;
        DL_FOREACH (agent->runs, run)
            if (run->job == job)
                any = run->dropped = true;
        if (any && agent_is_synced(agent))
            drop_marked(core, agent, job);
    }
}

void run_drop(struct core *core, struct run *run)
{
    struct belt_task_ref *ref;

    if (run->dropped)
        return;
    run->dropped = true;
    if (!agent_is_synced(run->agent)) /* it is told when it is */
        return;
    ref = update_alloc(core, sizeof(*ref));
    *ref = ref_of(run);
    run_send_drop(core, run->agent, ref, 1);
}
