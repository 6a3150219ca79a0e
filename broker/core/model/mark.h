/* SPDX-License-Identifier: Apache-2.0
 *
 * What the next turn has to look at: jobs, queues, agents and readers put themselves on its lists, and it comes back
 * when an alarm is due. Whoever changes a thing marks it; who acts on it is above. Private to broker/core.
 */
#ifndef BELT_CORE_MARK_H
#define BELT_CORE_MARK_H

#include "broker/core/model/state.h"

/* The turn looks at the queue: whether its tasks can be given out, and are shared out well. */
void mark_queue(struct core *core, struct queue *queue);
/* The queue is looked at again at `when`, in ms of the core's clock, whatever happens in between. */
void mark_queue_later(struct core *core, struct queue *queue, uint64_t when);
/* The turn looks at the job: what is to be recorded, acknowledged, granted and told of it. */
void mark_job(struct core *core, struct job *job);
/* The turn looks at all readers of the job: whether there is something to deliver. */
void mark_readers(struct core *core, struct job *job);
void mark_reader(struct core *core, struct reader *reader);
/* The turn looks at the agent: whether it gets tasks, and whether results of it are to be acknowledged. */
void mark_agent(struct core *core, struct agent *agent);
/* The turn comes back at `when` at the latest. */
void mark_alarm(struct core *core, uint64_t when);

#endif
