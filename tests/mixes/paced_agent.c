/* SPDX-License-Identifier: Apache-2.0
 *
 * See paced.h: an agent around the real slot table, and its slots, which run what they are given one after the other.
 */
#include "tests/mixes/paced_parts.h"

#include <stdlib.h>
#include <string.h>

/* What a turn costs an agent, and a message, an answer or a task in it. */
#define AGENT_TURN_NS 10000u
#define AGENT_ITEM_NS 500u
/* How long a slot holds an answer back while more tasks are there, as in worker/slot/task.c. */
#define HOLD_US 100u
/* What a task costs beside its run time. */
#define TASK_US 1u
#define BATCH   512u

static struct paced_task *task_at(struct paced_slot *slot, uint64_t number)
{
    return &slot->ring[number % slot->room];
}

/* ---- slots ---- */

static void slot_give(struct paced *p, uint32_t agent, uint32_t number, const struct slot_table_given *task)
{
    struct paced_slot *slot = &p->agents[agent].slots[number];
    const struct paced_job *job = paced_job_of(p, task->job->job);
    if (slot->end - slot->at == slot->room) {
        uint32_t room = slot->room ? 2 * slot->room : 4;
        struct paced_task *ring = malloc(room * sizeof(*ring));
        if (!ring)
            abort();
        for (uint64_t i = slot->at; i < slot->end; i++)
            ring[i % room] = slot->ring[i % slot->room];
        free(slot->ring);
        slot->ring = ring;
        slot->room = room;
    }
    *task_at(slot, slot->end++) =
        (struct paced_task){p->now + p->config.slot_hop_us, job->us[task->index % job->us_count]};
    if (slot->running || slot->waking)
        return;
    slot->waking = true;
    paced_at(p, p->now + p->config.slot_hop_us,
             (struct paced_event){.type = PACED_SLOT_NEXT, .agent = agent, .slot = number});
}

static void slot_flush(struct paced *p, uint32_t agent, uint32_t number)
{
    struct paced_slot *slot = &p->agents[agent].slots[number];
    if (slot->flushed < slot->ended)
        paced_at(p, p->now + p->config.slot_hop_us,
                 (struct paced_event){.type = PACED_SLOT_SAID,
                                      .agent = agent,
                                      .slot = number,
                                      .number = (uint32_t)(slot->ended - slot->flushed)});
    slot->flushed = slot->ended;
    slot->flushed_us = p->now;
}

/* A task ends here, or one begins, or both. */
static void slot_next(struct paced *p, uint32_t agent, uint32_t number)
{
    struct paced_slot *slot = &p->agents[agent].slots[number];
    slot->waking = false;
    if (slot->running) {
        slot->typical_us = (3 * slot->typical_us + task_at(slot, slot->ended++)->us) / 4;
        slot->running = false;
    }
    bool more = slot->next < slot->end && task_at(slot, slot->next)->arrives <= p->now;
    if (!more || p->now - slot->flushed_us > HOLD_US || slot->typical_us > HOLD_US)
        slot_flush(p, agent, number);
    struct paced_event event = {.type = PACED_SLOT_NEXT, .agent = agent, .slot = number};
    if (more) {
        slot->running = true;
        paced_at(p, p->now + task_at(slot, slot->next++)->us + TASK_US, event);
    } else if (slot->next < slot->end) {
        slot->waking = true;
        paced_at(p, task_at(slot, slot->next)->arrives, event);
    }
}

/* ---- the agent ---- */

static void agent_wake(struct paced *p, uint32_t number, uint64_t when)
{
    struct paced_agent *agent = &p->agents[number];
    if (when < agent->free)
        when = agent->free;
    if (agent->turn <= when && agent->turn >= p->now)
        return;
    agent->turn = when;
    paced_at(p, when, (struct paced_event){.type = PACED_AGENT_TURN, .agent = number});
}

void paced_agent_hear(struct paced *p, uint32_t number, struct paced_packet *packet)
{
    paced_inbox_add(&p->agents[number].inbox, packet);
    agent_wake(p, number, p->now);
}

static void slot_said(struct paced *p, const struct paced_event *event)
{
    struct paced_agent *agent = &p->agents[event->agent];
    struct paced_slot *slot = &agent->slots[event->slot];
    slot->said += event->number;
    if (!slot->heard)
        agent->heard[agent->heard_count++] = event->slot;
    slot->heard = true;
    agent_wake(p, event->agent, p->now);
}

static uint32_t answers_take(struct paced *p, struct paced_agent *agent)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < agent->heard_count; i++) {
        struct paced_slot *slot = &agent->slots[agent->heard[i]];
        for (; slot->at < slot->said; count++) {
            struct slot_table_outcome outcome = {.code = BELT_OK, .timed = true, .exit_status = -1};
            outcome.service_us = task_at(slot, slot->at++)->us;
            if (!slot_table_answer(agent->table, p->now, agent->heard[i], &outcome))
                abort();
        }
        slot->heard = false;
    }
    agent->heard_count = 0;
    return count;
}

static void message_take(struct paced *p, struct paced_agent *agent, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_DISPATCH:
        slot_table_dispatch(agent->table, p->now, &msg->u.dispatch);
        break;
    case BELT_MSG_RECORDED:
        slot_table_recorded(agent->table, msg->u.recorded.upto);
        break;
    case BELT_MSG_RECALL:
        slot_table_recall(agent->table, p->now, msg->u.recall.count);
        break;
    default:
        break;
    }
}

/* What it has not begun, whether it is there yet or not. */
static void slot_take(struct paced *p, uint32_t agent, uint32_t number)
{
    struct paced_slot *slot = &p->agents[agent].slots[number];
    uint64_t first =
        slot->next > slot->at || slot->next == slot->end ? slot->next : slot->next + 1; /* that one it keeps */
    uint32_t count = (uint32_t)(slot->end - first);
    slot->end = first;
    p->totals.taken += count;
    slot_table_reclaimed(p->agents[agent].table, p->now, number, count);
    slot_flush(p, agent,
               number); /* the agent reads the answers that the slot has not told it of (worker/slot/task.c) */
}

static bool actions_take(struct paced *p, uint32_t number)
{
    struct slot_table_action action;
    bool acted = false;
    while (slot_table_next_action(p->agents[number].table, &action)) {
        acted = true;
        switch (action.type) {
        case SLOT_TABLE_START:
            slot_table_ready(p->agents[number].table, action.slot);
            break;
        case SLOT_TABLE_GIVE:
            slot_give(p, number, action.slot, &action.task);
            break;
        case SLOT_TABLE_RECLAIM:
            slot_take(p, number, action.slot);
            break;
        default:
            abort(); /* nobody stops here */
        }
    }
    return acted;
}

static void news_send(struct paced *p, struct paced_agent *agent, uint64_t handle, uint64_t leaves)
{
    struct belt_task_ref refs[BATCH];
    struct belt_result_item items[BATCH];
    struct slot_table_result result;
    uint64_t first, next;
    uint32_t count;
    while ((count = slot_table_take_returned(agent->table, refs, BATCH)) > 0)
        paced_send(p, &agent->up, true, handle, leaves,
                   &(struct belt_msg){.type = BELT_MSG_RETURNED, .u.returned = {.refs = refs, .count = count}});
    if (slot_table_none(agent->table))
        paced_send(p, &agent->up, true, handle, leaves, &(struct belt_msg){.type = BELT_MSG_RETURNED});
    if (slot_table_results_due(agent->table, p->now) > p->now)
        return;
    slot_table_unsent(agent->table, &first, &next);
    while (first < next) {
        struct belt_msg msg = {.type = BELT_MSG_RESULTS, .u.results = {.first = first, .results = items}};
        for (count = 0; first < next && count < BATCH; count++) {
            slot_table_result(agent->table, first, &result);
            if (count && result.job != msg.u.results.job)
                break;
            msg.u.results.job = result.job;
            items[count] = result.item;
            first++;
        }
        msg.u.results.count = count;
        paced_send(p, &agent->up, true, handle, leaves, &msg);
        slot_table_sent(agent->table, p->now, first);
    }
}

static void agent_turn(struct paced *p, uint32_t number)
{
    struct paced_agent *agent = &p->agents[number];
    uint64_t handle = p->config.clients + number + 1, cost = AGENT_TURN_NS;
    for (uint32_t i = 0; i < agent->inbox.count; i++) {
        struct paced_packet *packet = agent->inbox.packets[i];
        cost += AGENT_ITEM_NS * (packet->msg.type == BELT_MSG_DISPATCH ? packet->msg.u.dispatch.count : 1);
        message_take(p, agent, &packet->msg);
        free(packet->items);
        free(packet);
    }
    agent->inbox.count = 0;
    cost += AGENT_ITEM_NS * answers_take(p, agent);
    do {
        slot_table_turn(agent->table, p->now);
    } while (actions_take(p, number));
    agent->free = p->now + cost / 1000;
    news_send(p, agent, handle, agent->free);
    agent->turn = UINT64_MAX;
    uint64_t deadline = slot_table_deadline(agent->table), due = slot_table_results_due(agent->table, p->now);
    if (due < deadline)
        deadline = due;
    if (deadline != UINT64_MAX) /* epoll counts in ms */
        agent_wake(p, number, p->now + (deadline > p->now ? (deadline - p->now + 999) / 1000 * 1000 : 0));
}

void paced_agent_event(struct paced *p, const struct paced_event *event)
{
    if (event->type == PACED_SLOT_NEXT)
        slot_next(p, event->agent, event->slot);
    else if (event->type == PACED_SLOT_SAID)
        slot_said(p, event);
    else if (p->agents[event->agent].turn == event->when)
        agent_turn(p, event->agent);
}

void paced_agents_new(struct paced *p)
{
    const struct slot_table_program program = {
        .persistent = true, .greets = true, .polite = true, .ahead = true, .yields = true};
    const struct slot_table_function function = {{(const uint8_t *)"f", 1}, 0};
    const struct slot_table_config config = {.slots = p->config.slots,
                                             .programs = &program,
                                             .program_count = 1,
                                             .functions = &function,
                                             .function_count = 1,
                                             .start_us = 10000000,
                                             .kill_us = 2000000};
    p->agents = calloc(p->config.agents, sizeof(*p->agents));
    for (uint32_t i = 0; p->agents && i < p->config.agents; i++) {
        struct paced_agent *agent = &p->agents[i];
        agent->table = slot_table_new(&config);
        agent->slots = calloc(p->config.slots, sizeof(*agent->slots));
        agent->heard = calloc(p->config.slots, sizeof(*agent->heard));
        agent->turn = UINT64_MAX;
        if (!agent->table || !agent->slots || !agent->heard)
            abort();
        agent_wake(p, i, 0);
    }
}

void paced_agents_free(struct paced *p)
{
    for (uint32_t i = 0; i < p->config.agents; i++) {
        struct paced_agent *agent = &p->agents[i];
        for (uint32_t k = 0; k < p->config.slots; k++)
            free(agent->slots[k].ring);
        for (uint32_t k = 0; k < agent->inbox.count; k++) {
            free(agent->inbox.packets[k]->items);
            free(agent->inbox.packets[k]);
        }
        slot_table_free(agent->table);
        free(agent->slots);
        free(agent->heard);
        free(agent->inbox.packets);
    }
    free(p->agents);
}
