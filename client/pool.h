/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools and streams from the inside: what belongs to which thread, and what is
 * handed over between them.
 *
 *   user's thread --(mail: tasks, what was taken)--> I/O thread --> broker
 *   user's thread <--(mail: results, state)--------- I/O thread <-- broker
 *
 * Both sides swap whole batches under the mail's lock and work outside of it.
 */
#ifndef BELT_CLIENT_POOL_H
#define BELT_CLIENT_POOL_H

#include "client/helm.h"
#include "client/hold.h"
#include "proto/link.h"
#include "proto/access_link.h"
#include "proto/session.h"
#include "client/result.h"
#include "client/stream.h"
#include "proto/util/wait.h"
#include "client/window.h"

#include <belt/belt.h>
#include <pthread.h>
#include <stdatomic.h>

#define CLIENT_POOL_MAGIC   0x62706f6cu
#define CLIENT_STREAM_MAGIC 0x62737472u
#define CLIENT_BUCKETS      1024u /* of the tables by ref, job and sub; a power of 2 */

/** Under `lock`. */
struct client_mail {
    pthread_mutex_t lock;
    struct wait_cond cond;
    /* to the I/O thread */
    struct belt_payload *tasks;
    size_t task_count, task_capacity;
    uint64_t taken, taken_bytes, window;
    bool ended, cancel, halt, detach, closed;
    uint64_t *unwanted; /* tasks to be cancelled */
    size_t unwanted_count, unwanted_capacity;
    bool waiting;          /* the reader has nothing to do: it sleeps on `cond` or in an event loop of its own */
    bool waiting_grant;    /* and would draw more if the broker granted bytes */
    bool waiting_accepted; /* or wants to know what the broker has accepted */
    unsigned feeders;      /* threads that sleep on `cond` until there is room for an input */
    /* from the I/O thread */
    struct client_results results;
    uint64_t job, accepted, granted_bytes, start;
    bool moved;            /* `start`, or what was compared, has changed: the window may be open now */
    bool stirred;          /* an error or the end was fed: a reader in another thread looks again */
    bool end_known;        /* the broker knows how many tasks there are */
    bool confirmed;        /* it has the last acknowledgement */
    uint64_t done, failed; /* results received */
    uint64_t known, compared, compared_bytes; /* see struct client_window */
    unsigned notice;
    bool over; /* no further results: done, failed or cancelled */
    unsigned code;
    char text[512];
    /* belt_stream_fd() */
    int fd;
    bool fd_raised;
    bool hand_ready;       /* what the reader has in hand makes it readable */
    uint64_t draws_beyond; /* so does a grant of more bytes than these: the source may be drawn again */
};

/** What is done with a stream at the helm whose tasks are something else than its user's inputs: single calls
 * (shared.c). The functions of flow.c call these. */
struct client_tasks {
    void (*collect)(struct belt_stream *stream); /* takes what its owners have left */
    void (*pump)(struct belt_stream *stream);    /* sends what is not the stream's to send */
    void (*resync)(struct belt_stream *stream);  /* the broker may have forgotten what it was told */
    void (*deliver)(struct belt_stream *stream, const struct belt_msg_deliver *msg, uint32_t skip);
    void (*news)(struct belt_stream *stream);  /* its mail has changed. Under the mail's lock */
    bool (*ended)(struct belt_stream *stream); /* it has; false: renew it, for what the broker had not taken */
    bool (*renew)(struct belt_stream *stream); /* another job for the same; false: out of memory */
    void (*look)(struct belt_stream *stream, uint64_t now); /* now and then */
    bool (*detach)(struct belt_stream *stream);             /* no pool knows it; true: its owners free it */
    void (*free)(struct belt_stream *stream);               /* what it has beside the stream */
};

struct belt_stream {
    uint32_t magic;
    struct belt_pool *pool;
    char *words; /* key, function, reader, argument */

    /* who is inside (inside.h) */
    uint64_t mark;     /* of the process that it belongs to */
    atomic_uint users; /* calls that are inside */
    uint8_t fate;      /* enum client_fate; the user's thread's */
    bool shuts;        /* its source has closed the pool; the user's thread's */
    bool orphaned;     /* the pool was closed before it: its own close frees it. Under the mail's lock */

    pthread_mutex_t calls; /* turn.h */
    /* the user's threads, one at a time */
    enum client_stream_kind kind;
    bool acknowledges;       /* belt_stream_ack() says what was taken, not belt_stream_next() */
    struct client_hold hold; /* then */
    struct client_window window;
    belt_source source;
    void *ctx;
    struct client_results hand;   /* results swapped out of the mail */
    struct client_results failed; /* inputs that failed, by index */
    uint64_t taken_tasks, taken_bytes;
    uint64_t told;          /* what was taken, as last handed over */
    struct belt_buf *chunk; /* small payloads are cut from it */
    size_t chunk_used;
    uint64_t granted_bytes, start;
    bool moved;  /* the window may have opened since inputs were drawn */
    bool dry;    /* the source had nothing when it was asked last */
    bool blocks; /* it has blocked; known of a stream with a descriptor */
    bool ended_told, cancelled;
    bool unkicked; /* something was handed over that the I/O thread may still be napping over */

    struct client_mail mail;
    atomic_bool interrupted;

    /* the list of streams that want attention */
    atomic_bool queued;
    struct belt_stream *queue_next;

    uint64_t woke_ms; /* when the user last had something to do */

    /* whoever is at the helm */
    bool attached, closed;
    bool renews; /* of calls: its job is lost, and another one is to be opened */
    bool due;    /* in the list of those that may have something to send */
    struct belt_stream *due_prev, *due_next;
    const struct client_tasks *tasks; /* NULL: its tasks are the user's inputs */
    struct client_shared *shared;     /* of single calls (shared.h) */
    struct belt_stream *turn_prev, *turn_next;
    struct client_stream wire;
    struct client_shelf *shelf;
    struct belt_payload *spare; /* the other half of the swap */
    size_t spare_capacity;
    struct belt_stream *prev, *next;
    struct belt_stream *keyed_next;               /* keyed.h; under the pool's lock */
    struct belt_stream *by_ref, *by_job, *by_sub; /* chains */
    uint64_t job_key, sub_key;                    /* as entered, 0: not */
};

enum client_request_type { CLIENT_REQUEST_STATUS, CLIENT_REQUEST_CANCEL, CLIENT_REQUEST_FAILED };

/** A question to the broker; lives on the asking thread's stack, under the pool's lock. */
struct client_request {
    struct client_request *next;
    enum client_request_type type;
    uint64_t ref;
    uint8_t what;
    const char *name;               /* NULL: all */
    struct belt_status_query query; /* its texts, too, are the asker's */
    uint64_t job;
    bool forget;
    const char *reader; /* of CANCEL: only this reader goes; NULL: the job does */
    const struct belt_msg_failed *failed;
    bool sent, done;
    unsigned code;
    char text[512];
    struct belt_status *status;
    struct belt_msg_failures *failures;
};

struct local_cluster;

struct belt_pool {
    uint32_t magic;
    struct local_cluster *children; /* NULL: a broker of somebody else */
    char endpoint[256];
    char name[128];
    enum belt_role role;
    int64_t lost_timeout_ms;
    bool interruptible; /* a signal handler ends what waits */
    uint8_t session_id[BELT_SESSION_LEN];
    char key_prefix[24];
    atomic_uint_fast64_t refs; /* the last ref given */
    struct belt_stream *keyed; /* open streams with a key (keyed.h); under `lock` */
    atomic_uint max_payload;
    const char *larger; /* what to do about a payload over it */

    /* who is inside (inside.h) */
    uint64_t mark;               /* of the process that opened it */
    struct belt_pool *next_open; /* under the process's lock, like */
    unsigned users;              /* calls that are inside */
    atomic_bool closing;         /* nobody comes in any more, and who is inside goes */
    atomic_uint refs_held;       /* the open pool's own and one of each stream: the last one frees the struct */

    pthread_mutex_t lock;
    struct wait_cond cond;
    struct client_request *requests;
    bool ready;    /* the broker has welcomed us once */
    unsigned code; /* not OK: the pool is lost */
    char text[512];
    atomic_bool lost; /* the same, to look at without the lock */

    /* single calls that share jobs */
    pthread_mutex_t shared_lock; /* taken before that of a stream's mail */
    struct client_shared *shared_jobs;

    /* waking the I/O thread */
    int wake_fd;
    atomic_bool stop;
    _Atomic(struct belt_stream *) queue;
    atomic_uint overslept; /* sleeps that a timer ended although there was something to do: a fault, for tests */
    atomic_ulong pumped;   /* how often a stream was looked at for something to send: for tests */

    /* the helm (io.h) */
    atomic_uint_fast64_t helm; /* struct client_helm as one word */
    int standby_fd;
    pthread_t thread;

    /* whoever is at the helm */
    void *context, *socket;
    struct belt_access_link keys; /* of its connections */
    struct belt_session session;
    struct belt_decoder *decoder;
    struct belt_frames unsent;    /* did not fit: goes before anything else */
    struct belt_link_watch watch; /* of the socket */
    bool lost_told;               /* to the streams and questions */
    bool hello_waits;             /* the socket was not connected when a hello was to be sent */
    uint64_t active_ms;           /* when there was last something to do */
    uint64_t acked_ms;            /* when all that was taken was last acknowledged */
    struct belt_stream *streams;
    struct belt_stream *due;   /* of these, those that may have something to send */
    struct belt_stream *turns; /* of these, those that have `tasks`: looked at now and then, the first next */
    struct belt_stream *by_ref[CLIENT_BUCKETS], *by_job[CLIENT_BUCKETS], *by_sub[CLIENT_BUCKETS];
};

uint64_t client_now_ms(void);
/** The moment `timeout_ms` from now, UINT64_MAX for -1. */
uint64_t client_deadline(int64_t timeout_ms);
/** Whether a signal handler has ended the last sleep of this thread, and such are to end calls of this pool. */
bool client_pool_signalled(const belt_pool *pool);
/** The pool is lost: keeps the sentence, returns the code; BELT_OK when it is not. */
int client_pool_check(belt_pool *pool);
/** The payload limit and what to do about it, to end a sentence with. As snprintf(). */
int client_pool_too_large(const belt_pool *pool, char *text, size_t size);

void client_pool_ref(belt_pool *pool);
void client_pool_unref(belt_pool *pool);
/** Frees a stream that no pool knows, and its hold on its pool. */
void client_stream_free(struct belt_stream *stream);

#endif
