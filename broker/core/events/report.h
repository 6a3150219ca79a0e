/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of REPORT. Private to broker/core.
 */
#ifndef BELT_CORE_REPORT_H
#define BELT_CORE_REPORT_H

#include "broker/core/model/state.h"

/* Answers; returns how many rows it had to look at. */
uint64_t report_status(struct core *core, struct session *from, const struct belt_msg_status *msg);

#endif
