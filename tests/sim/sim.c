/* SPDX-License-Identifier: Apache-2.0
 *
 *     belt-sim SEED [COUNT]     runs seeds SEED .. SEED + COUNT - 1
 *     belt-sim SEED -v          runs one and tells its story
 *
 * Faults come until some virtual time; then all must end well. After each step
 * the books are checked, and that no slot idles for long while work waits (I7).
 */
#include "sim.h"

#include <stdio.h>

#define START_MS 100000u
/* Work of the largest run, one task after the other, and every lease and grace. */
#define LONGEST_MS 3600000u

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void setup(struct sim *sim)
{
    struct core_config config = {.epoch = sim->seed + 1, .trace = sim->verbose};
    if (sim_chance(sim, 1500))
        config.memory_budget = 30000 + sim_random(sim, 100000);
    sim->now = START_MS;
    sim->faults_until = START_MS + 5000 + sim_random(sim, 30000);
    sim->loss = sim_chance(sim, 3000) ? 0 : (uint32_t)sim_random(sim, 200);
    sim->repeat = (uint32_t)sim_random(sim, 200);
    sim->latency = sim_random(sim, 5);
    sim->core = core_new(&config);
    sim->update = core_update_new();
    sim->decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    if (!sim->core || !sim->update || !sim->decoder)
        abort();
    sim->agent_count = 1 + (uint32_t)sim_random(sim, SIM_AGENTS);
    sim->client_count = 1 + (uint32_t)sim_random(sim, SIM_CLIENTS);
    char name[16];
    for (uint32_t i = 0; i < sim->agent_count; i++) {
        snprintf(name, sizeof name, "w%u", i);
        agent_start(sim, &sim->agents[i], name);
    }
    for (uint32_t i = 0; i < sim->client_count; i++) {
        snprintf(name, sizeof name, "c%u", i);
        client_start(sim, &sim->clients[i], name);
    }
    sim->fault_at = sim->now + sim_random(sim, 2000);
}

static void teardown(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->agent_count; i++)
        agent_fini(&sim->agents[i]);
    for (uint32_t i = 0; i < sim->client_count; i++)
        client_fini(&sim->clients[i]);
    core_free(sim->core);
    core_update_free(sim->update);
    belt_decoder_free(sim->decoder);
}

/* ---- faults ---- */

static void fault_of_agent(struct sim *sim)
{
    struct agent_model *agent = &sim->agents[sim_random(sim, sim->agent_count)];
    if (!agent->node.alive || sim->now < agent->node.asleep_until)
        return;
    switch (sim_random(sim, 4)) {
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
    default:
        if (node_ready(&agent->node) && !agent->leaving)
            agent_leave(agent);
    }
}

static void fault_of_client(struct sim *sim)
{
    struct client_model *client = &sim->clients[sim_random(sim, sim->client_count)];
    if (sim->now < client->node.asleep_until || !client->node.alive)
        return;
    if (sim_chance(sim, 500)) { /* it crashes; nobody comes back for its jobs */
        node_die(&client->node, sim_chance(sim, 5000));
        client->node.back_at = UINT64_MAX;
    } else if (sim_chance(sim, 5000))
        node_cut(&client->node, sim_chance(sim, 5000));
    else
        client->node.asleep_until = sim->now + sim_random(sim, 12000);
}

static void faults(struct sim *sim)
{
    if (sim->now < sim->fault_at)
        return;
    sim->fault_at = sim->now + 100 + sim_random(sim, 4000);
    if (sim_chance(sim, 6000))
        fault_of_agent(sim);
    else
        fault_of_client(sim);
    if (sim->fault_at < sim->faults_until)
        return;
    sim->fault_at = UINT64_MAX; /* from here on all is well; every function is served */
    struct agent_model *agent = &sim->agents[0];
    if (agent->node.alive)
        node_die(&agent->node, true);
    agent->node.back_at = sim->now + 1;
}

/* ---- progress (I7) ---- */

static struct agent *core_agent(struct sim *sim, const struct agent_model *model)
{
    struct session *session = NULL;
    HASH_FIND(by_peer, sim->core->by_peer, &model->node.handle, sizeof model->node.handle, session);
    return session && model->node.handle && session->agent && session->agent->synced ? session->agent : NULL;
}

static bool work_waits(const struct agent *agent)
{
    for (uint32_t i = 0; i < agent->queue_count; i++)
        for (const struct job *job = agent->queues[i]->active; job; job = job->active_next)
            if (job->unread <= job->options.window_bytes)
                return true;
    return false;
}

/* Its window is full of results that are not taken: it waits by right. */
static bool stands_still(const struct sim *sim, uint64_t id)
{
    const struct job *job = NULL;
    HASH_FIND(by_id, sim->core->by_job, &id, sizeof id, job);
    return job && job->unread > job->options.window_bytes;
}

/* Tasks of a function it serves lie unstarted at another agent. */
static bool work_lies_elsewhere(const struct sim *sim, const struct agent_model *idle)
{
    for (uint32_t i = 0; i < sim->agent_count; i++) {
        const struct agent_model *other = &sim->agents[i];
        if (other == idle || !node_ready(&other->node) || sim->now < other->node.asleep_until)
            continue;
        for (uint32_t k = 0; k < other->count; k++)
            if (!other->held[k].running && !other->held[k].dropped && !other->held[k].together &&
                idle->mask >> other->held[k].function & 1 && !stands_still(sim, other->held[k].ref.job))
                return true;
    }
    return false;
}

static void watch(struct sim *sim, struct agent_model *model)
{
    struct agent *agent = core_agent(sim, model);
    bool idle = agent && node_ready(&model->node) && !model->leaving && !agent->leaving &&
                sim->now >= model->node.asleep_until && agent_busy(model) < model->slots;
    bool starved = idle && work_waits(agent) && model->count < model->window &&
                   (model->window_bytes > 100 || model->count == 0);
    if (!idle || model->window_bytes == 100 || !work_lies_elsewhere(sim, model))
        model->idle_since = 0;
    else if (!model->idle_since)
        model->idle_since = sim->now;
    if (!starved)
        model->starved_since = 0;
    else if (!model->starved_since)
        model->starved_since = sim->now;
    /* A lost message is noticed within a heartbeat or, when more are lost, a lease. */
    uint64_t most = sim->now < sim->faults_until + BELT_LEASE_MS ? 2 * BELT_LEASE_MS : 2 * BELT_HEARTBEAT_MS + 20;
    if (model->starved_since && sim->now > model->starved_since + most)
        sim_fail(sim, "%s idles since %llu while work waits (I7)", model->node.name, (unsigned long long)model->starved_since);
    if (model->idle_since && sim->now > model->idle_since + most && sim->fault_at == UINT64_MAX)
        sim_fail(sim, "%s idles since %llu while another agent has unstarted work (I7)", model->node.name,
                 (unsigned long long)model->idle_since);
}

/* ---- the run ---- */

static uint64_t next_time(struct sim *sim)
{
    uint64_t next = least(core_deadline(sim->core), sim->fault_at);
    for (uint32_t i = 0; i < sim->agent_count; i++)
        next = least(next, agent_deadline(&sim->agents[i]));
    for (uint32_t i = 0; i < sim->client_count; i++)
        next = least(next, client_deadline(&sim->clients[i]));
    return next;
}

static void broker(struct sim *sim)
{
    bool any = false;
    for (uint32_t i = 0; i < sim->agent_count + sim->client_count; i++) {
        struct node *node = i < sim->agent_count ? &sim->agents[i].node : &sim->clients[i - sim->agent_count].node;
        while (!sim->error[0] && node_to_core(node))
            any = true;
    }
    if (any || core_deadline(sim->core) <= sim->now)
        sim_core(sim, (struct core_event){.type = CORE_TURN});
}

static bool finished(const struct sim *sim)
{
    if (sim->now < sim->faults_until)
        return false;
    for (uint32_t i = 0; i < sim->client_count; i++)
        if (!client_finished(&sim->clients[i]))
            return false;
    return true;
}

static void one_round(struct sim *sim)
{
    faults(sim);
    broker(sim);
    for (uint32_t i = 0; i < sim->agent_count; i++) {
        agent_run(&sim->agents[i]);
        watch(sim, &sim->agents[i]);
    }
    for (uint32_t i = 0; i < sim->client_count; i++)
        client_run(&sim->clients[i]);
}

static void tell_books(const struct sim *sim)
{
    for (const struct job *job = sim->core->by_job; job; job = job->by_id.next)
        printf("  job %llu of %s: state %u, next %llu, waiting %llu, running %llu, released %llu, bytes %llu, chunk %u\n",
               (unsigned long long)job->id, job->queue->function, job->state, (unsigned long long)job->next,
               (unsigned long long)job->waiting, (unsigned long long)job->running, (unsigned long long)job->released,
               (unsigned long long)job->bytes, job->options.chunk);
    for (const struct agent *agent = sim->core->agents; agent; agent = agent->next)
        printf("  %s: %u queues, %u slots, holds %u of %u, synced %u, leaving %u\n", agent->session->name, agent->queue_count,
               agent->slots, agent->held, agent->window_items, agent->synced, agent->leaving);
    for (uint32_t i = 0; i < sim->agent_count; i++)
        printf("  %s itself: session state %u, asleep until %llu, next at %llu, functions %x, holds %u, %u run, %u results, %llu bytes of window\n", sim->agents[i].node.name,
               sim->agents[i].node.session.state, (unsigned long long)sim->agents[i].node.asleep_until,
               (unsigned long long)agent_deadline(&sim->agents[i]), sim->agents[i].mask, sim->agents[i].count, agent_busy(&sim->agents[i]), sim->agents[i].result_count,
               (unsigned long long)sim->agents[i].window_bytes);
}

static void complain(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++)
        for (uint32_t k = 0; k < sim->clients[i].job_count; k++) {
            const struct job_model *job = &sim->clients[i].jobs[k];
            if (job_finished(job))
                continue;
            sim_fail(sim, "it does not end: job of %s, %llu: %llu of %llu pushed, %llu got, %llu taken (I1)",
                     sim->clients[i].node.name, (unsigned long long)job->id, (unsigned long long)job->pushed,
                     (unsigned long long)job->total, (unsigned long long)job->readers[0].got,
                     (unsigned long long)job->readers[0].taken);
        }
}

static void drive(struct sim *sim)
{
    uint32_t still = 0;
    while (!sim->error[0] && !finished(sim)) {
        uint64_t next = next_time(sim);
        if (next == UINT64_MAX || sim->now > START_MS + LONGEST_MS) {
            complain(sim);
            break;
        }
        if (next > sim->now) {
            sim->now = next;
            still = 0;
        } else if (still++ > 5000) {
            sim_fail(sim, "time stands still");
        }
        one_round(sim);
    }
}

/* After the last client has gone nothing may be left but the failed tasks that are kept. */
static void close_down(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++)
        node_die(&sim->clients[i].node, false);
    for (uint32_t i = 0; i < sim->agent_count; i++)
        node_die(&sim->agents[i].node, false);
    for (int i = 0; i < 200 && core_deadline(sim->core) != UINT64_MAX; i++) {
        if (core_deadline(sim->core) > sim->now)
            sim->now = core_deadline(sim->core);
        sim_core(sim, (struct core_event){.type = CORE_TURN});
    }
    if (sim->core->jobs || sim->core->bytes != sim->core->letter_bytes || sim->core->clients || sim->core->workers)
        sim_fail(sim, "%u jobs, %llu bytes, %u clients and %u workers are left", sim->core->jobs,
                 (unsigned long long)sim->core->bytes, sim->core->clients, sim->core->workers);
}

static int run(uint64_t seed, bool verbose, struct sim *total)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        abort();
    sim->seed = seed;
    sim->verbose = verbose;
    setup(sim);
    drive(sim);
    if (!sim->error[0])
        close_down(sim);
    int rc = sim->error[0] ? 1 : 0;
    if (rc && verbose)
        tell_books(sim);
    if (rc)
        printf("seed %llu: %s\n", (unsigned long long)seed, sim->error);
    total->steps += sim->steps;
    total->delivered += sim->delivered;
    total->kills += sim->kills;
    teardown(sim);
    free(sim);
    return rc;
}

int main(int argc, char **argv)
{
    struct sim total = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: belt-sim SEED [COUNT | -v]\n");
        return 2;
    }
    bool verbose = argc > 2 && strcmp(argv[2], "-v") == 0;
    uint64_t seed = strtoull(argv[1], NULL, 10), count = argc > 2 && !verbose ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count; i++)
        failed += (uint64_t)run(seed + i, verbose, &total);
    printf("%llu seeds, %llu failed: %llu steps, %llu results delivered, %llu agents killed\n", (unsigned long long)count,
           (unsigned long long)failed, (unsigned long long)total.steps, (unsigned long long)total.delivered,
           (unsigned long long)total.kills);
    return failed ? 1 : 0;
}
