/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether tasks of a job may be given out now.
 */
#include "broker/core/policy/ready.h"
#include "broker/core/model/cursor.h"
#include "broker/core/model/mark.h"
#include "broker/core/policy/budget.h"

/* A partial chunk is given out when it has waited this long: progress goes before a round number. */
#define CHUNK_WAIT_MS 100u

/* A job whose results nobody takes must not fill the broker. When its readers have taken all they can, and wait for
 * one that is not done, it goes on one task at a time. */
static bool is_stalled(const struct core *core, const struct job *job)
{
    uint64_t window = job->options.window_bytes ? job->options.window_bytes : core->config.memory_budget;
    return job->memory.unread_bytes > window && (job->counts.running > job->results.refused_count || cursor_lags(job));
}

/* A chunk that could still fill up waits for that, for a moment. */
static bool is_partial(struct core *core, struct job *job)
{
    if (job->options.chunk <= 1 || job->counts.waiting >= job->options.chunk || job->state != BELT_JOB_OPEN ||
        job->input.next >= job->input.granted.items || job->input.bytes >= job->input.granted.bytes)
        return false;
    if (!job->times.chunk_ms)
        job->times.chunk_ms = core->now;
    if (core->now >= job->times.chunk_ms + CHUNK_WAIT_MS)
        return false;
    mark_queue_later(core, job->queue, job->times.chunk_ms + CHUNK_WAIT_MS);
    return true;
}

static bool is_recovering(struct core *core, struct job *job)
{
    if (core->now >= job->times.recover_ms)
        return false;
    mark_queue_later(core, job->queue, job->times.recover_ms);
    return true;
}

bool ready_may_go(struct core *core, struct job *job)
{
    return !job->times.expired && !is_stalled(core, job) && !is_partial(core, job) && !is_recovering(core, job) &&
           !budget_holds_back(core, job);
}
