/* SPDX-License-Identifier: Apache-2.0
 *
 * Which steps from state to state are allowed: a table has for each state the set of those that may follow it, as bits.
 * A step that is not in its table is an error of the program, and asserts. Private to broker/core.
 */
#ifndef BELT_CORE_TRANSITION_H
#define BELT_CORE_TRANSITION_H

#include <assert.h>
#include <stdint.h>

/* A state as a member of a set. */
#define TO(state) (1u << (state))

static inline void transition_check(const uint8_t *table, unsigned from, unsigned to)
{
    assert(table[from] & TO(to));
    (void)table;
    (void)from;
    (void)to;
}

#endif
