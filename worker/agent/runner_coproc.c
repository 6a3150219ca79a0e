/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: coprocesses, long-lived processes in any language that speak the slot protocol (SLOTS.md).
 */
#include "worker/agent/lasting.h"
#include "worker/agent/runner.h"

const struct runner runner_coproc = {
    .kind = {.lasting = true, .greets = true, .ahead = true},
    .side = SLOT_SIDE_AGENT,
    .names = true,
    .start = lasting_spawn,
    .give = lasting_give_counted,
    .output = lasting_output,
    .ended = lasting_ended,
};
