/* SPDX-License-Identifier: Apache-2.0
 *
 * What ZeroMQ knows of the connection that a message came over. Private to link.c.
 */
#ifndef BELT_LINK_SENDER_H
#define BELT_LINK_SENDER_H

#include "proto/link.h"

#include <zmq.h>

/** Of the last frame of a message. */
void link_sender_read(zmq_msg_t *msg, struct belt_link_sender *sender);

#endif
