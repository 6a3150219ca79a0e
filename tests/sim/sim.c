/* SPDX-License-Identifier: Apache-2.0
 *
 *     belt-sim SEED [COUNT] [-v] [-x]     runs seeds SEED .. SEED + COUNT - 1
 *
 * -v tells the story of each, -x ends at the first that fails. Faults come until some virtual time; then all must end
 * well. After each step the books are checked (tests/core/invariants.c), and what was promised and shown.
 */
#include "tests/sim/sim.h"

#include <stdio.h>

#define START_MS 100000u
/* Work of the largest run, one task after the other, and every lease and grace. */
#define LONGEST_MS 3600000u
/* Each so many seeds runs a second time with a wall clock that does not jump. */
#define JUMPS_COMPARED 8u

static void setup(struct sim *sim)
{
    char name[16];
    sim->config = (struct core_config){.durable = sim_chance(sim, 8000), .keep_ms = 600000, .trace = sim->verbose};
    sim->config.ack_ms = sim_chance(sim, 5000) ? 1 + (uint32_t)sim_random(sim, 20) : 0;
    if (sim_chance(sim, 1500))
        sim->config.memory_budget = 300000 + sim_random(sim, 200000);
    sim->keyed = sim_hash(sim->seed, 13) % 2;
    sim->now = START_MS;
    sim->faults_until = START_MS + 5000 + sim_random(sim, 30000);
    sim->loss = sim_chance(sim, 3000) ? 0 : (uint32_t)sim_random(sim, 200);
    sim->repeat = (uint32_t)sim_random(sim, 200);
    sim->latency = sim_random(sim, 5);
    sim->disk.done_at = UINT64_MAX;
    sim->update = core_update_new();
    sim->decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    sim->records = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    if (!sim->update || !sim->decoder || !sim->records)
        abort();
    broker_start(sim);
    sim->agent_count = 1 + (uint32_t)sim_random(sim, SIM_AGENTS);
    sim->client_count = 1 + (uint32_t)sim_random(sim, SIM_CLIENTS);
    for (uint32_t i = 0; i < sim->agent_count; i++) {
        snprintf(name, sizeof(name), "w%u", i);
        agent_start(sim, &sim->agents[i], name);
    }
    for (uint32_t i = 0; i < sim->client_count; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        client_start(sim, &sim->clients[i], name);
    }
    admin_start(sim);
    sim->fault_at = sim->now + sim_random(sim, 2000);
}

static void teardown(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->agent_count; i++)
        agent_fini(&sim->agents[i]);
    for (uint32_t i = 0; i < sim->client_count; i++)
        client_fini(&sim->clients[i]);
    admin_fini(sim);
    broker_fini(sim);
    core_update_free(sim->update);
    belt_decoder_free(sim->decoder);
    record_decoder_free(sim->records);
}

static uint64_t next_time(struct sim *sim)
{
    uint64_t next = least(broker_deadline(sim), sim->fault_at);
    for (uint32_t i = 0; i < sim->agent_count; i++)
        next = least(next, agent_deadline(&sim->agents[i]));
    for (uint32_t i = 0; i < sim->client_count; i++)
        next = least(next, client_deadline(&sim->clients[i]));
    return least(next, admin_deadline(sim));
}

static bool finished(const struct sim *sim)
{
    if (sim->now < sim->faults_until || sim->fault_at != UINT64_MAX || !sim->core || sim->drain_until)
        return false;
    for (uint32_t i = 0; i < sim->client_count; i++)
        if (!client_finished(&sim->clients[i]))
            return false;
    for (uint32_t i = 0; i < sim->agent_count; i++)
        if (agent_waits(&sim->agents[i]))
            return false;
    return admin_finished(sim);
}

static void one_round(struct sim *sim)
{
    faults_run(sim);
    broker_run(sim);
    if (sim->error[0])
        return;
    for (uint32_t i = 0; i < sim->agent_count; i++)
        agent_run(&sim->agents[i]);
    watch_progress(sim);
    for (uint32_t i = 0; i < sim->client_count; i++)
        client_run(&sim->clients[i]);
    admin_run(sim);
}

static void complain(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++)
        for (uint32_t k = 0; k < sim->clients[i].job_count; k++) {
            const struct job_model *job = &sim->clients[i].jobs[k];
            for (uint32_t n = 0; n < job->stream_count && !job_finished(job); n++) {
                const struct client_stream *wire = &job->streams[n].wire;
                if (!user_finished(&job->streams[n]))
                    sim_fail(sim,
                             "it does not end: %s of job %s (%llu, %llu tasks): state %d, %llu sent, %llu received, "
                             "%llu taken (I1)",
                             job->streams[n].name, job->key, ULL(job->id), ULL(job->tasks), (int)wire->state,
                             ULL(wire->sent), ULL(wire->received), ULL(wire->taken));
            }
        }
    for (uint32_t i = 0; i < sim->agent_count; i++)
        if (agent_waits(&sim->agents[i]))
            sim_fail(sim, "%s waits for RECORDED", sim->agents[i].node.name);
    sim_fail(sim, "it does not end");
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

/* Lets the broker and its disk be alone for a while. */
static void idle_for(struct sim *sim, uint64_t ms)
{
    uint64_t until = sim->now + ms;
    for (int i = 0; i < 5000 && !sim->error[0] && broker_deadline(sim) <= until; i++) {
        if (broker_deadline(sim) > sim->now)
            sim->now = broker_deadline(sim);
        broker_run(sim);
    }
}

/* After the last client has gone nothing may be left but the failed tasks that are kept. */
static void close_down(struct sim *sim)
{
    idle_for(sim, 200);
    ledger_readers(sim);
    if (!sim->error[0] && sim->config.durable)
        ledger_settled(sim);
    struct node *node;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++)
        node_die(node, false);
    idle_for(sim, 2 * 600000);
    if (!sim->error[0])
        ledger_empty(sim);
}

static struct sim *run_one(uint64_t seed, bool jumps, bool verbose, struct sim *total)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        abort();
    sim->seed = seed;
    sim->jumps = jumps;
    sim->verbose = verbose;
    setup(sim);
    drive(sim);
    total->virtual_ms += sim->now - START_MS;
    if (!sim->error[0])
        close_down(sim);
    total->steps += sim->steps;
    total->delivered += sim->delivered;
    total->kills += sim->kills;
    total->crashes += sim->crashes;
    return sim;
}

static void run_free(struct sim *sim)
{
    teardown(sim);
    free(sim);
}

/* The same without jumps of the wall clock must be the same, message by message (I11). */
static void compare(struct sim *sim, struct sim *total)
{
    if (sim->error[0] || sim->seed % JUMPS_COMPARED != 0 || (sim->timed && sim->crashes))
        return;
    struct sim *calm = run_one(sim->seed, false, false, total);
    if (calm->digest != sim->digest)
        sim_fail(sim, "a jump of the wall clock changed something (I11)");
    run_free(calm);
}

static int run(uint64_t seed, bool verbose, struct sim *total)
{
    struct sim *sim = run_one(seed, true, verbose, total);
    compare(sim, total);
    int rc = sim->error[0] ? 1 : 0;
    if (rc && verbose)
        ledger_tell(sim);
    if (rc)
        printf("seed %llu: %s\n", ULL(seed), sim->error);
    run_free(sim);
    return rc;
}

int main(int argc, char **argv)
{
    static struct sim total;
    uint64_t seed = 0, count = 0, ran = 0, failed = 0;
    bool verbose = false, stop = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[i], "-x") == 0)
            stop = true;
        else
            *(i == 1 ? &seed : &count) = strtoull(argv[i], NULL, 10);
    }
    if (argc < 2) {
        fprintf(stderr, "usage: belt-sim SEED [COUNT] [-v] [-x]\n");
        return 2;
    }
    for (count = count ? count : 1; ran < count && !(stop && failed); ran++)
        failed += (uint64_t)run(seed + ran, verbose, &total);
    printf("%llu seeds, %llu failed: %llu virtual seconds, %llu steps, %llu results delivered, %llu agents killed, "
           "%llu brokers ended\n",
           ULL(ran), ULL(failed), ULL(total.virtual_ms / 1000), ULL(total.steps), ULL(total.delivered),
           ULL(total.kills), ULL(total.crashes));
    return failed ? 1 : 0;
}
