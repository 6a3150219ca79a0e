/* SPDX-License-Identifier: Apache-2.0
 *
 * A new peer that holds a token gets its key into the allow-list (PROTOCOL.md §17.4).
 */
#ifndef BELT_BROKER_JOINING_H
#define BELT_BROKER_JOINING_H

#include "broker/shell.h"

/** Answers a JOIN, and whatever else came with the key of a token. `msg` NULL: it could not be read. */
void joining_answer(struct shell *shell, enum broker_side side, const struct belt_route *route,
                    const struct belt_msg *msg);

/** Tells a sender that its key may do nothing any more. */
void joining_refuse(struct shell *shell, enum broker_side side, const struct belt_route *route);

#endif
