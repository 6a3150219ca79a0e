/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements that wait for company. Private to broker/core.
 */
#ifndef BELT_CORE_OWED_H
#define BELT_CORE_OWED_H

#include "broker/core/model/state.h"

/* Tasks of the job came: ACCEPTED is owed. */
void owed_accept(struct core *core, struct job *job);
/* True: ACCEPTED waits for company, and the turn comes back to the job. False: it is to be sent now. */
bool owed_accept_waits(struct core *core, struct job *job);
/* ACCEPTED is sent, or the job goes. */
void owed_accept_told(struct job *job);
/* Results of the agent came: RECORDED is owed. The next two are as above. */
void owed_record(struct core *core, struct agent *agent, const struct belt_msg_results *msg);
bool owed_record_waits(struct core *core, struct agent *agent);
void owed_record_told(struct agent *agent);
/* Marks jobs and agents whose acknowledgement has waited for long enough. Before the acknowledgements are sent. */
void owed_turn(struct core *core);
/* The turn comes back for those that still wait. After the acknowledgements are sent. */
void owed_turn_over(struct core *core);

#endif
