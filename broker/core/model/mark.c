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
    if (!list_holds(&queue->marked))
        list_prepend(&core->marks.queues, &queue->marked);
}

void mark_queue_later(struct core *core, struct queue *queue, uint64_t when)
{
    queue->revisit = core->marks.revisit = true;
    mark_alarm(core, when);
}

void mark_job(struct core *core, struct job *job)
{
    if (!list_holds(&job->marked))
        list_prepend(&core->marks.jobs, &job->marked);
}

void mark_reader(struct core *core, struct reader *reader)
{
    if (!list_holds(&reader->marked) && reader->session)
        list_prepend(&core->marks.readers, &reader->marked);
}

void mark_readers(struct core *core, struct job *job)
{
    struct reader *reader;
    DL_FOREACH (job->readers.first, reader)
        mark_reader(core, reader);
}

void mark_agent(struct core *core, struct agent *agent)
{
    if (!list_holds(&agent->marked))
        list_prepend(&core->marks.agents, &agent->marked);
}
