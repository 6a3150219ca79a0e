/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold of the scheduler's books after every step, read from the
 * inside. Shared by the stories of tests/core and the simulator.
 */
#ifndef TESTS_INVARIANTS_H
#define TESTS_INVARIANTS_H

#include "broker/core/core.h"

/** NULL, or what is wrong (valid until the next call). */
const char *invariants_broken(struct core *core);

#endif
