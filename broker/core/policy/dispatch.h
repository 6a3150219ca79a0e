/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets what. Private to broker/core.
 */
#ifndef BELT_CORE_DISPATCH_H
#define BELT_CORE_DISPATCH_H

#include "broker/core/model/state.h"

void dispatch_turn(struct core *core);
void dispatch_notices(struct core *core, struct job *job);

#endif
