/* SPDX-License-Identifier: Apache-2.0
 *
 * When a job starts and when what is left of it expires (PROTOCOL.md §9.2). The
 * wall clock is read once, when a job comes or comes back; from there on the
 * monotonic clock counts.
 */
#include "broker/core/life/expire.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/balance.h"
#include "broker/core/policy/delay.h"
#include "broker/core/policy/run.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/life/outcome.h"

/* Tasks that expire in one turn: the others' turn comes soon. */
#define EXPIRE_A_TURN 16384u

/* How long from now, by whichever way the client has said it. */
static uint64_t wait_of(const struct core *core, uint64_t relative, uint64_t at)
{
    if (!at)
        return relative;
    uint64_t wait = at > core->wall ? at - core->wall : 0;
    return wait < BELT_MAX_WAIT_MS ? wait : BELT_MAX_WAIT_MS;
}

/* Turns a wait into a moment of the wall clock, which is what is written to disk. */
static void settle_on(const struct core *core, uint64_t *relative, uint64_t *at)
{
    if (*relative && !*at)
        *at = core->wall + *relative;
    *relative = 0;
}

void expire_times(struct core *core, struct job *job)
{
    struct belt_open_options *options = &job->options;
    uint64_t after = wait_of(core, options->after_ms, options->after_at);
    uint64_t deadline = wait_of(core, options->deadline_ms, options->deadline_at);
    bool ends = options->deadline_ms || options->deadline_at;
    job->times.start_ms = after ? core->now + after : 0;
    job->times.deadline_ms = ends ? core->now + deadline : UINT64_MAX;
    settle_on(core, &options->after_ms, &options->after_at);
    settle_on(core, &options->deadline_ms, &options->deadline_at);
    timer_set(core, job);
}

/* True when the task was waiting, in one way or the other: it does not any more. */
static bool stop_waiting(struct core *core, struct job *job, struct task *task)
{
    if (task->state == TASK_DELAYED)
        delay_remove(core, job, task);
    else if (task->state == TASK_WAITING) {
        job->counts.waiting--;
        job->queue->waiting--;
    } else
        return false;
    return true;
}

static bool expire_waiting(struct core *core, struct job *job, uint64_t index)
{
    struct task *task = table_at(&job->table, index);
    if (!stop_waiting(core, job, task))
        return false;
    outcome_expire(core, job, index, task);
    return true;
}

/* Whether it has begun its agent knows, and gives it back if not. */
static void halt_run(struct core *core, struct run *run)
{
    run->halted = run->cancelled = true;
    balance_recall(core, run->job->queue, run->agent, run->agent->held, "a task is not to begin");
}

void expire_one(struct core *core, struct job *job, uint64_t index, bool waiting, const char *who)
{
    struct task *task = index < job->input.next ? table_at(&job->table, index) : NULL;
    if (!task)
        return;
    if (task->state == TASK_RUNNING && task->u.run->refused) { /* its agent has done with it */
        if (waiting)
            return;
        run_free(core, task->u.run);
        outcome_cancel(core, job, index, task);
    } else if (task->state == TASK_RUNNING && waiting) {
        halt_run(core, task->u.run);
    } else if (task->state == TASK_RUNNING) {
        update_trace(core, "job %llu > task %llu is cancelled while it runs, %s has asked for it",
                     (unsigned long long)job->id, (unsigned long long)index, who);
        task->u.run->cancelled = true;
        run_drop(core, task->u.run);
    } else if (stop_waiting(core, job, task)) {
        update_trace(core, "job %llu > task %llu is cancelled, %s has asked for it", (unsigned long long)job->id,
                     (unsigned long long)index, who);
        outcome_cancel(core, job, index, task);
        waiting_changed(core, job);
    }
}

void expire_more(struct core *core, struct job *job)
{
    uint32_t count = 0;
    uint64_t index = table_seek(&job->table, job->times.expire_next);
    for (; index < job->input.next && count < EXPIRE_A_TURN; index = table_seek(&job->table, index + 1))
        count += expire_waiting(core, job, index);
    job->times.expire_next = index < job->input.next ? index : job->input.next;
    job->times.expire_ms = core->now + 1;
    waiting_changed(core, job);
    timer_set(core, job);
}

void expire_halt(struct core *core, struct job *job, const char *who)
{
    struct agent *agent;

    if (job->times.expired)
        return;
    job->times.expired = job->times.halted = true;
    update_trace(core, "job %llu > nothing more begins, %s has asked for it: %llu tasks wait, %llu run",
                 (unsigned long long)job->id, who, (unsigned long long)(job->counts.waiting + job->counts.delayed),
                 (unsigned long long)job->counts.running);
    DL_FOREACH (core->agents, agent) {
        const struct run *run;
        bool any = false;
        DL_FOREACH (agent->runs, run)
            any |= run->job == job;
        if (any) /* all that has not begun there: which are of this job the agent does not know */
            balance_recall(core, job->queue, agent, agent->held, "a job begins nothing more");
    }
    expire_more(core, job);
}

/* Agents have done with these, and it is too late for their results. */
static void expire_refused(struct core *core, struct job *job)
{
    while (job->results.refused) {
        uint64_t index = job->results.refused->index;
        run_free(core, job->results.refused);
        outcome_expire(core, job, index, table_at(&job->table, index));
    }
}

void expire_turn(struct core *core, struct job *job)
{
    if (job->times.start_ms && core->now >= job->times.start_ms) {
        job->times.start_ms = 0;
        update_trace(core, "job %llu > starts", (unsigned long long)job->id);
        waiting_changed(core, job);
    }
    if (!job->times.expired && core->now >= job->times.deadline_ms) {
        job->times.expired = true;
        update_trace(core, "job %llu > its deadline has passed: %llu tasks wait, %llu run", (unsigned long long)job->id,
                     (unsigned long long)(job->counts.waiting + job->counts.delayed),
                     (unsigned long long)job->counts.running);
        run_drop_job(core, job);
        expire_refused(core, job);
        expire_more(core, job);
    } else if (job->times.expired && job->times.expire_next < job->input.next && core->now >= job->times.expire_ms) {
        expire_more(core, job);
    }
}
