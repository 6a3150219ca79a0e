/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs again, and when. Private to broker/core.
 */
#ifndef BELT_CORE_RETRY_H
#define BELT_CORE_RETRY_H

#include "state.h"

/* Whether this outcome is not final; counts the try. */
bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item);
uint64_t retry_pause(struct core *core, const struct job *job,
                     const struct task *task); /* before its next run, in ms */
void retry_delay(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause);
void retry_undelay(struct core *core, struct job *job, struct task *task); /* it is WAITING, and yet in no list */
void retry_due(struct core *core, struct job *job);
void retry_forget(struct core *core, struct job *job);               /* nothing of it waits any more */
void retry_note(struct core *core, struct job *job, uint64_t index); /* its tries changed: to disk */
void retry_over(struct core *core, struct job *job, uint64_t index); /* it has its result */
void retry_persist(struct core *core, struct job *job);
int retry_restore(struct core *core, struct job *job, uint64_t number, const struct belt_msg_progress *msg);
void retry_forget_tries(struct job *job);

#endif
