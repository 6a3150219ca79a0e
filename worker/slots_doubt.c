/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: outcomes that wait until it is known whether a signal from outside made them (doubt.h). Pure.
 */
#include "slots_table.h"

#include <stdlib.h>
#include <string.h>

/* An outcome with its bytes behind it. */
struct slots_doubted {
    struct slots_outcome outcome;
    uint64_t ended_us, hold_us, due_us;
    bool cut; /* its status says so already */
};

static struct slots_doubted *doubted_new(const struct slots_outcome *o)
{
    struct slots_doubted *doubted = calloc(1, sizeof(*doubted) + o->text.len + o->log.len);

    if (!doubted)
        slots_no_memory();
    uint8_t *bytes = (uint8_t *)(doubted + 1);
    doubted->outcome = *o;
    doubted->outcome.payload = (struct belt_bytes){NULL, 0};
    doubted->outcome.kept =
        o->kept.buf ? belt_payload_ref(o->kept) : belt_payload_copy(o->payload.data, (uint32_t)o->payload.len);
    if (!o->kept.buf && o->payload.len > 0 && !doubted->outcome.kept.buf)
        slots_no_memory();
    if (o->text.len > 0)
        memcpy(bytes, o->text.data, o->text.len);
    if (o->log.len > 0)
        memcpy(bytes + o->text.len, o->log.data, o->log.len);
    doubted->outcome.text = (struct belt_bytes){bytes, o->text.len};
    doubted->outcome.log = (struct belt_bytes){bytes + o->text.len, o->log.len};
    return doubted;
}

static void doubted_free(struct slots_task *task)
{
    if (!task->doubted)
        return;
    belt_payload_clear(&task->doubted->outcome.kept);
    free(task->doubted);
    task->doubted = NULL;
}

/** By the time when they are due: most have waited for equally long, so the place is near the end. */
static void list_add(struct slots *slots, struct slots_task *task)
{
    struct slots_task *at = slots->doubted ? slots->doubted->prev : NULL;

    while (at && at->doubted->due_us > task->doubted->due_us)
        at = at == slots->doubted ? NULL : at->prev;
    if (!slots->doubted)
        DL_APPEND(slots->doubted, task);
    else if (!at)
        DL_PREPEND(slots->doubted, task);
    else
        DL_APPEND_ELEM(slots->doubted, at, task);
}

void slots_doubt_withdraw(struct slots *slots, struct slots_task *task)
{
    DL_DELETE(slots->doubted, task);
    doubted_free(task);
}

/** The task was cut off. It runs again: here, or elsewhere when this agent leaves. */
static void task_cut(struct slots *slots, struct slots_task *task)
{
    doubted_free(task);
    if (slots->leaving || task->silent || task->dropped) {
        slots_task_return(slots, task);
    } else {
        task->cuts++;
        (void)slots_enqueue_again(slots, task, NULL);
    }
}

static void task_counts(struct slots *slots, uint64_t now, struct slots_task *task)
{
    struct slots_doubted *doubted = task->doubted;

    task->doubted = NULL;
    slots_task_end(slots, now, task, &doubted->outcome);
    belt_payload_clear(&doubted->outcome.kept);
    free(doubted);
}

void slots_doubt(struct slots *slots, uint64_t now, struct slots_task *task, const struct slots_outcome *outcome,
                 bool ours)
{
    const struct slots_function_state *function = &slots->functions[task->job->pub.function];
    bool cut = !ours && doubt_status(outcome->exit_status, outcome->term_signal);
    uint64_t service = outcome->timed ? outcome->service_us : now - task->started_us;
    const struct slots_program *program = &slots->programs[function->pub.program].pub;
    enum doubt_kind kind = !program->lasting ? DOUBT_COMMAND : program->polite ? DOUBT_FUNCTION : DOUBT_LASTING;
    /* One that was cut off has run for less than its like. */
    uint64_t usual = function->measured < SLOTS_MEASURED ? UINT64_MAX : function->typical_us;
    uint64_t hold = cut ? DOUBT_US : doubt_hold(kind, service > usual ? service : usual);

    if (task->silent || task->dropped || task->timed_out ||
        (!cut && doubt_verdict(&slots->doubt, now, now, hold) == DOUBT_COUNTS)) {
        slots_task_end(slots, now, task, outcome);
        return;
    }
    task->doubted = doubted_new(outcome);
    task->doubted->outcome.timed = true;
    task->doubted->outcome.service_us = service;
    task->doubted->ended_us = now;
    task->doubted->hold_us = hold;
    task->doubted->due_us = doubt_due(&slots->doubt, now, hold);
    task->doubted->cut = cut;
    task->state = SLOTS_DOUBTED;
    list_add(slots, task);
}

/** What its status tells counts only when no signal has asked the agent to end, and only so often. */
static enum doubt_verdict verdict(const struct slots *slots, uint64_t now, const struct slots_task *task)
{
    const struct slots_doubted *doubted = task->doubted;

    if (doubted->cut && (slots->doubt.signalled || (now >= doubted->due_us && task->cuts + 1u < DOUBT_RUNS)))
        return DOUBT_CUT;
    return doubt_verdict(&slots->doubt, now, doubted->ended_us, doubted->hold_us);
}

void slots_doubt_turn(struct slots *slots, uint64_t now)
{
    while (slots->doubted && slots->doubted->doubted->due_us <= now) {
        struct slots_task *task = slots->doubted;
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

void slots_doubt_return(struct slots *slots)
{
    while (slots->doubted) {
        struct slots_task *task = slots->doubted;
        slots_doubt_withdraw(slots, task);
        slots_task_return(slots, task);
    }
}

uint64_t slots_doubt_due(const struct slots *slots)
{
    return slots->doubted ? slots->doubted->doubted->due_us : SLOTS_NEVER;
}

void slots_signalled(struct slots *slots, uint64_t now)
{
    doubt_signalled(&slots->doubt, now);
}

void slots_shared(struct slots *slots)
{
    doubt_shared(&slots->doubt);
}

void slots_warned(struct slots *slots, uint64_t now)
{
    doubt_warned(&slots->doubt, now);
}
