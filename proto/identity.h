/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sent a message, as far as that is proven: by the key of its connection, or on `ipc://` by the user of the peer's
 * process (PROTOCOL.md §17). Whoever checks keys fills it, the scheduler judges by it. A name, a session or a route
 * proves nothing.
 */
#ifndef BELT_IDENTITY_H
#define BELT_IDENTITY_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

/** What a key allows. One key may have several of them, or'ed. */
enum belt_identity_role {
    BELT_MAY_CLIENT = 1 << 0,   /* hands in jobs, and reads, lists and cancels those of its owner and shared ones */
    BELT_MAY_WORKER = 1 << 1,   /* serves functions */
    BELT_MAY_OBSERVER = 1 << 2, /* sees what there is of all owners, and changes nothing */
    BELT_MAY_ADMIN = 1 << 3     /* all that a client and an observer may, with the jobs of every owner */
};

/** Names and bits of the roles, as X(name, bit). */
#define BELT_IDENTITY_ROLES(X)                                                                                         \
    X("client", BELT_MAY_CLIENT)                                                                                       \
    X("worker", BELT_MAY_WORKER)                                                                                       \
    X("observer", BELT_MAY_OBSERVER)                                                                                   \
    X("admin", BELT_MAY_ADMIN)

/**
 * Bounds of one owner, for all its keys together. 0: the broker's default. The keys of one owner may say different
 * bounds: a message is judged by those of the key that sent it.
 */
struct belt_quotas {
    uint64_t connections;   /* that have said HELLO */
    uint64_t jobs;          /* that live */
    uint64_t waiting_bytes; /* of inputs that have no result: grants shrink with it, so that no client has to fail */
    uint64_t kept_bytes;    /* of results that nobody has read: nothing more is granted until some are read */
};

/** Names and members of the quotas, as X(name, member). An answer of QUOTA names one of them. */
#define BELT_QUOTAS(X)                                                                                                 \
    X("connections", connections)                                                                                      \
    X("jobs", jobs)                                                                                                    \
    X("waiting-bytes", waiting_bytes)                                                                                  \
    X("kept-bytes", kept_bytes)

#define BELT_CREDENTIAL_BYTES 32u

/**
 * One identity. Two messages are of the same sender when `credential` is the same; whose jobs it may touch says
 * `owner`, which several keys may share. A key that was revoked has no roles: it may do nothing.
 */
struct belt_identity {
    uint8_t credential[BELT_CREDENTIAL_BYTES]; /* the public key, or the number of the user */
    char name[BELT_MAX_NAME + 1];              /* of the key, for the log */
    char owner[BELT_MAX_NAME + 1];             /* never "" */
    uint8_t roles;                             /* enum belt_identity_role, or'ed */
    uint64_t expires_at;                       /* ms since 1970: it may do nothing from then on; 0: never */
    struct belt_quotas quotas;
};

#endif
