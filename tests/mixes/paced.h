/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster in which time matters: the real scheduler and the real slot tables on virtual time in us, thousands of
 * slots, and no faults (those are sim.h's). Messages take their time on the way, in order; broker and agents need some
 * for each; a slot hears of a task, and the agent of its end, a little later. So what a dispatch that is too large, too
 * small or at the wrong place costs shows as it does on a real cluster, and is the same in every run of a seed.
 */
#ifndef TESTS_PACED_H
#define TESTS_PACED_H

#include <stdbool.h>
#include <stdint.h>

struct paced;

struct paced_config {
    uint64_t seed;
    uint32_t agents, slots; /* slots of each agent */
    uint32_t clients;
    uint32_t hop_us;      /* between broker and peers, at least; at most twice that */
    uint32_t slot_hop_us; /* between an agent and its slots */
    bool trace;           /* the broker's decisions go to standard output */
};

/* Hops as between processes of one machine. */
#define PACED_CONFIG(a_seed, some_agents, their_slots, some_clients)                                                   \
    {.seed = (a_seed),                                                                                                 \
     .agents = (some_agents),                                                                                          \
     .slots = (their_slots),                                                                                           \
     .clients = (some_clients),                                                                                        \
     .hop_us = 100,                                                                                                    \
     .slot_hop_us = 30}

struct paced_job {
    uint32_t client;
    int32_t priority;
    uint64_t start_us;  /* when it is opened; all times count from when everybody has said hello */
    const uint32_t *us; /* run times of `us_count` tasks, round after round; borrowed */
    uint32_t us_count, count;
    uint32_t alone;       /* so many are handed in first, and the others when the broker has their results */
    uint64_t *arrived_us; /* of `count`: when the broker had each result; borrowed; NULL: nobody asks */
    /* what came of it */
    uint64_t id;
    uint32_t pushed, done;
    uint64_t grant;
    uint64_t first_us, done_us; /* when the broker had its first and its last result */
    uint64_t rest_us;           /* when those behind the first `alone` were handed in */
    uint64_t served_us;         /* work that was done for it */
};

struct paced_totals {
    uint64_t messages, recalls, returned, taken, tasks;
};

/** Borrows the jobs, whose results it fills in. Aborts when out of memory. */
struct paced *paced_new(const struct paced_config *config, struct paced_job *jobs, uint32_t job_count);
/** Goes on until all jobs are done, or `job` alone (not NULL). False: `until_us` came first, or nothing happens. */
bool paced_run(struct paced *p, const struct paced_job *job, uint64_t until_us);
uint64_t paced_now(const struct paced *p);
struct paced_totals paced_totals(const struct paced *p);
void paced_free(struct paced *p);

#endif
