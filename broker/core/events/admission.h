/* SPDX-License-Identifier: Apache-2.0
 *
 * The door of the core: whether who sent a message may say it (PROTOCOL.md §12). Private to broker/core.
 */
#ifndef BELT_CORE_ADMISSION_H
#define BELT_CORE_ADMISSION_H

#include "broker/core/model/state.h"

/* Why an identity may say nothing at all at this endpoint; NULL: it may. */
const char *admission_bars(const struct core *core, const struct core_event *event);
/* The session came with this identity (NULL: the broker has no keys), and is not another's. */
bool admission_is_same(const struct session *session, const struct belt_identity *identity);
/* Its roles and quotas hold from now on. */
void admission_note(struct session *session, const struct belt_identity *identity);
/* True after an answer: the session may not say this, or there is no such job for it. */
bool admission_refused(struct core *core, struct session *from, const struct belt_msg *msg);

#endif
