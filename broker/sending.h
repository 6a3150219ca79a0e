/* SPDX-License-Identifier: Apache-2.0
 *
 * The shell's way out: messages of the core go to their peers, wait in the peer's outbox while its connection has no
 * room, or wait for the disk first. The one thing that is decided here, and not by the core, is how long a peer that
 * does not read may make the broker keep messages for it. Private to the shell (shell.c).
 */
#ifndef BELT_BROKER_SENDING_H
#define BELT_BROKER_SENDING_H

#include "broker/shell.h"

/** Encodes and sends a message of the core, or keeps it until it can leave. Borrows it. */
void sending_message(struct shell *shell, struct core_send *send);
/** The disk has got further: what waited for it leaves. */
void sending_durable(struct shell *shell);
/** Tries again to send what waits because a connection had no room. */
void sending_retry(struct shell *shell);
/** The peer cannot be reached, or does not read: nothing is sent to it any more, and the core is told. */
void sending_give_up(struct shell *shell, struct peer *peer);
/** Forgets a peer, with what waits for it. */
void sending_forget(struct shell *shell, struct peer *peer);

/** Bytes that wait for the peer, of one kind; */
size_t sending_waits(const struct peer *peer, enum core_full where);
/** and above how many bytes of that kind the core is told that the peer is full. */
size_t sending_full_at(const struct shell *shell, enum core_full where);
/** Takes the peer out of the list of those for which much waits. */
void sending_calm(struct shell *shell, struct peer *peer);

#endif
