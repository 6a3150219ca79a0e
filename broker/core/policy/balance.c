/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back what lies unstarted at one agent while a slot of another idles
 * (PROTOCOL.md §8.3). What comes back waits again, and dispatch.c gives it out.
 */
#include "broker/core/policy/balance.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/run.h"
#include "broker/core/policy/sizing.h"
#include "broker/core/model/steps.h"

#include <stdio.h>

/* Pause between two looks at who could give back unstarted tasks. */
#define BALANCE_MS 5u
/* Agents asked in one look: each may have a handful, and the next look is soon. */
#define ASK_MAX 16u

/* What a task of this agent takes: the estimate, unless the agent is longer at its oldest than that. */
static double service_of(const struct core *core, const struct queue *queue, const struct agent *agent)
{
    double age_us = agent->runs ? (double)(core->now - agent->runs->dispatched_ms) * 1000.0 : 0;
    return age_us > queue->service_us ? age_us : queue->service_us;
}

/* An agent gives back what came last. To have `want` tasks of the queue it must be asked for all behind them too: how
 * many that is, and the nearest of the queue, among its last `most`. 0: none is there. */
static uint32_t reach(const struct agent *agent, const struct queue *queue, uint32_t want, uint32_t most,
                      const struct run **nearest)
{
    uint32_t far = 0;
    const struct run *run = agent->runs ? agent->runs->prev : NULL;
    for (uint32_t at = 1; want && at <= most; at++, run = run->prev) {
        if (run->job->queue != queue)
            continue;
        if (!far)
            *nearest = run;
        far = at;
        want--;
    }
    return far;
}

/* The first ones are running, as a rule. Not always: a program that cannot start keeps its tasks behind later ones. */
static uint32_t within_reach(const struct agent *agent, const struct queue *queue, uint32_t want,
                             const struct run **nearest)
{
    uint32_t behind = agent->held > agent->slots ? agent->held - agent->slots : 0;
    uint32_t far = reach(agent, queue, want, behind, nearest);
    return far ? far : reach(agent, queue, 1, agent->held, nearest);
}

static uint32_t behind(const struct agent *agent)
{
    return agent->parts > agent->slots ? agent->parts - agent->slots : 0;
}

/* What came first runs, as a rule. Not always: its slot is being stopped, or its program does not start. So who has
 * nothing behind his slots is asked too, once for each task that runs, when it has been there for a heartbeat. When
 * that is; UINT64_MAX: all are known to run. */
static uint64_t doubtful_ms(const struct core *core, const struct agent *agent)
{
    const struct run *run = agent->runs;
    while (run && run->dispatched_ms < agent->recall.begun_ms)
        run = run->next;
    return run ? run->dispatched_ms + core->config.heartbeat_ms : UINT64_MAX;
}

/* When this agent may be asked for tasks: now or before; UINT64_MAX: not at all. */
static uint64_t askable_ms(const struct core *core, const struct agent *agent)
{
    if (!agent_is_synced(agent) || agent->recall.under_way || !agent->parts)
        return UINT64_MAX;
    uint64_t when = behind(agent) ? 0 : doubtful_ms(core, agent);
    return when > agent->recall.again_ms ? when : agent->recall.again_ms;
}

/* Who has most behind its slots, and some of it of this queue; `*later`: when another one may be asked. */
static struct agent *fullest_of(const struct core *core, const struct queue *queue, uint64_t *later)
{
    struct agent *fullest = NULL;
    const struct run *nearest;
    *later = UINT64_MAX;
    for (uint32_t i = 0; i < queue->agent_count; i++) {
        struct agent *agent = queue->agents[i];
        uint64_t when = askable_ms(core, agent);
        if (core->now < when)
            *later = when < *later ? when : *later;
        else if ((!fullest || behind(agent) > behind(fullest)) && within_reach(agent, queue, 1, &nearest))
            fullest = agent;
    }
    return fullest;
}

/* Slots without work, of agents that could take a task of this size. */
static uint32_t idle_slots(const struct queue *queue, uint32_t bytes)
{
    uint32_t idle = 0;
    for (uint32_t i = 0; i < queue->agent_count; i++) {
        const struct agent *agent = queue->agents[i];
        bool room = agent->held < agent->window_items && run_has_room(agent, bytes);
        if (agent_is_synced(agent) && agent->parts < agent->slots && room)
            idle += agent->slots - agent->parts;
    }
    return idle;
}

bool balance_recall(struct core *core, const struct queue *queue, struct agent *agent, uint32_t count, const char *why)
{
    if (count == 0 || agent->recall.under_way || !agent_is_synced(agent))
        return false;
    agent->recall.under_way = true;
    agent->recall.asked_ms = core->now;
    agent->recall.queue = queue;
    update_send(core, agent->session, BELT_MSG_RECALL)->u.recall.count = count;
    update_trace(core, "%s > recall %u tasks: %s", agent->session->name, count, why);
    return true;
}

/* How many to ask it for. */
static uint32_t wanted(const struct core *core, const struct queue *queue, const struct agent *agent, uint32_t idle)
{
    if (!behind(agent))
        return idle < agent->parts ? idle : agent->parts;
    return sizing_recall(service_of(core, queue, agent), agent->parts, agent->slots, idle);
}

/* Asks the fullest for some of what it has, for the idle slots but those that have been `served`. False: nobody has
 * anything that is worth it. */
static bool ask_fullest(struct core *core, struct queue *queue, uint32_t *served)
{
    const struct run *nearest = NULL;
    uint64_t later;
    char why[48];
    struct agent *fullest = fullest_of(core, queue, &later);
    if (fullest)
        (void)within_reach(fullest, queue, 1, &nearest);
    uint32_t idle = idle_slots(queue, nearest ? nearest->bytes : 0);
    idle = idle > *served ? idle - *served : 0;
    uint32_t count = fullest ? wanted(core, queue, fullest, idle) : 0;
    if (!count && idle && later != UINT64_MAX)
        mark_queue_later(core, queue, later);
    if (idle && fullest) /* or short, as it seems: unless a long one is among them */
        mark_queue_later(core, queue, core->now + BALANCE_MS);
    *served += count;
    snprintf(why, sizeof(why), "%u slots idle", idle);
    return count && balance_recall(core, queue, fullest, within_reach(fullest, queue, count, &nearest), why);
}

/* Idle slots here, unstarted tasks there: ask for some of them. What waits and may go fills idle slots without that;
 * what waits and may not (its reader has stalled, its time has not come) must not keep others from being moved. */
void balance_turn(struct core *core, struct queue *queue)
{
    if (!queue->hungry || queue->running == 0 || queue->agent_count < 2)
        return;
    if (core->now < queue->balanced_ms + BALANCE_MS) {
        mark_queue_later(core, queue, queue->balanced_ms + BALANCE_MS);
        return;
    }
    queue->balanced_ms = core->now;
    for (uint32_t asked = 0, served = 0; asked < ASK_MAX && ask_fullest(core, queue, &served); asked++)
        continue;
}

void balance_offer(struct core *core, struct agent **agents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; agents[i]->parts < agents[i]->slots && k < agents[i]->queue_count; k++)
            if (agents[i]->queues[k]->running && agents[i]->queues[k]->agent_count > 1)
                mark_queue(core, agents[i]->queues[k]);
}
