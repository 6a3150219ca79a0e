/* SPDX-License-Identifier: Apache-2.0
 *
 * A new job, in the books and in its queue. Private to broker/core.
 */
#ifndef BELT_CORE_OPENING_H
#define BELT_CORE_OPENING_H

#include "broker/core/model/state.h"

/* `account`: of its owner, which the job holds; NULL: the broker has no keys. `owner`: who feeds it; NULL: nobody. */
struct job *opening_new(struct core *core, struct account *account, struct session *owner, uint64_t id,
                        const struct belt_msg_open *msg);
uint64_t opening_id(struct core *core, bool durable); /* durable jobs count from 1 for the life of the store */
bool opening_refused(struct core *core, struct session *from, uint64_t ref, const struct belt_open_options *options);

#endif
