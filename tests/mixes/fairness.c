/* SPDX-License-Identifier: Apache-2.0
 *
 * A small job beside a very large one, many clients beside each other, clients whose tasks are as different as can be,
 * priorities.
 */
#include "tests/mixes/fairness.h"

#include <stdio.h>
#include <stdlib.h>

#define CLIENTS 100u
#define JOBS    1000u
/* The client that has had least of the slots' time may be so much behind the mean, in percent. */
#define BEHIND 5.0

static uint32_t say(bool good, const char *what, double value, double bound, const char *unit)
{
    printf("%s%-72s %8.2f %s (at most %.2f)\n", good ? "" : "FAILED ", what, value, unit, bound);
    fflush(stdout);
    return !good;
}

/* ---- a small job beside a large one ---- */

struct beside {
    const char *name;
    uint32_t agents, slots; /* slots of each */
    uint32_t big_us, big_count, small_us;
    int32_t priority; /* of the small one */
    bool same;        /* both are one client's */
    double parts;     /* the small one has 1 / parts of the slots while both want them */
};

#define SMALL_COUNT 100u

static const struct beside besides[] = {
    {"100 x 1 ms beside a million of 1 ms, 4 slots", 2, 2, 1000, 1000000, 1000, 0, false, 2},
    {"100 x 1 ms beside a million of 1 ms, 64 slots", 8, 8, 1000, 1000000, 1000, 0, false, 2},
    {"100 x 1 ms beside a million of 20 us, 4 slots", 2, 2, 20, 1000000, 1000, 0, false, 2},
    {"100 x 20 us beside 100,000 of 5 ms, 4 slots", 2, 2, 5000, 100000, 20, 0, false, 2},
    {"100 x 1 ms beside 10,000 of 100 ms, 4 slots", 2, 2, 100000, 10000, 1000, 0, false, 2},
    {"100 x 1 ms of high priority beside a million of 1 ms, 4 slots", 2, 2, 1000, 1000000, 1000, 5, false, 1},
    {"100 x 1 ms beside a million of 1 ms of the same client, 4 slots", 2, 2, 1000, 1000000, 1000, 0, true, 2},
};

/* How long the small job takes, from its opening; alone when `big` is false. */
static uint64_t small_takes(const struct beside *b, uint64_t seed, bool big)
{
    struct paced_job jobs[2] = {{.client = 0,
                                 .us = &b->small_us,
                                 .us_count = 1,
                                 .count = SMALL_COUNT,
                                 .start_us = 1000000,
                                 .priority = b->priority},
                                {.client = !b->same, .us = &b->big_us, .us_count = 1, .count = b->big_count}};
    const struct paced_config config = PACED_CONFIG(seed, b->agents, b->slots, 2);
    struct paced *p = paced_new(&config, jobs, big ? 2 : 1);
    bool done = paced_run(p, &jobs[0], 100000000);
    paced_free(p);
    return done ? jobs[0].done_us - jobs[0].start_us : UINT64_MAX;
}

/* It has its part of the slots, and waits for a few tasks at the most: those that run, and what lies at the agents. */
static uint32_t check_beside(const struct beside *b, uint64_t seed)
{
    double alone = (double)small_takes(b, seed, false), takes = (double)small_takes(b, seed, true);
    uint32_t longer = b->big_us > b->small_us ? b->big_us : b->small_us;
    double wait = (takes - alone * b->parts) / longer;
    /* One that runs, one that is in the slot's hands, one of its own, and up to 2 ms of work that lies ahead. */
    double few = 3 + 2000.0 / longer;
    return say(wait <= few, b->name, wait, few, "service times");
}

/* ---- clients beside each other ---- */

/* How far the client that was served least is behind the mean when `until_us` have passed, in percent. */
static double least_served(struct paced_job *jobs, uint32_t count, uint32_t clients, uint64_t seed, uint64_t until_us)
{
    const struct paced_config config = PACED_CONFIG(seed, 2, 2, clients);
    struct paced *p = paced_new(&config, jobs, count);
    double served[CLIENTS] = {0}, sum = 0, least = 1e18;
    paced_run(p, NULL, until_us);
    for (uint32_t i = 0; i < count; i++)
        served[jobs[i].client] += (double)jobs[i].served_us;
    for (uint32_t i = 0; i < clients; i++) {
        sum += served[i];
        least = served[i] < least ? served[i] : least;
    }
    paced_free(p);
    return 100 - least / (sum / clients) * 100;
}

static uint32_t check_many(uint64_t seed)
{
    static const uint32_t us[] = {1000};
    struct paced_job *jobs = calloc(JOBS, sizeof(*jobs));
    if (!jobs)
        abort();
    for (uint32_t i = 0; i < JOBS; i++) /* the first clients have many jobs, the last have one */
        jobs[i] = (struct paced_job){.client = i < CLIENTS ? i : i % 10, .us = us, .us_count = 1, .count = 1000};
    double behind = least_served(jobs, JOBS, CLIENTS, seed, 5000000);
    free(jobs);
    return say(behind <= BEHIND, "1000 jobs of 100 clients, 5 s: who was served least is behind by", behind, BEHIND,
               "%");
}

/* The first client's tasks are short, and now and then very long: what they take counts, not what they seemed to. */
static uint32_t check_uneven(uint64_t seed)
{
    static uint32_t mixed[250];
    static const uint32_t even[] = {1000};
    for (uint32_t i = 0; i < 250; i++)
        mixed[i] = i == 100 ? 50000 : 20;
    struct paced_job jobs[2] = {{.client = 0, .us = mixed, .us_count = 250, .count = 1000000},
                                {.client = 1, .us = even, .us_count = 1, .count = 1000000}};
    double behind = least_served(jobs, 2, 2, seed, 10000000);
    return say(behind <= BEHIND, "20 us / 50 ms beside 1 ms, 10 s: who was served less is behind by", behind, BEHIND,
               "%");
}

uint32_t fairness_check(uint64_t seed)
{
    uint32_t failed = 0;
    for (size_t i = 0; i < sizeof(besides) / sizeof(besides[0]); i++)
        failed += check_beside(&besides[i], seed);
    return failed + check_many(seed) + check_uneven(seed);
}
