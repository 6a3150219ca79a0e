/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether tasks of a job may be given out now. Private to broker/core.
 */
#ifndef BELT_CORE_READY_H
#define BELT_CORE_READY_H

#include "broker/core/model/state.h"

bool ready_may_go(struct core *core, struct job *job); /* it has tasks that may be given out now */

#endif
