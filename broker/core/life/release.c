/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that every reader of their job has acknowledged are let go (PROTOCOL.md §7.2). Whether one may go is a
 * comparison with the readers' positions, so nothing is counted anew when a reader comes or goes. What became free all
 * at once is let go by the turns, a bounded number of steps in each: no message costs more than its size.
 */
#include "broker/core/life/release.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/sweep.h"
#include "broker/core/model/table.h"
#include "broker/core/life/closing.h"

/* Results that one acknowledgement lets go by itself; beyond them the turns go on. */
#define RELEASE_AT_ONCE BELT_MAX_BATCH
/* Places of the log or of the table that one turn looks at, of all jobs: about 0.1 ms. */
#define RELEASE_A_TURN (2u * BELT_MAX_BATCH)

/* All readers of a mode have acknowledged what lies below; UINT64_MAX: there is no reader of this mode. */
struct frontier {
    uint64_t below[2]; /* by mode: an index, a place of the log */
    bool any;          /* there are readers of the job's owner: those of others never take a result from it */
};

static struct frontier frontier_of(const struct job *job)
{
    struct frontier frontier = {.below = {UINT64_MAX, UINT64_MAX}};
    const struct reader *reader;
    DL_FOREACH (job->readers.first, reader) {
        if (!reader->engaged)
            continue;
        frontier.any |= !reader->account;
        if (reader->acked < frontier.below[reader->mode])
            frontier.below[reader->mode] = reader->acked;
    }
    return frontier;
}

static void release_if_taken(struct core *core, struct job *job, const struct frontier *frontier, uint64_t index,
                             struct task *task)
{
    if (!task || task->state != TASK_DONE || !frontier->any)
        return;
    if (index < frontier->below[BELT_ORDERED] && completions_place(job, task) < frontier->below[BELT_UNORDERED])
        task_forget(core, job, index, task);
}

static void released_some(struct core *core, struct job *job)
{
    completions_trim(job);
    mark_job(core, job);
    if (job->counts.waiting)
        mark_queue(core, job->queue);
    closing_settle(core, job);
}

void release_finished(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    struct frontier frontier = frontier_of(job);
    uint64_t before = job->counts.released;
    release_if_taken(core, job, &frontier, index, task);
    if (job->counts.released != before)
        released_some(core, job);
}

/* ---- what the turns look at ---- */

/* The number behind those that one step looks at: a task, or a segment of the table without any. */
static uint64_t sweep_step(struct core *core, struct job *job, const struct frontier *frontier, unsigned mode,
                           uint64_t number)
{
    core->release.steps++;
    if (mode == BELT_UNORDERED && number < job->completions.base)
        return job->completions.base;
    uint64_t index = mode == BELT_ORDERED ? number : completions_at(job, number);
    struct task *task = table_at(&job->table, index);
    if (!task && mode == BELT_ORDERED)
        return index - index % TABLE_SEGMENT + TABLE_SEGMENT;
    release_if_taken(core, job, frontier, index, task);
    return number + 1;
}

static void sweep_some(struct core *core, struct job *job, unsigned mode, uint32_t *steps)
{
    struct sweep *sweep = &job->release.sweep[mode];
    struct frontier frontier = frontier_of(job);
    while (sweep->at < sweep->end && *steps) {
        sweep->at = sweep_step(core, job, &frontier, mode, sweep->at);
        --*steps;
    }
    if (sweep->at >= sweep->end)
        *sweep = (struct sweep){.at = sweep->next_at, .end = sweep->next_end};
}

void release_turn(struct core *core)
{
    uint32_t steps = RELEASE_A_TURN;
    struct job *job;
    while ((job = LIST_FIRST(&core->release.jobs, struct job, release.sweeping)) && steps) {
        uint64_t before = job->counts.released;
        list_remove(&job->release.sweeping);
        sweep_some(core, job, BELT_ORDERED, &steps);
        sweep_some(core, job, BELT_UNORDERED, &steps);
        sweep_enlist(core, job); /* behind the others */
        if (job->counts.released != before)
            released_some(core, job);
    }
    if (!list_is_empty(&core->release.jobs))
        core->marks.again = true;
}

/* ---- readers ---- */

void release_acknowledged(struct core *core, struct reader *reader, uint64_t from)
{
    struct job *job = reader->job;
    uint64_t upto = reader->acked, end = upto - from > RELEASE_AT_ONCE ? from + RELEASE_AT_ONCE : upto;
    struct frontier frontier = frontier_of(job);
    if (job->state == BELT_JOB_STOPPED || !reader->engaged)
        return;
    for (uint64_t number = from; number < end;)
        number = sweep_step(core, job, &frontier, reader->mode, number);
    sweep_request(core, job, reader->mode, end, upto);
    released_some(core, job);
}

void release_came(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    /* With the first reader that counts, what lies below its beginning may go. */
    uint64_t base = reader->mode == BELT_ORDERED ? job->table.base : job->completions.base;
    sweep_request(core, job, reader->mode, base, reader->acked);
}

void release_left(struct core *core, struct job *job, unsigned mode, uint64_t acked)
{
    struct frontier frontier = frontier_of(job);
    if (job->state == BELT_JOB_STOPPED || !frontier.any)
        return;
    sweep_request(core, job, mode, acked, frontier.below[mode]);
}

void release_restored(struct core *core, struct job *job)
{
    struct frontier frontier = frontier_of(job);
    for (uint64_t place = job->completions.base; place < job->completions.base + job->completions.count; place++)
        completions_set(job, place, completions_at(job, place));
    for (uint64_t index = table_seek(&job->table, 0); index < job->input.next;
         index = table_seek(&job->table, index + 1))
        release_if_taken(core, job, &frontier, index, table_at(&job->table, index));
    /* Indexes that no record names were read. */
    uint64_t index = job->input.next, base = job->table.used ? job->table.base : job->input.next;
    while (index > base && !completions_released(job, index - 1))
        index--;
    job->release.whole_from[BELT_ORDERED] = index;
    uint64_t place = job->completions.base + job->completions.count;
    while (place > job->completions.base && !completions_released(job, completions_at(job, place - 1)))
        place--;
    job->release.whole_from[BELT_UNORDERED] = place;
    if (job->counts.released == 0)
        job->release.whole_from[BELT_ORDERED] = job->release.whole_from[BELT_UNORDERED] = 0;
    released_some(core, job);
}
