/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: how much work a slot may have in hand, and which slots have room for more. Pure.
 *
 * What a slot has in hand is counted in time, not in tasks: about SLOT_TABLE_CREDIT_US or SLOT_TABLE_CREDIT_YIELDS_US
 * of measured work. A task that takes longer, is not measured yet, or writes a log goes alone. A slot that gives back
 * what it has not begun has the next task in hand however long they are, so that it never waits for the agent.
 */
#include "worker/table/capacity.h"

/* Run times have shifted when two samples in a row are so many times what is typical and this beside, or two in a row
 * so many times less. One alone is a long task among short ones, or the other way round. */
#define SHIFT_TIMES 4u
#define SHIFT_US    100u

/* What runs is late when it takes so many times longer than its like, and SLOT_TABLE_LATE_US longer anyway. */
#define LATE_TIMES 4u

/* A task whose answer must be here before the slot begins another: it may write a log, not be named by its answer, or
 * come with so much that the slot is to hold it once. */
static bool goes_alone(const struct slot_table *table, const struct slot_table_task *task)
{
    const struct slot_table_function_state *function = &table->functions[task->job->pub.function];

    return function->one_by_one || function->measured < SLOT_TABLE_MEASURED ||
           task->job->pub.argument.len > BELT_MAX_ARGUMENT; /* it is handed over with each task */
}

static uint64_t credit_of(const struct slot_table *table, uint32_t program)
{
    return table->programs[program].pub.yields ? SLOT_TABLE_CREDIT_YIELDS_US : SLOT_TABLE_CREDIT_US;
}

/*
 * What the task is expected to take, in us; a whole credit when nobody knows. What a slot gives back may wait behind a
 * long task among short ones; else the long ones count too.
 */
uint64_t slot_table_task_cost(const struct slot_table *table, const struct slot_table_task *task)
{
    const struct slot_table_function_state *function = &table->functions[task->job->pub.function];
    uint64_t us = table->programs[function->pub.program].pub.yields ? function->typical_us : function->estimate_us;
    uint64_t credit = credit_of(table, function->pub.program);

    return goes_alone(table, task) || us > credit ? credit : us;
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

void slot_table_measure(struct slot_table *table, const struct slot_table_task *task, uint64_t service_us)
{
    struct slot_table_function_state *function = &table->functions[task->job->pub.function];
    uint64_t *estimate = &function->estimate_us;

    if (function->measured < SLOT_TABLE_MEASURED)
        function->measured++;
    if (service_us == 0)
        service_us = 1;
    *estimate = *estimate == 0 ? service_us : (7 * *estimate + service_us + 4) / 8;
    function->typical_us = typical_after(function->typical_us, function->last_us, service_us);
    function->last_us = service_us;
}

void slot_table_one_by_one(struct slot_table *table, uint32_t number)
{
    const struct slot_table_task *task = table->slots[number].given;

    if (task)
        table->functions[task->job->pub.function].one_by_one = true;
}

static bool slot_open(const struct slot_table *table, const struct slot_table_slot *slot)
{
    bool persistent =
        table->programs[slot->program].pub.persistent; /* else it has a new process for each task anyway */

    /* Of a slot that is being asked what it has not begun the list must stay as it was. */
    return slot->state == SLOT_TABLE_READY && slot->stop == SLOT_TABLE_STOP_NONE && !slot->reclaiming &&
           (table->max_tasks == 0 || !persistent || slot->handed < table->max_tasks);
}

/* Whether the slot may have the next task in hand while its only one runs. */
static bool has_next(const struct slot_table *table, const struct slot_table_slot *slot)
{
    return table->programs[slot->program].pub.yields && slot->given_count == 1 && !goes_alone(table, slot->given);
}

bool slot_table_slot_fits(const struct slot_table *table, const struct slot_table_slot *slot,
                          const struct slot_table_task *task)
{
    if (!slot_open(table, slot))
        return false;
    if (slot->given_count == 0)
        return true;
    if (!table->programs[slot->program].pub.persistent || slot->given_count >= SLOT_TABLE_GIVEN_MAX)
        return false;
    if (slot->given_count == 1 && has_next(table, slot) && !goes_alone(table, task) &&
        task->payload.len <= SLOT_TABLE_RECLAIM_BYTES)
        return true;
    return slot->load_us + slot_table_task_cost(table, task) <= credit_of(table, slot->program);
}

/* Keeps the slot in its program's list of idle slots, of slots with room for more, or in none. */
void slot_table_room_update(struct slot_table *table, struct slot_table_slot *slot)
{
    struct slot_table_program_state *program = &table->programs[slot->program];
    uint8_t room = SLOT_TABLE_ROOM_NONE;

    if (slot_open(table, slot) && !slot->bound) {
        if (slot->given_count == 0)
            room = SLOT_TABLE_ROOM_IDLE;
        else if (program->pub.persistent && !slot->late && slot->given_count < SLOT_TABLE_GIVEN_MAX &&
                 (slot->load_us < credit_of(table, slot->program) || has_next(table, slot)))
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

uint64_t slot_table_typical(const struct slot_table *table, const struct slot_table_task *task)
{
    return table->functions[task->job->pub.function].typical_us;
}

uint64_t slot_table_late_at(const struct slot_table *table, const struct slot_table_slot *slot)
{
    uint64_t when = slot->since_us + SLOT_TABLE_LATE_US + LATE_TIMES * slot_table_typical(table, slot->given);

    return when > slot->reclaim_after_us ? when : slot->reclaim_after_us;
}

/* Keeps the slot in its program's list of those that hold tasks which they could give back, or not. */
void slot_table_reclaimable_update(struct slot_table *table, struct slot_table_slot *slot)
{
    struct slot_table_program_state *program = &table->programs[slot->program];
    /* A chunk stays where it is: its tasks go to one slot in their order. */
    bool reclaimable = program->pub.yields && slot->given_count > 1 && slot->given->prev->chunk == 0 &&
                       slot->given->prev->payload.len <= SLOT_TABLE_RECLAIM_BYTES;

    if (reclaimable && slot_table_late_at(table, slot) < table->look_us)
        table->look_us = slot_table_late_at(table, slot);
    if (reclaimable == slot->reclaimable)
        return;
    slot->reclaimable = reclaimable;
    if (reclaimable)
        DL_APPEND2(program->reclaimable, slot, reclaimable_prev, reclaimable_next);
    else
        DL_DELETE2(program->reclaimable, slot, reclaimable_prev, reclaimable_next);
}

/* Whether nothing may be put behind what the slot runs. True: it is known from now on. */
bool slot_table_late(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    if (!slot->late && slot->given && table->programs[slot->program].pub.yields &&
        now >= slot_table_late_at(table, slot)) {
        slot->late = true;
        slot_table_room_update(table, slot);
    }
    return slot->late;
}
