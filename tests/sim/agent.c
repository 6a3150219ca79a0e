/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent: the real slot table, and around it what worker/agent/wire.c and worker/agent/loop.c do with a broker.
 */
#include "tests/sim/sim.h"

#include "worker/table/state.h"

#include <stdio.h>

static struct agent_model *agent_of(struct node *node)
{
    return (struct agent_model *)(void *)node;
}

static uint64_t now_us(const struct agent_model *agent)
{
    return agent->node.sim->now * 1000;
}

static void fill_hello(struct node *node, struct belt_msg_hello *hello)
{
    static const char *const names[SIM_FUNCTIONS] = {"f0", "f1", "f2"};
    static struct belt_bytes functions[SIM_FUNCTIONS];
    struct agent_model *agent = agent_of(node);
    for (uint32_t i = 0; i < agent->function_count; i++)
        functions[i] = (struct belt_bytes){(const uint8_t *)names[agent->functions[i]], 2};
    hello->worker = (struct belt_worker_props){.slots = agent->slots,
                                               .window_items = agent->window,
                                               .window_bytes = agent->window_bytes,
                                               .functions = functions,
                                               .function_count = agent->function_count};
}

/* ---- out ---- */

static void say(struct agent_model *agent, uint8_t type)
{
    node_send(&agent->node, &(struct belt_msg){.type = type});
}

static void send_sync(struct agent_model *agent)
{
    uint32_t most = slot_table_held(agent->table) + slot_table_unrecorded(agent->table), at = 0;
    struct belt_task_ref *refs = malloc((most + 1) * sizeof(*refs));
    if (!refs)
        abort();
    uint32_t count = slot_table_sync(agent->table, refs),
             batch = sim_chance(agent->node.sim, 3000) ? 3 : BELT_MAX_BATCH;
    do {
        uint32_t part = count - at < batch ? count - at : batch;
        struct belt_msg msg = {.type = BELT_MSG_SYNC};
        msg.u.sync = (struct belt_msg_refs){.refs = refs + at, .count = part, .more = at + part < count};
        node_send(&agent->node, &msg);
        at += part;
    } while (at < count);
    free(refs);
}

static void send_returned(struct agent_model *agent)
{
    struct belt_task_ref refs[64];
    uint32_t count;
    while ((count = slot_table_take_returned(agent->table, refs, 64)) > 0) {
        struct belt_msg msg = {.type = BELT_MSG_RETURNED};
        msg.u.returned = (struct belt_msg_refs){.refs = refs, .count = count};
        node_send(&agent->node, &msg);
    }
    if (slot_table_none(agent->table))
        say(agent, BELT_MSG_RETURNED);
}

/* One message of results of one job, from number `first`. Returns the number after the last. */
static uint64_t send_batch(struct agent_model *agent, uint64_t first, uint64_t next)
{
    struct slot_table_result results[SIM_BATCH] = {0};
    struct belt_result_item items[SIM_BATCH];
    struct belt_batch batch = {0};
    uint32_t count = 0;
    for (uint64_t n = first; n < next && count < SIM_BATCH; n++) {
        struct slot_table_result *r = &results[count];
        slot_table_result(agent->table, n, r);
        size_t overhead = r->plain ? 16 : 64 + r->extras.text.len + r->extras.log.len + r->extras.host.len;
        if (r->job != results[0].job || !belt_batch_add(&batch, r->item.payload.len, overhead))
            break;
        items[count] = r->item;
        items[count++].extras = r->plain ? NULL : &r->extras;
    }
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};
    msg.u.results = (struct belt_msg_results){.first = first, .job = results[0].job, .results = items, .count = count};
    node_send(&agent->node, &msg);
    return first + count;
}

static void send_news(struct agent_model *agent)
{
    uint64_t first, next;
    if (!node_ready(&agent->node))
        return;
    send_returned(agent);
    if (slot_table_results_due(agent->table, now_us(agent)) > now_us(agent))
        return;
    slot_table_unsent(agent->table, &first, &next);
    while (first < next)
        slot_table_sent(agent->table, now_us(agent), first = send_batch(agent, first, next));
}

static void say_leaving(struct agent_model *agent)
{
    if (!node_ready(&agent->node) || agent->said_leaving)
        return;
    agent->said_leaving = true;
    say(agent, BELT_MSG_LEAVING);
}

/* ---- in ---- */

static void welcomed(struct node *node)
{
    struct agent_model *agent = agent_of(node);
    slot_table_resend(agent->table);
    send_sync(agent);
    agent->said_leaving = false;
    if (agent->leaving)
        say_leaving(agent);
}

static void check_window(struct agent_model *agent)
{
    uint32_t count = 0;
    uint64_t bytes = 0;
    const struct slot_table_index *tasks = &agent->table->tasks;
    for (uint32_t i = 0; i < tasks->size; i++) {
        const struct slot_table_task *task = tasks->at[i].task;
        if (task && task->state != SLOT_TABLE_DONE && !task->dropped) {
            count++;
            bytes += task->payload.len;
        }
    }
    if (count > agent->window || (count > 1 && bytes > agent->window_bytes))
        sim_fail(agent->node.sim, "%s holds %u tasks and %llu bytes: over its window", agent->node.name, count,
                 ULL(bytes));
}

static void check_dispatch(struct sim *sim, const struct belt_msg_dispatch *msg)
{
    uint32_t number = UINT32_MAX;
    if (msg->argument.len >= sizeof(number))
        memcpy(&number, msg->argument.data, sizeof(number));
    const struct job_model *job = sim_job(sim, number);
    if (job && job->id == msg->job && job_is_early(sim, job, job->options.after_ms))
        sim_fail(sim, "job %llu was dispatched before its start (I11)", ULL(msg->job));
    for (uint32_t i = 0; i < msg->count; i++) {
        uint64_t index = msg->tasks[i].index, input = sim_payload_index(msg->tasks[i].payload);
        if (!job || !sim_payload_is(sim, msg->tasks[i].payload, number, input, 1))
            sim_fail(sim, "job %llu task %llu was dispatched with no input of its", ULL(msg->job), ULL(index));
        else
            admin_dispatched(sim, job, msg->job, index, input);
    }
}

static void receive(struct node *node, const struct belt_msg *msg)
{
    struct agent_model *agent = agent_of(node);
    switch (msg->type) {
    case BELT_MSG_DISPATCH:
        check_dispatch(node->sim, &msg->u.dispatch);
        slot_table_dispatch(agent->table, now_us(agent), &msg->u.dispatch);
        check_window(agent);
        break;
    case BELT_MSG_RECORDED:
        slot_table_recorded(agent->table, msg->u.recorded.upto);
        break;
    case BELT_MSG_RECALL:
        slot_table_recall(agent->table, now_us(agent), msg->u.recall.count);
        break;
    case BELT_MSG_DROP:
        slot_table_drop(agent->table, now_us(agent), msg->u.drop.refs, msg->u.drop.count);
        break;
    default:
        sim_fail(node->sim, "%s got %s", node->name, belt_msg_name(msg->type));
    }
}

/* ---- leaving ---- */

void agent_leave(struct agent_model *agent)
{
    struct sim *sim = agent->node.sim;
    agent->leaving = true;
    agent->leave_until = sim->now + sim_random(sim, 3000);
    slot_table_leave(agent->table, now_us(agent), agent->leave_until * 1000);
    say_leaving(agent);
}

static void leave_step(struct agent_model *agent)
{
    struct sim *sim = agent->node.sim;
    bool over = slot_table_held(agent->table) == 0 && slot_table_unrecorded(agent->table) == 0;
    bool late = sim->now >= agent->leave_until + 3000;
    if (!node_ready(&agent->node) && slot_table_held(agent->table) == 0 && sim->now >= agent->leave_until)
        late = true;
    if (!over && !late)
        return;
    if (!over) {
        slot_table_abandon(agent->table);
        send_news(agent);
    }
    if (slot_table_held(agent->table) == 0 && node_ready(&agent->node))
        say(agent, BELT_MSG_BYE);
    agent->node.alive = false;
    agent->node.back_at = sim->now + 500 + sim_random(sim, 3000);
}

/* ---- its loop ---- */

/* True: there is more to decide before it waits. */
static bool act(struct agent_model *agent)
{
    slot_table_turn(agent->table, now_us(agent));
    bool acted = process_act(agent);
    return process_run(agent) || acted;
}

/* As the broker's (I25): who waits has nothing to give to a slot and nothing to tell. */
static void look_again(struct agent_model *agent)
{
    struct sim *sim = agent->node.sim;
    struct slot_table_action action;
    uint64_t first, next;
    if (sim->error[0] || !agent->node.alive || agent_deadline(agent) <= sim->now)
        return;
    slot_table_turn(agent->table, now_us(agent));
    if (slot_table_next_action(agent->table, &action))
        sim_fail(sim, "%s sleeps until %llu with something to do for slot %u (I25)", agent->node.name,
                 ULL(agent_deadline(agent)), action.slot);
    slot_table_unsent(agent->table, &first, &next);
    if (node_ready(&agent->node) && first < next &&
        slot_table_results_due(agent->table, now_us(agent)) <= now_us(agent))
        sim_fail(sim, "%s sleeps until %llu with results to be sent (I25)", agent->node.name,
                 ULL(agent_deadline(agent)));
}

void agent_run(struct agent_model *agent)
{
    struct node *node = &agent->node;
    struct sim *sim = node->sim;
    if (!node->alive && sim->now >= node->back_at) {
        node_cut(node, false);
        agent_start(sim, agent, node->name);
    }
    if (node_asleep(node))
        return;
    node_run(node);
    for (uint32_t rounds = 0; rounds < 64 && act(agent); rounds++)
        continue;
    process_act(agent);
    send_news(agent);
    if (slot_table_recovered(agent->table))
        belt_session_again(&node->session, sim->now);
    if (agent->leaving)
        leave_step(agent);
    look_again(agent);
}

uint64_t agent_deadline(const struct agent_model *agent)
{
    const struct node *node = &agent->node;
    uint64_t when = node_deadline(node);
    if (!node->alive)
        return when;
    uint64_t table = slot_table_deadline(agent->table);
    if (node_ready(node))
        table = least(table, slot_table_results_due(agent->table, now_us(agent)));
    uint64_t own = least(process_deadline(agent), table == UINT64_MAX ? table : (table + 999) / 1000);
    if (agent->leaving)
        own = least(own, node->sim->now < agent->leave_until ? agent->leave_until : agent->leave_until + 3000);
    if (own < node->asleep_until)
        own = node->asleep_until;
    return least(own, when);
}

static void draw_table(struct sim *sim, struct agent_model *agent)
{
    static const char *const names[SIM_FUNCTIONS] = {"f0", "f1", "f2"};
    struct slot_table_function functions[SIM_FUNCTIONS];
    struct slot_table_program programs[2] = {
        {.persistent = true, .greets = true, .polite = true, .ahead = true, .yields = true}};
    bool each = sim_chance(sim, 5000); /* the slow function: a process per task */
    programs[1] = (struct slot_table_program){.persistent = !each, .greets = !each && sim_chance(sim, 5000)};
    uint32_t program_count = sim_chance(sim, 5000) ? 2 : 1;
    agent->function_count = 0;
    for (uint32_t i = 0; i < SIM_FUNCTIONS; i++)
        if (agent->mask >> i & 1) {
            functions[agent->function_count] =
                (struct slot_table_function){{(const uint8_t *)names[i], 2}, i == 2 ? program_count - 1 : 0};
            agent->functions[agent->function_count++] = i;
        }
    const struct slot_table_config config = {.slots = agent->slots,
                                             .programs = programs,
                                             .program_count = program_count,
                                             .functions = functions,
                                             .function_count = agent->function_count,
                                             .start_us = 2000000,
                                             .kill_us = 100000 + sim_random(sim, 2000000),
                                             .max_tasks = sim_chance(sim, 2000) ? 1 + sim_random(sim, 50) : 0};
    slot_table_free(agent->table);
    agent->table = slot_table_new(&config);
    if (!agent->table)
        abort();
    for (uint32_t i = 0; i < SIM_SLOTS; i++) {
        uint32_t program = i < slot_table_count(agent->table) ? slot_table_program_of(agent->table, i) : 0;
        agent->process[i] = (struct process){.ready_at = UINT64_MAX,
                                             .dies_at = UINT64_MAX,
                                             .persistent = programs[program].persistent,
                                             .alive = !programs[program].persistent};
    }
}

void agent_start(struct sim *sim, struct agent_model *agent, const char *name)
{
    node_start(sim, &agent->node, BELT_ROLE_WORKER, name);
    agent->node.welcomed = welcomed;
    agent->node.receive = receive;
    agent->node.fill_hello = fill_hello;
    agent->slots = 1 + (uint32_t)sim_random(sim, 4);
    agent->window = agent->slots + (uint32_t)sim_random(sim, 60);
    agent->window_bytes = sim_chance(sim, 3000) ? SMALL_WINDOW : 1 << 20;
    agent->mask = sim_chance(sim, 7000) || sim->fault_at == UINT64_MAX ? 7 : 1u << sim_random(sim, 3);
    agent->taken_count = 0;
    agent->leaving = agent->said_leaving = false;
    agent->idle_since = agent->starved_since = 0;
    draw_table(sim, agent);
}

void agent_fini(struct agent_model *agent)
{
    node_fini(&agent->node);
    slot_table_free(agent->table);
    free(agent->taken);
}

/* ---- for the watch ---- */

uint32_t agent_held(const struct agent_model *agent)
{
    return slot_table_held(agent->table);
}

bool agent_waits(const struct agent_model *agent)
{
    return node_ready(&agent->node) && slot_table_unrecorded(agent->table) > 0;
}

bool agent_has_result(const struct agent_model *agent, const struct belt_task_ref *ref)
{
    const struct slot_table *table = agent->table;
    for (uint64_t n = table->result_base; n < table->result_next; n++) {
        const struct slot_table_task *task = table->results[n % table->result_cap];
        if (task->key.job == ref->job && task->key.index == ref->index && task->attempt == ref->attempt)
            return true;
    }
    return false;
}

uint64_t agent_unstarted_job(const struct agent_model *agent, uint32_t mask, uint32_t n)
{
    for (uint32_t i = 0; i < agent->table->program_count; i++)
        for (const struct slot_table_task *task = agent->table->programs[i].waiting; task; task = task->next)
            if (!task->chunk && mask >> agent->functions[task->job->pub.function] & 1 && n-- == 0)
                return task->key.job;
    return 0;
}
