/* SPDX-License-Identifier: Apache-2.0
 *
 * Which session feeds a job. One session owns a job at a time, and counts what its jobs take.
 */
#include "broker/core/model/owner.h"
#include "broker/core/model/attend.h"
#include "broker/core/model/mark.h"

#include <string.h>

void owner_leave(struct job *job)
{
    struct session *owner = job->owner.session;
    if (!owner)
        return;
    list_remove(&job->owner.owned);
    owner->jobs--;
    owner->fixed_bytes -= job->memory.fixed_bytes;
    job->owner.session = NULL;
}

void owner_set(struct core *core, struct job *job, struct session *owner)
{
    owner_leave(job);
    job->owner.session = owner;
    if (owner) {
        owner->fixed_bytes += job->memory.fixed_bytes;
        list_append(&owner->owned, &job->owner.owned);
        owner->jobs++;
        if (!job->owner.account) /* else the name of whom the key is stays */
            memcpy(job->owner.name, owner->name, sizeof(job->owner.name));
        job->owner.since_ms = core->now;
        job->on_disk.job_due = true;
        mark_job(core, job);
    }
    attend_note(core, job);
}
