/* SPDX-License-Identifier: Apache-2.0
 *
 * What `belt bench` has run: functions that answer with their input.
 */
#ifndef BELT_CLI_ECHO_H
#define BELT_CLI_ECHO_H

#include "worker/agent.h"

#define ECHO_FUNCTION "belt-echo"
/* Works so many us first as the first 4 bytes of its input say (little-endian); sleeps when that is long, else
 * computes. */
#define ECHO_WORK_FUNCTION "belt-echo-work"
#define ECHO_FUNCTIONS     2u

extern const struct belt_agent_function echo_functions[ECHO_FUNCTIONS];

#endif
