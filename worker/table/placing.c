/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: which slot gets which task, and how many it may have in hand. Pure.
 *
 * Credit is time, not tasks: a slot has about SLOT_TABLE_CREDIT_US or SLOT_TABLE_CREDIT_YIELDS_US of measured work
 * in hand; a task that takes longer, is not measured yet, or writes a log goes alone. A slot that gives back what it
 * has not begun has the next task in hand however long they are, so that it never waits for the agent.
 */
#include "worker/table/placing.h"
#include "worker/table/books.h"
#include "worker/table/lives.h"
#include "worker/table/taking.h"

#include <assert.h>

/* Slots with too little room for a task that are tried in one turn. */
#define MISSES_MAX 8u
/* Tasks in a row for one slot before the next one has its turn: what comes first begins first. Fewer cost more. */
#define ROW_MAX 8u
/* Run times have shifted when two samples in a row are so many times what is typical and this beside, or two in a row
 * so many times less. One alone is a long task among short ones, or the other way round. */
#define SHIFT_TIMES 4u
#define SHIFT_US    100u

/* A task whose answer must be here before the slot begins another: it may write a log, not be named by its answer, or
 * come with so much that the slot is to hold it once. */
static bool goes_alone(const struct slot_table *slots, const struct slot_table_task *task)
{
    const struct slot_table_function_state *function = &slots->functions[task->job->pub.function];

    return function->one_by_one || function->measured < SLOT_TABLE_MEASURED ||
           task->job->pub.argument.len > BELT_MAX_ARGUMENT; /* it is handed over with each task */
}

static uint64_t credit_of(const struct slot_table *slots, uint32_t program)
{
    return slots->programs[program].pub.yields ? SLOT_TABLE_CREDIT_YIELDS_US : SLOT_TABLE_CREDIT_US;
}

/*
 * What the task is expected to take, in us; a whole credit when nobody knows. What a slot gives back may wait behind a
 * long task among short ones; else the long ones count too.
 */
static uint64_t task_cost(const struct slot_table *slots, const struct slot_table_task *task)
{
    const struct slot_table_function_state *function = &slots->functions[task->job->pub.function];
    uint64_t us = slots->programs[function->pub.program].pub.yields ? function->typical_us : function->estimate_us;
    uint64_t credit = credit_of(slots, function->pub.program);

    return goes_alone(slots, task) || us > credit ? credit : us;
}

static bool is_far_above(uint64_t us, uint64_t typical_us)
{
    return us > SHIFT_TIMES * typical_us + SHIFT_US;
}

static bool is_far_below(uint64_t us, uint64_t typical_us)
{
    return us < typical_us / SHIFT_TIMES;
}

/* In even steps toward the sample: it rests where half of them are above it. At once when two, this one and the
 * `last`, are far away on the same side. */
static uint64_t typical_after(uint64_t typical_us, uint64_t last_us, uint64_t sample_us)
{
    uint64_t step = typical_us / 8 + 1;

    if (typical_us == 0)
        return sample_us;
    if (is_far_above(sample_us, typical_us) && is_far_above(last_us, typical_us))
        return sample_us < last_us ? sample_us : last_us;
    if (is_far_below(sample_us, typical_us) && is_far_below(last_us, typical_us))
        return sample_us > last_us ? sample_us : last_us;
    if (sample_us > typical_us)
        return sample_us - typical_us < step ? sample_us : typical_us + step;
    return typical_us - sample_us < step ? sample_us : typical_us - step;
}

void slot_table_measure(struct slot_table *slots, const struct slot_table_task *task, uint64_t service_us)
{
    struct slot_table_function_state *function = &slots->functions[task->job->pub.function];
    uint64_t *estimate = &function->estimate_us;

    if (function->measured < SLOT_TABLE_MEASURED)
        function->measured++;
    if (service_us == 0)
        service_us = 1;
    *estimate = *estimate == 0 ? service_us : (7 * *estimate + service_us + 4) / 8;
    function->typical_us = typical_after(function->typical_us, function->last_us, service_us);
    function->last_us = service_us;
}

void slot_table_one_by_one(struct slot_table *slots, uint32_t number)
{
    const struct slot_table_task *task = slots->slots[number].given;

    if (task)
        slots->functions[task->job->pub.function].one_by_one = true;
}

static bool slot_open(const struct slot_table *slots, const struct slot_table_slot *slot)
{
    bool persistent =
        slots->programs[slot->program].pub.persistent; /* else it has a new process for each task anyway */

    /* Of a slot that is being asked what it has not begun the list must stay as it was. */
    return slot->state == SLOT_TABLE_READY && slot->stop == SLOT_TABLE_STOP_NONE && !slot->taking &&
           (slots->max_tasks == 0 || !persistent || slot->handed < slots->max_tasks);
}

/* Whether the slot may have the next task in hand while its only one runs. */
static bool has_next(const struct slot_table *slots, const struct slot_table_slot *slot)
{
    return slots->programs[slot->program].pub.yields && slot->given_count == 1 && !goes_alone(slots, slot->given);
}

static bool slot_fits(const struct slot_table *slots, const struct slot_table_slot *slot,
                      const struct slot_table_task *task)
{
    if (!slot_open(slots, slot))
        return false;
    if (slot->given_count == 0)
        return true;
    if (!slots->programs[slot->program].pub.persistent || slot->given_count >= SLOT_TABLE_GIVEN_MAX)
        return false;
    if (slot->given_count == 1 && has_next(slots, slot) && !goes_alone(slots, task) &&
        task->payload.len <= SLOT_TABLE_TAKE_BYTES)
        return true;
    return slot->load_us + task_cost(slots, task) <= credit_of(slots, slot->program);
}

/* Keeps the slot in its program's list of idle slots, of slots with room for more, or in none. */
void slot_table_room_update(struct slot_table *slots, struct slot_table_slot *slot)
{
    struct slot_table_program_state *program = &slots->programs[slot->program];
    uint8_t room = SLOT_TABLE_ROOM_NONE;

    if (slot_open(slots, slot) && !slot->bound) {
        if (slot->given_count == 0)
            room = SLOT_TABLE_ROOM_IDLE;
        else if (program->pub.persistent && !slot->late && slot->given_count < SLOT_TABLE_GIVEN_MAX &&
                 (slot->load_us < credit_of(slots, slot->program) || has_next(slots, slot)))
            room = SLOT_TABLE_ROOM_SOME;
    }
    if (room == slot->room)
        return;
    if (slot->room == SLOT_TABLE_ROOM_IDLE) {
        DL_DELETE(program->idle, slot);
        program->idle_count--;
    } else if (slot->room == SLOT_TABLE_ROOM_SOME) {
        DL_DELETE(program->some, slot);
        program->some_count--;
    }
    slot->room = room;
    if (room == SLOT_TABLE_ROOM_IDLE) {
        DL_PREPEND(program->idle, slot); /* the one that worked last has the warmest caches */
        program->idle_count++;
    } else if (room == SLOT_TABLE_ROOM_SOME) {
        DL_APPEND(program->some, slot);
        program->some_count++;
    }
}

/* Hands a task, which is in no list, to the slot. */
static void slot_give(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot,
                      struct slot_table_task *task)
{
    task->state = SLOT_TABLE_GIVEN;
    task->slot = slot->number;
    task->cost_us = task_cost(slots, task);
    slot->load_us += task->cost_us;
    slot->handed++;
    DL_APPEND(slot->given, task);
    if (slot->given_count++ == 0) {
        slots->busy++;
        slot->since_us = now;
        slot_table_begin(slots, now, slot);
    }
    slot_table_laden_update(slots, slot);
    slot_table_act(slots, SLOT_TABLE_GIVE, slot->number);
    slots->actions[slots->action_count - 1].task =
        (struct slot_table_given){task->key.index, task->attempt, &task->job->pub, task->payload};
}

/* Gives the slot of what is bound to it, as far as its credit goes. */
void slot_table_feed(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    while (slot->bound && slot_fits(slots, slot, slot->bound)) {
        struct slot_table_task *task = slot->bound;
        DL_DELETE(slot->bound, task);
        slot_give(slots, now, slot, task);
    }
    slot_table_room_update(slots, slot);
}

static struct slot_table_task *waiting_pop(struct slot_table_program_state *program)
{
    struct slot_table_task *task = program->waiting;

    DL_DELETE(program->waiting, task);
    program->waiting_count--;
    return task;
}

/* The chunk at the head of the queue becomes this slot's. */
static void chunk_bind(struct slot_table_program_state *program, struct slot_table_slot *slot)
{
    uint64_t chunk = program->waiting->chunk;

    while (program->waiting && program->waiting->chunk == chunk) {
        struct slot_table_task *task = waiting_pop(program);
        task->state = SLOT_TABLE_BOUND;
        task->slot = slot->number;
        DL_APPEND(slot->bound, task);
    }
}

/* Gives the slot up to `share` tasks; false when it can take none. */
static bool slot_fill(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot, uint32_t share)
{
    struct slot_table_program_state *program = &slots->programs[slot->program];
    bool took = false;

    while (share-- > 0 && program->waiting && slot_fits(slots, slot, program->waiting)) {
        took = true;
        if (program->waiting->chunk != 0) {
            chunk_bind(program, slot);
            slot_table_feed(slots, now, slot);
            break;
        }
        slot_give(slots, now, slot, waiting_pop(program));
    }
    slot_table_room_update(slots, slot);
    return took;
}

/* The program whose first waiting task is the oldest, of those that are not blocked; NULL: none. */
static struct slot_table_program_state *program_next(struct slot_table *slots)
{
    struct slot_table_program_state *best = NULL;

    for (uint32_t i = 0; i < slots->program_count; i++) {
        struct slot_table_program_state *p = &slots->programs[i];
        if (p->waiting && !p->blocked && (!best || p->waiting->order < best->waiting->order))
            best = p;
    }
    return best;
}

/* The slot has room, but not for this task: another may have it. False: enough were tried. */
static bool try_another(struct slot_table_program_state *program, struct slot_table_slot *slot, uint32_t *misses)
{
    if (slot->room != SLOT_TABLE_ROOM_SOME || ++*misses >= MISSES_MAX || *misses >= program->some_count)
        return false;
    DL_DELETE(program->some, slot);
    DL_APPEND(program->some, slot);
    return true;
}

/* How many tasks a slot that has one gets before the next slot: fewer than a row when not so many wait. */
static uint32_t row_of(struct slot_table_program_state *program)
{
    uint32_t each = program->some_count ? program->waiting_count / program->some_count : 0;

    if (program->row == 0)
        program->row = each < 1 ? 1 : each < ROW_MAX ? each : ROW_MAX;
    return program->row;
}

/* The slot has had its row: another one with room is first. */
static void next_turn(struct slot_table_program_state *program, struct slot_table_slot *slot)
{
    if (slot->room != SLOT_TABLE_ROOM_SOME)
        return;
    DL_DELETE(program->some, slot);
    DL_APPEND(program->some, slot);
}

void slot_table_place_turn(struct slot_table *slots, uint64_t now)
{
    struct slot_table_program_state *program;
    uint32_t misses = 0;

    for (uint32_t i = 0; i < slots->program_count; i++) {
        slots->programs[i].blocked = false;
        slots->programs[i].row = 0;
    }
    while ((program = program_next(slots))) {
        uint32_t spare = slots->cap > slots->busy ? slots->cap - slots->busy : 0;
        uint32_t idle = program->idle_count < spare ? program->idle_count : spare;
        struct slot_table_slot *slot = idle > 0 ? program->idle : program->some;
        if (!slot) {
            program->blocked = true;
            if (program->idle) /* it waits for its turn among all programs: nobody overtakes it */
                break;
            continue;
        }
        if (slot_table_late(slots, now, slot))
            continue;
        if (!slot_fill(slots, now, slot, idle > 0 ? 1 : row_of(program)) && !try_another(program, slot, &misses))
            program->blocked = true;
        else
            next_turn(program, slot);
    }
}
