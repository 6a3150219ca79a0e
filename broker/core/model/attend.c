/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether somebody who is connected feeds or reads a job. One that nobody attends is given up in the end.
 */
#include "broker/core/model/attend.h"
#include "broker/core/model/timer.h"

bool attend_any(const struct job *job)
{
    const struct reader *reader;
    if (job->owner)
        return true;
    DL_FOREACH (job->readers, reader)
        if (reader->session && reader->engaged)
            return true;
    return false;
}

void attend_note(struct core *core, struct job *job)
{
    if (attend_any(job))
        job->idle_ms = 0;
    else if (!job->idle_ms)
        job->idle_ms = core->now;
    timer_set(core, job);
}
