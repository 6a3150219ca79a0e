/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a listening socket at an address that was checked (endpoint.h), or
 * says why it cannot be.
 */
#ifndef BELT_BROKER_LISTEN_H
#define BELT_BROKER_LISTEN_H

#include <stddef.h>

struct belt_link_keys;

/** What is said of a program without file descriptors to spare; also the peers it can have. */
#define BROKER_DESCRIPTORS_MIN 256u
/* The same of a private broker, whose peers are one agent and the pool's own processes. */
#define BROKER_DESCRIPTORS_PRIVATE 48u

/**
 * Raises the limit of open files as far as it goes. Returns BELT_OK with the limit in `*limit`, or BELT_SYSTEM with the
 * reason in `error` when it is below `least`.
 */
int broker_raise_descriptors(size_t least, size_t *limit, char *error, size_t size);

/**
 * A ROUTER bound to `endpoint`; `bound` (BELT_MAX_TEXT bytes) gets its real address, `monitor` (may be NULL) a socket
 * that tells of its connections. With `keys` (may be NULL) an address of tcp:// is served to those alone that the
 * handler lets in. NULL with the reason in `error`.
 */
void *broker_listen(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys,
                    char *bound, void **monitor, char *error, size_t size);
/** Makes it listen at a further address, `bound` as above. BELT_OK, or BELT_SYSTEM with the reason in `error`. */
int broker_listen_also(void *router, const char *endpoint, const struct belt_link_keys *keys, char *bound, char *error,
                       size_t size);

#endif
