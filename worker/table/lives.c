/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: the life of a slot's process (SLOTS.md, "Life"): start, hello, time-outs,
 * stopping by degrees, death and who is to blame, pauses, leaving. Pure.
 */
#include "worker/table/lives.h"
#include "worker/table/books.h"
#include "worker/table/doubts.h"
#include "worker/table/placing.h"
#include "worker/table/taking.h"
#include "worker/table/tasks.h"

#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A dropped task with others behind it is probably over already: signals wait this long. */
#define PATIENCE_US 10000u

/* --------------------------------------------------------------- deadlines */

static void heap_put(struct slot_table *slots, uint32_t at, struct slot_table_slot *slot)
{
    slots->heap[at] = slot;
    slot->heap_at = at;
}

static void heap_sift(struct slot_table *slots, uint32_t at)
{
    struct slot_table_slot *slot = slots->heap[at];

    for (; at > 1 && slots->heap[at / 2]->deadline_us > slot->deadline_us; at /= 2)
        heap_put(slots, at, slots->heap[at / 2]);
    for (uint32_t child; (child = 2 * at) <= slots->heap_count; at = child) {
        if (child < slots->heap_count && slots->heap[child + 1]->deadline_us < slots->heap[child]->deadline_us)
            child++;
        if (slots->heap[child]->deadline_us >= slot->deadline_us)
            break;
        heap_put(slots, at, slots->heap[child]);
    }
    heap_put(slots, at, slot);
}

void slot_table_deadline_set(struct slot_table *slots, struct slot_table_slot *slot, uint64_t when)
{
    if (slot->deadline_us == when)
        return;
    slot->deadline_us = when;
    if (when == SLOT_TABLE_NEVER) {
        uint32_t at = slot->heap_at;
        struct slot_table_slot *last = slots->heap[slots->heap_count--];
        slot->heap_at = 0;
        if (last != slot) {
            heap_put(slots, at, last);
            heap_sift(slots, at);
        }
        return;
    }
    if (slot->heap_at == 0)
        heap_put(slots, ++slots->heap_count, slot);
    heap_sift(slots, slot->heap_at);
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

uint64_t slot_table_deadline(const struct slot_table *slots)
{
    uint64_t when = slots->heap_count > 0 ? slots->heap[1]->deadline_us : SLOT_TABLE_NEVER;

    if (slots->paused)
        return SLOT_TABLE_NEVER;
    if (slots->leave_until < when)
        when = slots->leave_until;
    if (slot_table_doubt_due(slots) < when)
        when = slot_table_doubt_due(slots);
    if (slots->look_us < when)
        when = slots->look_us;
    for (uint32_t i = 0; i < slots->program_count; i++) {
        const struct slot_table_program_state *p = &slots->programs[i];
        if (p->pause_until < when && p->pause_until > 0 && p->off && !slots->leaving && program_wants(p) &&
            !program_tries(p))
            when = p->pause_until;
    }
    return when;
}

bool slot_table_overdue(const struct slot_table *slots, uint64_t now)
{
    return slots->heap_count > 0 && slots->heap[1]->deadline_us <= now;
}

/* The task that runs in the slot or is the next to; NULL: none. */
static struct slot_table_task *slot_runs(const struct slot_table_slot *slot)
{
    struct slot_table_task *task = slot->given;

    for (uint32_t i = 0; task && i < slot->ahead; i++)
        task = task->next;
    return task;
}

/* Another task runs in the slot since `since_us`. */
static void slot_watch(struct slot_table *slots, struct slot_table_slot *slot)
{
    const struct slot_table_task *task = slot_runs(slot);
    uint64_t timeout = task ? task->job->pub.timeout_us : 0;

    if (slot->stop != SLOT_TABLE_STOP_NONE)
        return;
    slot_table_deadline_set(slots, slot, timeout > 0 ? slot->since_us + timeout : SLOT_TABLE_NEVER);
}

/* ----------------------------------------------------------------- stopping */

static void stop_step(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    bool polite = slots->programs[slot->program].pub.polite;

    switch (slot->stop) {
    case SLOT_TABLE_STOP_NONE:
    case SLOT_TABLE_STOP_WAIT:
        slot->stop = polite ? SLOT_TABLE_STOP_ASKED : SLOT_TABLE_STOP_TERMED;
        slot_table_act(slots, polite ? SLOT_TABLE_ASK : SLOT_TABLE_TERM, slot->number);
        slot_table_deadline_set(slots, slot, now + (polite ? slots->kill_us / 2 : slots->kill_us));
        break;
    case SLOT_TABLE_STOP_ASKED:
        slot->stop = SLOT_TABLE_STOP_TERMED;
        slot_table_act(slots, SLOT_TABLE_TERM, slot->number);
        slot_table_deadline_set(slots, slot, now + slots->kill_us / 2);
        break;
    default:
        slot->stop = SLOT_TABLE_STOP_KILLED;
        slot_table_act(slots, SLOT_TABLE_KILL, slot->number);
        slot_table_deadline_set(slots, slot, SLOT_TABLE_NEVER);
    }
}

/* The running task is to end. `patient`: it may just have ended by itself. When every task in hand has ended, and only
 * the answers are on their way, whoever is asked to stop would be the next one. */
void slot_table_stop(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot, bool patient)
{
    if (slot->stop != SLOT_TABLE_STOP_NONE)
        return;
    if (patient && (slot->given_count > 1 || !slot_runs(slot))) {
        slot->stop = SLOT_TABLE_STOP_WAIT;
        slot_table_deadline_set(slots, slot, now + PATIENCE_US);
    } else {
        stop_step(slots, now, slot);
    }
    slot_table_room_update(slots, slot);
}

void slot_table_look(struct slot_table *slots, uint32_t number, uint32_t ahead, bool running, uint64_t since)
{
    struct slot_table_slot *slot = &slots->slots[number];

    slot->ahead = ahead < slot->given_count ? ahead : slot->given_count;
    slot->resting = !running;
    if (since > slot->since_us)
        slot->since_us = since;
}

/* The time of the first task is over; but it may be another that runs by now. */
static void run_expired(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    struct slot_table_task *task = slot_runs(slot);
    uint64_t timeout = task ? task->job->pub.timeout_us : 0;

    if (!task) {
        slot_table_deadline_set(slots, slot, now + PATIENCE_US); /* all have ended: the answers are on their way */
    } else if (timeout == 0 || slot->since_us + timeout > now) {
        slot_watch(slots, slot);
    } else {
        task->timed_out = true;
        slot_table_stop(slots, now, slot, false);
    }
}

/* The dropped task that was waited for. */
static void wait_expired(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    struct slot_table_task *task = slot_runs(slot);

    if (task && task->dropped) {
        stop_step(slots, now, slot);
        return;
    }
    for (task = task ? task->next : NULL; task && !task->dropped; task = task->next)
        continue;
    if (!task) { /* it has ended, and what runs is wanted */
        slot->stop = SLOT_TABLE_STOP_NONE;
        run_expired(slots, now, slot);
        slot_table_room_update(slots, slot);
    } else {
        slot_table_deadline_set(slots, slot, now + PATIENCE_US);
    }
}

static void slot_expired(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    if (slot->stop == SLOT_TABLE_STOP_WAIT) {
        wait_expired(slots, now, slot);
    } else if (slot->stop != SLOT_TABLE_STOP_NONE) {
        stop_step(slots, now, slot);
    } else if (slot->state == SLOT_TABLE_STARTING) {
        slot->why = "did not say hello in time";
        slot->stop = SLOT_TABLE_STOP_ASKED;
        stop_step(slots, now, slot);
    } else if (slot->state == SLOT_TABLE_CLOSING) {
        slot->stop = SLOT_TABLE_STOP_ASKED;
        stop_step(slots, now, slot);
    } else {
        run_expired(slots, now, slot);
    }
}

/* A task begins to run in the slot, as far as is known. */
void slot_table_begin(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    const struct slot_table_task *task = slot_runs(slot);

    slot_watch(slots, slot);
    if (task && task->dropped)
        slot_table_stop(slots, now, slot, true);
}

static void end_now(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    if (slot->stop >= SLOT_TABLE_STOP_TERMED)
        return;
    slot->stop = SLOT_TABLE_STOP_ASKED;
    stop_step(slots, now, slot);
    slot_table_room_update(slots, slot);
}

/* Whether what it said or how it died was our doing. */
bool slot_table_ours(const struct slot_table_slot *slot)
{
    return slot->stop >= SLOT_TABLE_STOP_TERMED && !slot->gone;
}

void slot_table_end(struct slot_table *slots, uint64_t now, uint32_t number)
{
    struct slot_table_slot *slot = &slots->slots[number];

    slot->faulty = true;
    end_now(slots, now, slot);
}

void slot_table_remains(struct slot_table *slots, uint64_t now, uint32_t number)
{
    struct slot_table_slot *slot = &slots->slots[number];

    slot->gone = !slot_table_ends(slots, number);
    end_now(slots, now, slot);
}

bool slot_table_ends(const struct slot_table *slots, uint32_t number)
{
    return slots->slots[number].stop >= SLOT_TABLE_STOP_TERMED;
}

/* The grace of leaving is over: what still runs goes back. */
static void leave_expired(struct slot_table *slots, uint64_t now)
{
    slots->leave_until = SLOT_TABLE_NEVER;
    for (uint32_t i = 0; i < slots->slot_count; i++) {
        struct slot_table_slot *slot = &slots->slots[i];
        struct slot_table_task *task;
        DL_FOREACH (slot->given, task)
            task->dropped = true;
        if (slot->given && slot->stop < SLOT_TABLE_STOP_TERMED) {
            slot->stop = SLOT_TABLE_STOP_ASKED;
            stop_step(slots, now, slot);
        }
    }
}

void slot_table_expire(struct slot_table *slots, uint64_t now)
{
    while (slots->heap_count > 0 && slots->heap[1]->deadline_us <= now)
        slot_expired(slots, now, slots->heap[1]);
    if (slots->leave_until <= now)
        leave_expired(slots, now);
}

/* ----------------------------------------------------------- start and end */

static void unbind(struct slot_table *slots, struct slot_table_slot *slot)
{
    struct slot_table_task *behind = NULL;

    while (slot->bound) {
        struct slot_table_task *task = slot->bound->prev;
        DL_DELETE(slot->bound, task);
        if (slots->leaving)
            slot_table_task_return(slots, task);
        else
            behind = slot_table_enqueue_again(slots, task, behind);
    }
}

/* After an answer: what the slot does next. Not `ran`: it is known that another task is running by now. */
void slot_table_retire(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot, bool ran)
{
    const struct slot_table_program_state *program = &slots->programs[slot->program];

    if (!program->pub.persistent || ((ran || slot->given_count == 0) &&
                                     (slot->stop == SLOT_TABLE_STOP_WAIT || slot->stop == SLOT_TABLE_STOP_ASKED)))
        slot->stop = SLOT_TABLE_STOP_NONE; /* the task that was to end has ended */
    if (!program->pub.persistent)
        slot->gone = slot->faulty = false;
    if (slot->given_count == 0)
        slots->busy--;
    slot_table_begin(slots, now, slot);
    slot_table_feed(slots, now, slot);
    bool spent = slots->max_tasks > 0 && slot->handed >= slots->max_tasks && program->pub.persistent;
    if (slot->given || slot->state != SLOT_TABLE_READY || !spent)
        return;
    unbind(slots, slot);
    if (slot->stop == SLOT_TABLE_STOP_NONE) {
        slot->state = SLOT_TABLE_CLOSING;
        slot_table_act(slots, SLOT_TABLE_CLOSE, slot->number);
        slot_table_deadline_set(slots, slot, now + slots->kill_us);
    }
    slot_table_room_update(slots, slot);
}

void slot_table_ready(struct slot_table *slots, uint32_t number)
{
    struct slot_table_slot *slot = &slots->slots[number];

    if (slot->state != SLOT_TABLE_STARTING)
        return;
    slot->state = SLOT_TABLE_READY;
    slots->programs[slot->program].starting--;
    if (slots->programs[slot->program].gave_up)
        slots->recovered = true;
    slots->programs[slot->program].gave_up = false;
    if (slots->programs[slot->program].pub.persistent)
        slots->programs[slot->program].scarce = false;
    if (slot->stop == SLOT_TABLE_STOP_NONE)
        slot_table_deadline_set(slots, slot, SLOT_TABLE_NEVER);
    slot_table_room_update(slots, slot);
}

bool slot_table_unable(struct slot_table *slots, uint32_t number, struct belt_bytes why)
{
    struct slot_table_slot *slot = &slots->slots[number];
    char *to = slots->programs[slot->program].why;

    if (slot->state != SLOT_TABLE_STARTING)
        return false;
    slot->unable = true;
    to[text_cut((uint8_t *)to, BELT_MAX_TEXT, why)] = '\0';
    return true;
}

static void slot_start(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot)
{
    struct slot_table_program_state *program = &slots->programs[slot->program];

    DL_DELETE(program->off, slot);
    slot->state = SLOT_TABLE_STARTING;
    slot->stop = SLOT_TABLE_STOP_NONE;
    slot->handed = 0;
    slot->answered = slot->resting = slot->faulty = slot->gone = false;
    slot->ahead = 0;
    slot->why = NULL;
    slot->unable = false;
    program->starting++;
    if (program->pub.persistent) /* else each task starts a process */
        slot_table_act(slots, SLOT_TABLE_START, slot->number);
    if (program->pub.greets)
        slot_table_deadline_set(slots, slot, now + slots->start_us);
    else
        slot_table_ready(slots, slot->number);
}

void slot_table_start_wanted(struct slot_table *slots, uint64_t now)
{
    for (uint32_t i = 0; i < slots->program_count && !slots->leaving; i++) {
        struct slot_table_program_state *program = &slots->programs[i];
        while (program->off && program->pause_until <= now && program_wants(program)) {
            if (program_tries(program))
                break;
            slot_start(slots, now, program->off);
            if (!program->pub.greets)
                slot_table_place_turn(slots, now);
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
static bool short_for_long(const struct slot_table *slots, const struct slot_table_program_state *program, uint64_t now)
{
    return program->scarce && !slots->alone && now - program->short_since >= SLOT_TABLE_SHORT_MAX_US;
}

/* None of its slots runs or tries to, and it was tried often or long enough. */
static bool program_down(const struct slot_table *slots, uint32_t number, uint64_t now)
{
    const struct slot_table_program_state *program = &slots->programs[number];

    if (program->failures < SLOT_TABLE_FAILURES && !short_for_long(slots, program, now))
        return false;
    for (uint32_t i = number * slots->cap; i < (number + 1) * slots->cap; i++)
        if (slots->slots[i].state != SLOT_TABLE_OFF)
            return false;
    return true;
}

static void task_refuse(struct slot_table *slots, uint64_t now, struct slot_table_program_state *program)
{
    char text[sizeof(program->why) + 32];
    struct slot_table_outcome outcome = {
        .code = slots->alone ? BELT_SLOT_FAILED : BELT_NOT_SERVED, .timed = true, .exit_status = -1};
    struct slot_table_task *task = program->waiting;
    int len = snprintf(text, sizeof(text), "%s%s", program->unable ? "" : "the slot cannot start: ", program->why);

    outcome.text = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
    slot_table_withdraw(slots, task);
    slot_table_task_end(slots, now, task, &outcome);
}

void slot_table_give_up(struct slot_table *slots, uint64_t now)
{
    for (uint32_t i = 0; i < slots->program_count; i++) {
        struct slot_table_program_state *program = &slots->programs[i];
        if (!program->waiting || !program_down(slots, i, now))
            continue;
        program->gave_up = true;
        while (program->waiting)
            task_refuse(slots, now, program);
    }
}

/* What was to be done with a slot that is no more. */
static void actions_forget(struct slot_table *slots, uint32_t number)
{
    uint32_t kept = slots->action_at;

    for (uint32_t i = slots->action_at; i < slots->action_count; i++)
        if (slots->actions[i].slot != number)
            slots->actions[kept++] = slots->actions[i];
    slots->action_count = kept;
}

/* The running task of a slot that died. */
static void death_blame(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot,
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
    slot_table_doubt(slots, now, task, &outcome, slot_table_ours(slot));
}

static void death_requeue(struct slot_table *slots, struct slot_table_slot *slot)
{
    struct slot_table_task *behind = NULL;

    unbind(slots, slot);
    while (slot->given) {
        struct slot_table_task *task = slot->given->prev;
        DL_DELETE(slot->given, task);
        task->timed_out = false;
        if (task->dropped || slots->leaving)
            slot_table_task_return(slots, task);
        else
            behind = slot_table_enqueue_again(slots, task, behind);
    }
}

/* The slot has no process and no task. */
static void slot_off(struct slot_table *slots, struct slot_table_slot *slot)
{
    death_requeue(slots, slot);
    slot_table_take_over(slots, slot);
    slot->state = SLOT_TABLE_OFF;
    slot->given_count = 0;
    slot->load_us = 0;
    slot->late = false;
    slot_table_laden_update(slots, slot);
    slot_table_deadline_set(slots, slot, SLOT_TABLE_NEVER);
    slot_table_room_update(slots, slot);
    slot->stop = SLOT_TABLE_STOP_NONE;
    DL_PREPEND(slots->programs[slot->program].off, slot);
}

void slot_table_short(struct slot_table *slots, uint64_t now, uint32_t number, const char *why)
{
    struct slot_table_slot *slot = &slots->slots[number];
    struct slot_table_program_state *program = &slots->programs[slot->program];

    assert(slot->state != SLOT_TABLE_OFF);
    actions_forget(slots, number);
    if (slot->state == SLOT_TABLE_STARTING)
        program->starting--;
    if (!program->scarce) {
        program->scarce = true;
        program->short_since = now;
    }
    text_print(program->why, sizeof(program->why), "%s", why);
    program->unable = false;
    if (short_for_long(slots, program, now))
        pause_longer(program, now);
    else
        program->pause_until = now + SLOT_TABLE_SHORT_US;
    if (slot->given)
        slots->busy--;
    slot_off(slots, slot);
}

void slot_table_died(struct slot_table *slots, uint64_t now, uint32_t number, const struct slot_table_outcome *how)
{
    struct slot_table_slot *slot = &slots->slots[number];
    struct slot_table_program_state *program = &slots->programs[slot->program];

    assert(program->pub.persistent && slot->state != SLOT_TABLE_OFF);
    actions_forget(slots, number);
    if (slot->state == SLOT_TABLE_STARTING)
        program->starting--;
    struct slot_table_task *runs = slot->resting ? NULL : slot_runs(slot);
    if (slot->state != SLOT_TABLE_CLOSING && !slot->answered && !runs)
        start_failed(program, now, slot, how);
    /* A slot that we stopped for a task which has ended since takes no other with it. */
    bool ours = slot_table_ours(slot) && !slot->why && !slot->faulty;
    if (slot->given) {
        slots->busy--;
        if (runs && (!ours || runs->timed_out || runs->dropped))
            death_blame(slots, now, slot, runs, how);
    }
    slot_off(slots, slot);
}

void slot_table_leave(struct slot_table *slots, uint64_t now, uint64_t until)
{
    slots->leaving = true;
    slots->leave_until = until > now ? until : now;
    for (uint32_t i = 0; i < slots->slot_count; i++)
        unbind(slots, &slots->slots[i]);
    slot_table_take_all(slots, now);
}

void slot_table_abandon(struct slot_table *slots)
{
    slots->leaving = true;
    slot_table_doubt_return(slots);
    for (uint32_t i = 0; i < slots->slot_count; i++) {
        struct slot_table_slot *slot = &slots->slots[i];
        actions_forget(slots, slot->number);
        death_requeue(slots, slot);
        slot_table_take_over(slots, slot);
        slot->given_count = 0;
        slot_table_laden_update(slots, slot);
    }
    slot_table_take_all(slots, 0);
}

void slot_table_pause(struct slot_table *slots, uint64_t now)
{
    if (!slots->paused)
        slots->paused_us = now;
    slots->paused = true;
}

/* Nobody's time has gone on meanwhile. All deadlines move alike, so the heap stays in order. */
void slot_table_resume(struct slot_table *slots, uint64_t now)
{
    uint64_t away = now - slots->paused_us;

    if (!slots->paused)
        return;
    slots->paused = false;
    for (uint32_t i = 0; i < slots->slot_count; i++) {
        struct slot_table_slot *slot = &slots->slots[i];
        slot->since_us += away;
        if (slot->deadline_us != SLOT_TABLE_NEVER)
            slot->deadline_us += away;
    }
    if (slots->leave_until != SLOT_TABLE_NEVER)
        slots->leave_until += away;
}

void slot_table_turn(struct slot_table *slots, uint64_t now)
{
    if (slots->paused)
        return;
    slot_table_expire(slots, now);
    slot_table_doubt_turn(slots, now);
    slot_table_place_turn(slots, now);
    slot_table_take_turn(slots, now);
    slot_table_start_wanted(slots, now);
    slot_table_give_up(slots, now);
}
