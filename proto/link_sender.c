/* SPDX-License-Identifier: Apache-2.0
 *
 * See link_sender.h.
 */
#include "proto/link_sender.h"

#include "proto/access.h"

#include <stdlib.h>
#include <string.h>

/* A process on this machine shows as localhost:USER:GROUP:PROCESS. */
static bool read_user(const char *address, struct belt_link_sender *sender)
{
    static const char prefix[] = "localhost:";
    char *end = NULL;
    if (!address || strncmp(address, prefix, sizeof(prefix) - 1) != 0)
        return false;
    unsigned long user = strtoul(address + sizeof(prefix) - 1, &end, 10);
    if (*end != ':' || user > UINT32_MAX)
        return false;
    sender->kind = BELT_SENDER_USER;
    sender->user = (uint32_t)user;
    return true;
}

/* The address comes from the system and not from the peer, and of a connection over tcp:// the key from the handler: a
 * peer that says such a property itself is not heard. On ipc:// it would be, so the address is asked first. The first
 * frame has lost both after a poll; the last one has them. */
void link_sender_read(zmq_msg_t *msg, struct belt_link_sender *sender)
{
    sender->kind = BELT_SENDER_NOBODY;
    sender->fd = zmq_msg_get(msg, ZMQ_SRCFD);
    if (read_user(zmq_msg_gets(msg, "Peer-Address"), sender))
        return;
    const char *text = zmq_msg_gets(msg, "User-Id");
    if (!text || strlen(text) >= sizeof(sender->text))
        return;
    if (strcmp(text, sender->text) != 0) {
        strcpy(sender->text, text);
        sender->known = belt_key_read(text, strlen(text), sender->key);
    }
    sender->kind = sender->known ? BELT_SENDER_KEY : BELT_SENDER_NOBODY;
}
