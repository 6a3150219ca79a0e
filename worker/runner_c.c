/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: registered C functions, in slots that the keeper forks. The inside of such a slot is task.c.
 */
#include "agent_parts.h"

static void c_start(struct agent *agent, struct place *place)
{
    place->starting = true;
    agent->asks[agent->ask_count++] = place->slot;
}

const struct runner runner_c = {
    .kind = {.lasting = true, .greets = true, .polite = true, .ahead = true},
    .side = SLOT_SIDE_AGENT,
    .start = c_start,
    .give = stream_give,
    .output = stream_output,
    .ended = stream_ended,
};
