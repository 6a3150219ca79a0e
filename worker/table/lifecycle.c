/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: the life of a slot's process (SLOTS.md, "Life"): its start, its answers, its death and who is to
 * blame for it, and the programs whose slots cannot start. Pure.
 */
#include "worker/table/lifecycle.h"
#include "worker/table/capacity.h"
#include "worker/table/deadline.h"
#include "worker/table/judge.h"
#include "worker/table/placement.h"
#include "worker/table/reclaim.h"
#include "worker/table/stop.h"
#include "worker/table/task.h"
#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void slot_table_unbind(struct slot_table *table, struct slot_table_slot *slot)
{
    struct slot_table_task *behind = NULL;

    while (slot->bound) {
        struct slot_table_task *task = slot->bound->prev;
        DL_DELETE(slot->bound, task);
        if (table->leaving)
            slot_table_task_return(table, task);
        else
            behind = slot_table_enqueue_again(table, task, behind);
    }
}

/* After an answer: what the slot does next. Not `ran`: it is known that another task is running by now. */
static void slot_retire(struct slot_table *table, uint64_t now, struct slot_table_slot *slot, bool ran)
{
    const struct slot_table_program_state *program = &table->programs[slot->program];

    if (!program->pub.persistent || ((ran || slot->given_count == 0) &&
                                     (slot->stop == SLOT_TABLE_STOP_WAIT || slot->stop == SLOT_TABLE_STOP_ASKED)))
        slot->stop = SLOT_TABLE_STOP_NONE; /* the task that was to end has ended */
    if (!program->pub.persistent)
        slot->gone = slot->faulty = false;
    if (slot->given_count == 0)
        table->busy--;
    slot_table_begin(table, now, slot);
    slot_table_feed(table, now, slot);
    bool spent = table->max_tasks > 0 && slot->handed >= table->max_tasks && program->pub.persistent;
    if (slot->given || slot->state != SLOT_TABLE_READY || !spent)
        return;
    slot_table_unbind(table, slot);
    if (slot->stop == SLOT_TABLE_STOP_NONE) {
        slot_table_slot_becomes(slot, SLOT_TABLE_CLOSING);
        slot_table_act(table, SLOT_TABLE_CLOSE, slot->number);
        slot_table_deadline_set(table, slot, now + table->kill_us);
    }
    slot_table_room_update(table, slot);
}

bool slot_table_answer(struct slot_table *table, uint64_t now, uint32_t number,
                       const struct slot_table_outcome *outcome)
{
    struct slot_table_slot *slot = &table->slots[number];
    struct slot_table_task *task = slot->given;

    if (!task)
        return false;
    DL_DELETE(slot->given, task);
    slot->given_count--;
    bool ran = slot->ahead == 0;
    if (!ran)
        slot->ahead--;
    slot->load_us -= task->cost_us;
    slot->answered = true;
    slot->late = false;
    table->programs[slot->program].failures = 0;
    table->programs[slot->program].pause_us = 0;
    table->programs[slot->program].scarce = false;
    task->started_us = slot->since_us;
    if (!task->timed_out && !task->dropped)
        slot_table_measure(table, task, outcome->timed ? outcome->service_us : now - slot->since_us);
    slot_table_judge(table, now, task, outcome, slot_table_ours(slot));
    if (ran)
        slot->since_us = now;
    slot_table_reclaimable_update(table, slot);
    slot_retire(table, now, slot, ran);
    return true;
}

void slot_table_ready(struct slot_table *table, uint32_t number)
{
    struct slot_table_slot *slot = &table->slots[number];

    if (slot->state != SLOT_TABLE_STARTING)
        return;
    slot_table_slot_becomes(slot, SLOT_TABLE_READY);
    table->programs[slot->program].starting--;
    if (table->programs[slot->program].gave_up)
        table->recovered = true;
    table->programs[slot->program].gave_up = false;
    if (table->programs[slot->program].pub.persistent)
        table->programs[slot->program].scarce = false;
    if (slot->stop == SLOT_TABLE_STOP_NONE)
        slot_table_deadline_set(table, slot, SLOT_TABLE_NEVER);
    slot_table_room_update(table, slot);
}

bool slot_table_unable(struct slot_table *table, uint32_t number, struct belt_bytes why)
{
    struct slot_table_slot *slot = &table->slots[number];
    char *to = table->programs[slot->program].why;

    if (slot->state != SLOT_TABLE_STARTING)
        return false;
    slot->unable = true;
    to[text_cut((uint8_t *)to, BELT_MAX_TEXT, why)] = '\0';
    return true;
}

static bool program_wants(const struct slot_table_program_state *program)
{
    return program->pub.ahead || program->starting < program->waiting_count ||
           (program->gave_up && program->starting == 0);
}

/* One that keeps failing is tried with one slot, not with all at once. */
static bool program_tries(const struct slot_table_program_state *program)
{
    return program->failures >= SLOT_TABLE_FAILURES && program->starting > 0;
}

static void slot_start(struct slot_table *table, uint64_t now, struct slot_table_slot *slot)
{
    struct slot_table_program_state *program = &table->programs[slot->program];

    DL_DELETE(program->off, slot);
    slot_table_slot_becomes(slot, SLOT_TABLE_STARTING);
    slot->stop = SLOT_TABLE_STOP_NONE;
    slot->handed = 0;
    slot->answered = slot->resting = slot->faulty = slot->gone = false;
    slot->ahead = 0;
    slot->why = NULL;
    slot->unable = false;
    program->starting++;
    if (program->pub.persistent) /* else each task starts a process */
        slot_table_act(table, SLOT_TABLE_START, slot->number);
    if (program->pub.greets)
        slot_table_deadline_set(table, slot, now + table->start_us);
    else
        slot_table_ready(table, slot->number);
}

void slot_table_start_wanted(struct slot_table *table, uint64_t now)
{
    for (uint32_t i = 0; i < table->program_count && !table->leaving; i++) {
        struct slot_table_program_state *program = &table->programs[i];
        while (program->off && program->pause_until <= now && program_wants(program)) {
            if (program_tries(program))
                break;
            slot_start(table, now, program->off);
            if (!program->pub.greets)
                slot_table_place_turn(table, now);
            if (program->scarce)
                program->pause_until = now + SLOT_TABLE_SHORT_US;
            if (program->failures >= SLOT_TABLE_FAILURES)
                break;
        }
    }
}

static struct belt_bytes last_line(struct belt_bytes log)
{
    while (log.len > 0 && (log.data[log.len - 1] == '\n' || log.data[log.len - 1] == ' '))
        log.len--;
    size_t at = log.len;
    while (at > 0 && log.data[at - 1] != '\n')
        at--;
    return (struct belt_bytes){log.data + at, log.len - at};
}

static void pause_longer(struct slot_table_program_state *program, uint64_t now)
{
    program->pause_us = program->pause_us == 0 ? SLOT_TABLE_PAUSE_US : 2 * program->pause_us;
    if (program->pause_us > SLOT_TABLE_PAUSE_MAX_US)
        program->pause_us = SLOT_TABLE_PAUSE_MAX_US;
    program->pause_until = now + program->pause_us;
}

static void start_failed(struct slot_table_program_state *program, uint64_t now, const struct slot_table_slot *slot,
                         const struct slot_table_outcome *how)
{
    struct belt_bytes line = last_line(how->log);
    const char *why = slot->why;

    program->unable = slot->unable;
    if (slot->unable && program->failures < SLOT_TABLE_FAILURES) /* it knows: trying again would tell the same */
        program->failures = SLOT_TABLE_FAILURES - 1;
    if (!slot->unable)
        text_print(program->why, sizeof(program->why), "%s%s%.*s%s%.*s", why ? why : "", why ? ", " : "",
                   TEXT_BYTES_UP_TO(how->text, 150), line.len > 0 ? ": " : "", TEXT_BYTES_UP_TO(line, 200));
    program->failures++;
    if (program->failures < SLOT_TABLE_FAILURES || program->pause_until > now)
        return;
    pause_longer(program, now);
}

/* A pool's own worker is the only one there is: its tasks wait until the system has room. */
static bool short_for_long(const struct slot_table *table, const struct slot_table_program_state *program, uint64_t now)
{
    return program->scarce && !table->alone && now - program->short_since >= SLOT_TABLE_SHORT_MAX_US;
}

/* None of its slots runs or tries to, and it was tried often or long enough. */
static bool program_down(const struct slot_table *table, uint32_t number, uint64_t now)
{
    const struct slot_table_program_state *program = &table->programs[number];

    if (program->failures < SLOT_TABLE_FAILURES && !short_for_long(table, program, now))
        return false;
    for (uint32_t i = number * table->cap; i < (number + 1) * table->cap; i++)
        if (table->slots[i].state != SLOT_TABLE_OFF)
            return false;
    return true;
}

static void task_refuse(struct slot_table *table, uint64_t now, struct slot_table_program_state *program)
{
    char text[sizeof(program->why) + 32];
    struct slot_table_outcome outcome = {
        .code = table->alone ? BELT_SLOT_FAILED : BELT_NOT_SERVED, .timed = true, .exit_status = -1};
    struct slot_table_task *task = program->waiting;
    int len = snprintf(text, sizeof(text), "%s%s", program->unable ? "" : "the slot cannot start: ", program->why);

    outcome.text = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
    slot_table_withdraw(table, task);
    slot_table_task_end(table, now, task, &outcome);
}

void slot_table_give_up(struct slot_table *table, uint64_t now)
{
    for (uint32_t i = 0; i < table->program_count; i++) {
        struct slot_table_program_state *program = &table->programs[i];
        if (!program->waiting || !program_down(table, i, now))
            continue;
        program->gave_up = true;
        while (program->waiting)
            task_refuse(table, now, program);
    }
}

/* The running task of a slot that died. */
static void death_blame(struct slot_table *table, uint64_t now, struct slot_table_slot *slot,
                        struct slot_table_task *task, const struct slot_table_outcome *how)
{
    char text[512];
    struct slot_table_outcome outcome = *how;
    size_t len = text_print(text, sizeof(text), "the slot died while it ran the task: %s%s%.*s",
                            slot->why ? slot->why : "", slot->why ? ", " : "", TEXT_BYTES_UP_TO(how->text, 300));

    outcome.code = BELT_TASK_LOST;
    outcome.text = (struct belt_bytes){(const uint8_t *)text, len};
    outcome.timed = false;
    outcome.payload = (struct belt_bytes){NULL, 0};
    outcome.kept = (struct belt_payload){NULL, NULL, 0};
    DL_DELETE(slot->given, task);
    task->started_us = slot->since_us;
    slot_table_judge(table, now, task, &outcome, slot_table_ours(slot));
}

void slot_table_requeue(struct slot_table *table, struct slot_table_slot *slot)
{
    struct slot_table_task *behind = NULL;

    slot_table_unbind(table, slot);
    while (slot->given) {
        struct slot_table_task *task = slot->given->prev;
        DL_DELETE(slot->given, task);
        task->timed_out = false;
        if (task->dropped || table->leaving)
            slot_table_task_return(table, task);
        else
            behind = slot_table_enqueue_again(table, task, behind);
    }
}

/* The slot has no process and no task. */
static void slot_off(struct slot_table *table, struct slot_table_slot *slot)
{
    slot_table_requeue(table, slot);
    slot_table_reclaim_over(table, slot);
    slot_table_slot_becomes(slot, SLOT_TABLE_OFF);
    slot->given_count = 0;
    slot->load_us = 0;
    slot->late = false;
    slot_table_reclaimable_update(table, slot);
    slot_table_deadline_set(table, slot, SLOT_TABLE_NEVER);
    slot_table_room_update(table, slot);
    slot->stop = SLOT_TABLE_STOP_NONE;
    DL_PREPEND(table->programs[slot->program].off, slot);
}

void slot_table_short(struct slot_table *table, uint64_t now, uint32_t number, const char *why)
{
    struct slot_table_slot *slot = &table->slots[number];
    struct slot_table_program_state *program = &table->programs[slot->program];

    assert(slot->state != SLOT_TABLE_OFF);
    slot_table_actions_forget(table, number);
    if (slot->state == SLOT_TABLE_STARTING)
        program->starting--;
    if (!program->scarce) {
        program->scarce = true;
        program->short_since = now;
    }
    text_print(program->why, sizeof(program->why), "%s", why);
    program->unable = false;
    if (short_for_long(table, program, now))
        pause_longer(program, now);
    else
        program->pause_until = now + SLOT_TABLE_SHORT_US;
    if (slot->given)
        table->busy--;
    slot_off(table, slot);
}

void slot_table_died(struct slot_table *table, uint64_t now, uint32_t number, const struct slot_table_outcome *how)
{
    struct slot_table_slot *slot = &table->slots[number];
    struct slot_table_program_state *program = &table->programs[slot->program];

    assert(program->pub.persistent && slot->state != SLOT_TABLE_OFF);
    slot_table_actions_forget(table, number);
    if (slot->state == SLOT_TABLE_STARTING)
        program->starting--;
    struct slot_table_task *runs = slot->resting ? NULL : slot_table_slot_runs(slot);
    if (slot->state != SLOT_TABLE_CLOSING && !slot->answered && !runs)
        start_failed(program, now, slot, how);
    /* A slot that we stopped for a task which has ended since takes no other with it. */
    bool ours = slot_table_ours(slot) && !slot->why && !slot->faulty;
    if (slot->given) {
        table->busy--;
        if (runs && (!ours || runs->timed_out || runs->dropped))
            death_blame(table, now, slot, runs, how);
    }
    slot_off(table, slot);
}

uint64_t slot_table_start_due(const struct slot_table *table)
{
    uint64_t when = SLOT_TABLE_NEVER;

    for (uint32_t i = 0; i < table->program_count && !table->leaving; i++) {
        const struct slot_table_program_state *p = &table->programs[i];
        if (p->pause_until < when && p->pause_until > 0 && p->off && program_wants(p) && !program_tries(p))
            when = p->pause_until;
    }
    return when;
}
