/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether somebody who is connected feeds or reads a job. One that nobody attends is given up in the end. Private to
 * broker/core.
 */
#ifndef BELT_CORE_ATTEND_H
#define BELT_CORE_ATTEND_H

#include "broker/core/model/state.h"

void attend_note(struct core *core, struct job *job); /* somebody came to it or left it */
bool attend_any(const struct job *job);               /* somebody who is connected feeds or reads it */

#endif
