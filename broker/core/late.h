/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements that wait for company. Private to broker/core.
 */
#ifndef BELT_CORE_LATE_H
#define BELT_CORE_LATE_H

#include "state.h"

void late_accept_owed(struct core *core, struct job *job);  /* tasks came */
bool late_accept_waits(struct core *core, struct job *job); /* true: not now, the turn comes back to it */
void late_accepted(struct core *core, struct job *job);     /* told, or the job goes */
void late_record_owed(struct core *core, struct agent *agent, const struct belt_msg_results *msg); /* these came */
bool late_record_waits(struct core *core, struct agent *agent);                                    /* likewise */
void late_recorded(struct core *core, struct agent *agent); /* told, or the agent goes */
void late_turn(struct core *core);      /* before the acknowledgements: those that have waited long enough */
void late_turn_over(struct core *core); /* after them */

#endif
