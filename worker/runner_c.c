/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: registered C functions, in slots that the keeper forks. The inside of such a slot is task.c.
 */
#include "agent_parts.h"

#include <signal.h>

static struct keeper_slot *told_by(struct agent *agent, const struct place *place)
{
    return &agent->keeper.shared->slots[place->slot];
}

static void c_start(struct agent *agent, struct place *place)
{
    struct keeper_slot *told = told_by(agent, place);

    atomic_store(&told->begun, 0);
    atomic_store(&told->ended, 0);
    atomic_store(&told->stop, 0);
    place->rings = keeper_rings(&agent->keeper, place->slot);
    slot_rings_reset(place->rings);
    atomic_store(&told->claim, 0);
    place->answered = place->given = 0;
    place->starting = true;
    agent->asks[agent->ask_count++] = place->slot;
}

static void c_give(struct agent *agent, struct place *place, const struct slots_given *task)
{
    place->given++;
    stream_give(agent, place, task);
}

static void c_take(struct agent *agent, struct place *place)
{
    struct keeper_slot *told = told_by(agent, place);
    unsigned long long old = atomic_load(&told->claim), mine;
    uint32_t count;

    do {
        bool rests = atomic_load(&told->begun) == (uint32_t)place->answered;
        struct claim claim = claim_unpack(old);
        count = claim_take(&claim, (uint32_t)place->given, rests);
        mine = claim_pack(claim);
    } while (!atomic_compare_exchange_weak(&told->claim, &old, mine));
    slots_taken(agent->table, agent->now, place->slot, count);
}

static void c_look(struct agent *agent, struct place *place)
{
    struct keeper_slot *told = told_by(agent, place);
    uint32_t ended, begun;
    uint64_t since;

    do { /* until the slot did nothing in between; each round is one more task of it */
        ended = atomic_load(&told->ended);
        begun = atomic_load(&told->begun);
        since = atomic_load(&told->begun_us);
    } while (atomic_load(&told->ended) != ended || atomic_load(&told->begun) != begun);
    /* A large answer comes before its function has returned: then none of those that are left has begun. */
    uint32_t answered = (uint32_t)place->answered;
    bool early = (int32_t)(ended - answered) < 0;
    slots_look(agent->table, place->slot, early ? 0 : ended - answered, begun != ended && !early, begun > 0 ? since : 0);
}

/** Names the task, so that a signal which comes late stops no other. */
static void c_ask(struct agent *agent, struct place *place)
{
    struct keeper_slot *told = told_by(agent, place);
    uint32_t ahead = slots_ahead(agent->table, place->slot);

    atomic_store(&told->stop, (uint32_t)place->answered + ahead + 1);
    if (place->pid > 0)
        kill(place->pid, SIGUSR1);
}

const struct runner runner_c = {
    .kind = {.lasting = true, .greets = true, .polite = true, .ahead = true, .yields = true},
    .side = SLOT_SIDE_AGENT,
    .start = c_start,
    .give = c_give,
    .take = c_take,
    .output = stream_output,
    .look = c_look,
    .ask = c_ask,
    .ended = stream_ended,
};
