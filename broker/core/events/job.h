/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs and their input. Private to broker/core.
 */
#ifndef BELT_CORE_JOB_H
#define BELT_CORE_JOB_H

#include "../model/state.h"

void job_open(struct core *core, struct session *from, const struct belt_msg_open *msg);
void job_push(struct core *core, struct session *from, const struct belt_msg_push *msg);
void job_end(struct core *core, struct session *from, const struct belt_msg_end *msg);
void job_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg);

#endif
