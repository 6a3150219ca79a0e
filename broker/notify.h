/* SPDX-License-Identifier: Apache-2.0
 *
 * What the service manager that has started this process is told of it (sd_notify(3)). The message is one datagram of
 * text, which is why no library is needed for it.
 */
#ifndef BELT_BROKER_NOTIFY_H
#define BELT_BROKER_NOTIFY_H

/** Says `state`, as "READY=1", to the socket that $NOTIFY_SOCKET names. Nothing happens when nobody wants to know. */
void broker_notify(const char *state);

#endif
