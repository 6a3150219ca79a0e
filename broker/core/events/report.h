/* SPDX-License-Identifier: Apache-2.0
 *
 *  Private to broker/core.
 */
#ifndef BELT_CORE_REPORT_H
#define BELT_CORE_REPORT_H

#include "../model/state.h"

void report_status(struct core *core, struct session *from, const struct belt_msg_status *msg);

#endif
