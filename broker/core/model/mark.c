/* SPDX-License-Identifier: Apache-2.0
 *
 * What the next turn has to look at: jobs, queues, agents and readers put themselves on its lists, and it comes back
 * when an alarm is due. Whoever changes a thing marks it; who acts on it is above.
 */
#include "broker/core/model/mark.h"

void mark_alarm(struct core *core, uint64_t when)
{
    if (when < core->marks.alarm)
        core->marks.alarm = when;
}

void mark_queue(struct core *core, struct queue *queue)
{
    if (queue->dirty)
        return;
    queue->dirty = true;
    LL_PREPEND2(core->marks.queues, queue, dirty_next);
}

void mark_queue_later(struct core *core, struct queue *queue, uint64_t when)
{
    queue->revisit = core->marks.revisit = true;
    mark_alarm(core, when);
}

void mark_job(struct core *core, struct job *job)
{
    if (job->dirty)
        return;
    job->dirty = true;
    LL_PREPEND2(core->marks.jobs, job, dirty_next);
}

void mark_reader(struct core *core, struct reader *reader)
{
    if (reader->dirty || !reader->session)
        return;
    reader->dirty = true;
    LL_PREPEND2(core->marks.readers, reader, dirty_next);
}

void mark_readers(struct core *core, struct job *job)
{
    struct reader *reader;
    DL_FOREACH (job->readers.first, reader)
        mark_reader(core, reader);
}

void mark_agent(struct core *core, struct agent *agent)
{
    if (agent->dirty)
        return;
    agent->dirty = true;
    LL_PREPEND2(core->marks.agents, agent, dirty_next);
}
