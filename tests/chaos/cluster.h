/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of a chaos run: a durable broker, agents, clients and the proxies between them. Starts them, starts
 * them again when they end, kills and stops them, and reads what the clients saw. Decides nothing at random but jobs.
 */
#ifndef BELT_CHAOS_CLUSTER_H
#define BELT_CHAOS_CLUSTER_H

#include "tests/chaos/checker.h"
#include "tests/chaos/proxy.h"

#include <sys/types.h>

#define CLUSTER_AGENTS  3
#define CLUSTER_CLIENTS 5 /* the last one's network corrupts: only that it harms nobody else is checked */
#define CLUSTER_PROXIES 3 /* of the clients, of the agents, of the last client */

enum cluster_role { ROLE_BROKER, ROLE_AGENT, ROLE_CLIENT, ROLE_PROXY };

struct cluster_process {
    enum cluster_role role;
    unsigned number;
    pid_t pid;            /* 0: not running */
    uint64_t start_ms;    /* not running: when it starts again, UINT64_MAX: never */
    uint64_t continue_ms; /* stopped: until then; 0: not stopped */
    bool killed;          /* by us: it need not end well */
    bool draining;        /* SIGTERM was sent */
    uint64_t since_ms;    /* of this life */
    /* a client's job */
    bool ordered;
    uint64_t seed, count;
    bool resumes; /* the same job again */
    char log[96];
};

struct cluster {
    char dir[48], state[64];
    bool disk; /* `state` is a small file system of its own */
    uint64_t random, jobs;
    uint16_t clients_port, workers_port, port[CLUSTER_PROXIES];
    int control[CLUSTER_PROXIES];
    struct cluster_process broker, agents[CLUSTER_AGENTS], clients[CLUSTER_CLIENTS], proxies[CLUSTER_PROXIES];
    bool no_more_jobs;
    struct checker_counts seen;
    uint64_t resumed;    /* readers that went on after they were killed */
    uint64_t refused;    /* jobs that were not taken: disk full, or the broker was leaving */
    uint64_t violations; /* lines were written */
};

uint64_t cluster_now(void);
uint64_t cluster_random(struct cluster *cluster, uint64_t below);

/** False with a line on standard error. `belt` is the program, `self` this one. */
bool cluster_start(struct cluster *cluster, const char *belt, const char *self, uint64_t seed);
/** Reaps, starts again, continues what was stopped. */
void cluster_tick(struct cluster *cluster);
/** Streams that still run and are checked. */
unsigned cluster_streams(const struct cluster *cluster);

void cluster_kill(struct cluster *cluster, struct cluster_process *process, int signal, uint64_t pause_ms);
void cluster_stop(struct cluster_process *process, uint64_t ms);
/** A process below an agent, or 0: a slot, or what keeps its slots. */
pid_t cluster_slot(struct cluster *cluster, bool keeper);
void cluster_order(struct cluster *cluster, unsigned proxy, enum proxy_fault fault, uint64_t bytes, uint64_t ms);
/** Takes all room of the state directory, or gives it back. False where it is no file system of its own. */
bool cluster_fill(struct cluster *cluster, bool full);
/** The broker may open no more descriptors, or as many as it likes. */
void cluster_descriptors(struct cluster *cluster, bool exhausted);

/** Runs `belt ARGUMENTS…` to its end, its output to `log` in the directory or to standard error; its exit code. */
int cluster_run(struct cluster *cluster, const char *const *arguments);
/** Ends the broker well and checks its store. */
void cluster_finish(struct cluster *cluster);
/** Kills everything of this run. Keeps the directory when something is wrong. */
void cluster_end(struct cluster *cluster);

#endif
