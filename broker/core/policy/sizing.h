/* SPDX-License-Identifier: Apache-2.0
 *
 * How many tasks an agent should hold, and how many to give at once: the
 * policy alone, as functions of measured numbers. Credit is time, not a count
 * (PROTOCOL.md §8.1): enough work lies at an agent to hide the way to the broker,
 * no more, and less toward the end of what waits.
 */
#ifndef BELT_CORE_SIZING_H
#define BELT_CORE_SIZING_H

#include <stdbool.h>
#include <stdint.h>

/** Tasks that an agent of `slots` slots should hold. `service_us` is the estimate of one task (0: not measured yet).
 *  At least `slots`. A chunk that the user asked for counts as one task here and below: it goes to one slot. */
uint32_t sizing_target(double service_us, uint32_t slots);
/** Tasks that an agent of `slots` slots may hold at most: one for each, and its part of what lies ahead at all
 *  `all_slots` of the queue together, when `there` tasks of it wait or run. */
uint32_t sizing_part(uint32_t slots, uint32_t all_slots, uint64_t there);
/** Tasks that an agent of `slots` slots may hold at most that has ended so many since it was stuck last, or came: it
 * gets little at first, since more long ones may be among them, and twice as much each time that it is done with it. */
uint64_t sizing_most(uint32_t slots, uint64_t ended);
/** Agents by what a task of theirs takes, in steps: of those in one step the same is expected. SIZING_PACES: nothing
 *  lies ahead there, or nobody knows. */
#define SIZING_PACES 4
uint8_t sizing_pace(double typical_us);
/** When an agent has ended no task for so long, its slots are all busy with much longer ones than was expected. */
uint64_t sizing_stuck_ms(uint8_t pace);
/** How many tasks of `typical_us` an agent holds in effect that holds `parts` tasks of any kind, `load_us` of work. */
uint32_t sizing_held(double typical_us, uint32_t parts, double load_us, uint32_t slots);
/** How many of `waiting` tasks to give to an agent that holds `held`, when `all_slots` slots share the queue (0: none
 * now). */
uint32_t sizing_share(uint32_t target, uint32_t held, uint32_t slots, uint32_t all_slots, uint64_t waiting);
/** The estimate after `sample_us`: rises fast but not at one outlier, falls slowly, because a batch sized for short
 * tasks that meets a long one costs more than the reverse. */
double sizing_estimate(double service_us, uint32_t sample_us);
/** What a task takes that is rather short among its like. */
struct sizing_typical {
    double us; /* 0: not measured yet */
    /* Samples in a row that were far away on one side, and the nearest of them. */
    double far_us;
    uint8_t above, below;
};
/** After `sample_us`: one in five is shorter. However long the others are: what lies at a slot must not run out while
 * it runs short ones. Samples in a row that are all far above it, or far below, say that run times have shifted, and
 * are believed at once. True: they have risen, so that what was given out is too much. */
bool sizing_learn(struct sizing_typical *typical, uint32_t sample_us);
/** What to reckon with when more is given out: the larger one while run times may have shifted, which costs little. */
double sizing_expect(const struct sizing_typical *typical);
/** How many unstarted tasks to take back from an agent that holds `held` while `idle` slots elsewhere have nothing (0:
 * leave it). */
uint32_t sizing_recall(double service_us, uint32_t held, uint32_t slots, uint32_t idle);

#endif
