/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether what a task said when it ended is its outcome, or what a signal made it say. A shutdown, systemd and Slurm
 * signal every process of a host: the command that a task's shell waits for dies, and the shell goes on and exits with
 * 0 a moment before the agent reads its own SIGTERM, or after it. Such a task was cut off, and runs again. Pure.
 *
 * An outcome therefore waits for a few ms before it counts. Times are in us on any monotonic clock.
 */
#ifndef BELT_WORKER_TABLE_VERDICT_H
#define BELT_WORKER_TABLE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* An outcome waits for a fiftieth of its task's run time, so that the broker, which gives a slot of long tasks the next
 * one when it has the result, loses no more than that. */
#define VERDICT_SHARE 50u
/* Whoever signals every process needs less than 0.3 ms from the first to the last, more where others run in between. */
#define VERDICT_LEAST_US 1000u
#define VERDICT_US       5000u
/* A cluster manager continues (SIGCONT) what it is about to end, 3 to 20 ms before: outcomes wait for so long then, and
 * an end that lies this much before the signal is in question. */
#define VERDICT_WARNED_US      250000u
#define VERDICT_WARNED_BACK_US 50000u
/* After the agent's own signal an outcome waits until it is known whether others got it too. */
#define VERDICT_SHARED_US 100000u
/* A task that dies so often by a signal from outside, without any that asks its agent to end, is believed. */
#define VERDICT_RUNS 3u

/** What is known of signals from outside. Zeroed: none came. */
struct verdict_signals {
    bool signalled, shared, warned;
    uint64_t signalled_us, warned_us;
};

enum verdict {
    VERDICT_COUNTS,     /* the outcome is the task's own */
    VERDICT_WAITS,      /* nobody knows yet: ask again at verdict_due() */
    VERDICT_INTERRUPTED /* a signal from outside ended the task: it runs again, and is not blamed */
};

/** The agent itself was asked to end. */
void verdict_signalled(struct verdict_signals *signals, uint64_t now);
/** So were processes that no signal for the agent alone, or for its process group, would have reached. */
void verdict_shared(struct verdict_signals *signals);
/** The agent was continued (SIGCONT). */
void verdict_warned(struct verdict_signals *signals, uint64_t now);

/** What ran the task. */
enum verdict_kind {
    VERDICT_COMMAND,    /* a process of its own */
    VERDICT_PERSISTENT, /* a process that outlives it, and has children maybe */
    VERDICT_FUNCTION    /* the slot itself, which the signal ends before it can say anything */
};

/** How long the outcome of a task waits that runs, or whose like runs, for `service_us`. */
uint64_t verdict_hold(enum verdict_kind kind, uint64_t service_us);
/** An outcome of `ended_us` that waits for `hold_us`. */
enum verdict verdict_of(const struct verdict_signals *signals, uint64_t now, uint64_t ended_us, uint64_t hold_us);
/** When the verdict can be another, for one that waits. */
uint64_t verdict_due(const struct verdict_signals *signals, uint64_t ended_us, uint64_t hold_us);
/** An end that a signal from outside made, as far as the status tells: killed by SIGTERM, SIGINT or SIGHUP, or a
 *  shell's 128 + 15, 2 or 1 for what it waited for. -1 and 0: none. */
bool verdict_status(int exit_status, int term_signal);

#endif
