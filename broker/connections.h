/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections of a broker: which one has said HELLO, which one is to be closed because it does not or because there
 * are too many, and which ones are the administration's. Pure: the descriptors are numbers here.
 */
#ifndef BELT_BROKER_CONNECTIONS_H
#define BELT_BROKER_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#ifndef uthash_fatal
#define uthash_fatal(msg) abort()
#endif
#include <uthash.h>

struct connection {
    int fd;
    bool reserved;     /* it came in on the administration's endpoint */
    bool waiting;      /* it has no session: in the list of those whose time runs */
    bool closing;      /* it was chosen to be closed, and is not counted any more */
    uint64_t id;       /* never used twice */
    uint64_t since_ms; /* since when it has no session */
    struct connection *prev, *next;
    UT_hash_handle by_fd;
};

enum connection_end { CONNECTION_STAYS, CONNECTION_NO_HELLO, CONNECTION_TOO_MANY };

struct connections {
    struct connection *by_fd;
    struct connection *waiting; /* without a session, the longest first */
    uint32_t count[2], max[2];  /* of ordinary ones, of those of the administration */
    uint64_t hello_ms;          /* so long may a connection be without a session */
    uint64_t last_id;
    uint64_t ended[3]; /* by enum connection_end: how many were chosen */
};

void connections_init(struct connections *connections, uint32_t max, uint32_t max_reserved, uint64_t hello_ms);
void connections_fini(struct connections *connections);

/** A connection was accepted. Out of memory it is not known, and never closed. */
void connections_came(struct connections *connections, int fd, bool reserved, uint64_t now);
/** It is closed; its descriptor may be another one's from now on. */
void connections_went(struct connections *connections, int fd);
/** NULL: it is not known. */
const struct connection *connections_find(const struct connections *connections, int fd);

/** A session said HELLO on it, and was welcome. */
void connections_greeted(struct connections *connections, int fd);
/** The session of connection `id` is over, or was dropped: its time runs anew. */
void connections_parted(struct connections *connections, int fd, uint64_t id, uint64_t now);

/** Chooses one that is to be closed and says why; CONNECTION_STAYS: none is. Each is chosen once. */
enum connection_end connections_choose(struct connections *connections, uint64_t now, int *fd);
/** When connections_choose() may find one; UINT64_MAX: not before something happens. */
uint64_t connections_due(const struct connections *connections);

#endif
