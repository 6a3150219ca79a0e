/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: registered C functions, in slots that the keeper forks. The inside of such a slot is task.c.
 */
#include "worker/agent/persistent.h"
#include "worker/agent/process.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"

#include <signal.h>
#include <sys/mman.h>

/* A slot that tells of its work without a pause is not listened to for ever. */
#define LOOKS 1000

static struct slot_memory *told_by(struct agent *agent, const struct process *process)
{
    return keeper_memory(&agent->keeper, process->slot);
}

static void c_start(struct agent *agent, struct process *process)
{
    struct slot_memory *told = told_by(agent, process);

    atomic_store(&told->begun, 0);
    atomic_store(&told->ended, 0);
    atomic_store(&told->stop, 0);
    process->rings = &told->rings;
    slot_rings_reset(process->rings);
    atomic_store(&told->claim, 0);
    arena_open(&process->arena, keeper_arena(&agent->keeper, process->slot), agent->keeper.units);
    process->answered = process->given = process->due = 0;
    process->starting = true;
    agent->asks[agent->ask_count++] = process->slot;
}

/* What was lent with a task is read until its function has returned, which may be after a large answer. */
static void c_settle(struct agent *agent, struct process *process)
{
    uint32_t answered = (uint32_t)process->answered, running = answered - atomic_load(&told_by(agent, process)->ended);

    if ((int32_t)running < 0) /* some have ended whose answers are on their way */
        running = 0;
    if (running <= process->answered)
        arena_settle(&process->arena, process->answered - running);
}

/* Room for the next payloads, before one is given and after each answer. */
static void c_collect(struct agent *agent, struct process *process)
{
    if (process->arena.lent)
        c_settle(agent, process);
    arena_collect(&process->arena);
}

static void c_give(struct agent *agent, struct process *process, const struct slot_table_given *task)
{
    struct belt_bytes payload = {task->payload.data, task->payload.len};
    size_t at;

    process->given++;
    process->due++;
    c_collect(agent, process);
    if (payload.len >= SLOT_LARGE_BYTES && arena_lend(&process->arena, process->due, payload, &at))
        persistent_give_at(agent, process, task, at);
    else
        persistent_give(agent, process, task);
}

static void c_reclaim(struct agent *agent, struct process *process)
{
    struct slot_memory *told = told_by(agent, process);
    unsigned long long old = atomic_load(&told->claim), mine;
    uint32_t count;

    do {
        bool rests = atomic_load(&told->begun) == (uint32_t)process->answered;
        struct claim claim = claim_unpack(old);
        count = claim_take(&claim, (uint32_t)process->given, rests);
        mine = claim_pack(claim);
    } while (!atomic_compare_exchange_weak(&told->claim, &old, mine));
    if (count > process->due - process->answered) {
        persistent_violation(agent, process,
                             "it claims tasks that it was not given: a function wrote over the slot's memory");
        count = 0; /* what it had goes back when it is dead */
    }
    process->due -= count;
    arena_unlend(&process->arena, process->due);
    slot_table_reclaimed(agent->table, agent->now, process->slot, count);
    process->unread = true; /* what it has answered, and has not told (task.c), does not wait behind a long task */
    agent_process_dirty(agent, process);
}

static void c_look(struct agent *agent, struct process *process)
{
    struct slot_memory *told = told_by(agent, process);
    uint32_t ended, begun;
    uint64_t since;
    int looks = 0;

    do { /* until the slot did nothing in between; each round is one more task of it */
        ended = atomic_load(&told->ended);
        begun = atomic_load(&told->begun);
        since = atomic_load(&told->begun_us);
    } while ((atomic_load(&told->ended) != ended || atomic_load(&told->begun) != begun) && ++looks < LOOKS);
    /* A large answer comes before its function has returned: then none of those that are left has begun. */
    uint32_t answered = (uint32_t)process->answered;
    bool early = (int32_t)(ended - answered) < 0;
    slot_table_look(agent->table, process->slot, early ? 0 : ended - answered, begun != ended && !early,
                    begun > 0 ? since : 0);
}

/* Pages of the arena that were not used for a while go back to the system. */
static void c_rest(struct agent *agent, struct process *process)
{
    const struct slot_memory *told = told_by(agent, process);
    struct arena *arena = &process->arena;
    size_t half = arena_bytes(arena->units) / 2;
    bool rests = process->due == process->answered && atomic_load(&told->begun) == atomic_load(&told->ended);

    if (arena_spare(arena, ARENA_LOWER))
        madvise(arena->memory->bytes, half, MADV_REMOVE);
    if (rests && arena_spare(arena, ARENA_UPPER)) /* nobody else writes there then */
        madvise(arena->memory->bytes + half, half, MADV_REMOVE);
}

/* Names the task, so that a signal which comes late stops no other. */
static void c_ask(struct agent *agent, struct process *process)
{
    struct slot_memory *told = told_by(agent, process);
    uint32_t number = (uint32_t)process->answered + slot_table_ahead(agent->table, process->slot) + 1;

    if (number >
        (uint32_t)process->due) /* it has been answered meanwhile, and the number will be that of the next one */
        return;
    atomic_store(&told->stop, number);
    if (process->pid > 0)
        kill(process->pid, SIGUSR1);
}

const struct runner runner_c = {
    .kind = {.persistent = true, .greets = true, .polite = true, .ahead = true, .yields = true},
    .side = SLOT_SIDE_AGENT,
    .start = c_start,
    .give = c_give,
    .reclaim = c_reclaim,
    .answered = c_collect,
    .output = persistent_output,
    .look = c_look,
    .rest = c_rest,
    .ask = c_ask,
    .ended = persistent_ended,
};
