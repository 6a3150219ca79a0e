/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose job it is. Private to broker/core.
 */
#ifndef BELT_CORE_OWNER_H
#define BELT_CORE_OWNER_H

#include "broker/core/model/state.h"

/* Whose job it is from now on; NULL: nobody's. */
void owner_set(struct core *core, struct job *job, struct session *owner);
void owner_leave(struct job *job); /* nobody owns the job, which goes or gets another owner */

#endif
