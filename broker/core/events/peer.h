/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections. Private to broker/core.
 */
#ifndef BELT_CORE_PEER_H
#define BELT_CORE_PEER_H

#include "broker/core/model/state.h"

struct session *peer_find(struct core *core, uint64_t peer);
/* True after an answer: the key of this message may say nothing here (any more). */
bool peer_barred(struct core *core, const struct core_event *event);
/* True: `msg` is next in sequence and from a known peer. */
bool peer_admit(struct core *core, const struct core_event *event, struct session **session);
void peer_other_version(struct core *core, uint64_t peer, uint64_t version); /* refuses it */
void peer_hello(struct core *core, const struct core_event *event);
void peer_ask_again(struct core *core); /* turn: agents keep results that there is room for */
void peer_lost(struct core *core, struct session *session, const char *why);
void peer_full(struct core *core, const struct core_event *event);
/* It has not read what it asked for: the question is refused. */
bool peer_reads_nothing(struct core *core, struct session *session, uint64_t ref);
void peer_bye(struct core *core, struct session *session);
void peer_expire(struct core *core);
void peer_forget_all(struct core *core);

#endif
