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
    if (job->owner) {
        DL_DELETE2(job->owner->owned, job, owned_prev, owned_next);
        job->owner->jobs--;
        job->owner->fixed_bytes -= job->fixed_bytes;
    }
    job->owner = owner;
    if (owner) {
        owner->fixed_bytes += job->fixed_bytes;
        DL_APPEND2(owner->owned, job, owned_prev, owned_next);
        owner->jobs++;
        memcpy(job->owner_name, owner->name, sizeof job->owner_name);
        job->owned_ms = core->now;
        job->kept.job_due = true;
        mark_job(core, job);
    }
    attend_note(core, job);
}
