/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues, one for each function: the agents that serve it, and its clients' shares. Private to broker/core.
 */
#ifndef BELT_CORE_QUEUE_H
#define BELT_CORE_QUEUE_H

#include "broker/core/model/state.h"

struct share *share_take(struct queue *queue, const struct session *client);
void share_drop(struct queue *queue, struct share *share);
struct queue *queue_get(struct core *core, const char *function);
void queue_prune(struct core *core, struct queue *queue);
void queue_free(struct queue *queue);
void queue_serve(struct core *core, struct queue *queue, struct agent *agent);
void queue_unserve(struct core *core, struct queue *queue, struct agent *agent);

#endif
