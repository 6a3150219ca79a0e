/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that wait in memory because the store has no room. Nobody has seen them, so their places in the log are still
 * free to be chosen: they are kept in order of index. Room is made by readers, so what all readers of a job are waiting
 * for is recorded nevertheless, a little at a time: the next such result only when the last ones were taken.
 */
#include "broker/core/journal/withheld.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"

/* It has results that are not recorded. */
static bool has_unrecorded(const struct job *job)
{
    return job->on_disk.place < job->completions.base + job->completions.count;
}

/* One job's part of what may be recorded without room. */
#define SPARE_SHARE 8u

/* Those that came since the last look take their places among the others. Most come nearly in order. */
static void sort(struct job *job)
{
    struct job_on_disk *kept = &job->on_disk;
    uint64_t end = job->completions.base + job->completions.count;
    if (kept->sorted < kept->place)
        kept->sorted = kept->place;
    for (; kept->sorted < end; kept->sorted++) {
        uint64_t index = completions_at(job, kept->sorted), at = kept->sorted;
        for (; at > kept->place && completions_at(job, at - 1) > index; at--)
            completions_set(job, at, completions_at(job, at - 1));
        completions_set(job, at, index);
    }
}

/* Every reader has taken this index, or waits for it. */
static bool all_wait_for(const struct job *job, uint64_t index)
{
    const struct reader *reader;
    bool any = false;
    DL_FOREACH (job->readers.first, reader) {
        if (!reader->engaged)
            continue;
        any = true;
        bool waits = reader->acked == (reader->mode == BELT_ORDERED ? index : job->on_disk.place);
        bool taken = reader->mode == BELT_ORDERED && reader->acked > index;
        if (!taken && !(waits && reader->session))
            return false;
    }
    return any;
}

static uint64_t size_at(const struct job *job, uint64_t place)
{
    const struct task *task = table_at(&job->table, completions_at(job, place));
    return task && task->state == TASK_DONE ? task->len + (uint64_t)extras_bytes(task->u.extras) : 0;
}

/* From the first place on: as many as follow on each other and are within the job's part; the first in any case. */
static uint32_t count_run(const struct job *job, uint64_t part)
{
    uint64_t place = job->on_disk.place, end = job->completions.base + job->completions.count, bytes = 0;
    uint64_t first = completions_at(job, place);
    uint32_t count = 0;
    while (place + count < end && count < BELT_MAX_BATCH && completions_at(job, place + count) == first + count) {
        bytes += size_at(job, place + count);
        if (count && bytes > part)
            break;
        count++;
    }
    return count;
}

uint32_t withheld_wanted(const struct core *core, struct job *job)
{
    if (!has_unrecorded(job) || job->on_disk.urgent_number)
        return 0;
    sort(job);
    uint64_t part = core->store.spare_bytes / SPARE_SHARE;
    uint64_t left =
        core->store.spare_bytes > core->store.urgent_bytes ? core->store.spare_bytes - core->store.urgent_bytes : 0;
    if (size_at(job, job->on_disk.place) > left || !all_wait_for(job, completions_at(job, job->on_disk.place)))
        return 0;
    return count_run(job, part < left ? part : left);
}

void withheld_written(struct core *core, struct job *job, uint64_t number, uint64_t first, uint32_t count)
{
    struct job_on_disk *kept = &job->on_disk;
    kept->urgent_number = number;
    for (uint64_t place = first; place < first + count; place++)
        kept->urgent += size_at(job, place);
    core->store.urgent_bytes += kept->urgent;
}

void withheld_taken(struct core *core, struct job *job)
{
    core->store.urgent_bytes -= job->on_disk.urgent;
    job->on_disk.urgent = job->on_disk.urgent_number = 0;
}

static void wake_agents(struct core *core)
{
    struct agent *agent;
    DL_FOREACH (core->agents, agent)
        if (agent->record.due)
            mark_agent(core, agent);
    core->marks.again = true;
}

void withheld_note(struct core *core, struct job *job)
{
    bool withheld = job->options.durable && job->state != BELT_JOB_STOPPED && has_unrecorded(job);
    if (withheld == job->on_disk.withheld)
        return;
    job->on_disk.withheld = withheld;
    core->store.withheld += withheld ? 1 : UINT32_MAX;
    if (core->store.withheld == 0)
        wake_agents(core);
}
