/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes wrong, until a time; then all is well and must end well.
 */
#include "tests/sim/sim.h"

static void block(struct sim *sim, struct wire *wire)
{
    wire->block_until = sim->now + sim_random(sim, 9000);
    wire->block_delays = sim_chance(sim, 5000);
}

/* A partition: one way or both, packets are lost or late. */
static void part(struct sim *sim, struct node *node)
{
    if (sim_chance(sim, 6000))
        block(sim, &node->up);
    if (sim_chance(sim, 6000))
        block(sim, &node->down);
}

static void fault_of_agent(struct sim *sim)
{
    struct agent_model *agent = &sim->agents[sim_random(sim, sim->agent_count)];
    if (node_asleep(&agent->node))
        return;
    switch (sim_random(sim, 6)) {
    case 0:
        sim->kills++;
        node_die(&agent->node, sim_chance(sim, 5000));
        break;
    case 1:
        agent->node.asleep_until = sim->now + sim_random(sim, 12000);
        break;
    case 2:
        node_cut(&agent->node, sim_chance(sim, 5000));
        break;
    case 3:
        part(sim, &agent->node);
        break;
    case 4:
        process_kill_one(agent);
        break;
    default:
        if (node_ready(&agent->node) && !agent->leaving)
            agent_leave(agent);
    }
}

/* Of a client, or of the admin: that one only loses its connection, and sleeps. */
static void fault_of_client(struct sim *sim)
{
    uint64_t which = sim_random(sim, sim->client_count + sim->admin.there);
    struct node *node = sim_node(sim, sim->agent_count + (uint32_t)which);
    if (node_asleep(node))
        return;
    uint64_t roll = sim_random(sim, 100);
    if (roll < 15 && which < sim->client_count)
        client_crash(&sim->clients[which]);
    else if (roll < 50)
        node_cut(node, sim_chance(sim, 5000));
    else if (roll < 75)
        part(sim, node);
    else
        node->asleep_until = sim->now + sim_random(sim, 12000);
}

static void fault_of_broker(struct sim *sim)
{
    if (!sim->core || sim->now < sim->asleep_until)
        return;
    uint64_t roll = sim_random(sim, 100);
    if (roll < 50)
        sim->crash_in = 1 + (uint32_t)sim_random(sim, 40);
    else if (roll < 60)
        broker_drain(sim);
    else if (roll < 70)
        sim->asleep_until = sim->now + sim_random(sim, 7000);
    else if (roll < 78)
        sim->disk.full_until = sim->now + sim_random(sim, 6000);
    else if (roll < 86)
        sim->disk.tight_until = sim->now + sim_random(sim, 9000);
    else
        sim->disk.slow_until = sim->now + sim_random(sim, 6000);
}

static void all_is_well(struct sim *sim)
{
    struct node *node;
    sim->fault_at = UINT64_MAX;
    sim->crash_in = 0;
    sim->disk.full_until = sim->disk.tight_until = sim->disk.slow_until = 0;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++)
        node->up.block_until = node->down.block_until = 0;
    /* Every function is served. */
    if (sim->agents[0].node.alive)
        node_die(&sim->agents[0].node, true);
    sim->agents[0].node.back_at = sim->now + 1;
}

void faults_run(struct sim *sim)
{
    if (sim->now < sim->fault_at)
        return;
    sim->fault_at = sim->now + 100 + sim_random(sim, 4000);
    uint64_t roll = sim_random(sim, 100);
    if (roll < 45)
        fault_of_agent(sim);
    else if (roll < 75)
        fault_of_client(sim);
    else
        fault_of_broker(sim);
    if (sim->fault_at >= sim->faults_until)
        all_is_well(sim);
}
