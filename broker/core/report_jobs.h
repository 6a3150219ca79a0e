/* SPDX-License-Identifier: Apache-2.0
 *
 *  Private to broker/core.
 */
#ifndef BELT_CORE_REPORT_JOBS_H
#define BELT_CORE_REPORT_JOBS_H

#include "state.h"

struct belt_row_job report_row(struct core *core, const struct job *job);
void report_jobs(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report);

#endif
