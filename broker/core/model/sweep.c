/* SPDX-License-Identifier: Apache-2.0
 *
 * Which places of a job the turns look at because results there may have become free (life/release.c).
 */
#include "broker/core/model/sweep.h"

#include <string.h>

static bool is_sweeping(const struct job *job)
{
    return job->release.sweep[BELT_ORDERED].at < job->release.sweep[BELT_ORDERED].end ||
           job->release.sweep[BELT_UNORDERED].at < job->release.sweep[BELT_UNORDERED].end;
}

void sweep_enlist(struct core *core, struct job *job)
{
    if (list_holds(&job->release.sweeping) || !is_sweeping(job))
        return;
    list_append(&core->release.jobs, &job->release.sweeping);
    core->marks.again = true;
}

void sweep_forget(struct job *job)
{
    list_remove(&job->release.sweeping);
    memset(job->release.sweep, 0, sizeof(job->release.sweep));
}

static uint64_t end_of(const struct job *job, unsigned mode)
{
    return mode == BELT_ORDERED ? job->input.next : job->completions.base + job->completions.count;
}

void sweep_request(struct core *core, struct job *job, unsigned mode, uint64_t from, uint64_t end)
{
    struct sweep *sweep = &job->release.sweep[mode];
    if (end > end_of(job, mode))
        end = end_of(job, mode);
    if (from >= end)
        return;
    if (sweep->at >= sweep->end) {
        *sweep = (struct sweep){.at = from, .end = end};
    } else if (sweep->next_at >= sweep->next_end) {
        sweep->next_at = from;
        sweep->next_end = end;
    } else {
        sweep->next_at = from < sweep->next_at ? from : sweep->next_at;
        sweep->next_end = end > sweep->next_end ? end : sweep->next_end;
    }
    sweep_enlist(core, job);
}
