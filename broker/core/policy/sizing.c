/* SPDX-License-Identifier: Apache-2.0
 *
 * How many tasks an agent holds, as functions of measured numbers (sizing.h).
 */
#include "broker/core/policy/sizing.h"

/* Work that lies ready at a slot, in us: several round trips to a busy broker, and short enough that what is
 * misplaced is soon over. */
#define AHEAD_US 2000.0
/* Tasks at a slot at most, however short: what an agent's window is made for. */
#define AHEAD_MAX 2000u
/* Tasks ahead at a slot of an agent that was stuck, or came: half of the way to the broker when they take 20 us. */
#define AHEAD_FIRST 8u
/* Up to this a task of the next round lies ready at each slot; the way to the broker (some 0.2 ms) would cost more than
 * 1 %. */
#define AHEAD_ONE_US 20000.0
/* Tasks that lie ahead at all slots of a queue together: about a second of the broker's own work. With thousands of
 * slots for short tasks it would hand out minutes of it, and everything else would wait behind their results. */
#define IN_HAND_MAX (1u << 20)
/* This many tasks may lie ahead at all slots of a queue together even when nothing else waits to be shared out. */
#define IN_HAND_MIN (1u << 8)
/* Work worth moving to an idle slot, in us: less is done before it arrives. */
#define RECALL_US 3000.0

static uint32_t at_most(uint64_t value, uint32_t limit)
{
    return value < limit ? (uint32_t)value : limit;
}

uint32_t sizing_target(double service_us, uint32_t slots)
{
    if (service_us <= 0)
        return slots;
    if (service_us >= AHEAD_ONE_US)
        return slots;
    double ahead = AHEAD_US / (service_us < 1 ? 1 : service_us);
    uint32_t each = ahead < 1 ? 1 : ahead > AHEAD_MAX ? AHEAD_MAX : (uint32_t)ahead;
    return at_most((uint64_t)slots * (1 + each), UINT32_MAX);
}

uint32_t sizing_part(uint32_t slots, uint32_t all_slots, uint64_t there)
{
    /* Half of what is there at most: when all of it is given out, each result makes room for a handful, in a message of
     * its own. And what waits goes to whoever is free first. */
    uint64_t ahead = there / 2 < IN_HAND_MIN ? IN_HAND_MIN : at_most(there / 2, IN_HAND_MAX);
    return at_most(slots + ahead * slots / (all_slots ? all_slots : 1), UINT32_MAX);
}

uint64_t sizing_most(uint32_t slots, uint64_t ended)
{
    return (uint64_t)slots * (1 + AHEAD_FIRST) + ended;
}

uint32_t sizing_held(double typical_us, uint32_t parts, double load_us, uint32_t slots)
{
    if (parts <= slots || typical_us <= 0)
        return parts;
    double held = load_us / typical_us;
    return held < slots ? slots : held < UINT32_MAX ? (uint32_t)held : UINT32_MAX;
}

uint32_t sizing_share(uint32_t target, uint32_t held, uint32_t slots, uint32_t all_slots, uint64_t waiting)
{
    if (held >= target || waiting == 0)
        return 0;
    uint32_t room = target - held;
    uint32_t free_slots = held < slots ? slots - held : 0;
    if (room < target / 8 && free_slots == 0) /* work for long enough lies there: a message for a handful can wait */
        return 0;
    /* Half of a fair part of what waits: the rest is shared out again when the first are done (guided tail). */
    uint64_t fair = waiting * slots / ((uint64_t)(all_slots ? all_slots : 1) * 2) + 1;
    uint32_t share = at_most(fair, room);
    if (share < free_slots)
        share = free_slots;
    return at_most(waiting, share);
}

uint32_t sizing_recall(double service_us, uint32_t held, uint32_t slots, uint32_t idle)
{
    if (held <= slots || idle == 0)
        return 0;
    uint32_t queued = held - slots;
    if (service_us > 0 && service_us * queued / slots < RECALL_US)
        return 0;
    uint32_t half = (queued + 1) / 2;
    /* An idle slot gets a task at once; more only as far as tasks are short. */
    return service_us > AHEAD_ONE_US && idle < half ? idle : half;
}
