/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements that wait for company. Private to broker/core.
 */
#ifndef BELT_CORE_OWED_H
#define BELT_CORE_OWED_H

#include "broker/core/model/state.h"

void owed_accept(struct core *core, struct job *job);       /* tasks came */
bool owed_accept_waits(struct core *core, struct job *job); /* true: not now, the turn comes back to it */
void owed_accept_told(struct job *job);                     /* told, or the job goes */
void owed_record(struct core *core, struct agent *agent, const struct belt_msg_results *msg); /* these came */
bool owed_record_waits(struct core *core, struct agent *agent);                               /* likewise */
void owed_record_told(struct agent *agent); /* told, or the agent goes */
void owed_turn(struct core *core);          /* before the acknowledgements: those that have waited long enough */
void owed_turn_over(struct core *core);     /* after them */

#endif
