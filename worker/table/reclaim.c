/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: taking back what slots have in hand and have not begun, for the broker, for another slot that idles,
 * or because what runs before it takes much longer than its like. Pure.
 */
#include "worker/table/reclaim.h"
#include "worker/table/capacity.h"
#include "worker/table/stop.h"
#include "worker/table/task.h"

#include <assert.h>

/* A slot that is being stopped gives nothing back; it is seen to again after this. */
#define STOPPING_US 20000u
/* Tasks that take less are not worth the way from one slot to another, unless they lie behind one that is late. */
#define MOVE_US 200u

static bool may_reclaim(const struct slot_table_slot *slot)
{
    return slot->reclaimable && !slot->reclaiming && slot->state == SLOT_TABLE_READY &&
           slot->stop == SLOT_TABLE_STOP_NONE && !slot->bound;
}

static void reclaim_from(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    slot->reclaiming = true;
    slot->reclaim_after_us = now + SLOT_TABLE_LATE_US;
    table->reclaims++;
    slot_table_act(table, SLOT_TABLE_RECLAIM, slot->number);
    slot_table_room_update(table, slot);
}

/* So many tasks behind others, from the slots that have had them longest. */
static void reclaim_some(struct slot_table *table, uint64_t now, struct slot_table_program_state *program,
                         uint32_t count)
{
    struct slot_table_slot *slot;

    DL_FOREACH2(program->reclaimable, slot, reclaimable_next)
    {
        if (count == 0)
            break;
        if (!may_reclaim(slot))
            continue;
        reclaim_from(table, now, slot);
        count -= slot->given_count - 1 < count ? slot->given_count - 1 : count;
    }
}

/* ------------------------------------------------------------- for the broker */

static void recall_over(struct slot_table *table)
{
    if (table->reclaims > 0 || !table->recalling)
        return;
    table->none = !table->brought;
    table->recalling = table->brought = false;
    table->recalled = 0;
}

/* Of those that were not handed over the one that came last; NULL: none. What is bound came before what waits. */
static struct slot_table_task *task_newest(struct slot_table *table)
{
    struct slot_table_task *newest = NULL;

    for (uint32_t i = 0; i < table->program_count; i++) {
        struct slot_table_task *head = table->programs[i].waiting;
        if (head && (!newest || head->prev->order > newest->order))
            newest = head->prev; /* of the head: the tail */
    }
    for (uint32_t i = 0; !newest && i < table->slot_count; i++) {
        struct slot_table_task *head = table->slots[i].bound;
        if (head && (!newest || head->prev->order > newest->order))
            newest = head->prev;
    }
    return newest;
}

/* Up to `count` of those that no slot has, the last dispatched first. Returns how many are missing. */
static uint32_t withdraw_last(struct slot_table *table, uint32_t count)
{
    struct slot_table_task *task;

    for (; count > 0 && (task = task_newest(table)); count--) {
        slot_table_withdraw(table, task);
        slot_table_task_return(table, task);
        table->brought = true;
    }
    return count;
}

void slot_table_recall(struct slot_table *table, uint64_t now, uint32_t count)
{
    table->recalling = true;
    count = withdraw_last(table, count);
    table->recalled += count;
    for (uint32_t i = 0; count > 0 && i < table->program_count; i++)
        reclaim_some(table, now, &table->programs[i], count);
    recall_over(table);
}

bool slot_table_none(struct slot_table *table)
{
    bool none = table->none;

    table->none = false;
    return none;
}

void slot_table_reclaim_all(struct slot_table *table, uint64_t now)
{
    withdraw_last(table, UINT32_MAX);
    table->brought = false;
    for (uint32_t i = 0; i < table->program_count; i++)
        reclaim_some(table, now, &table->programs[i], UINT32_MAX);
}

void slot_table_reclaim_over(struct slot_table *table, struct slot_table_slot *slot)
{
    if (!slot->reclaiming)
        return;
    slot->reclaiming = false;
    table->reclaims--;
    recall_over(table);
}

/* `behind` as in slot_table_enqueue_again(). */
static struct slot_table_task *reclaimed_one(struct slot_table *table, struct slot_table_slot *slot,
                                             struct slot_table_task *task, struct slot_table_task *behind)
{
    DL_DELETE(slot->given, task);
    slot->given_count--;
    slot->handed--;
    slot->load_us -= task->cost_us;
    if (task->dropped || table->leaving) {
        slot_table_task_return(table, task);
    } else if (table->recalled > 0) {
        table->recalled--;
        table->brought = true;
        slot_table_task_return(table, task);
    } else {
        return slot_table_enqueue_again(table, task, behind);
    }
    return behind;
}

void slot_table_reclaimed(struct slot_table *table, uint64_t now, uint32_t number, uint32_t count)
{
    struct slot_table_slot *slot = &table->slots[number];

    struct slot_table_task *behind = NULL;

    assert(count <= slot->given_count);
    for (uint32_t i = 0; i < count; i++)
        behind = reclaimed_one(table, slot, slot->given->prev, behind);
    if (slot->ahead > slot->given_count)
        slot->ahead = slot->given_count;
    if (count > 0 && slot->given_count == 0) {
        table->busy--;
        slot->late = false;
        slot_table_begin(table, now, slot);
    }
    slot_table_reclaimable_update(table, slot);
    slot_table_reclaim_over(table, slot);
    slot_table_room_update(table, slot);
}

/* -------------------------------------------------------------- for other slots */

static void reclaim_late(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    slot->reclaim_after_us = now + STOPPING_US;
    if (may_reclaim(slot))
        reclaim_from(table, now, slot);
}

/* Slots whose first task is late give back what lies behind it; the next look is when another may be. */
static void look_for_late(struct slot_table *table, uint64_t now)
{
    if (now < table->look_us)
        return;
    table->look_us = SLOT_TABLE_NEVER;
    for (uint32_t i = 0; i < table->program_count; i++) {
        struct slot_table_slot *slot;
        DL_FOREACH2(table->programs[i].reclaimable, slot, reclaimable_next)
        {
            if (slot_table_late(table, now, slot) && now >= slot->reclaim_after_us)
                reclaim_late(table, now, slot);
            if (slot_table_late_at(table, slot) < table->look_us)
                table->look_us = slot_table_late_at(table, slot);
        }
    }
}

/* Slots idle and nothing waits: one that has a task in hand behind a long one gives it back. */
static void level(struct slot_table *table, uint64_t now, struct slot_table_program_state *program)
{
    uint32_t spare = table->cap > table->busy ? table->cap - table->busy : 0;
    uint32_t idle = program->idle_count < spare ? program->idle_count : spare;
    struct slot_table_slot *slot;

    DL_FOREACH2(program->reclaimable, slot, reclaimable_next)
    {
        if (idle == 0)
            break;
        if (now < slot->reclaim_after_us || !may_reclaim(slot) ||
            slot_table_typical(table, slot->given->prev) < MOVE_US)
            continue;
        reclaim_from(table, now, slot);
        idle -= slot->given_count - 1 < idle ? slot->given_count - 1 : idle;
    }
}

void slot_table_reclaim_turn(struct slot_table *table, uint64_t now)
{
    look_for_late(table, now);
    for (uint32_t i = 0; i < table->program_count; i++)
        if (table->programs[i].reclaimable && !table->programs[i].waiting)
            level(table, now, &table->programs[i]);
}
