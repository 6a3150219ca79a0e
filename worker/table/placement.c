/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: which slot gets which of the tasks that wait. Pure. How much it may have is in capacity.c.
 */
#include "worker/table/placement.h"
#include "worker/table/capacity.h"
#include "worker/table/stop.h"

/* Slots with too little room for a task that are tried in one turn. */
#define MISSES_MAX 8u
/* Tasks in a row for one slot before the next one has its turn: what comes first begins first. Fewer cost more. */
#define ROW_MAX 8u

/* Hands a task, which is in no list, to the slot. */
static void slot_give(struct slot_table *table, uint64_t now, struct slot_table_slot *slot,
                      struct slot_table_task *task)
{
    slot_table_task_becomes(task, SLOT_TABLE_GIVEN);
    task->slot = slot->number;
    task->cost_us = slot_table_task_cost(table, task);
    slot->load_us += task->cost_us;
    slot->handed++;
    DL_APPEND(slot->given, task);
    if (slot->given_count++ == 0) {
        table->busy++;
        slot->since_us = now;
        slot_table_begin(table, now, slot);
    }
    slot_table_reclaimable_update(table, slot);
    slot_table_act(table, SLOT_TABLE_GIVE, slot->number);
    table->actions[table->action_count - 1].task =
        (struct slot_table_given){task->key.index, task->attempt, &task->job->pub, task->payload};
}

/* Gives the slot of what is bound to it, as far as its credit goes. */
void slot_table_feed(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    while (slot->bound && slot_table_slot_fits(table, slot, slot->bound)) {
        struct slot_table_task *task = slot->bound;
        DL_DELETE(slot->bound, task);
        slot_give(table, now, slot, task);
    }
    slot_table_room_update(table, slot);
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
        slot_table_task_becomes(task, SLOT_TABLE_BOUND);
        task->slot = slot->number;
        DL_APPEND(slot->bound, task);
    }
}

/* Gives the slot up to `share` tasks; false when it can take none. */
static bool slot_fill(struct slot_table *table, uint64_t now, struct slot_table_slot *slot, uint32_t share)
{
    struct slot_table_program_state *program = &table->programs[slot->program];
    bool took = false;

    while (share-- > 0 && program->waiting && slot_table_slot_fits(table, slot, program->waiting)) {
        took = true;
        if (program->waiting->chunk != 0) {
            chunk_bind(program, slot);
            slot_table_feed(table, now, slot);
            break;
        }
        slot_give(table, now, slot, waiting_pop(program));
    }
    slot_table_room_update(table, slot);
    return took;
}

/* The program whose first waiting task is the oldest, of those that are not blocked; NULL: none. */
static struct slot_table_program_state *program_next(struct slot_table *table)
{
    struct slot_table_program_state *best = NULL;

    for (uint32_t i = 0; i < table->program_count; i++) {
        struct slot_table_program_state *p = &table->programs[i];
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

void slot_table_place_turn(struct slot_table *table, uint64_t now)
{
    struct slot_table_program_state *program;
    uint32_t misses = 0;

    for (uint32_t i = 0; i < table->program_count; i++) {
        table->programs[i].blocked = false;
        table->programs[i].row = 0;
    }
    while ((program = program_next(table))) {
        uint32_t spare = table->cap > table->busy ? table->cap - table->busy : 0;
        uint32_t idle = program->idle_count < spare ? program->idle_count : spare;
        struct slot_table_slot *slot = idle > 0 ? program->idle : program->some;
        if (!slot) {
            program->blocked = true;
            if (program->idle) /* it waits for its turn among all programs: nobody overtakes it */
                break;
            continue;
        }
        if (slot_table_late(table, now, slot))
            continue;
        if (!slot_fill(table, now, slot, idle > 0 ? 1 : row_of(program)) && !try_another(program, slot, &misses))
            program->blocked = true;
        else
            next_turn(program, slot);
    }
}
