/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of a peer's connection to its broker, which may change its own (PROTOCOL.md §17.5): each new attempt after
 * one that found no welcome tries the other of the two keys that are known. Does no I/O but link.h's.
 */
#ifndef BELT_ACCESS_LINK_H
#define BELT_ACCESS_LINK_H

#include "proto/access.h"
#include "proto/link.h"

/** Zero: without keys. */
struct belt_access_link {
    bool keyed;
    uint8_t public_key[BELT_KEY_BYTES], secret_key[BELT_KEY_BYTES];
    uint8_t server_key[2][BELT_KEY_BYTES]; /* the present one, and the next, if there is one */
    bool has_next;
    uint8_t used, turn; /* index of the key of the last attempt, and of the next one */
};

/** Takes what it needs from `access` (*copies*) for the broker at `endpoint`; `workers`: at its workers' address. */
void belt_access_link_init(struct belt_access_link *link, const struct belt_access *access, const char *endpoint,
                           bool workers);
/** As belt_link_dealer(), with the keys. */
void *belt_access_link_dial(struct belt_access_link *link, void *context, const char *endpoint, size_t max_frame);
/** The broker answered the last attempt. `next_key`: the key that it names as its next one, of no bytes when none.
 * True: that is news. */
bool belt_access_link_welcomed(struct belt_access_link *link, struct belt_bytes next_key);
/** Overwrites the keys. */
void belt_access_link_wipe(struct belt_access_link *link);

#endif
