/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of an agent's slots on virtual time: they start or fail to, run what they are given one after the
 * other, obey signals or do not, and die.
 */
#include "tests/sim/sim.h"

#include "worker/table/slot_table.h"

static uint64_t now_us(const struct agent_model *agent)
{
    return agent->node.sim->now * 1000;
}

static uint32_t duration_us(struct sim *sim, uint32_t function)
{
    uint64_t roll = sim_random(sim, 100);
    if (function == 0)
        return roll < 98 ? 5 : 3000000; /* short, now and then very long */
    if (function == 1)
        return (uint32_t)(1000 + sim_random(sim, 60000));
    return (uint32_t)(200000 + sim_random(sim, 2000000));
}

static struct given *first_of(struct process *process)
{
    return &process->given[process->at % SIM_GIVEN];
}

static void begin(struct sim *sim, struct process *process)
{
    process->asked = false;
    process->end_ms = process->count ? sim->now + first_of(process)->us / 1000 : UINT64_MAX;
}

static void give(struct agent_model *agent, struct process *process, const struct slot_table_given *task)
{
    struct sim *sim = agent->node.sim;
    struct given given = {.ref = {task->job->job, task->index, task->attempt}};
    memcpy(&given.number, task->job->argument.data, sizeof(given.number));
    given.input = sim_payload_index(task->payload);
    given.function = agent->functions[task->job->function];
    given.us = duration_us(sim, given.function);
    if (process->count == SIM_GIVEN || !process->alive || process->starting || (!process->persistent && process->count))
        sim_fail(sim, "%s: a slot got a task it cannot take", agent->node.name);
    else
        process->given[(process->at + process->count++) % SIM_GIVEN] = given;
    if (process->count == 1)
        begin(sim, process);
}

/* It keeps the first, which it runs. */
static void take(struct agent_model *agent, uint32_t slot)
{
    struct process *process = &agent->process[slot];
    uint32_t count = process->count > 1 ? process->count - 1 : 0;
    process->count -= count;
    slot_table_reclaimed(agent->table, now_us(agent), slot, count);
}

static void signalled(struct agent_model *agent, struct process *process, enum slot_table_action_type type)
{
    struct sim *sim = agent->node.sim;
    if (type != SLOT_TABLE_KILL && sim_chance(sim, 2500))
        return; /* it does not listen */
    uint64_t when = sim->now + (type == SLOT_TABLE_KILL ? 0 : sim_random(sim, 20));
    if (type == SLOT_TABLE_ASK || !process->persistent) {
        process->asked = true;
        if (process->count && when < process->end_ms)
            process->end_ms = when;
    } else {
        process->dies_at = least(process->dies_at, when);
    }
}

static void start(struct sim *sim, struct process *process)
{
    *process = (struct process){.alive = true, .persistent = true, .end_ms = UINT64_MAX, .dies_at = UINT64_MAX};
    process->starting = true;
    process->ready_at = sim->now + sim_random(sim, 30);
    if (sim->now < sim->faults_until && sim_chance(sim, 300)) { /* it fails to start, or hangs */
        process->ready_at = UINT64_MAX;
        process->dies_at = sim_chance(sim, 7000) ? sim->now + sim_random(sim, 50) : UINT64_MAX;
    }
}

bool process_act(struct agent_model *agent)
{
    bool any = false;
    struct slot_table_action action;
    while (slot_table_next_action(agent->table, &action)) {
        struct process *process = &agent->process[action.slot];
        any = true;
        switch (action.type) {
        case SLOT_TABLE_START:
            start(agent->node.sim, process);
            break;
        case SLOT_TABLE_GIVE:
            if (process->starting) { /* one that does not greet */
                process->starting = false;
                process->ready_at = UINT64_MAX;
            }
            give(agent, process, &action.task);
            break;
        case SLOT_TABLE_RECLAIM:
            take(agent, action.slot);
            break;
        case SLOT_TABLE_CLOSE:
            process->closing = true;
            process->dies_at = least(process->dies_at, agent->node.sim->now + sim_random(agent->node.sim, 10));
            break;
        default:
            signalled(agent, process, action.type);
        }
    }
    return any;
}

/* ---- ends ---- */

static void die(struct agent_model *agent, uint32_t slot)
{
    struct process *process = &agent->process[slot];
    struct slot_table_outcome how = {.exit_status = -1, .term_signal = 9, .text = {(const uint8_t *)"signal 9", 8}};
    *process =
        (struct process){.persistent = true, .ready_at = UINT64_MAX, .dies_at = UINT64_MAX, .end_ms = UINT64_MAX};
    slot_table_died(agent->table, now_us(agent), slot, &how);
}

static unsigned code_of(const struct sim *sim, const struct given *given, bool asked)
{
    if (asked)
        return BELT_TASK_CANCELLED;
    switch (sim_fate(sim, given->number, given->input)) {
    case FATE_FAILS:
    case FATE_KILLS_SLOT:
        return BELT_TASK_FAILED;
    case FATE_FAILS_ONCE:
        return given->ref.attempt == 1 ? BELT_TASK_FAILED : BELT_OK;
    case FATE_OK:
        break;
    }
    return BELT_OK;
}

static void answer(struct agent_model *agent, uint32_t slot)
{
    struct sim *sim = agent->node.sim;
    struct process *process = &agent->process[slot];
    struct given given = *first_of(process);
    struct slot_table_outcome outcome = {.code = code_of(sim, &given, process->asked), .exit_status = -1};
    outcome.timed = process->persistent;
    outcome.service_us = given.us;
    if (outcome.code == BELT_OK)
        outcome.kept = sim_payload(sim, given.number, given.input, 2);
    else
        outcome.text = (struct belt_bytes){(const uint8_t *)"it failed", 9};
    process->at++;
    process->count--;
    begin(sim, process);
    if (!slot_table_answer(agent->table, now_us(agent), slot, &outcome))
        sim_fail(sim, "%s: the table knows nothing of a task that slot %u ran", agent->node.name, slot);
    belt_payload_clear(&outcome.kept);
}

/* True when something happened to it. */
static bool step(struct agent_model *agent, uint32_t slot)
{
    struct sim *sim = agent->node.sim;
    struct process *process = &agent->process[slot];
    if (process->starting && process->ready_at <= sim->now) {
        process->starting = false;
        process->ready_at = UINT64_MAX;
        slot_table_ready(agent->table, slot);
        return true;
    }
    if (process->persistent && process->alive && process->dies_at <= sim->now) {
        die(agent, slot);
        return true;
    }
    if (!process->count || process->end_ms > sim->now)
        return false;
    const struct given *given = first_of(process);
    bool kills = sim_fate(sim, given->number, given->input) == FATE_KILLS_SLOT && !process->asked;
    if (process->persistent && (kills || (sim->now < sim->faults_until && sim_chance(sim, 20))))
        die(agent, slot);
    else
        answer(agent, slot);
    return true;
}

bool process_run(struct agent_model *agent)
{
    bool any = false;
    for (uint32_t slot = 0; slot < slot_table_count(agent->table); slot++)
        for (uint32_t i = 0; i < SIM_GIVEN && step(agent, slot); i++) {
            any = true;
            process_act(agent);
        }
    return any;
}

void process_kill_one(struct agent_model *agent)
{
    struct process *process = &agent->process[sim_random(agent->node.sim, slot_table_count(agent->table))];
    if (process->alive && process->persistent)
        process->dies_at = agent->node.sim->now;
}

uint64_t process_deadline(const struct agent_model *agent)
{
    uint64_t when = UINT64_MAX;
    for (uint32_t slot = 0; slot < slot_table_count(agent->table); slot++) {
        const struct process *process = &agent->process[slot];
        if (process->alive && process->persistent)
            when = least(when, process->dies_at);
        if (process->starting)
            when = least(when, process->ready_at);
        if (process->count)
            when = least(when, process->end_ms);
    }
    return when;
}
