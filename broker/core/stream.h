/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions. Private to broker/core.
 */
#ifndef BELT_CORE_STREAM_H
#define BELT_CORE_STREAM_H

#include "state.h"

void stream_subscribe(struct core *core, struct session *from, const struct belt_msg_subscribe *msg);
void stream_ack(struct core *core, struct session *from, const struct belt_msg_ack *msg);
void stream_detach(struct core *core, struct session *from, const struct belt_msg_sub *msg);
void stream_unplug(struct core *core, struct session *session); /* its readers lose their connection */
void stream_resume(struct core *core, struct session *session); /* its connection has room for deliveries again */
void stream_deliver(struct core *core, struct reader *reader);  /* turn */
void stream_finished(struct core *core, struct job *job, uint64_t index); /* this task has its result now */
void stream_wake(struct core *core, struct job *job);
uint64_t stream_log_at(const struct job *job, uint64_t place);
void stream_log_set(struct job *job, uint64_t place, uint64_t index); /* of a place that nobody has seen */
void stream_log_trim(struct job *job);                                /* places that nobody needs go from the front */
void stream_log_add(struct job *job, uint64_t index);
uint64_t stream_place(const struct job *job, const struct task *task); /* in the log, of a task that is DONE */
bool stream_is_released(const struct job *job, uint64_t index);
struct belt_result_item stream_item_of(uint64_t index, const struct task *task);
struct reader *stream_reader_new(struct core *core, struct job *job, struct belt_bytes name, uint8_t mode,
                                 uint64_t acked);
bool stream_lags(const struct job *job); /* there are results that a reader could take and has not */
void stream_free_all(struct core *core, struct job *job);

#endif
