/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients beside each other on virtual time.
 */
#ifndef TESTS_FAIRNESS_H
#define TESTS_FAIRNESS_H

#include "tests/mixes/paced.h"

/** Prints what it measures; returns how many bounds were broken. */
uint32_t fairness_check(uint64_t seed);

#endif
