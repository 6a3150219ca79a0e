/* SPDX-License-Identifier: Apache-2.0
 *
 * How many tasks a job may hand in, and the acknowledgement of those that came (PROTOCOL.md §7.1). Private to
 * broker/core.
 */
#ifndef BELT_CORE_GRANT_H
#define BELT_CORE_GRANT_H

#include "broker/core/model/pin.h"
#include "broker/core/model/state.h"

/* Accepts `payload` as the next task of the job, and takes a reference to it. */
void grant_take(struct core *core, struct job *job, struct belt_payload payload, struct pinned *last);
/* Sends ACCEPTED when it is owed, or when the client may send clearly more than it knows. */
void grant_accept(struct core *core, struct job *job);
/* What the client may send in all, as of now. */
struct belt_grant grant_now(const struct core *core, const struct job *job);

#endif
