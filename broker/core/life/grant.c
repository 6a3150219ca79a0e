/* SPDX-License-Identifier: Apache-2.0
 *
 * How many tasks a job may hand in, and the acknowledgement of those that came (PROTOCOL.md §7.1).
 */
#include "broker/core/life/grant.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/owed.h"

#include <stdlib.h>

struct belt_grant grant_now(const struct core *core, const struct job *job)
{
    struct belt_grant grant = job->input.granted;
    uint64_t left = budget_left(core, job);
    if (job->state != BELT_JOB_OPEN || core->draining || (core->store.failed && job->options.durable) || left == 0)
        return grant;
    uint64_t window = job->options.window_bytes ? job->options.window_bytes : core->config.memory_budget;
    uint64_t items = job->options.window_items ? job->counts.released + job->options.window_items
                                               : job->input.next + BELT_MAX_BATCH * 16;
    /* Half of what restore.c takes. */
    if (job->options.durable && job->table.used && items > job->table.base + BELT_MAX_SPAN / 2 - 2 * BELT_MAX_BATCH)
        items = job->table.base + BELT_MAX_SPAN / 2 - 2 * BELT_MAX_BATCH;
    if (items > job->input.next + left / sizeof(struct task) + 1) /* empty ones take memory, too */
        items = job->input.next + left / sizeof(struct task) + 1;
    uint64_t more = job->memory.payload_bytes < window ? window - job->memory.payload_bytes : 0;
    if (more > left)
        more = left;
    if (job->options.durable && core->store.spare_bytes &&
        more > core->store.spare_bytes) /* what comes must have room on its way */
        more = core->store.spare_bytes;
    uint64_t bytes = job->input.bytes + more;
    if (items > grant.items)
        grant.items = items;
    if (bytes > grant.bytes)
        grant.bytes = bytes;
    return grant;
}

void grant_accept(struct core *core, struct job *job)
{
    struct belt_grant grant = grant_now(core, job);
    uint64_t step = job->options.window_items ? job->options.window_items / 8 + 1 : BELT_MAX_BATCH;
    bool starved = job->input.next >= job->input.granted.items || job->input.bytes >= job->input.granted.bytes;
    bool wider =
        grant.items >= job->input.granted.items + step || grant.bytes >= job->input.granted.bytes + BELT_BATCH_BYTES;
    bool more = grant.items > job->input.granted.items || grant.bytes > job->input.granted.bytes;
    if (starved && budget_left(core, job) == 0 && job->state == BELT_JOB_OPEN && !list_holds(&job->input.starving))
        budget_starve(core, job, 1);
    else if (list_holds(&job->input.starving) && budget_takes(core, job, job->input.starved_for))
        budget_feed(job);
    if (job->input.resync_due && !list_holds(&job->input.starving) && !(core->store.failed && job->options.durable)) {
        job->input.resync_due = false;
        update_error(core, job->owner.session, 0, job->id, BELT_SYNC_LOST,
                     update_text(core, "there is room again: task %llu is next", (unsigned long long)job->input.next));
    }
    if (!wider && !(starved && more) && (!job->accept.due || owed_accept_waits(core, job)))
        return;
    job->input.granted = grant;
    owed_accept_told(job);
    struct belt_msg *msg = update_send_kept(core, job->owner.session, job, BELT_MSG_ACCEPTED);
    msg->u.accepted = (struct belt_msg_accepted){.job = job->id, .next = job->input.next, .grant = grant};
}

void grant_take(struct core *core, struct job *job, struct belt_payload from, struct pinned *last)
{
    struct task *task = table_add(&job->table, job->input.next);
    if (!task)
        abort();
    struct belt_payload payload = pin_payload(core, job, last, from);
    task->buf = payload.buf;
    task->data = payload.data;
    task->len = payload.len;
    task->u.since_ms = core->now;
    if (job->options.digest)
        belt_digest_add(&job->input.digest, from.data, from.len);
    job->input.next++;
    job->input.bytes += payload.len;
    charge_own(core, job);
    job->counts.waiting++;
}
