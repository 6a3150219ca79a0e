/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs and their input. Private to broker/core.
 */
#ifndef BELT_CORE_JOB_H
#define BELT_CORE_JOB_H

#include "broker/core/life/claim.h"
#include "broker/core/model/state.h"

void job_open(struct core *core, struct session *from, const struct belt_msg_open *msg);
enum claim_verdict job_claim(struct core *core, struct claim *claim); /* turn: answers it once it is judged */
void job_push(struct core *core, struct session *from, const struct belt_msg_push *msg);
void job_end(struct core *core, struct session *from, const struct belt_msg_end *msg);
void job_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg);
void job_leave(struct core *core, struct session *owner); /* it is gone: jobs that say how long they are kept wait */

#endif
