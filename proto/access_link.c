/* SPDX-License-Identifier: Apache-2.0
 *
 * See access_link.h.
 */
#include "proto/access_link.h"

#include <string.h>

void belt_access_link_init(struct belt_access_link *link, const struct belt_access *access, const char *endpoint,
                           bool workers)
{
    const struct belt_access_broker *broker = belt_access_find(access, endpoint, workers);
    *link = (struct belt_access_link){.keyed = broker && strncmp(endpoint, "tcp://", 6) == 0};
    if (!link->keyed)
        return;
    memcpy(link->public_key, access->public_key, BELT_KEY_BYTES);
    memcpy(link->secret_key, access->secret_key, BELT_KEY_BYTES);
    memcpy(link->server_key[0], broker->key, BELT_KEY_BYTES);
    memcpy(link->server_key[1], broker->next, BELT_KEY_BYTES);
    link->has_next = broker->has_next;
}

void *belt_access_link_dial(struct belt_access_link *link, void *context, const char *endpoint, size_t max_frame)
{
    if (!link->keyed)
        return belt_link_dealer(context, endpoint, max_frame);
    link->used = link->turn;
    link->turn = link->has_next ? !link->used : link->used;
    const struct belt_link_keys keys = {
        .secret_key = link->secret_key, .public_key = link->public_key, .server_key = link->server_key[link->used]};
    return belt_link_dealer_keyed(context, endpoint, max_frame, &keys);
}

bool belt_access_link_welcomed(struct belt_access_link *link, struct belt_bytes next_key)
{
    if (!link->keyed)
        return false;
    link->turn = link->used;
    uint8_t *other = link->server_key[!link->used];
    if (next_key.len != BELT_KEY_BYTES || (link->has_next && memcmp(other, next_key.data, BELT_KEY_BYTES) == 0))
        return false;
    memcpy(other, next_key.data, BELT_KEY_BYTES);
    link->has_next = true;
    return true;
}

void belt_access_link_wipe(struct belt_access_link *link)
{
    explicit_bzero(link, sizeof(*link));
}
