/* SPDX-License-Identifier: Apache-2.0
 *
 * A mix of run times for `belt bench`: "180x5ms,20x300ms". Says how long each task runs, and how long the whole
 * and its results in order take when each task, by index, goes to the slot that is free first (the greedy list
 * schedule), which is what a scheduler that does not know run times beforehand is measured against. Pure.
 */
#ifndef BELT_CLI_MIX_H
#define BELT_CLI_MIX_H

#include <stdbool.h>
#include <stdint.h>

/* Tasks in one round of a mix. */
#define MIX_MAX 1000000u

struct mix {
    uint32_t *us; /* run time of each task of a round */
    uint32_t count;
};

/** Reads COUNTxTIME parts, TIME with us, ms or s. False when it is no mix, or over MIX_MAX tasks. */
bool mix_parse(struct mix *mix, const char *text);
void mix_free(struct mix *mix);
/** Another order, the same for the same seed. */
void mix_shuffle(struct mix *mix, uint64_t seed);

/** How a schedule does. */
struct mix_times {
    uint64_t makespan_us; /* when the last task ends */
    /* Mean arrival in order: for each index the time at which it and all before it have ended, in the mean of all. */
    double in_order_us;
};

/** Of tasks that ended at these times, by index. */
struct mix_times mix_times_of(const uint64_t *ended_us, uint64_t tasks);
/** The greedy list schedule of `tasks` tasks, round after round, on `slots` slots. All 0 when out of memory. */
struct mix_times mix_greedy(const struct mix *mix, uint64_t tasks, uint32_t slots);

#endif
