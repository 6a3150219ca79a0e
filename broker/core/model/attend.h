/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether somebody who is connected feeds or reads a job. One that nobody attends is given up in the end. Private to
 * broker/core.
 */
#ifndef BELT_CORE_ATTEND_H
#define BELT_CORE_ATTEND_H

#include "broker/core/model/state.h"

/* Somebody came to the job or left it. */
void attend_note(struct core *core, struct job *job);
/* Somebody who is connected feeds or reads it. */
bool attend_any(const struct job *job);

#endif
