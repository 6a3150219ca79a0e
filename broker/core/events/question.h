/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about the broker that are answered when it is their asker's turn. Private to broker/core.
 */
#ifndef BELT_CORE_QUESTION_H
#define BELT_CORE_QUESTION_H

#include "broker/core/model/state.h"

void question_status(struct core *core, struct session *from, const struct belt_msg_status *msg);
void question_turn(struct core *core);
void question_forget(struct session *session); /* it is not connected any more */

#endif
