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
/** How many tasks of `typical_us` an agent holds in effect that holds `parts` tasks of any kind, `load_us` of work. */
uint32_t sizing_held(double typical_us, uint32_t parts, double load_us, uint32_t slots);
/** How many of `waiting` tasks to give to an agent that holds `held`, when `all_slots` slots share the queue (0: none
 * now). */
uint32_t sizing_share(uint32_t target, uint32_t held, uint32_t slots, uint32_t all_slots, uint64_t waiting);
/** How many unstarted tasks to take back from an agent that holds `held` while `idle` slots elsewhere have nothing (0:
 * leave it). */
uint32_t sizing_recall(double service_us, uint32_t held, uint32_t slots, uint32_t idle);

#endif
