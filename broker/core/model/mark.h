/* SPDX-License-Identifier: Apache-2.0
 *
 * What the next turn has to look at: jobs, queues, agents and readers put themselves on its lists, and it comes back
 * when an alarm is due. Whoever changes a thing marks it; who acts on it is above. Private to broker/core.
 */
#ifndef BELT_CORE_MARK_H
#define BELT_CORE_MARK_H

#include "broker/core/model/state.h"

void mark_queue(struct core *core, struct queue *queue);
/* The queue is looked at again then, whatever happens in between. */
void mark_queue_later(struct core *core, struct queue *queue, uint64_t when);
void mark_job(struct core *core, struct job *job); /* the turn looks at its grant */
void mark_readers(struct core *core, struct job *job);
void mark_alarm(struct core *core, uint64_t when); /* the turn wants to come back then */
void mark_agent(struct core *core, struct agent *agent);
void mark_reader(struct core *core, struct reader *reader);

#endif
