/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of jobs for REPORT. Private to broker/core.
 */
#ifndef BELT_CORE_REPORT_JOBS_H
#define BELT_CORE_REPORT_JOBS_H

#include "broker/core/model/state.h"

void report_jobs(struct core *core, const struct session *from, const struct belt_msg_status *msg,
                 struct belt_msg_report *report);

#endif
