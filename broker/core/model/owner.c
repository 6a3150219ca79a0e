/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose job it is.
 */
#include "broker/core/model/owner.h"
#include "broker/core/model/attend.h"
#include "broker/core/model/mark.h"

#include <string.h>

void owner_set(struct core *core, struct job *job, struct session *owner)
{
    if (job->owner.session) {
        DL_DELETE2(job->owner.session->owned, job, owner.prev, owner.next);
        job->owner.session->jobs--;
        job->owner.session->fixed_bytes -= job->memory.fixed_bytes;
    }
    job->owner.session = owner;
    if (owner) {
        owner->fixed_bytes += job->memory.fixed_bytes;
        DL_APPEND2(owner->owned, job, owner.prev, owner.next);
        owner->jobs++;
        memcpy(job->owner.name, owner->name, sizeof(job->owner.name));
        job->owner.since_ms = core->now;
        job->on_disk.job_due = true;
        mark_job(core, job);
    }
    attend_note(core, job);
}
