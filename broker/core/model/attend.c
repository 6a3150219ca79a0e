/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether somebody who is connected feeds or reads a job. One that nobody attends is given up in the end.
 */
#include "broker/core/model/attend.h"
#include "broker/core/model/timer.h"

bool attend_any(const struct job *job)
{
    const struct reader *reader;
    if (job->owner.session)
        return true;
    DL_FOREACH (job->readers.first, reader)
        if (reader->session && reader->engaged)
            return true;
    return false;
}

void attend_note(struct core *core, struct job *job)
{
    if (attend_any(job))
        job->times.idle_ms = 0;
    else if (!job->times.idle_ms)
        job->times.idle_ms = core->now;
    timer_set(core, job);
}
