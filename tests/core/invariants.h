/* SPDX-License-Identifier: Apache-2.0
 *
 * core_check() for programs that print what is wrong: the stories of tests/core, the simulator and the fuzzers.
 */
#ifndef TESTS_INVARIANTS_H
#define TESTS_INVARIANTS_H

#include "broker/core/core.h"

/** NULL, or what is wrong (valid until the next call). */
const char *invariants_broken(struct core *core);

#endif
