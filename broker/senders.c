/* SPDX-License-Identifier: Apache-2.0
 *
 * See senders.h. A connection is cut by the descriptor that its message came over, while that message is in hand: a
 * descriptor that was kept might be another connection's by then.
 */
#include "broker/senders.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A process of this machine: the broker's own user and root administrate, and others whom the socket's mode lets in are
 * clients. */
static const struct belt_identity *user_identity(struct senders *senders, uint32_t user)
{
    struct belt_identity *identity = &senders->user;
    uint32_t known;
    memcpy(&known, identity->credential, sizeof(known));
    if (identity->roles && known == user)
        return identity;
    *identity = (struct belt_identity){.roles = BELT_MAY_CLIENT};
    memcpy(identity->credential, &user, sizeof(user));
    /* No key has such a name. */
    snprintf(identity->name, sizeof(identity->name), "uid:%" PRIu32, user);
    snprintf(identity->owner, sizeof(identity->owner), "uid:%" PRIu32, user);
    if (user == 0 || user == geteuid())
        identity->roles |= BELT_MAY_ADMIN | BELT_MAY_WORKER | BELT_MAY_OBSERVER;
    return identity;
}

static bool was_refused(const struct senders *senders, const uint8_t key[BELT_KEY_BYTES])
{
    uint32_t kept = senders->refused_count < SENDERS_REFUSED ? senders->refused_count : SENDERS_REFUSED;
    for (uint32_t i = 0; i < kept; i++)
        if (memcmp(senders->refused[i], key, BELT_KEY_BYTES) == 0)
            return true;
    return false;
}

/* The first word of a key that is revoked is answered, so that its user learns why. */
static enum sender refuse(struct senders *senders, const struct belt_link_sender *sender)
{
    bool key = sender->kind == BELT_SENDER_KEY;
    if (!key || was_refused(senders, sender->key)) {
        senders->cut++;
        if (sender->fd >= 0)
            shutdown(sender->fd, SHUT_RDWR);
        return SENDER_CUT;
    }
    memcpy(senders->refused[senders->refused_count++ % SENDERS_REFUSED], sender->key, BELT_KEY_BYTES);
    return SENDER_REFUSED;
}

enum sender senders_identify(struct senders *senders, int side, uint64_t wall, const struct belt_identity **identity)
{
    const struct belt_link_sender *sender = &senders->of[side];
    *identity = NULL;
    if (!senders->keys)
        return SENDER_KNOWN;
    if (sender->kind == BELT_SENDER_USER) {
        *identity = user_identity(senders, sender->user);
        return SENDER_KNOWN;
    }
    const struct keyring_key *key =
        sender->kind == BELT_SENDER_KEY ? keys_find(senders->keys, sender->key, wall) : NULL;
    if (!key)
        return refuse(senders, sender);
    *identity = &key->identity;
    return key->token ? SENDER_TOKEN : SENDER_KNOWN;
}

bool senders_tell(struct senders *senders, uint64_t now, char *line, size_t size)
{
    char address[64] = "";
    if (!senders->handler || (senders->told_ms && now < senders->told_ms + BELT_REFUSALS_TOLD_MS))
        return false;
    uint64_t refused = senders->admission->refused(senders->handler, address, sizeof(address));
    if (refused == senders->told && senders->cut == senders->cut_told)
        return false;
    snprintf(line, size,
             "keys: %" PRIu64 " connections were not let in (the last from %s); %" PRIu64
             " messages of keys that are revoked or over ended their connection",
             refused - senders->told, *address ? address : "nowhere", senders->cut - senders->cut_told);
    senders->told = refused;
    senders->cut_told = senders->cut;
    senders->told_ms = now;
    return true;
}
