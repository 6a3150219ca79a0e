/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back what lies unstarted at one agent while a slot of another idles
 * (PROTOCOL.md §8.3). What comes back waits again, and dispatch.c gives it out.
 */
#include "state.h"
#include "sizing.h"

/* Pause between two looks at who could give back unstarted tasks. */
#define BALANCE_MS 5u

/* What a task of this agent takes: the estimate, unless the agent is longer at its oldest than that. */
static double service_of(const struct core *core, const struct queue *queue, const struct agent *agent)
{
    double age_us = agent->runs ? (double)(core->now - agent->runs->dispatched_ms) * 1000.0 : 0;
    return age_us > queue->service_us ? age_us : queue->service_us;
}

/* Idle slots here, unstarted tasks there: ask for some of them. What waits and may go fills idle slots without that;
 * what waits and may not (its reader has stalled, its time has not come) must not keep others from being moved. */
void balance_turn(struct core *core, struct queue *queue)
{
    if (!queue->hungry || queue->running == 0 || queue->agent_count < 2)
        return;
    if (core->now < queue->balanced_ms + BALANCE_MS) {
        dispatch_come_back(core, queue, queue->balanced_ms + BALANCE_MS);
        return;
    }
    queue->balanced_ms = core->now;
    struct agent *fullest = NULL;
    uint32_t idle = 0;
    uint64_t refused = UINT64_MAX;
    for (uint32_t i = 0; i < queue->agent_count; i++) {
        struct agent *agent = queue->agents[i];
        if (!agent->synced)
            continue;
        if (agent->parts < agent->slots)
            idle += agent->slots - agent->parts;
        else if (core->now < agent->recall_ms)
            refused = agent->recall_ms < refused ? agent->recall_ms : refused;
        else if (!agent->recalling && (!fullest || agent->parts - agent->slots > fullest->parts - fullest->slots))
            fullest = agent;
    }
    uint32_t count = fullest ? sizing_recall(service_of(core, queue, fullest), fullest->parts, fullest->slots, idle) : 0;
    if (count == 0 && idle && refused != UINT64_MAX)
        dispatch_come_back(core, queue, refused);
    if (count == 0 && idle && fullest && fullest->parts > fullest->slots)
        dispatch_come_back(core, queue, core->now + BALANCE_MS); /* short, as it seems: unless a long one is among them */
    if (count == 0)
        return;
    fullest->recalling = true;
    update_send(core, fullest->session, BELT_MSG_RECALL)->u.recall.count = count;
    update_trace(core, "%s > recall %u tasks: %u slots idle", fullest->session->name, count, idle);
    dispatch_come_back(core, queue, core->now + BALANCE_MS);
}

void balance_offer(struct core *core, struct agent **agents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; agents[i]->parts < agents[i]->slots && k < agents[i]->queue_count; k++)
            if (agents[i]->queues[k]->running && agents[i]->queues[k]->agent_count > 1)
                queue_touch(core, agents[i]->queues[k]);
}
