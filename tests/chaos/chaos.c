/* SPDX-License-Identifier: Apache-2.0
 *
 * belt-chaos SECONDS [SEED [PAUSE-MS]]
 *
 * Real faults at random, one about every PAUSE-MS (60) on average: slots, agents, clients and the broker are killed,
 * stopped and drained, connections are cut, silenced, delayed, corrupted, the disk is full, descriptors run out; while
 * clients read ordered and unordered streams of durable jobs. Then the faults stop, every stream has to end, and the
 * counts are printed. Exits with 0 when nothing was lost, shown twice, wrong or stuck. The choices follow from SEED;
 * what the machine makes of them does not.
 */
#include "tests/chaos/cluster.h"
#include "tests/chaos/work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BELT_PROGRAM
#define BELT_PROGRAM "belt"
#endif

/* After the last fault a stream ends within this, or it is stuck. */
#define SETTLE_MS 90000u
/* Longer than a lease (1 s), much shorter than the grace (20 s). */
#define STOP_MS 2500u

enum fault {
    SLOT_KILL,
    SLOT_STOP,
    KEEPER_KILL,
    AGENT_KILL,
    AGENT_STOP,
    AGENT_DRAIN,
    CLIENT_KILL,
    CLIENT_STOP,
    BROKER_KILL,
    BROKER_STOP,
    BROKER_DRAIN,
    NET_CUT,
    NET_RESET,
    NET_SILENCE,
    NET_DELAY,
    NET_CORRUPT,
    DISK_FULL,
    NO_DESCRIPTORS,
    FAULTS
};

static const struct {
    const char *name;
    unsigned weight;
} faults[FAULTS] = {
    [SLOT_KILL] = {"slots killed", 30},
    [SLOT_STOP] = {"slots stopped", 5},
    [KEEPER_KILL] = {"slot keepers killed", 1},
    [AGENT_KILL] = {"agents killed", 10},
    [AGENT_STOP] = {"agents stopped", 6},
    [AGENT_DRAIN] = {"agents drained", 4},
    [CLIENT_KILL] = {"clients killed", 6},
    [CLIENT_STOP] = {"clients stopped", 4},
    [BROKER_KILL] = {"brokers killed", 3},
    [BROKER_STOP] = {"brokers stopped", 2},
    [BROKER_DRAIN] = {"brokers drained", 1},
    [NET_CUT] = {"connections cut", 8},
    [NET_RESET] = {"all connections reset", 2},
    [NET_SILENCE] = {"one-way silences", 5},
    [NET_DELAY] = {"delays", 4},
    [NET_CORRUPT] = {"corruptions", 6},
    [DISK_FULL] = {"disk full", 1},
    [NO_DESCRIPTORS] = {"no descriptors", 1},
};

static uint64_t done[FAULTS];
static uint64_t disk_until, descriptors_until;
static pid_t stopped_slot;
static uint64_t slot_until;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static bool stop_slot(struct cluster *cluster, uint64_t now)
{
    pid_t pid = stopped_slot == 0 ? cluster_slot(cluster, false) : 0;

    if (pid == 0)
        return false;
    kill(pid, SIGSTOP);
    stopped_slot = pid;
    slot_until = now + cluster_random(cluster, STOP_MS);
    return true;
}

static bool kill_slot(struct cluster *cluster, bool keeper)
{
    pid_t pid = cluster_slot(cluster, keeper);

    return pid > 0 && kill(pid, SIGKILL) == 0;
}

static bool stop(struct cluster *cluster, struct cluster_process *process)
{
    if (process->pid <= 0 || process->continue_ms != 0)
        return false;
    cluster_stop(process, cluster_random(cluster, STOP_MS));
    return true;
}

static bool end(struct cluster *cluster, struct cluster_process *process, int signal_number)
{
    if (process->pid <= 0 ||
        (signal_number == SIGTERM && (process->draining || cluster_now() < process->since_ms + 500)))
        return false;
    cluster_kill(cluster, process, signal_number, cluster_random(cluster, 600));
    return true;
}

static bool network(struct cluster *cluster, enum fault fault)
{
    static const enum proxy_fault orders[] = {[NET_CUT] = PROXY_CUT,
                                              [NET_RESET] = PROXY_RESET,
                                              [NET_SILENCE] = PROXY_SILENCE,
                                              [NET_DELAY] = PROXY_DELAY,
                                              [NET_CORRUPT] = PROXY_CORRUPT};
    unsigned proxy = fault == NET_CORRUPT ? 2 : (unsigned)cluster_random(cluster, 2);

    cluster_order(cluster, proxy, orders[fault], cluster_random(cluster, 1u << cluster_random(cluster, 18)),
                  cluster_random(cluster, STOP_MS));
    return true;
}

static bool fill_disk(struct cluster *cluster, uint64_t now)
{
    if (disk_until != 0 || !cluster_fill(cluster, true))
        return false;
    disk_until = now + cluster_random(cluster, STOP_MS);
    return true;
}

static bool take_descriptors(struct cluster *cluster, uint64_t now)
{
    if (descriptors_until != 0)
        return false;
    cluster_descriptors(cluster, true);
    descriptors_until = now + cluster_random(cluster, STOP_MS);
    return true;
}

static bool inflict(struct cluster *cluster, enum fault fault, uint64_t now)
{
    struct cluster_process *agent = &cluster->agents[cluster_random(cluster, CLUSTER_AGENTS)];
    struct cluster_process *client = &cluster->clients[cluster_random(cluster, CLUSTER_CLIENTS)];

    switch (fault) {
    case SLOT_KILL:
    case KEEPER_KILL:
        return kill_slot(cluster, fault == KEEPER_KILL);
    case SLOT_STOP:
        return stop_slot(cluster, now);
    case AGENT_KILL:
        return end(cluster, agent, SIGKILL);
    case AGENT_STOP:
        return stop(cluster, agent);
    case AGENT_DRAIN:
        return end(cluster, agent, SIGTERM);
    case CLIENT_KILL:
        return end(cluster, client, SIGKILL);
    case CLIENT_STOP:
        return stop(cluster, client);
    case BROKER_KILL:
        return end(cluster, &cluster->broker, SIGKILL);
    case BROKER_STOP:
        return stop(cluster, &cluster->broker);
    case BROKER_DRAIN:
        return end(cluster, &cluster->broker, SIGTERM);
    case DISK_FULL:
        return fill_disk(cluster, now);
    case NO_DESCRIPTORS:
        return take_descriptors(cluster, now);
    default:
        return network(cluster, fault);
    }
}

static enum fault choose(struct cluster *cluster)
{
    uint64_t total = 0, at;
    unsigned fault = 0;

    for (unsigned i = 0; i < FAULTS; i++)
        total += faults[i].weight;
    at = cluster_random(cluster, total);
    while (at >= faults[fault].weight)
        at -= faults[fault++].weight;
    return (enum fault)fault;
}

/* Ends faults that last. */
static void heal(struct cluster *cluster, uint64_t now)
{
    if (disk_until != 0 && now >= disk_until) {
        cluster_fill(cluster, false);
        disk_until = 0;
    }
    if (descriptors_until != 0 && now >= descriptors_until) {
        cluster_descriptors(cluster, false);
        descriptors_until = 0;
    }
    if (stopped_slot != 0 && now >= slot_until) {
        kill(stopped_slot, SIGCONT);
        stopped_slot = 0;
    }
}

static void tick(struct cluster *cluster, uint64_t now)
{
    heal(cluster, now);
    cluster_tick(cluster);
    usleep(5000);
}

static void rage(struct cluster *cluster, uint64_t until, uint64_t pause)
{
    uint64_t now, next = cluster_now() + 2000;

    while ((now = cluster_now()) < until && !interrupted) {
        while (now >= next) {
            enum fault fault = choose(cluster);
            done[fault] += inflict(cluster, fault, now);
            next += 1 + cluster_random(cluster, 2 * pause);
        }
        tick(cluster, now);
    }
}

/* All faults stop; every stream has to end. Returns how many do not. */
static unsigned settle(struct cluster *cluster)
{
    uint64_t until = cluster_now() + SETTLE_MS;
    char address[32];

    cluster->no_more_jobs = true;
    heal(cluster, UINT64_MAX);
    for (unsigned i = 0; i < CLUSTER_PROXIES; i++)
        cluster_order(cluster, i, PROXY_HEAL, 0, 0);
    while (cluster_streams(cluster) > 0 && cluster_now() < until && !interrupted)
        tick(cluster, cluster_now());
    if (cluster_streams(cluster) > 0 && !interrupted) {
        snprintf(address, sizeof(address), "127.0.0.1:%u", cluster->clients_port);
        cluster_run(cluster, (const char *const[]){"status", "-b", address, NULL});
        cluster_run(cluster, (const char *const[]){"workers", "-b", address, NULL});
        cluster_run(cluster, (const char *const[]){"jobs", "-b", address, NULL});
    }
    return interrupted ? 0 : cluster_streams(cluster);
}

static void report(const struct cluster *cluster, uint64_t seed, unsigned stuck)
{
    const struct checker_counts *seen = &cluster->seen;
    uint64_t total = 0;

    printf("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < FAULTS; i++) {
        printf("%-22s %8llu\n", faults[i].name, (unsigned long long)done[i]);
        total += done[i];
    }
    printf("%-22s %8llu\n", "faults in all", (unsigned long long)total);
    printf("%-22s %8llu\n", "kills survived",
           (unsigned long long)(done[SLOT_KILL] + done[KEEPER_KILL] + done[AGENT_KILL] + done[CLIENT_KILL] +
                                done[BROKER_KILL]));
    printf("%-22s %8llu\n", "jobs", (unsigned long long)cluster->jobs);
    printf("%-22s %8llu\n", "readers resumed", (unsigned long long)cluster->resumed);
    printf("%-22s %8llu\n", "jobs refused", (unsigned long long)cluster->refused);
    printf("%-22s %8llu\n", "streams that ended", (unsigned long long)seen->ended);
    printf("%-22s %8llu\n", "results seen", (unsigned long long)seen->results);
    printf("%-22s %8llu\n", "results lost", (unsigned long long)seen->lost);
    printf("%-22s %8llu\n", "results shown twice", (unsigned long long)seen->twice);
    printf("%-22s %8llu\n", "results out of order", (unsigned long long)seen->disorder);
    printf("%-22s %8llu\n", "results wrong", (unsigned long long)seen->wrong);
    printf("%-22s %8llu\n", "streams failed", (unsigned long long)seen->failed);
    printf("%-22s %8u\n", "streams stuck", stuck);
}

static int run(uint64_t seconds, uint64_t seed, uint64_t pause)
{
    static struct cluster cluster;
    static char self[500];
    const char *belt = getenv("BELT_PROGRAM");
    unsigned stuck = 0;
    bool started;

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 2;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    setvbuf(stderr, NULL, _IOLBF, 0);
    started = cluster_start(&cluster, belt ? belt : BELT_PROGRAM, self, seed);
    if (started) {
        rage(&cluster, cluster_now() + seconds * 1000, pause);
        stuck = settle(&cluster);
        if (stuck > 0)
            cluster.violations++;
        cluster_finish(&cluster);
        report(&cluster, seed, stuck);
    }
    cluster_end(&cluster);
    if (!started || cluster.seen.ended == 0)
        fprintf(stderr, "belt-chaos: no stream has ended: this run says nothing\n");
    return started && cluster.seen.ended > 0 && cluster.violations == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : cluster_now();

    if (argc == 7 && strcmp(argv[1], "client") == 0)
        return work_client(argv[2], strcmp(argv[3], "ordered") == 0, strtoull(argv[4], NULL, 10),
                           strtoull(argv[5], NULL, 10), argv[6]);
    if (argc == 3 && strcmp(argv[1], "agent") == 0)
        return work_agent(argv[2]);
    if (argc == 2 && strcmp(argv[1], "slot") == 0)
        return work_slot();
    if (argc < 2 || atoi(argv[1]) <= 0) {
        fprintf(stderr, "usage: belt-chaos SECONDS [SEED [PAUSE-MS]]\n");
        return 2;
    }
    return run(strtoull(argv[1], NULL, 10), seed, argc > 3 ? strtoull(argv[3], NULL, 10) : 60);
}
