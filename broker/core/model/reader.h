/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader: a cursor over the results of a job, which outlives the subscription of the client that reads
 * (events/subscription.c). Owned by its job. Private to broker/core.
 */
#ifndef BELT_CORE_MODEL_READER_H
#define BELT_CORE_MODEL_READER_H

#include "broker/core/core.h"
#include "broker/core/util/hash.h"
#include "broker/core/util/list.h"

struct account;
struct job;
struct session;

struct reader {
    uint64_t id;
    struct job *job;
    struct account *account; /* whose reader it is; NULL: of the owner of the job */
    struct session *session; /* NULL: nobody reads at present */
    uint64_t seated_ms;      /* since when that session reads */
    bool was_left;           /* its client lost its connection, and may come back; it is known by `client` */
    uint8_t client[BELT_SESSION_LEN];
    char name[BELT_MAX_KEY + 1];
    uint8_t mode;       /* BELT_ORDERED: its numbers are indexes; BELT_UNORDERED: places in the log of completions */
    uint64_t acked;     /* results with numbers below it were acknowledged */
    uint64_t sent;      /* results with numbers below it were sent under the present subscription */
    uint64_t most_sent; /* the highest `sent` of all its subscriptions */
    struct belt_grant credit;
    uint64_t sent_bytes;        /* payload bytes sent under the present subscription, against `credit` */
    uint64_t kept_number;       /* of its record on disk; 0: none */
    uint64_t kept_acked;        /* `acked` as that record says it */
    bool engaged;               /* it has given credit for a delivery: until then it holds no results back */
    bool done_sent;             /* it was told that there are no more results */
    struct list_node marked;    /* in core->marks.readers or late_readers */
    struct reader *prev, *next; /* of the job */
    struct reader *session_prev, *session_next;
    UT_hash_handle hh; /* in core->readers.by_id */
};

#endif
