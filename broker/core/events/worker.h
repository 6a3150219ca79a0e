/* SPDX-License-Identifier: Apache-2.0
 *
 * What agents say: HELLO, SYNC, RESULTS, RETURNED, PROGRESS, LEAVING (PROTOCOL.md §8). Private to broker/core.
 */
#ifndef BELT_CORE_WORKER_H
#define BELT_CORE_WORKER_H

#include "broker/core/model/state.h"

void worker_hello(struct core *core, struct session *session, const struct belt_worker_props *props);
void worker_sync(struct core *core, struct agent *agent, const struct belt_msg_refs *msg);
void worker_results(struct core *core, struct agent *agent, const struct belt_msg_results *msg);
void worker_returned(struct core *core, struct agent *agent, const struct belt_msg_refs *msg);
void worker_progress(struct core *core, struct agent *agent, const struct belt_msg_progress *msg);
void worker_leaving(struct core *core, struct agent *agent);
/* The agent is over and freed; its tasks run elsewhere. `blame`: it died, so that what it must have been running counts
 * as lost; else nobody is blamed. */
void worker_gone(struct core *core, struct agent *agent, bool blame);
/* Sends RECORDED when it is owed. Called by the turn. */
void worker_record(struct core *core, struct agent *agent);

#endif
