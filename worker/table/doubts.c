/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: outcomes that wait until it is known whether a signal from outside made them (doubt.h). Pure.
 */
#include "worker/table/doubts.h"
#include "worker/table/books.h"
#include "worker/table/tasks.h"

#include <stdlib.h>
#include <string.h>

/* An outcome with its bytes behind it. */
struct slot_table_doubted {
    struct slot_table_outcome outcome;
    uint64_t ended_us, hold_us, due_us;
    bool cut; /* its status says so already */
};

static struct slot_table_doubted *doubted_new(const struct slot_table_outcome *o)
{
    struct slot_table_doubted *doubted = calloc(1, sizeof(*doubted) + o->text.len + o->log.len);

    if (!doubted)
        slot_table_no_memory();
    uint8_t *bytes = (uint8_t *)(doubted + 1);
    doubted->outcome = *o;
    doubted->outcome.payload = (struct belt_bytes){NULL, 0};
    doubted->outcome.kept =
        o->kept.buf ? belt_payload_ref(o->kept) : belt_payload_copy(o->payload.data, (uint32_t)o->payload.len);
    if (!o->kept.buf && o->payload.len > 0 && !doubted->outcome.kept.buf)
        slot_table_no_memory();
    if (o->text.len > 0)
        memcpy(bytes, o->text.data, o->text.len);
    if (o->log.len > 0)
        memcpy(bytes + o->text.len, o->log.data, o->log.len);
    doubted->outcome.text = (struct belt_bytes){bytes, o->text.len};
    doubted->outcome.log = (struct belt_bytes){bytes + o->text.len, o->log.len};
    return doubted;
}

static void doubted_free(struct slot_table_task *task)
{
    if (!task->doubted)
        return;
    belt_payload_clear(&task->doubted->outcome.kept);
    free(task->doubted);
    task->doubted = NULL;
}

/* By the time when they are due: most have waited for equally long, so the place is near the end. */
static void list_add(struct slot_table *slots, struct slot_table_task *task)
{
    struct slot_table_task *at = slots->doubted ? slots->doubted->prev : NULL;

    while (at && at->doubted->due_us > task->doubted->due_us)
        at = at == slots->doubted ? NULL : at->prev;
    if (!slots->doubted)
        DL_APPEND(slots->doubted, task);
    else if (!at)
        DL_PREPEND(slots->doubted, task);
    else
        DL_APPEND_ELEM(slots->doubted, at, task);
}

void slot_table_doubt_withdraw(struct slot_table *slots, struct slot_table_task *task)
{
    DL_DELETE(slots->doubted, task);
    doubted_free(task);
}

/* The task was cut off. It runs again: here, or elsewhere when this agent leaves. */
static void task_cut(struct slot_table *slots, struct slot_table_task *task)
{
    doubted_free(task);
    if (slots->leaving || task->silent || task->dropped) {
        slot_table_task_return(slots, task);
    } else {
        task->cuts++;
        (void)slot_table_enqueue_again(slots, task, NULL);
    }
}

static void task_counts(struct slot_table *slots, uint64_t now, struct slot_table_task *task)
{
    struct slot_table_doubted *doubted = task->doubted;

    task->doubted = NULL;
    slot_table_task_end(slots, now, task, &doubted->outcome);
    belt_payload_clear(&doubted->outcome.kept);
    free(doubted);
}

void slot_table_doubt(struct slot_table *slots, uint64_t now, struct slot_table_task *task,
                      const struct slot_table_outcome *outcome, bool ours)
{
    const struct slot_table_function_state *function = &slots->functions[task->job->pub.function];
    bool cut = !ours && doubt_status(outcome->exit_status, outcome->term_signal);
    uint64_t service = outcome->timed ? outcome->service_us : now - task->started_us;
    const struct slot_table_program *program = &slots->programs[function->pub.program].pub;
    enum doubt_kind kind = !program->persistent ? DOUBT_COMMAND : program->polite ? DOUBT_FUNCTION : DOUBT_PERSISTENT;
    /* One that was cut off has run for less than its like. */
    uint64_t usual = function->measured < SLOT_TABLE_MEASURED ? UINT64_MAX : function->typical_us;
    uint64_t hold = cut ? DOUBT_US : doubt_hold(kind, service > usual ? service : usual);

    if (task->silent || task->dropped || task->timed_out ||
        (!cut && doubt_verdict(&slots->doubt, now, now, hold) == DOUBT_COUNTS)) {
        slot_table_task_end(slots, now, task, outcome);
        return;
    }
    task->doubted = doubted_new(outcome);
    task->doubted->outcome.timed = true;
    task->doubted->outcome.service_us = service;
    task->doubted->ended_us = now;
    task->doubted->hold_us = hold;
    task->doubted->due_us = doubt_due(&slots->doubt, now, hold);
    task->doubted->cut = cut;
    task->state = SLOT_TABLE_DOUBTED;
    list_add(slots, task);
}

/* What its status tells counts only when no signal has asked the agent to end, and only so often. */
static enum doubt_verdict verdict(const struct slot_table *slots, uint64_t now, const struct slot_table_task *task)
{
    const struct slot_table_doubted *doubted = task->doubted;

    if (doubted->cut && (slots->doubt.signalled || (now >= doubted->due_us && task->cuts + 1u < DOUBT_RUNS)))
        return DOUBT_CUT;
    return doubt_verdict(&slots->doubt, now, doubted->ended_us, doubted->hold_us);
}

void slot_table_doubt_turn(struct slot_table *slots, uint64_t now)
{
    while (slots->doubted && slots->doubted->doubted->due_us <= now) {
        struct slot_table_task *task = slots->doubted;
        DL_DELETE(slots->doubted, task);
        switch (verdict(slots, now, task)) {
        case DOUBT_WAITS:
            task->doubted->due_us = doubt_due(&slots->doubt, task->doubted->ended_us, task->doubted->hold_us);
            list_add(slots, task);
            break;
        case DOUBT_CUT:
            task_cut(slots, task);
            break;
        case DOUBT_COUNTS:
            task_counts(slots, now, task);
        }
    }
}

void slot_table_doubt_return(struct slot_table *slots)
{
    while (slots->doubted) {
        struct slot_table_task *task = slots->doubted;
        slot_table_doubt_withdraw(slots, task);
        slot_table_task_return(slots, task);
    }
}

uint64_t slot_table_doubt_due(const struct slot_table *slots)
{
    return slots->doubted ? slots->doubted->doubted->due_us : SLOT_TABLE_NEVER;
}

void slot_table_signalled(struct slot_table *slots, uint64_t now)
{
    doubt_signalled(&slots->doubt, now);
}

void slot_table_shared(struct slot_table *slots)
{
    doubt_shared(&slots->doubt);
}

void slot_table_warned(struct slot_table *slots, uint64_t now)
{
    doubt_warned(&slots->doubt, now);
}
