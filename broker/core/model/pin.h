/* SPDX-License-Identifier: Apache-2.0
 *
 * What kept payloads cost. Private to broker/core.
 */
#ifndef BELT_CORE_PIN_H
#define BELT_CORE_PIN_H

#include "broker/core/model/account.h"
#include "broker/core/model/charge.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

static inline void charge_bytes(struct core *core, struct job *job, int64_t bytes)
{
    core->memory.bytes += (uint64_t)bytes;
    core->memory.payload_bytes += (uint64_t)bytes;
    job->memory.payload_bytes += (uint64_t)bytes;
    if (job->owner.account)
        job->owner.account->bytes += (uint64_t)bytes;
}
/* Results that are not released have come, or gone. */
static inline void charge_unread(struct job *job, int64_t bytes)
{
    job->memory.unread_bytes += (uint64_t)bytes;
    if (job->owner.account)
        job->owner.account->unread += (uint64_t)bytes;
}
/* Memory of a result beside its payload. */
static inline int64_t extras_bytes(const struct belt_result_extras *extras)
{
    return extras ? (int64_t)(sizeof(*extras) + extras->text.len + extras->log.len + extras->host.len) : 0;
}
/* The frame that the last payload of a message came in; zero at first, pin_done() at the end. */
struct pinned {
    const struct belt_buf *frame;
    struct belt_buf *pin;
};
/* A reference to keep; its frame is charged to the job until the last one into it is given back. */
struct belt_payload pin_payload(struct core *core, struct job *job, struct pinned *last, struct belt_payload payload);
uint64_t pin_cost(const struct pinned *last, const struct belt_payload *payload); /* what keeping it would be charged */
void pin_done(struct pinned *last);
void pin_drop(struct core *core, struct job *job, struct task *task); /* the task's payload is not needed any more */
/* Lets go of a task for good. */
static inline void task_forget(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    if (task->state == TASK_DONE) {
        charge_bytes(core, job, -extras_bytes(task->u.extras));
        charge_unread(job, -((int64_t)task->len + extras_bytes(task->u.extras)));
    }
    if (task->state == TASK_DONE && job->release.whole_from[BELT_UNORDERED] <= completions_place(job, task))
        job->release.whole_from[BELT_UNORDERED] = completions_place(job, task) + 1;
    if (job->release.whole_from[BELT_ORDERED] <= index)
        job->release.whole_from[BELT_ORDERED] = index + 1;
    pin_drop(core, job, task);
    table_release(&job->table, index, job->input.next);
    charge_own(core, job);
    job->counts.released++;
}

#endif
