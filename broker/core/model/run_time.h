/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task takes, as measured: the estimate of a queue, and the typical task of a job. Functions of numbers.
 */
#ifndef BELT_CORE_RUN_TIME_H
#define BELT_CORE_RUN_TIME_H

#include <stdbool.h>
#include <stdint.h>

/** Agents by what a task of theirs takes, in steps: of those in one step the same is expected. RUN_TIME_PACES: nothing
 *  lies ahead there, or nobody knows. */
#define RUN_TIME_PACES 4
uint8_t run_time_pace(double typical_us);
/** When an agent has ended no task for so long, its slots are all busy with much longer ones than was expected. */
uint64_t run_time_stuck_ms(uint8_t pace);
/** The estimate after `sample_us`: rises fast but not at one outlier, falls slowly, because a batch sized for short
 * tasks that meets a long one costs more than the reverse. */
double run_time_estimate(double service_us, uint32_t sample_us);
/** What a task takes that is rather short among its like. */
struct run_time_typical {
    double us; /* 0: not measured yet */
    /* Samples in a row that were far away on one side, and the nearest of them. */
    double far_us;
    uint8_t above, below;
};
/** After `sample_us`: one in five is shorter. However long the others are: what lies at a slot must not run out while
 * it runs short ones. Samples in a row that are all far above it, or far below, say that run times have shifted, and
 * are believed at once. True: they have risen, so that what was given out is too much. */
bool run_time_learn(struct run_time_typical *typical, uint32_t sample_us);
/** What to reckon with when more is given out: the larger one while run times may have shifted, which costs little. */
double run_time_expect(const struct run_time_typical *typical);

#endif
