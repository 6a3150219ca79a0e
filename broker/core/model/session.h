/* SPDX-License-Identifier: Apache-2.0
 *
 * A session: who is behind a connection. A client's session outlives its connection by the grace time, so that the
 * client finds its jobs when it connects again (events/peer.c). Private to broker/core.
 */
#ifndef BELT_CORE_MODEL_SESSION_H
#define BELT_CORE_MODEL_SESSION_H

#include "broker/core/core.h"
#include "broker/core/util/hash.h"
#include "broker/core/util/list.h"

struct account;
struct agent;
struct job;
struct question;
struct reader;

/* Why a session is not served at present, as bits. */
enum full { FULL_LINK = 1 << CORE_FULL_LINK, FULL_DISK = 1 << CORE_FULL_DISK, FULL_REPLIES = 1 << CORE_FULL_REPLIES };

/* A connection as the shell knows it, shared by the sessions that came over it. */
struct link {
    uint64_t id;       /* the shell's number of the connection */
    uint32_t sessions; /* that came over it and are not over; the link is freed with the last of them */
    UT_hash_handle hh; /* in core->sessions.links */
};

enum session_state {
    SESSION_PARTED,    /* it has no connection, and its lease runs */
    SESSION_CONNECTED, /* `peer` is its connection */
    SESSION_GONE       /* its lease is over; a client with jobs is waited for, for the time of grace */
};

struct session {
    uint64_t peer; /* the shell's handle of its connection; 0: not connected */
    uint8_t role;  /* enum belt_role */
    uint8_t state; /* enum session_state */
    uint8_t id[BELT_SESSION_LEN];
    char name[BELT_MAX_NAME + 1];
    struct account *account; /* of the owner of its key; NULL: the broker has no keys */
    uint8_t roles;           /* enum belt_identity_role, or'ed: of its key, as the last message had them */
    uint8_t credential[BELT_CREDENTIAL_BYTES]; /* of the key that its HELLO came with */
    uint64_t seq_in, seq_out;                  /* numbers of the last message that it sent, and that it was sent */
    uint64_t heard_ms;                         /* when the last message of it came */
    uint64_t probed_ms;                        /* when it was sent a PING last because it was silent */
    uint64_t parted_ms;                        /* when it lost its connection last */
    uint64_t gone_ms;                          /* when its lease was over */
    uint8_t full;               /* enum full, or'ed: messages for it have not left, so its readers are not served */
    struct link *link;          /* over which it came last; NULL: not known */
    struct question *questions; /* its STATUS and the like that wait for their turn: events/question.c */
    uint32_t question_count;
    uint64_t charged_us; /* when it has paid for its reports and is served as others are, in us of the core's clock */
    struct list_node asking;     /* in core->sessions.askers, while it has questions */
    uint64_t cost;               /* bytes of itself and its agent: its part of core->sessions.bytes */
    uint64_t fixed_bytes;        /* of its jobs before they have tasks: its part of core->memory.fixed_bytes */
    uint32_t jobs;               /* how many jobs it owns */
    struct list owned;           /* the jobs that it owns */
    struct reader *readers;      /* that it reads as at present */
    struct agent *agent;         /* of a worker's session; NULL: a client */
    struct session *prev, *next; /* in core->sessions.live (least recently heard first) or .gone (longest gone first) */
    UT_hash_handle by_peer, by_id;
};

#endif
