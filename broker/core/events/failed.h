/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about them. Private to broker/core.
 */
#ifndef BELT_CORE_FAILED_H
#define BELT_CORE_FAILED_H

#include "broker/core/model/state.h"

void failed_request(struct core *core, struct session *from, const struct belt_msg_failed *msg);

#endif
