/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: taking back what slots have in hand and have not begun, for the broker, for another slot that idles,
 * or because what runs before it takes much longer than its like. Pure.
 */
#include "worker/table/taking.h"
#include "worker/table/books.h"
#include "worker/table/lives.h"
#include "worker/table/placing.h"
#include "worker/table/tasks.h"

#include <assert.h>

/* What runs is late when it takes so much longer than its like, and this longer anyway: the agent may not have been
 * told of an answer yet (SLOTS.md), and its timer counts in ms. */
#define LATE_TIMES 4u
#define LATE_US    1000u
/* A slot that is being stopped gives nothing back; it is seen to again after this. */
#define STOPPING_US 20000u
/* Tasks that take less are not worth the way from one slot to another, unless they lie behind one that is late. */
#define MOVE_US 200u

static uint64_t typical_of(const struct slot_table *slots, const struct slot_table_task *task)
{
    return slots->functions[task->job->pub.function].typical_us;
}

static uint64_t late_at(const struct slot_table *slots, const struct slot_table_slot *slot)
{
    uint64_t when = slot->since_us + LATE_US + LATE_TIMES * typical_of(slots, slot->given);

    return when > slot->again_us ? when : slot->again_us;
}

/* Keeps the slot in its program's list of those that hold tasks which they could give back, or not. */
void slot_table_laden_update(struct slot_table *slots, struct slot_table_slot *slot)
{
    struct slot_table_program_state *program = &slots->programs[slot->program];
    /* A chunk stays where it is: its tasks go to one slot in their order. */
    bool laden = program->pub.yields && slot->given_count > 1 && slot->given->prev->chunk == 0 &&
                 slot->given->prev->payload.len <= SLOT_TABLE_TAKE_BYTES;

    if (laden && late_at(slots, slot) < slots->look_us)
        slots->look_us = late_at(slots, slot);
    if (laden == slot->laden)
        return;
    slot->laden = laden;
    if (laden)
        DL_APPEND2(program->laden, slot, laden_prev, laden_next);
    else
        DL_DELETE2(program->laden, slot, laden_prev, laden_next);
}

/* Whether nothing may be put behind what the slot runs. True: it is known from now on. */
bool slot_table_late(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    if (!slot->late && slot->given && slots->programs[slot->program].pub.yields && now >= late_at(slots, slot)) {
        slot->late = true;
        slot_table_room_update(slots, slot);
    }
    return slot->late;
}

static bool may_take(const struct slot_table_slot *slot)
{
    return slot->laden && !slot->taking && slot->state == SLOT_TABLE_READY && slot->stop == SLOT_TABLE_STOP_NONE &&
           !slot->bound;
}

static void take_from(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    slot->taking = true;
    slot->again_us = now + LATE_US;
    slots->takes++;
    slot_table_act(slots, SLOT_TABLE_TAKE, slot->number);
    slot_table_room_update(slots, slot);
}

/* So many tasks behind others, from the slots that have had them longest. */
static void take_some(struct slot_table *slots, uint64_t now, struct slot_table_program_state *program, uint32_t count)
{
    struct slot_table_slot *slot;

    DL_FOREACH2(program->laden, slot, laden_next)
    {
        if (count == 0)
            break;
        if (!may_take(slot))
            continue;
        take_from(slots, now, slot);
        count -= slot->given_count - 1 < count ? slot->given_count - 1 : count;
    }
}

/* ------------------------------------------------------------- for the broker */

static void recall_over(struct slot_table *slots)
{
    if (slots->takes > 0 || !slots->recalling)
        return;
    slots->none = !slots->brought;
    slots->recalling = slots->brought = false;
    slots->recalled = 0;
}

/* Of those that were not handed over the one that came last; NULL: none. What is bound came before what waits. */
static struct slot_table_task *task_newest(struct slot_table *slots)
{
    struct slot_table_task *newest = NULL;

    for (uint32_t i = 0; i < slots->program_count; i++) {
        struct slot_table_task *head = slots->programs[i].waiting;
        if (head && (!newest || head->prev->order > newest->order))
            newest = head->prev; /* of the head: the tail */
    }
    for (uint32_t i = 0; !newest && i < slots->slot_count; i++) {
        struct slot_table_task *head = slots->slots[i].bound;
        if (head && (!newest || head->prev->order > newest->order))
            newest = head->prev;
    }
    return newest;
}

/* Up to `count` of those that no slot has, the last dispatched first. Returns how many are missing. */
static uint32_t withdraw_last(struct slot_table *slots, uint32_t count)
{
    struct slot_table_task *task;

    for (; count > 0 && (task = task_newest(slots)); count--) {
        slot_table_withdraw(slots, task);
        slot_table_task_return(slots, task);
        slots->brought = true;
    }
    return count;
}

void slot_table_recall(struct slot_table *slots, uint64_t now, uint32_t count)
{
    slots->recalling = true;
    count = withdraw_last(slots, count);
    slots->recalled += count;
    for (uint32_t i = 0; count > 0 && i < slots->program_count; i++)
        take_some(slots, now, &slots->programs[i], count);
    recall_over(slots);
}

bool slot_table_none(struct slot_table *slots)
{
    bool none = slots->none;

    slots->none = false;
    return none;
}

void slot_table_take_all(struct slot_table *slots, uint64_t now)
{
    withdraw_last(slots, UINT32_MAX);
    slots->brought = false;
    for (uint32_t i = 0; i < slots->program_count; i++)
        take_some(slots, now, &slots->programs[i], UINT32_MAX);
}

void slot_table_take_over(struct slot_table *slots, struct slot_table_slot *slot)
{
    if (!slot->taking)
        return;
    slot->taking = false;
    slots->takes--;
    recall_over(slots);
}

/* `behind` as in slot_table_enqueue_again(). */
static struct slot_table_task *taken_one(struct slot_table *slots, struct slot_table_slot *slot,
                                         struct slot_table_task *task, struct slot_table_task *behind)
{
    DL_DELETE(slot->given, task);
    slot->given_count--;
    slot->handed--;
    slot->load_us -= task->cost_us;
    if (task->dropped || slots->leaving) {
        slot_table_task_return(slots, task);
    } else if (slots->recalled > 0) {
        slots->recalled--;
        slots->brought = true;
        slot_table_task_return(slots, task);
    } else {
        return slot_table_enqueue_again(slots, task, behind);
    }
    return behind;
}

void slot_table_taken(struct slot_table *slots, uint64_t now, uint32_t number, uint32_t count)
{
    struct slot_table_slot *slot = &slots->slots[number];

    struct slot_table_task *behind = NULL;

    assert(count <= slot->given_count);
    for (uint32_t i = 0; i < count; i++)
        behind = taken_one(slots, slot, slot->given->prev, behind);
    if (slot->ahead > slot->given_count)
        slot->ahead = slot->given_count;
    if (count > 0 && slot->given_count == 0) {
        slots->busy--;
        slot->late = false;
        slot_table_begin(slots, now, slot);
    }
    slot_table_laden_update(slots, slot);
    slot_table_take_over(slots, slot);
    slot_table_room_update(slots, slot);
}

/* -------------------------------------------------------------- for other slots */

static void take_late(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    slot->again_us = now + STOPPING_US;
    if (may_take(slot))
        take_from(slots, now, slot);
}

/* Slots whose first task is late give back what lies behind it; the next look is when another may be. */
static void look_for_late(struct slot_table *slots, uint64_t now)
{
    if (now < slots->look_us)
        return;
    slots->look_us = SLOT_TABLE_NEVER;
    for (uint32_t i = 0; i < slots->program_count; i++) {
        struct slot_table_slot *slot;
        DL_FOREACH2(slots->programs[i].laden, slot, laden_next)
        {
            if (slot_table_late(slots, now, slot) && now >= slot->again_us)
                take_late(slots, now, slot);
            if (late_at(slots, slot) < slots->look_us)
                slots->look_us = late_at(slots, slot);
        }
    }
}

/* Slots idle and nothing waits: one that has a task in hand behind a long one gives it back. */
static void level(struct slot_table *slots, uint64_t now, struct slot_table_program_state *program)
{
    uint32_t spare = slots->cap > slots->busy ? slots->cap - slots->busy : 0;
    uint32_t idle = program->idle_count < spare ? program->idle_count : spare;
    struct slot_table_slot *slot;

    DL_FOREACH2(program->laden, slot, laden_next)
    {
        if (idle == 0)
            break;
        if (now < slot->again_us || !may_take(slot) || typical_of(slots, slot->given->prev) < MOVE_US)
            continue;
        take_from(slots, now, slot);
        idle -= slot->given_count - 1 < idle ? slot->given_count - 1 : idle;
    }
}

void slot_table_take_turn(struct slot_table *slots, uint64_t now)
{
    look_for_late(slots, now);
    for (uint32_t i = 0; i < slots->program_count; i++)
        if (slots->programs[i].laden && !slots->programs[i].waiting)
            level(slots, now, &slots->programs[i]);
}
