/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of an agent: holds what is dispatched, runs it in slots on virtual
 * time, keeps results until they are recorded (PROTOCOL.md §8).
 */
#include "sim.h"

#include <stdio.h>

static struct agent_model *agent_of(struct node *node)
{
    return (struct agent_model *)(void *)node;
}

static void fill_hello(struct node *node, struct belt_msg_hello *hello)
{
    static const char *const names[SIM_FUNCTIONS] = {"f0", "f1", "f2"};
    static struct belt_bytes functions[SIM_FUNCTIONS];
    struct agent_model *agent = agent_of(node);
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIM_FUNCTIONS; i++)
        if (agent->mask >> i & 1)
            functions[count++] = (struct belt_bytes){(const uint8_t *)names[i], 2};
    hello->worker = (struct belt_worker_props){.slots = agent->slots,
                                               .window_items = agent->window,
                                               .window_bytes = agent->window_bytes,
                                               .functions = functions,
                                               .function_count = count};
}

static void send_refs(struct agent_model *agent, uint8_t type, const struct belt_task_ref *refs, uint32_t count)
{
    struct belt_msg msg = {.type = type};
    msg.u.sync = (struct belt_msg_refs){.refs = refs, .count = count};
    node_send(&agent->node, &msg);
}

static struct belt_bytes bytes_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static void send_result(struct agent_model *agent, const struct outcome *outcome)
{
    uint32_t size = outcome->code ? 0 : sim_size(outcome->ref.job, outcome->ref.index);
    struct belt_buf *buf = belt_buf_new(size + 1);
    if (!buf)
        abort();
    memset(buf->data, 'r', size + 1);
    if (size)
        memcpy(buf->data, &outcome->ref.index, sizeof outcome->ref.index);
    struct belt_result_extras extras = {.text = bytes_of("it failed"), .exit_status = 1};
    struct belt_result_item item = {.index = outcome->ref.index,
                                    .attempt = outcome->ref.attempt,
                                    .code = outcome->code,
                                    .service_us = outcome->service_us,
                                    .payload = {buf, buf->data, size},
                                    .extras = outcome->code ? &extras : NULL};
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};
    msg.u.results = (struct belt_msg_results){.first = outcome->number, .job = outcome->ref.job, .results = &item, .count = 1};
    node_send(&agent->node, &msg);
    belt_buf_unref(buf);
}

static void welcomed(struct node *node)
{
    struct agent_model *agent = agent_of(node);
    uint32_t count = 0;
    struct belt_task_ref *refs = malloc((agent->count + agent->result_count + 1) * sizeof *refs);
    if (!refs)
        abort();
    for (uint32_t i = 0; i < agent->count; i++)
        refs[count++] = agent->held[i].ref;
    for (uint32_t i = 0; i < agent->result_count; i++)
        refs[count++] = agent->results[i].ref;
    send_refs(agent, BELT_MSG_SYNC, refs, count);
    free(refs);
    for (uint32_t i = 0; i < agent->result_count; i++)
        send_result(agent, &agent->results[i]);
    if (agent->leaving)
        node_send(node, &(struct belt_msg){.type = BELT_MSG_LEAVING});
}

static struct held *find(struct agent_model *agent, uint64_t job, uint64_t index)
{
    for (uint32_t i = 0; i < agent->count; i++)
        if (agent->held[i].ref.job == job && agent->held[i].ref.index == index)
            return &agent->held[i];
    return NULL;
}

static void forget(struct agent_model *agent, struct held *held)
{
    uint32_t at = (uint32_t)(held - agent->held);
    agent->count--;
    memmove(held, held + 1, (agent->count - at) * sizeof *held);
}

static void check_window(struct agent_model *agent)
{
    uint32_t count = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < agent->count; i++) {
        count += !agent->held[i].dropped;
        bytes += agent->held[i].dropped ? 0 : agent->held[i].bytes;
    }
    if (count > agent->window || (count > 1 && bytes > agent->window_bytes))
        sim_fail(agent->node.sim, "%s holds %u tasks and %llu bytes: over its window", agent->node.name, count,
                 (unsigned long long)bytes);
}

static void on_dispatch(struct agent_model *agent, const struct belt_msg_dispatch *msg)
{
    uint32_t group = ++agent->groups;
    for (uint32_t i = 0; i < msg->count; i++) {
        struct held *old = find(agent, msg->job, msg->tasks[i].index);
        if (old && old->ref.attempt >= msg->tasks[i].attempt)
            continue;
        if (old)
            forget(agent, old);
        if (agent->count == agent->room) {
            agent->room = agent->room ? agent->room * 2 : 16;
            agent->held = realloc(agent->held, agent->room * sizeof *agent->held);
            if (!agent->held)
                abort();
        }
        agent->held[agent->count++] = (struct held){
            .ref = {msg->job, msg->tasks[i].index, msg->tasks[i].attempt},
            .bytes = msg->tasks[i].payload.len,
            .function = (uint32_t)(msg->function.data[1] - '0'),
            .group = group,
            .together = msg->together,
        };
    }
    check_window(agent);
}

static void on_recall(struct agent_model *agent, uint32_t count)
{
    struct belt_task_ref *refs = malloc((agent->count + 1) * sizeof *refs);
    uint32_t given = 0;
    if (!refs)
        abort();
    for (uint32_t i = agent->count; i-- > 0 && given < count;)
        if (!agent->held[i].running) {
            refs[given++] = agent->held[i].ref;
            forget(agent, &agent->held[i]);
        }
    send_refs(agent, BELT_MSG_RETURNED, refs, given);
    free(refs);
}

static void on_drop(struct agent_model *agent, const struct belt_msg_refs *msg)
{
    for (uint32_t i = 0; i < msg->count; i++) {
        struct held *held = find(agent, msg->refs[i].job, msg->refs[i].index);
        bool same = held && held->ref.attempt == msg->refs[i].attempt;
        if (same && held->running) {
            held->dropped = true;
            held->end_ms = agent->node.sim->now + 1;
            continue;
        }
        if (same)
            forget(agent, held);
        send_refs(agent, BELT_MSG_RETURNED, &msg->refs[i], 1);
    }
}

static void on_recorded(struct agent_model *agent, uint64_t upto)
{
    uint32_t gone = 0;
    while (gone < agent->result_count && agent->results[gone].number < upto)
        gone++;
    agent->result_count -= gone;
    memmove(agent->results, agent->results + gone, agent->result_count * sizeof *agent->results);
}

static void receive(struct node *node, const struct belt_msg *msg)
{
    struct agent_model *agent = agent_of(node);
    if (msg->type == BELT_MSG_DISPATCH)
        on_dispatch(agent, &msg->u.dispatch);
    else if (msg->type == BELT_MSG_RECALL)
        on_recall(agent, msg->u.recall.count);
    else if (msg->type == BELT_MSG_DROP)
        on_drop(agent, &msg->u.drop);
    else if (msg->type == BELT_MSG_RECORDED)
        on_recorded(agent, msg->u.recorded.upto);
    else if (msg->type != BELT_MSG_PONG)
        sim_fail(node->sim, "%s got %s", node->name, belt_msg_name(msg->type));
}

/* ---- slots ---- */

uint32_t agent_busy(const struct agent_model *agent)
{
    uint32_t busy = 0;
    for (uint32_t i = 0; i < agent->count; i++)
        busy += agent->held[i].running;
    return busy;
}

/* A chunk runs in one slot, in its order. */
static bool may_start(const struct agent_model *agent, const struct held *held)
{
    if (held->running || held->dropped)
        return false;
    for (const struct held *other = agent->held; held->together && other < held; other++)
        if (other->group == held->group)
            return false;
    return true;
}

static uint64_t duration_us(struct sim *sim, uint32_t function)
{
    uint64_t roll = sim_random(sim, 100);
    if (function == 0)
        return roll < 98 ? 5 : 3000000; /* short, now and then very long */
    if (function == 1)
        return 1000 + sim_random(sim, 60000);
    return 200000 + sim_random(sim, 2000000);
}

static void start(struct agent_model *agent)
{
    uint32_t busy = agent_busy(agent);
    for (uint32_t i = 0; i < agent->count && busy < agent->slots; i++) {
        struct held *held = &agent->held[i];
        if (!may_start(agent, held))
            continue;
        uint64_t us = duration_us(agent->node.sim, held->function);
        held->running = true;
        held->service_us = (uint32_t)us;
        held->end_ms = agent->node.sim->now + us / 1000;
        busy++;
    }
}

static uint32_t outcome_of(struct sim *sim, const struct held *held)
{
    if (sim->now < sim->faults_until && sim_chance(sim, 20))
        return BELT_TASK_LOST;
    switch (sim_fate(held->ref.job, held->ref.index)) {
    case FATE_FAILS:
        return BELT_TASK_FAILED;
    case FATE_FAILS_ONCE:
        return held->ref.attempt == 1 ? BELT_TASK_FAILED : BELT_OK;
    case FATE_KILLS_SLOT:
        return BELT_TASK_LOST;
    case FATE_OK:
        break;
    }
    return BELT_OK;
}

static void finish(struct agent_model *agent, struct held *held)
{
    struct belt_task_ref ref = held->ref;
    if (held->dropped) {
        forget(agent, held);
        if (node_ready(&agent->node))
            send_refs(agent, BELT_MSG_RETURNED, &ref, 1);
        return;
    }
    struct outcome outcome = {ref, outcome_of(agent->node.sim, held), held->service_us, agent->next_result++};
    forget(agent, held);
    if (agent->result_count == agent->result_room) {
        agent->result_room = agent->result_room ? agent->result_room * 2 : 16;
        agent->results = realloc(agent->results, agent->result_room * sizeof *agent->results);
        if (!agent->results)
            abort();
    }
    agent->results[agent->result_count++] = outcome;
    if (node_ready(&agent->node))
        send_result(agent, &outcome);
}

static void return_unstarted(struct agent_model *agent)
{
    for (uint32_t i = agent->count; i-- > 0;) {
        if (agent->held[i].running)
            continue;
        struct belt_task_ref ref = agent->held[i].ref;
        forget(agent, &agent->held[i]);
        send_refs(agent, BELT_MSG_RETURNED, &ref, 1);
    }
}

void agent_leave(struct agent_model *agent)
{
    agent->leaving = true;
    node_send(&agent->node, &(struct belt_msg){.type = BELT_MSG_LEAVING});
}

static void go_on_leaving(struct agent_model *agent)
{
    if (!node_ready(&agent->node))
        return;
    return_unstarted(agent);
    if (agent->count || agent->result_count)
        return;
    node_send(&agent->node, &(struct belt_msg){.type = BELT_MSG_BYE});
    agent->node.alive = false;
    agent->node.back_at = agent->node.sim->now + 500 + sim_random(agent->node.sim, 3000);
}

void agent_run(struct agent_model *agent)
{
    struct node *node = &agent->node;
    struct sim *sim = node->sim;
    if (!node->alive && sim->now >= node->back_at) {
        node_cut(node, false);
        agent_start(sim, agent, node->name);
    }
    if (!node->alive || sim->now < node->asleep_until)
        return;
    node_run(node);
    for (uint32_t rounds = 0; rounds < 64; rounds++) {
        bool any = false;
        if (!agent->leaving)
            start(agent);
        for (uint32_t i = 0; i < agent->count; i++)
            if (agent->held[i].running && agent->held[i].end_ms <= sim->now) {
                finish(agent, &agent->held[i--]);
                any = true;
            }
        if (!any)
            break;
    }
    if (agent->leaving)
        go_on_leaving(agent);
}

uint64_t agent_deadline(const struct agent_model *agent)
{
    const struct node *node = &agent->node;
    uint64_t when = node_deadline(node);
    for (uint32_t i = 0; node->alive && i < agent->count; i++) {
        uint64_t end = agent->held[i].running ? agent->held[i].end_ms : UINT64_MAX;
        if (end < node->asleep_until)
            end = node->asleep_until;
        if (end < when)
            when = end;
    }
    return when;
}

void agent_start(struct sim *sim, struct agent_model *agent, const char *name)
{
    char keep[16];
    snprintf(keep, sizeof keep, "%s", name);
    node_start(sim, &agent->node, BELT_ROLE_WORKER, keep);
    agent->node.welcomed = welcomed;
    agent->node.receive = receive;
    agent->node.fill_hello = fill_hello;
    agent->slots = 1 + (uint32_t)sim_random(sim, 4);
    agent->window = agent->slots + (uint32_t)sim_random(sim, 60);
    agent->window_bytes = sim_chance(sim, 3000) ? 100 : 1 << 20;
    agent->mask = sim_chance(sim, 7000) || sim->fault_at == UINT64_MAX ? 7 : 1u << sim_random(sim, 3);
    agent->count = agent->result_count = 0;
    agent->next_result = 0;
    agent->leaving = false;
    agent->idle_since = agent->starved_since = 0;
}

void agent_fini(struct agent_model *agent)
{
    node_fini(&agent->node);
    free(agent->held);
    free(agent->results);
}
