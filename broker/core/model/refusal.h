/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling the log what peers were refused. Private to broker/core.
 */
#ifndef BELT_CORE_REFUSAL_H
#define BELT_CORE_REFUSAL_H

#include "broker/core/model/state.h"

void refusal_note(struct core *core, const char *peer, unsigned code, struct belt_bytes text);
void refusal_tell(struct core *core); /* turn */

#endif
