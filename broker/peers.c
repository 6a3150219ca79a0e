/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of peers (peers.h).
 */
#include "broker/peers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct key {
    uint8_t side;
    struct belt_route route;
};

_Static_assert(offsetof(struct peer, route) == offsetof(struct peer, side) + 1, "side and route are one key");
_Static_assert(offsetof(struct belt_route, bytes) == 1, "a route's length stands right before its bytes");

static unsigned key_len(const struct belt_route *route)
{
    return 2u + route->len;
}

void peers_init(struct peers *peers, uint32_t max)
{
    *peers = (struct peers){.next_handle = 1, .max = max, .flights = {.wake_fd = -1}};
}

void peers_fini(struct peers *peers)
{
    struct peer *peer, *next;
    HASH_ITER (by_handle, peers->by_handle, peer, next)
        peers_remove(peers, peer);
}

static struct peer *add(struct peers *peers, enum broker_side side, const struct belt_route *route)
{
    if (peers->count == peers->max)
        return NULL;
    struct peer *peer = calloc(1, sizeof(*peer));
    struct flight *flight = peer ? flight_new(&peers->flights) : NULL;
    if (!flight) {
        free(peer);
        return NULL;
    }
    peer->flight = flight;
    peer->handle = peers->next_handle++;
    peer->side = (uint8_t)side;
    peer->route = *route;
    HASH_ADD(by_handle, peers->by_handle, handle, sizeof(peer->handle), peer);
    HASH_ADD_KEYPTR(by_route, peers->by_route, &peer->side, key_len(route), peer);
    peers->count++;
    return peer;
}

struct peer *peers_known(struct peers *peers, enum broker_side side, const struct belt_route *route)
{
    struct peer *peer = peers->last;
    if (peer && peer->side == side && peer->route.len == route->len &&
        memcmp(peer->route.bytes, route->bytes, route->len) == 0)
        return peer;
    struct key key;
    key.side = (uint8_t)side;
    memcpy(&key.route, route, 1u + route->len);
    HASH_FIND(by_route, peers->by_route, &key, key_len(route), peer);
    peers->last = peer;
    return peer;
}

struct peer *peers_at(struct peers *peers, enum broker_side side, const struct belt_route *route)
{
    struct peer *peer = peers_known(peers, side, route);
    if (!peer)
        peers->last = peer = add(peers, side, route);
    return peer;
}

struct peer *peers_find(struct peers *peers, uint64_t handle)
{
    struct peer *peer = peers->last;
    if (peer && peer->handle == handle)
        return peer;
    HASH_FIND(by_handle, peers->by_handle, &handle, sizeof(handle), peer);
    return peer;
}

void peers_remove(struct peers *peers, struct peer *peer)
{
    HASH_DELETE(by_handle, peers->by_handle, peer);
    HASH_DELETE(by_route, peers->by_route, peer);
    peers->count--;
    if (peers->last == peer)
        peers->last = NULL;
    outbox_clear(&peer->outbox);
    flight_free(peer->flight);
    free(peer);
}
