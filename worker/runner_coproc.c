/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: coprocesses, long-lived processes in any language that speak the slot protocol (SLOTS.md).
 */
#include "agent_parts.h"

const struct runner runner_coproc = {
    .kind = {.lasting = true, .greets = true, .ahead = true},
    .side = SLOT_SIDE_AGENT,
    .names = true,
    .start = stream_spawn,
    .give = stream_give_counted,
    .output = stream_output,
    .ended = stream_ended,
};
