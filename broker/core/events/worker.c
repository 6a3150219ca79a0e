/* SPDX-License-Identifier: Apache-2.0
 *
 * What agents say: which tasks they hold, results, tasks that they give back, progress, and that they leave
 * (PROTOCOL.md §8, §9). A message counts only for an attempt that its agent holds.
 */
#include "broker/core/events/worker.h"
#include "broker/core/journal/tries.h"
#include "broker/core/life/outcome.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/delay.h"
#include "broker/core/policy/owed.h"
#include "broker/core/policy/run.h"
#include "broker/core/model/run_time.h"
#include "broker/core/policy/refuse.h"
#include "broker/core/policy/stalled.h"
#include "broker/core/policy/stuck.h"
#include "broker/core/model/steps.h"

#include <stdlib.h>

/* An agent that had nothing to give back is left alone for this long: what lies there is in its slots. When it gave
 * back other tasks than it was asked for, for a heartbeat: these come back to it, maybe. */
#define RECALL_PAUSE_MS 50u

/* ---- the end of a run ---- */

static void measure(struct core *core, struct job *job, const struct belt_result_item *item)
{
    struct queue *queue = job->queue;
    queue->risen |= run_time_learn(&job->share.typical, item->service_us);
    queue->service_us = run_time_estimate(queue->service_us, item->service_us);
    queue->rate_count++;
    uint64_t span = core->now - queue->rate_ms;
    if (span >= 1000) {
        queue->rate = (double)queue->rate_count * 1000.0 / (double)span;
        queue->rate_ms = core->now;
        queue->rate_count = 0;
    }
}

/* When it began, as far as the broker knows: the result was some time on its way. */
static void trace_result(struct core *core, const struct agent *agent, const struct job *job,
                         const struct belt_result_item *item)
{
    double now = (double)core->now;
    if (core->config.trace)
        update_trace(core, "%s > job %llu task %llu began at %.3f and ran for %.3f ms", agent->session->name,
                     (unsigned long long)job->id, (unsigned long long)item->index, now - item->service_us / 1e3,
                     item->service_us / 1e3);
}

void worker_results(struct core *core, struct agent *agent, const struct belt_msg_results *msg)
{
    struct pinned last = {0};
    uint64_t refused = REFUSED_NONE;
    for (uint32_t i = 0; i < msg->count; i++) {
        const struct belt_result_item *item = &msg->results[i];
        if (msg->first + i < agent->results.next_number)
            continue; /* sent again */
        struct belt_task_ref ref = {msg->job, item->index, item->attempt};
        struct job *job;
        struct task *task;
        struct run *run = run_find(core, agent, &ref, &job, &task);
        /* Also of a stale one: it may be sent again because the answer waits for the disk still. */
        agent->record.needs_disk |= job && job->options.durable;
        stalled_named(agent, &ref);
        if (!run && msg->first + i < agent->results.seen)
            continue; /* it was taken before another one that was not */
        if (!run) {
            core->counts.stale++;
            update_trace(core, "%s > job %llu task %llu attempt %u: stale, ignored", agent->session->name,
                         (unsigned long long)msg->job, (unsigned long long)item->index, item->attempt);
            continue;
        }
        if (refuse_result(core, run, task, item, &last)) {
            refused = refused < msg->first + i ? refused : msg->first + i;
            continue;
        }
        *(item->code == BELT_OK ? &agent->done : item->code == BELT_TASK_LOST ? &agent->lost : &agent->failed) += 1;
        if (item->code == BELT_NOT_SERVED) {
            queue_unserve(core, job->queue, agent);
            outcome_again(core, run, task, TIE_NONE);
            continue;
        }
        trace_result(core, agent, job, item);
        measure(core, job, item);
        agent->stuck.ended++;
        if (run->order > agent->stuck.passed)
            agent->stuck.passed = run->order;
        run->used_us = item->service_us;
        outcome_of_run(core, run, task, item, &last, TIE_NONE);
    }
    pin_done(&last);
    refuse_noted(agent, msg, refused);
    owed_record(core, agent, msg);
    stalled_answered(core, agent);
    stuck_moved(core, agent);
    mark_agent(core, agent);
}

void worker_returned(struct core *core, struct agent *agent, const struct belt_msg_refs *msg)
{
    struct job *job;
    struct task *task;
    bool gave = false; /* what it was asked for */
    for (uint32_t i = 0; i < msg->count; i++) {
        struct run *run = run_find(core, agent, &msg->refs[i], &job, &task);
        stalled_named(agent, &msg->refs[i]);
        stalled_answered(core, agent);
        if (!run)
            continue;
        gave |= job->queue == agent->recall.queue;
        outcome_again(core, run, task, TIE_NONE);
    }
    if (agent->recall.under_way && msg->count == 0)
        agent->recall.begun_ms = agent->recall.asked_ms;
    if (agent->recall.under_way && !gave) {
        agent->recall.again_ms = core->now + (msg->count ? core->config.heartbeat_ms : RECALL_PAUSE_MS);
        for (uint32_t i = 0; i < agent->queue_count; i++)
            mark_queue(core, agent->queues[i]); /* the slots still idle: another may give, or this one later */
    }
    agent->recall.under_way = false;
    stuck_returned(core, agent);
    mark_agent(core, agent);
}

void worker_progress(struct core *core, struct agent *agent, const struct belt_msg_progress *msg)
{
    struct job *job;
    struct task *task;
    struct run *run = run_find(core, agent, &msg->task, &job, &task);
    if (!run)
        return;
    stalled_answered(core, agent);
    uint32_t permille = msg->total == 0           ? 0
                        : msg->done >= msg->total ? 1000
                                                  : (uint32_t)((double)msg->done * 1000.0 / (double)msg->total);
    job->counts.progress_permille += permille;
    job->counts.progress_permille -= run->progress_permille;
    run->progress_permille = permille;
}

void worker_record(struct core *core, struct agent *agent)
{
    if (!agent->record.due || (agent->record.needs_disk && core->store.withheld)) /* withheld_note() comes back to it */
        return;
    if (owed_record_waits(core, agent))
        return;
    owed_record_told(agent);
    update_send(core, agent->session, BELT_MSG_RECORDED)->u.recorded.upto = agent->results.next_number;
    if (agent->record.needs_disk &&
        agent->session->peer) /* it is cumulative: earlier ones may still wait for the disk */
        core->out->sends[core->out->send_count - 1].held = true;
}

/* ---- coming, synchronising, leaving ---- */

void worker_hello(struct core *core, struct session *session, const struct belt_worker_props *props)
{
    struct agent *agent = session->agent;
    if (!agent) {
        agent = calloc(1, sizeof(*agent));
        if (!agent)
            abort();
        agent->session = session;
        agent->connected_ms = core->now;
        agent->results.refused_from = REFUSED_NONE;
        session->agent = agent;
        DL_APPEND(core->agents, agent);
    }
    while (agent->queue_count)
        queue_unserve(core, agent->queues[0], agent);
    core->sessions.slots = core->sessions.slots - agent->slots + props->slots;
    agent->slots = props->slots;
    agent->window_items = props->window_items < props->slots ? props->slots : props->window_items;
    agent->window_bytes = props->window_bytes;
    agent_step(core, agent, AGENT_GREETED);
    agent->recall.under_way = false;
    stuck_forget(agent);
    stalled_forget(agent);
    agent->queues = realloc(agent->queues, (props->function_count + 1) * sizeof(*agent->queues));
    agent->passes = realloc(agent->passes, (props->function_count + 1) * sizeof(*agent->passes));
    if (!agent->queues || !agent->passes)
        abort();
    for (uint32_t i = 0; i < props->function_count; i++) {
        char function[BELT_MAX_NAME + 1];
        name_copy(function, sizeof(function), props->functions[i]);
        queue_serve(core, queue_get(core, function), agent);
    }
    struct run *run;
    DL_FOREACH (agent->runs, run)
        run->named = false;
    DL_FOREACH (agent->results.refused, run)
        run->named = false;
}

/* The agent may still speak of this attempt, which an earlier life of the broker gave it: no other attempt of the task
 * gets its number. */
static void use_up(struct task *task, uint32_t attempt)
{
    if (task->attempt >= attempt || attempt > INT32_MAX) /* we have given no such number */
        return;
    task->attempt = attempt;
    task->tie = TIE_NONE;
}

/* Keeps the number of the attempt from being used where the task cannot remember it: the task was lost in the restart
 * and will be handed in anew, or an earlier attempt of it goes on. */
static void use_up_ahead(struct job *job, const struct belt_task_ref *ref)
{
    if (ref->attempt > INT32_MAX || ref->index >= job->input.next + BELT_MAX_SPAN)
        return;
    if (ref->index >= job->fence.below)
        job->fence.below = ref->index + 1;
    if (ref->attempt > job->fence.attempt)
        job->fence.attempt = ref->attempt;
}

/* The agent holds a task that nobody else has: it goes on there. */
static bool adopt(struct core *core, struct agent *agent, const struct belt_task_ref *ref)
{
    struct job *job = catalog_find(core, ref->job);
    struct task *task = job ? table_at(&job->table, ref->index) : NULL;
    if (job && (ref->index >= job->input.next || (task && task->state == TASK_RUNNING && ref->attempt > task->attempt)))
        use_up_ahead(job, ref);
    /* An attempt that has its outcome is named when RECORDED was lost: nobody runs it any more. */
    if (!task || (task->state != TASK_WAITING && task->state != TASK_DELAYED) || job->times.expired)
        return false;
    /* The broker has restarted: of attempts only those that ended are on disk. What was not adopted when the agent
     * first named it is over: its result may have come, and was ignored. */
    bool later = !agent->met && core->now < job->times.recover_ms && task->attempt && ref->attempt > task->attempt;
    if (task->tie == TIE_NONE && !later) {
        use_up(task, ref->attempt);
        return false;
    }
    if (task->attempt == 0 || later)
        task->attempt = ref->attempt;
    if (task->attempt != ref->attempt) {
        use_up(task, ref->attempt);
        return false;
    }
    if (task->tie == TIE_BLAMED) {
        task->n.tries.losses--;
        tries_note(core, job, ref->index);
    }
    if (task->state == TASK_DELAYED) {
        delay_remove(core, job, task);
        job->counts.waiting++;
        job->queue->waiting++;
    }
    run_adopt(core, agent, job, ref->index, task)->named = true;
    update_trace(core, "%s > job %llu task %llu goes on there", agent->session->name, (unsigned long long)ref->job,
                 (unsigned long long)ref->index);
    return true;
}

static void sync_named(struct core *core, struct agent *agent, const struct belt_msg_refs *msg)
{
    struct belt_task_ref *unwanted = NULL;
    uint32_t count = 0;
    struct job *job;
    struct task *task;
    for (uint32_t i = 0; i < msg->count; i++) {
        struct run *run = run_find(core, agent, &msg->refs[i], &job, &task);
        if (run)
            run->named = true;
        if ((run && !run->dropped) || (!run && adopt(core, agent, &msg->refs[i])))
            continue;
        if (!unwanted)
            unwanted = update_alloc(core, msg->count * sizeof(*unwanted));
        unwanted[count++] = msg->refs[i];
    }
    run_send_drop(core, agent, unwanted, count);
}

void worker_sync(struct core *core, struct agent *agent, const struct belt_msg_refs *msg)
{
    if (agent_is_synced(agent))
        return;
    sync_named(core, agent, msg);
    if (msg->more)
        return;
    struct run *run, *next;
    DL_FOREACH_SAFE (agent->runs, run, next)
        if (!run->named)
            outcome_again(core, run, table_at(&run->job->table, run->index), TIE_NONE);
    DL_FOREACH_SAFE (agent->results.refused, run, next)
        if (!run->named)
            outcome_again(core, run, table_at(&run->job->table, run->index), TIE_NONE);
    agent_step(core, agent, AGENT_SYNCED);
    agent->met = true;
    agent->overdue.synced_ms = core->now;
    for (uint32_t i = 0; i < agent->queue_count; i++)
        mark_queue(core, agent->queues[i]);
    mark_agent(core, agent);
}

void worker_leaving(struct core *core, struct agent *agent)
{
    if (agent->state != AGENT_LEAVING) /* it may say so more than once */
        agent_step(core, agent, AGENT_LEAVING);
    while (agent->queue_count)
        queue_unserve(core, agent->queues[0], agent);
    mark_agent(core, agent); /* it goes when all is recorded */
}

/* The agent died while it must have been running this task. */
static void lose(struct core *core, struct agent *agent, struct run *run)
{
    outcome_lost(core, run, TIE_BLAMED,
                 update_text(core, "worker %s was lost while it ran the task (attempt %u)", agent->session->name,
                             table_at(&run->job->table, run->index)->attempt));
}

void worker_gone(struct core *core, struct agent *agent, bool blame)
{
    uint32_t started = 0;
    uint64_t chunk = 0; /* only the first of a chunk was running */
    update_trace(core, "%s > gone with %u tasks", agent->session->name, agent->held);
    while (agent->queue_count)
        queue_unserve(core, agent->queues[0], agent);
    while (agent->runs) {
        struct run *run = agent->runs;
        bool first = !run->chunk || run->chunk != chunk;
        chunk = run->chunk;
        if (blame && first && started++ < agent->slots)
            lose(core, agent, run);
        else
            outcome_again(core, run, table_at(&run->job->table, run->index), TIE_HELD);
    }
    while (agent->results.refused)
        outcome_again(core, agent->results.refused,
                      table_at(&agent->results.refused->job->table, agent->results.refused->index), TIE_HELD);
    list_remove(&agent->marked);
    list_remove(&agent->results.asked);
    list_remove(&agent->unfed);
    core->sessions.slots -= agent->slots;
    stuck_forget(agent);
    DL_DELETE(core->agents, agent);
    agent->session->agent = NULL;
    owed_record_told(agent);
    stalled_forget(agent);
    free(agent->queues);
    free(agent->passes);
    free(agent);
}
