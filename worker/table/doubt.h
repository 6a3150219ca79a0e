/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether what a task said when it ended is its outcome, or what a signal made it say. A shutdown, systemd and Slurm
 * signal every process of a host: the command that a task's shell waits for dies, and the shell goes on and exits with
 * 0 a moment before the agent reads its own SIGTERM, or after it. Such a task was cut off, and runs again. Pure.
 *
 * An outcome therefore waits for a few ms before it counts. Times are in us on any monotonic clock.
 */
#ifndef BELT_WORKER_TABLE_DOUBT_H
#define BELT_WORKER_TABLE_DOUBT_H

#include <stdbool.h>
#include <stdint.h>

/* An outcome waits for a fiftieth of its task's run time, so that the broker, which gives a slot of long tasks the next
 * one when it has the result, loses no more than that. */
#define DOUBT_SHARE 50u
/* Whoever signals every process needs less than 0.3 ms from the first to the last, more where others run in between. */
#define DOUBT_LEAST_US 1000u
#define DOUBT_US       5000u
/* A cluster manager continues (SIGCONT) what it is about to end, 3 to 20 ms before: outcomes wait for so long then, and
 * this much before the signal is in doubt. */
#define DOUBT_WARNED_US      250000u
#define DOUBT_WARNED_BACK_US 50000u
/* After the agent's own signal an outcome waits until it is known whether others got it too. */
#define DOUBT_SHARED_US 100000u
/* A task that dies so often by a signal from outside, without any that asks its agent to end, is believed. */
#define DOUBT_RUNS 3u

/** What is known of signals from outside. Zeroed: none came. */
struct doubt {
    bool signalled, shared, warned;
    uint64_t signalled_us, warned_us;
};

enum doubt_verdict {
    DOUBT_COUNTS, /* it is the task's outcome */
    DOUBT_WAITS,  /* ask again at doubt_due() */
    DOUBT_CUT     /* the task was cut off: it goes back, and is not blamed */
};

/** The agent itself was asked to end. */
void doubt_signalled(struct doubt *doubt, uint64_t now);
/** So were processes that no signal for the agent alone, or for its process group, would have reached. */
void doubt_shared(struct doubt *doubt);
/** The agent was continued (SIGCONT). */
void doubt_warned(struct doubt *doubt, uint64_t now);

/** What ran the task. */
enum doubt_kind {
    DOUBT_COMMAND,    /* a process of its own */
    DOUBT_PERSISTENT, /* a process that outlives it, and has children maybe */
    DOUBT_FUNCTION    /* the slot itself, which the signal ends before it can say anything */
};

/** How long the outcome of a task waits that runs, or whose like runs, for `service_us`. */
uint64_t doubt_hold(enum doubt_kind kind, uint64_t service_us);
/** An outcome of `ended_us` that waits for `hold_us`. */
enum doubt_verdict doubt_verdict(const struct doubt *doubt, uint64_t now, uint64_t ended_us, uint64_t hold_us);
/** When the verdict can be another, for one that waits. */
uint64_t doubt_due(const struct doubt *doubt, uint64_t ended_us, uint64_t hold_us);
/** An end that a signal from outside made, as far as the status tells: killed by SIGTERM, SIGINT or SIGHUP, or a
 *  shell's 128 + 15, 2 or 1 for what it waited for. -1 and 0: none. */
bool doubt_status(int exit_status, int term_signal);

#endif
