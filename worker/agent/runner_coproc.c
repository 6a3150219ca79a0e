/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: coprocesses, long-lived processes in any language that speak the slot protocol (SLOTS.md).
 */
#include "worker/agent/persistent.h"
#include "worker/agent/runner.h"

const struct runner runner_coproc = {
    .kind = {.persistent = true, .greets = true, .ahead = true},
    .side = SLOT_SIDE_AGENT,
    .names = true,
    .start = persistent_spawn,
    .give = persistent_give_counted,
    .output = persistent_output,
    .ended = persistent_ended,
};
