/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: whether the outcome of a task counts, at once or when it is known what made it (verdict.h). Pure.
 */
#include "worker/table/judge.h"
#include "worker/table/pending.h"
#include "worker/table/task.h"

#include <stdlib.h>

/* A signal from outside has ended the task. It runs again: here, or elsewhere when this agent leaves. */
static void task_interrupted(struct slot_table *table, struct slot_table_task *task)
{
    slot_table_pending_free(task);
    if (table->leaving || task->silent || task->dropped) {
        slot_table_task_return(table, task);
    } else {
        task->interruptions++;
        (void)slot_table_enqueue_again(table, task, NULL);
    }
}

static void task_counts(struct slot_table *table, uint64_t now, struct slot_table_task *task)
{
    struct slot_table_pending *pending = task->pending;

    task->pending = NULL;
    slot_table_task_end(table, now, task, &pending->outcome);
    belt_payload_clear(&pending->outcome.kept);
    free(pending);
}

void slot_table_judge(struct slot_table *table, uint64_t now, struct slot_table_task *task,
                      const struct slot_table_outcome *outcome, bool ours)
{
    const struct slot_table_function_state *function = &table->functions[task->job->pub.function];
    bool interrupted = !ours && verdict_status(outcome->exit_status, outcome->term_signal);
    uint64_t service = outcome->timed ? outcome->service_us : now - task->started_us;
    const struct slot_table_program *program = &table->programs[function->pub.program].pub;
    enum verdict_kind kind = !program->persistent ? VERDICT_COMMAND
                             : program->polite    ? VERDICT_FUNCTION
                                                  : VERDICT_PERSISTENT;
    /* A task that was interrupted has run for less than its like. */
    uint64_t usual = function->measured < SLOT_TABLE_MEASURED ? UINT64_MAX : function->typical_us;
    uint64_t hold = interrupted ? VERDICT_US : verdict_hold(kind, service > usual ? service : usual);

    if (task->silent || task->dropped || task->timed_out ||
        (!interrupted && verdict_of(&table->signals, now, now, hold) == VERDICT_COUNTS)) {
        slot_table_task_end(table, now, task, outcome);
        return;
    }
    task->pending = slot_table_pending_new(outcome);
    task->pending->outcome.timed = true;
    task->pending->outcome.service_us = service;
    task->pending->ended_us = now;
    task->pending->hold_us = hold;
    task->pending->due_us = verdict_due(&table->signals, now, hold);
    task->pending->interrupted = interrupted;
    slot_table_task_becomes(task, SLOT_TABLE_PENDING);
    slot_table_pending_add(table, task);
}

/* A status that tells of a signal is the task's own when no signal has asked the agent to end, and the task has ended
 * so VERDICT_RUNS times. */
static enum verdict verdict(const struct slot_table *table, uint64_t now, const struct slot_table_task *task)
{
    const struct slot_table_pending *pending = task->pending;

    if (pending->interrupted &&
        (table->signals.signalled || (now >= pending->due_us && task->interruptions + 1u < VERDICT_RUNS)))
        return VERDICT_INTERRUPTED;
    return verdict_of(&table->signals, now, pending->ended_us, pending->hold_us);
}

void slot_table_judge_turn(struct slot_table *table, uint64_t now)
{
    while (table->pending && table->pending->pending->due_us <= now) {
        struct slot_table_task *task = table->pending;
        DL_DELETE(table->pending, task);
        switch (verdict(table, now, task)) {
        case VERDICT_WAITS:
            task->pending->due_us = verdict_due(&table->signals, task->pending->ended_us, task->pending->hold_us);
            slot_table_pending_add(table, task);
            break;
        case VERDICT_INTERRUPTED:
            task_interrupted(table, task);
            break;
        case VERDICT_COUNTS:
            task_counts(table, now, task);
        }
    }
}

void slot_table_judge_return(struct slot_table *table)
{
    while (table->pending) {
        struct slot_table_task *task = table->pending;
        slot_table_pending_remove(table, task);
        slot_table_task_return(table, task);
    }
}

void slot_table_signalled(struct slot_table *table, uint64_t now)
{
    verdict_signalled(&table->signals, now);
}

void slot_table_shared(struct slot_table *table)
{
    verdict_shared(&table->signals);
}

void slot_table_warned(struct slot_table *table, uint64_t now)
{
    verdict_warned(&table->signals, now);
}
