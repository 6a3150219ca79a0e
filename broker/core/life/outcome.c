/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a run and of a task: whether the task has its outcome, or runs again.
 */
#include "broker/core/life/outcome.h"
#include "broker/core/journal/dead_letter.h"
#include "broker/core/journal/tries.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/delay.h"
#include "broker/core/policy/run.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/life/closing.h"
#include "broker/core/life/release.h"
#include "broker/core/life/retry.h"

#include <stdlib.h>

static void end_unwanted(struct core *core, struct job *job, uint64_t index, struct task *task, unsigned code)
{
    struct belt_result_item item = {.index = index, .attempt = task->attempt, .code = code};
    struct pinned none = {0};
    outcome_set(core, job, task, &item, &none);
}

void outcome_expire(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    end_unwanted(core, job, index, task, job->times.halted ? BELT_TASK_CANCELLED : BELT_TASK_EXPIRED);
}

void outcome_cancel(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    end_unwanted(core, job, index, task, BELT_TASK_CANCELLED);
}

static void stream_finished(struct core *core, struct job *job, uint64_t index)
{
    struct task *task = table_at(&job->table, index);
    struct reader *reader;
    completions_add(job, index);
    charge_own(core, job);
    completions_note(job, job->completions.base + job->completions.count - 1, index);
    mark_job(core, job);
    task->tie = TIE_NONE;
    task->unrecorded = job->options.durable;
    DL_FOREACH (job->readers.first, reader)
        if (reader->mode == BELT_UNORDERED || reader->sent == index)
            mark_reader(core, reader);
    release_finished(core, job, index, task);
}

/* The run of a task that is not wanted has ended: its job was stopped, the deadline of its job has passed, or the task
 * alone was cancelled. */
static void let_go(struct core *core, struct run *run, struct task *task)
{
    struct job *job = run->job;
    uint64_t index = run->index;
    bool cancelled = run->cancelled;
    run_free(core, run);
    if (job->state != BELT_JOB_STOPPED && cancelled) {
        outcome_cancel(core, job, index, task);
        return;
    }
    if (job->state != BELT_JOB_STOPPED) {
        outcome_expire(core, job, index, task);
        return;
    }
    task_forget(core, job, index, task);
    closing_settle(core, job);
}

void outcome_again(struct core *core, struct run *run, struct task *task, enum task_tie tie)
{
    struct job *job = run->job;
    uint64_t index = run->index;
    if (run->dropped || run->halted || job->times.halted) {
        let_go(core, run, task);
        return;
    }
    run_free(core, run);
    task->tie = (uint8_t)tie;
    waiting_add(core, job, index, task);
}

/* The task runs again after the pause that its tries ask for. */
static void try_again(struct core *core, struct run *run, struct task *task, const char *how, enum task_tie tie)
{
    struct job *job = run->job;
    uint64_t index = run->index, pause = retry_pause(core, job, task);
    job->counts.retried++;
    job->queue->retried++;
    core->counts.retried++;
    if (pause)
        update_trace(core, "job %llu > task %llu %s: again in %llu ms (attempt %u)", (unsigned long long)job->id,
                     (unsigned long long)index, how, (unsigned long long)pause, task->attempt);
    else
        update_trace(core, "job %llu > task %llu %s: waits again (attempt %u)", (unsigned long long)job->id,
                     (unsigned long long)index, how, task->attempt);
    if (!pause) {
        outcome_again(core, run, task, tie);
        return;
    }
    run_free(core, run);
    task->tie = (uint8_t)tie;
    delay_add(core, job, index, task, pause);
}

void outcome_set(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item,
                 struct pinned *last)
{
    if (item->code != BELT_OK && item->code != BELT_TASK_CANCELLED) /* that was not begun: nobody has failed */
        dead_letter_add(core, job, task, item);
    tries_over(core, job, item->index);
    pin_drop(core, job, task);
    struct belt_payload payload = pin_payload(core, job, last, item->payload);
    task->buf = payload.buf;
    task->data = payload.data;
    task->len = payload.len;
    task->u.extras = NULL;
    if (item->extras && !(task->u.extras = extras_copy(item->extras)))
        abort();
    charge_bytes(core, job, extras_bytes(task->u.extras));
    budget_learn(job, task->len + (uint64_t)extras_bytes(task->u.extras));
    charge_unread(job, (int64_t)task->len + extras_bytes(task->u.extras));
    task->n.service_us = item->service_us;
    task->code = (uint8_t)item->code;
    task_step(task, TASK_DONE);
    bool ok = item->code == BELT_OK;
    *(ok ? &job->counts.done : &job->counts.failed) += 1;
    *(ok ? &job->queue->done : &job->queue->failed) += 1;
    *(ok ? &core->counts.done : &core->counts.failed) += 1;
    stream_finished(core, job, item->index);
    if (job->state == BELT_JOB_ENDED_INPUT)
        closing_settle(core, job);
}

void outcome_of_run(struct core *core, struct run *run, struct task *task, const struct belt_result_item *item,
                    struct pinned *last, enum task_tie tie)
{
    struct job *job = run->job;
    if (run->dropped) {
        let_go(core, run, task);
        return;
    }
    if (item->code != BELT_OK && !job->times.halted && !run->halted && retry_wanted(core, job, task, item)) {
        try_again(core, run, task, item->code == BELT_TASK_LOST ? "lost" : "failed", tie);
        return;
    }
    run_free(core, run);
    outcome_set(core, job, task, item, last);
}

void outcome_lost(struct core *core, struct run *run, enum task_tie tie, struct belt_bytes text)
{
    struct task *task = table_at(&run->job->table, run->index);
    struct belt_result_extras extras = {.text = text, .exit_status = -1};
    struct belt_result_item item = {
        .index = run->index, .attempt = task->attempt, .code = BELT_TASK_LOST, .extras = &extras};
    struct pinned none = {0};
    outcome_of_run(core, run, task, &item, &none, tie);
}
