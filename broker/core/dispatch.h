/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets what. Private to broker/core.
 */
#ifndef BELT_CORE_DISPATCH_H
#define BELT_CORE_DISPATCH_H

#include "state.h"

struct share *share_take(struct queue *queue, const struct session *client);
void share_drop(struct queue *queue, struct share *share);
struct queue *queue_get(struct core *core, const char *function);
void queue_touch(struct core *core, struct queue *queue);
void queue_prune(struct core *core, struct queue *queue);
void queue_free(struct queue *queue);
void dispatch_wait(struct core *core, struct job *job, uint64_t index, struct task *task); /* waits (again) */
struct run *dispatch_adopt(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task);
void dispatch_waiting_changed(struct core *core, struct job *job);
void dispatch_serve(struct core *core, struct queue *queue, struct agent *agent);
void dispatch_unserve(struct core *core, struct queue *queue, struct agent *agent);
uint64_t
dispatch_oldest(const struct job *job); /* since when its first waiting task has waited, UINT64_MAX: none does */
bool dispatch_has_room(const struct agent *agent, uint32_t bytes); /* for a task of this size, in its byte window */
/* The queue is looked at again then, whatever happens in between. */
void dispatch_come_back(struct core *core, struct queue *queue, uint64_t when);
bool dispatch_may_go(struct core *core, struct job *job); /* it has tasks that may be given out now */
void dispatch_turn(struct core *core);
void dispatch_notices(struct core *core, struct job *job);

#endif
