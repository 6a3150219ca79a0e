/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: registered C functions, in slots that the keeper forks. The inside of such a slot is task.c.
 */
#include "worker/agent/lasting.h"
#include "worker/agent/place.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"

#include <signal.h>
#include <sys/mman.h>

/* A slot that tells of its work without a pause is not listened to for ever. */
#define LOOKS 1000

static struct slot_memory *told_by(struct agent *agent, const struct place *place)
{
    return keeper_memory(&agent->keeper, place->slot);
}

static void c_start(struct agent *agent, struct place *place)
{
    struct slot_memory *told = told_by(agent, place);

    atomic_store(&told->begun, 0);
    atomic_store(&told->ended, 0);
    atomic_store(&told->stop, 0);
    place->rings = &told->rings;
    slot_rings_reset(place->rings);
    atomic_store(&told->claim, 0);
    arena_open(&place->arena, keeper_arena(&agent->keeper, place->slot), agent->keeper.units);
    place->answered = place->given = place->due = 0;
    place->starting = true;
    agent->asks[agent->ask_count++] = place->slot;
}

/* What was lent with a task is read until its function has returned, which may be after a large answer. */
static void c_settle(struct agent *agent, struct place *place)
{
    uint32_t answered = (uint32_t)place->answered, running = answered - atomic_load(&told_by(agent, place)->ended);

    if ((int32_t)running < 0) /* some have ended whose answers are on their way */
        running = 0;
    if (running <= place->answered)
        arena_settle(&place->arena, place->answered - running);
}

/* Room for the next payloads, before one is given and after each answer. */
static void c_reclaim(struct agent *agent, struct place *place)
{
    if (place->arena.lent)
        c_settle(agent, place);
    arena_collect(&place->arena);
}

static void c_give(struct agent *agent, struct place *place, const struct slot_table_given *task)
{
    struct belt_bytes payload = {task->payload.data, task->payload.len};
    size_t at;

    place->given++;
    place->due++;
    c_reclaim(agent, place);
    if (payload.len >= SLOT_LARGE_BYTES && arena_lend(&place->arena, place->due, payload, &at))
        lasting_give_at(agent, place, task, at);
    else
        lasting_give(agent, place, task);
}

static void c_take(struct agent *agent, struct place *place)
{
    struct slot_memory *told = told_by(agent, place);
    unsigned long long old = atomic_load(&told->claim), mine;
    uint32_t count;

    do {
        bool rests = atomic_load(&told->begun) == (uint32_t)place->answered;
        struct claim claim = claim_unpack(old);
        count = claim_take(&claim, (uint32_t)place->given, rests);
        mine = claim_pack(claim);
    } while (!atomic_compare_exchange_weak(&told->claim, &old, mine));
    if (count > place->due - place->answered) {
        lasting_violation(agent, place,
                          "it claims tasks that it was not given: a function wrote over the slot's memory");
        count = 0; /* what it had goes back when it is dead */
    }
    place->due -= count;
    arena_unlend(&place->arena, place->due);
    slot_table_taken(agent->table, agent->now, place->slot, count);
    place->unread = true; /* what it has answered, and has not told (task.c), does not wait behind a long task */
    place_dirty(agent, place);
}

static void c_look(struct agent *agent, struct place *place)
{
    struct slot_memory *told = told_by(agent, place);
    uint32_t ended, begun;
    uint64_t since;
    int looks = 0;

    do { /* until the slot did nothing in between; each round is one more task of it */
        ended = atomic_load(&told->ended);
        begun = atomic_load(&told->begun);
        since = atomic_load(&told->begun_us);
    } while ((atomic_load(&told->ended) != ended || atomic_load(&told->begun) != begun) && ++looks < LOOKS);
    /* A large answer comes before its function has returned: then none of those that are left has begun. */
    uint32_t answered = (uint32_t)place->answered;
    bool early = (int32_t)(ended - answered) < 0;
    slot_table_look(agent->table, place->slot, early ? 0 : ended - answered, begun != ended && !early,
                    begun > 0 ? since : 0);
}

/* Pages of the arena that were not used for a while go back to the system. */
static void c_rest(struct agent *agent, struct place *place)
{
    const struct slot_memory *told = told_by(agent, place);
    struct arena *arena = &place->arena;
    size_t half = arena_bytes(arena->units) / 2;
    bool rests = place->due == place->answered && atomic_load(&told->begun) == atomic_load(&told->ended);

    if (arena_spare(arena, ARENA_LOWER))
        madvise(arena->memory->bytes, half, MADV_REMOVE);
    if (rests && arena_spare(arena, ARENA_UPPER)) /* nobody else writes there then */
        madvise(arena->memory->bytes + half, half, MADV_REMOVE);
}

/* Names the task, so that a signal which comes late stops no other. */
static void c_ask(struct agent *agent, struct place *place)
{
    struct slot_memory *told = told_by(agent, place);
    uint32_t number = (uint32_t)place->answered + slot_table_ahead(agent->table, place->slot) + 1;

    if (number > (uint32_t)place->due) /* it has been answered meanwhile, and the number will be that of the next one */
        return;
    atomic_store(&told->stop, number);
    if (place->pid > 0)
        kill(place->pid, SIGUSR1);
}

const struct runner runner_c = {
    .kind = {.lasting = true, .greets = true, .polite = true, .ahead = true, .yields = true},
    .side = SLOT_SIDE_AGENT,
    .start = c_start,
    .give = c_give,
    .take = c_take,
    .answered = c_reclaim,
    .output = lasting_output,
    .look = c_look,
    .rest = c_rest,
    .ask = c_ask,
    .ended = lasting_ended,
};
