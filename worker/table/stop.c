/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: the task that runs in a slot, its time-out, and how a slot is stopped by degrees. Pure.
 */
#include "worker/table/stop.h"
#include "worker/table/capacity.h"
#include "worker/table/deadline.h"

/* A dropped task with others behind it is probably over already: signals wait this long. */
#define PATIENCE_US 10000u

/* The task that runs in the slot or is the next to; NULL: none. */
struct slot_table_task *slot_table_slot_runs(const struct slot_table_slot *slot)
{
    struct slot_table_task *task = slot->given;

    for (uint32_t i = 0; task && i < slot->ahead; i++)
        task = task->next;
    return task;
}

/* Another task runs in the slot since `since_us`. */
static void slot_watch(struct slot_table *table, struct slot_table_slot *slot)
{
    const struct slot_table_task *task = slot_table_slot_runs(slot);
    uint64_t timeout = task ? task->job->pub.timeout_us : 0;

    if (slot->stop != SLOT_TABLE_STOP_NONE)
        return;
    slot_table_deadline_set(table, slot, timeout > 0 ? slot->since_us + timeout : SLOT_TABLE_NEVER);
}

void slot_table_stop_step(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    bool polite = table->programs[slot->program].pub.polite;

    switch (slot->stop) {
    case SLOT_TABLE_STOP_NONE:
    case SLOT_TABLE_STOP_WAIT:
        slot->stop = polite ? SLOT_TABLE_STOP_ASKED : SLOT_TABLE_STOP_TERMED;
        slot_table_act(table, polite ? SLOT_TABLE_ASK : SLOT_TABLE_TERM, slot->number);
        slot_table_deadline_set(table, slot, now + (polite ? table->kill_us / 2 : table->kill_us));
        break;
    case SLOT_TABLE_STOP_ASKED:
        slot->stop = SLOT_TABLE_STOP_TERMED;
        slot_table_act(table, SLOT_TABLE_TERM, slot->number);
        slot_table_deadline_set(table, slot, now + table->kill_us / 2);
        break;
    default:
        slot->stop = SLOT_TABLE_STOP_KILLED;
        slot_table_act(table, SLOT_TABLE_KILL, slot->number);
        slot_table_deadline_set(table, slot, SLOT_TABLE_NEVER);
    }
}

/* The running task is to end. `patient`: it may just have ended by itself. When every task in hand has ended, and only
 * the answers are on their way, whoever is asked to stop would be the next one. */
void slot_table_stop(struct slot_table *table, uint64_t now, struct slot_table_slot *slot, bool patient)
{
    if (slot->stop != SLOT_TABLE_STOP_NONE)
        return;
    if (patient && (slot->given_count > 1 || !slot_table_slot_runs(slot))) {
        slot->stop = SLOT_TABLE_STOP_WAIT;
        slot_table_deadline_set(table, slot, now + PATIENCE_US);
    } else {
        slot_table_stop_step(table, now, slot);
    }
    slot_table_room_update(table, slot);
}

void slot_table_look(struct slot_table *table, uint32_t number, uint32_t ahead, bool running, uint64_t since)
{
    struct slot_table_slot *slot = &table->slots[number];

    slot->ahead = ahead < slot->given_count ? ahead : slot->given_count;
    slot->resting = !running;
    if (since > slot->since_us)
        slot->since_us = since;
}

/* The time of the first task is over; but it may be another that runs by now. */
static void run_expired(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    struct slot_table_task *task = slot_table_slot_runs(slot);
    uint64_t timeout = task ? task->job->pub.timeout_us : 0;

    if (!task) {
        slot_table_deadline_set(table, slot, now + PATIENCE_US); /* all have ended: the answers are on their way */
    } else if (timeout == 0 || slot->since_us + timeout > now) {
        slot_watch(table, slot);
    } else {
        task->timed_out = true;
        slot_table_stop(table, now, slot, false);
    }
}

/* The dropped task that was waited for. */
static void wait_expired(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    struct slot_table_task *task = slot_table_slot_runs(slot);

    if (task && task->dropped) {
        slot_table_stop_step(table, now, slot);
        return;
    }
    for (task = task ? task->next : NULL; task && !task->dropped; task = task->next)
        continue;
    if (!task) { /* it has ended, and what runs is wanted */
        slot->stop = SLOT_TABLE_STOP_NONE;
        run_expired(table, now, slot);
        slot_table_room_update(table, slot);
    } else {
        slot_table_deadline_set(table, slot, now + PATIENCE_US);
    }
}

void slot_table_slot_expired(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    if (slot->stop == SLOT_TABLE_STOP_WAIT) {
        wait_expired(table, now, slot);
    } else if (slot->stop != SLOT_TABLE_STOP_NONE) {
        slot_table_stop_step(table, now, slot);
    } else if (slot->state == SLOT_TABLE_STARTING) {
        slot->why = "did not say hello in time";
        slot->stop = SLOT_TABLE_STOP_ASKED;
        slot_table_stop_step(table, now, slot);
    } else if (slot->state == SLOT_TABLE_CLOSING) {
        slot->stop = SLOT_TABLE_STOP_ASKED;
        slot_table_stop_step(table, now, slot);
    } else {
        run_expired(table, now, slot);
    }
}

/* A task begins to run in the slot, as far as is known. */
void slot_table_begin(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    const struct slot_table_task *task = slot_table_slot_runs(slot);

    slot_watch(table, slot);
    if (task && task->dropped)
        slot_table_stop(table, now, slot, true);
}

static void end_now(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    if (slot->stop >= SLOT_TABLE_STOP_TERMED)
        return;
    slot->stop = SLOT_TABLE_STOP_ASKED;
    slot_table_stop_step(table, now, slot);
    slot_table_room_update(table, slot);
}

/* Whether what it said or how it died was our doing. */
bool slot_table_ours(const struct slot_table_slot *slot)
{
    return slot->stop >= SLOT_TABLE_STOP_TERMED && !slot->gone;
}

void slot_table_end(struct slot_table *table, uint64_t now, uint32_t number)
{
    struct slot_table_slot *slot = &table->slots[number];

    slot->faulty = true;
    end_now(table, now, slot);
}

void slot_table_remains(struct slot_table *table, uint64_t now, uint32_t number)
{
    struct slot_table_slot *slot = &table->slots[number];

    slot->gone = !slot_table_ends(table, number);
    end_now(table, now, slot);
}

bool slot_table_ends(const struct slot_table *table, uint32_t number)
{
    return table->slots[number].stop >= SLOT_TABLE_STOP_TERMED;
}
