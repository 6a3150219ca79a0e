/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back tasks whose worker has not answered for them long after their time-out. Private to broker/core.
 */
#ifndef BELT_CORE_OVERDUE_H
#define BELT_CORE_OVERDUE_H

#include "broker/core/model/state.h"

void overdue_turn(struct core *core);

#endif
