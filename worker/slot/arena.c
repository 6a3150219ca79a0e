/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of shared memory, as runs of bits. Pure. See arena.h.
 */
#include "worker/slot/arena.h"

#include <stdlib.h>
#include <string.h>

#define UNITS_MAX (ARENA_WORDS * 64u)
/* What all slots of an agent may have in their halves: what many keep for their next large payload must not add up. */
#define ALL_UNITS 2048u
/* However many they are: a payload of 1 MiB has room. */
#define UNITS_LEAST 32u

struct arena_block {
    struct belt_buf buf; /* first: it is what is counted */
    struct arena *arena;
    enum arena_half half;
    uint32_t unit, units;
    uint64_t number; /* of its task, while it is lent */
    struct arena_block *next;
};

uint32_t arena_units(uint32_t slots)
{
    uint32_t units = ALL_UNITS / (slots > 0 ? slots : 1);

    return units > UNITS_MAX ? UNITS_MAX : units < UNITS_LEAST ? UNITS_LEAST : units;
}

size_t arena_bytes(uint32_t units)
{
    return 2 * (size_t)units * ARENA_UNIT;
}

size_t arena_size(uint32_t units)
{
    return sizeof(struct arena_memory) + arena_bytes(units);
}

/* ---- runs of bits ---- */

/* Units for so many bytes; UINT32_MAX for none or more than any half has. */
static uint32_t units_of(size_t len)
{
    if (len == 0 || len > (size_t)UNITS_MAX * ARENA_UNIT)
        return UINT32_MAX;
    return (uint32_t)((len + ARENA_UNIT - 1) / ARENA_UNIT);
}

/* Moves `*unit` behind the part of a run that lies in one word; returns the bits of that part. */
static uint64_t run_part(uint32_t *unit, uint32_t end)
{
    uint32_t bit = *unit % 64, count = end - *unit < 64 - bit ? end - *unit : 64 - bit;

    *unit += count;
    return (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << bit;
}

static bool run_free(const uint64_t *words, uint32_t unit, uint32_t units)
{
    for (uint32_t at = unit, word = at / 64; at < unit + units; word = at / 64)
        if (words[word] & run_part(&at, unit + units))
            return false;
    return true;
}

static void run_hold(uint64_t *words, uint32_t unit, uint32_t units)
{
    for (uint32_t at = unit, word = at / 64; at < unit + units; word = at / 64)
        words[word] |= run_part(&at, unit + units);
}

static void run_set(atomic_ullong *words, uint32_t unit, uint32_t units)
{
    for (uint32_t at = unit, word = at / 64; at < unit + units; word = at / 64)
        atomic_fetch_or(&words[word], run_part(&at, unit + units));
}

/* The first run of so many free units among `all`; `all`: there is none. The first, so that what was used is used
 *  again: it has its pages, and lies in the processor's cache. */
static uint32_t run_find(const uint64_t *words, uint32_t all, uint32_t units)
{
    uint32_t run = 0;

    for (uint32_t unit = 0; unit < all; unit++) {
        run = words[unit / 64] >> unit % 64 & 1 ? 0 : run + 1;
        if (run == units)
            return unit + 1 - units;
    }
    return all;
}

/* ---- the agent's side ---- */

static void release(struct belt_buf *self)
{
    struct arena_block *block = (struct arena_block *)(void *)self;

    run_set(block->arena->back[block->half], block->unit, block->units);
    atomic_store(&block->arena->some_back, true);
    free(block);
}

void arena_collect(struct arena *arena)
{
    if (!atomic_load_explicit(&arena->some_back, memory_order_relaxed))
        return;
    atomic_store(&arena->some_back, false); /* first: what comes behind it is told again */
    for (uint32_t i = 0; i < ARENA_WORDS; i++) {
        uint64_t lower = atomic_exchange(&arena->back[ARENA_LOWER][i], 0);
        uint64_t upper = atomic_exchange(&arena->back[ARENA_UPPER][i], 0);
        arena->held[ARENA_LOWER][i] &= ~lower;
        arena->held[ARENA_UPPER][i] &= ~upper;
        if (upper && arena->memory)
            atomic_fetch_and(&arena->memory->taken[i], ~upper);
    }
}

static size_t half_at(const struct arena *arena, enum arena_half half)
{
    return half == ARENA_UPPER ? (size_t)arena->units * ARENA_UNIT : 0;
}

static struct arena_block *block_new(struct arena *arena, enum arena_half half, uint32_t unit, size_t len)
{
    struct arena_block *block = calloc(1, sizeof(*block));

    if (!block)
        return NULL;
    atomic_init(&block->buf.refs, 1);
    block->buf.len = len;
    block->buf.data = arena->memory->bytes + half_at(arena, half) + (size_t)unit * ARENA_UNIT;
    block->buf.share = false;
    block->buf.release = release;
    block->arena = arena;
    block->half = half;
    block->unit = unit;
    block->units = units_of(len);
    run_hold(arena->held[half], unit, block->units);
    arena->used[half] = true;
    return block;
}

/* Takes the first of a list of lent blocks out of it. */
static void unlend(struct arena_block **list)
{
    struct arena_block *block = *list;

    *list = block->next;
    belt_buf_unref(&block->buf);
}

void arena_close(struct arena *arena)
{
    while (arena->lent)
        unlend(&arena->lent);
}

void arena_open(struct arena *arena, struct arena_memory *memory, uint32_t units)
{
    arena_close(arena);
    arena->memory = memory;
    arena->units = memory ? units : 0;
    arena_collect(arena);
    for (uint32_t i = 0; memory && i < ARENA_WORDS; i++) /* what the dead one took and did not name is free */
        atomic_store(&memory->taken[i], arena->held[ARENA_UPPER][i]);
    if (memory)
        memory->units = units;
}

bool arena_lend(struct arena *arena, uint64_t number, struct belt_bytes payload, size_t *at)
{
    struct arena_block *block, **last = &arena->lent;

    arena_collect(arena);
    uint32_t unit = run_find(arena->held[ARENA_LOWER], arena->units, units_of(payload.len));
    if (unit == arena->units || !(block = block_new(arena, ARENA_LOWER, unit, payload.len)))
        return false;
    memcpy(block->buf.data, payload.data, payload.len);
    block->number = number;
    while (*last)
        last = &(*last)->next;
    *last = block;
    *at = (size_t)unit * ARENA_UNIT;
    return true;
}

void arena_settle(struct arena *arena, uint64_t number)
{
    while (arena->lent && arena->lent->number <= number)
        unlend(&arena->lent);
}

void arena_unlend(struct arena *arena, uint64_t number)
{
    struct arena_block **at = &arena->lent;

    while (*at && (*at)->number <= number)
        at = &(*at)->next;
    while (*at)
        unlend(at);
}

/* The answer is a part of what was lent with its task. */
static bool answer_lent(struct arena *arena, uint64_t number, size_t at, size_t len, struct belt_payload *payload)
{
    struct arena_block *block = arena->lent;

    while (block && block->number < number)
        block = block->next;
    if (!block || block->number != number)
        return false;
    size_t start = (size_t)block->unit * ARENA_UNIT;
    if (at < start || at - start > block->buf.len || len > block->buf.len - (at - start))
        return false;
    const uint8_t *data = block->buf.data + (at - start);
    *payload = (struct belt_payload){belt_buf_slice(&block->buf, data, len), data, (uint32_t)len};
    return payload->buf != NULL;
}

bool arena_answer(struct arena *arena, uint64_t number, size_t at, size_t len, struct belt_payload *payload)
{
    size_t upper = half_at(arena, ARENA_UPPER);

    if (len == 0 || len > upper || at > 2 * upper - len)
        return false;
    if (at < upper)
        return answer_lent(arena, number, at, len, payload);
    uint32_t unit = (uint32_t)((at - upper) / ARENA_UNIT);
    arena_collect(arena);
    if (at % ARENA_UNIT != 0 || !run_free(arena->held[ARENA_UPPER], unit, units_of(len)))
        return false;
    struct arena_block *block = block_new(arena, ARENA_UPPER, unit, len);
    if (!block)
        return false;
    *payload = (struct belt_payload){&block->buf, block->buf.data, (uint32_t)len};
    return true;
}

bool arena_spare(struct arena *arena, enum arena_half half)
{
    bool empty = !arena->used[half];

    arena_collect(arena);
    for (uint32_t i = 0; i < ARENA_WORDS; i++)
        if (arena->held[half][i] || (half == ARENA_UPPER && arena->memory && atomic_load(&arena->memory->taken[i])))
            empty = false;
    bool spare = arena->stale[half] && empty;
    arena->stale[half] = (arena->stale[half] || arena->used[half]) && !spare;
    arena->used[half] = false;
    return spare;
}

/* ---- the slot's side ---- */

bool arena_take(struct arena_memory *memory, size_t len, size_t *at)
{
    uint64_t taken[ARENA_WORDS];
    uint32_t units = memory->units, wanted = units_of(len);

    for (uint32_t i = 0; i < ARENA_WORDS; i++)
        taken[i] = atomic_load(&memory->taken[i]);
    uint32_t unit = run_find(taken, units, wanted);
    if (unit == units)
        return false;
    run_set(memory->taken, unit, wanted);
    *at = (size_t)(units + unit) * ARENA_UNIT;
    return true;
}

bool arena_put(struct arena_memory *memory, struct belt_bytes answer, size_t *at)
{
    if (!arena_take(memory, answer.len, at))
        return false;
    memcpy(memory->bytes + *at, answer.data, answer.len);
    return true;
}
