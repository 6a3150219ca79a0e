/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls (belt_pool_apply_async) that share one job. Calls of one function with the same options are the tasks of one
 * open job that nobody else sees: a call costs its own bytes, not those of a job, a subscription and their buffers. Its
 * result finds it by the task's index. The job ends when it had no call for a while.
 *
 * A call is a belt_stream to its owner: the functions of belt.h look at its first field (call.h). What calls and their
 * job share is under the lock of the mail of the job's stream; whoever is at the helm does the rest.
 */
#ifndef BELT_CLIENT_SHARED_H
#define BELT_CLIENT_SHARED_H

#include "client/pool.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define CLIENT_CALL_MAGIC 0x6263616cu

enum client_call_state {
    CLIENT_CALL_NEW,  /* in `fresh`, with its payload */
    CLIENT_CALL_SENT, /* in `sent`: it is a task of the job */
    CLIENT_CALL_OVER  /* it has its result, or will never have one */
};

/** What its owner wants of one that was sent. */
enum client_call_wish { CLIENT_CALL_GO_ON, CLIENT_CALL_HALT, CLIENT_CALL_CANCEL };

struct client_call {
    uint32_t magic; /* first, as of a stream */
    uint8_t state, wish;
    bool wishes;     /* in `wishes` or `later`: the broker is to be told */
    bool is_later;   /* in `later` */
    bool closed;     /* its owner has let go of it: whoever ends it frees it */
    bool cancelled;  /* no result is given */
    bool given;      /* its result was */
    bool ok, failed; /* how it ended */
    bool lost;       /* it will have none: the broker has given its job up */
    atomic_bool interrupted;
    atomic_int fd; /* belt_stream_fd(); -1: none */
    uint64_t mark; /* of the process that it belongs to */
    uint64_t task; /* its index in the job, once it was sent */
    struct client_shared *shared;
    struct belt_payload payload; /* until it is sent */
    struct client_result *result;
    struct wait_cond *waiter;                        /* of the thread that waits for it; NULL: none */
    struct client_call *prev, *next;                 /* in `fresh` */
    struct client_call *wish_prev, *wish_next;       /* in `wishes` */
    struct client_call *waiting_prev, *waiting_next; /* in `waiting` */
    UT_hash_handle by_task;                          /* in `sent` */
};

struct client_shared {
    struct belt_stream *stream; /* of the job; lives as long as this */
    belt_job_options options;   /* its texts are in `name` */
    char *name;                 /* what calls have in common that share this job: options, function, argument */
    unsigned name_len;
    const char *function; /* in `name` */
    bool listed;          /* in the pool's table by name; under its `shared_lock` */
    UT_hash_handle by_name;
    /* under the lock of the stream's mail */
    struct client_call *fresh, *wishes, *waiting;
    struct client_call *later; /* of `wishes`, those whose tasks the broker does not have yet */
    char lost_text[512];       /* of calls that were lost with a job before this one */
    struct client_call *sent;  /* by task */
    uint64_t open;             /* calls whose owners have not let go of them */
    unsigned flushing;         /* threads that wait until a call is accepted */
    uint64_t used_ms;          /* when one came or went */
    bool over;                 /* mail.code and mail.text say why: calls that come later have another job */
    atomic_bool interrupts;    /* a call was interrupted */
    /* whoever is at the helm */
    uint64_t accepted_seen; /* wire.accepted when `later` was looked at */
};

/** The broker is to be told what its owner wants of it. Under the lock. */
void client_call_wish(struct client_call *call, enum client_call_wish wish);
/** Tells whoever waits for it, and its descriptor. Under the lock. */
void client_call_tell(struct client_call *call);
/** Frees it and what it has. It is in no list. */
void client_call_free(struct client_call *call);

/** The job of such calls, `*shared`, with its lock held and counting one more. BELT_OK or a code. */
int client_shared_get(belt_pool *pool, const char *function, const belt_job_options *options,
                      struct client_shared **shared);

#endif
