/* SPDX-License-Identifier: Apache-2.0
 *
 * Agents, results, retries. Private to broker/core.
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
void worker_gone(struct core *core, struct agent *agent, bool blame);
void worker_record(struct core *core, struct agent *agent); /* turn: RECORDED when owed */

#endif
