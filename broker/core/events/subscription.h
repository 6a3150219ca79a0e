/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions. Private to broker/core.
 */
#ifndef BELT_CORE_SUBSCRIPTION_H
#define BELT_CORE_SUBSCRIPTION_H

#include "broker/core/life/claim.h"
#include "broker/core/model/state.h"

void subscription_open(struct core *core, struct session *from, const struct belt_msg_subscribe *msg);
enum claim_verdict stream_claim(struct core *core, struct claim *claim); /* turn: answers it once it is judged */
void subscription_ack(struct core *core, struct session *from, const struct belt_msg_ack *msg);
void subscription_detach(struct core *core, struct session *from, const struct belt_msg_sub *msg);
/* CANCEL with `reader`: the reader goes, whoever reads as it. */
void subscription_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg);
/* The session loses its connection, or says HELLO anew: nobody reads as its readers until it subscribes again. */
void subscription_unplug(struct core *core, struct session *session);
/* The connection of the session takes deliveries again. */
void subscription_resume(struct core *core, struct session *session);
/* Sends the reader what there is for it, as far as its credit goes. Called by the turn. */
void subscription_deliver(struct core *core, struct reader *reader);

#endif
