/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire's half of a stream: one job and one subscription as the broker
 * sees them (PROTOCOL.md §7). Takes tasks and what the reader took, takes
 * messages, and says which message is to be sent next. Pure: no socket, no
 * clock, no lock; belongs to the I/O thread. The reader's half is window.h.
 */
#ifndef BELT_CLIENT_STREAM_H
#define BELT_CLIENT_STREAM_H

#include "proto/codec.h"

enum client_stream_state {
    CLIENT_STREAM_NEW,         /* OPEN is to be sent */
    CLIENT_STREAM_OPENING,     /* sent, OPENED not there */
    CLIENT_STREAM_OPEN,        /* the job is known, SUBSCRIBE is to be sent */
    CLIENT_STREAM_SUBSCRIBING, /* sent, SUBSCRIBED not there */
    CLIENT_STREAM_READING,
    CLIENT_STREAM_FAILED, /* `code` and `text` say why */
    CLIENT_STREAM_CANCELLED
};

/** What a stream does with its job. */
enum client_stream_kind {
    CLIENT_STREAM_MAPS,    /* feeds and reads it */
    CLIENT_STREAM_SUBMITS, /* feeds it; others read */
    CLIENT_STREAM_READS    /* reads one that others feed */
};

/** What a message means for the reader. */
enum client_stream_action {
    CLIENT_STREAM_NOTHING,
    CLIENT_STREAM_CHANGED, /* look at the state, done, notice, grant … */
    CLIENT_STREAM_RESULTS  /* the results from `*skip` on are new */
};

/** Borrowed for the life of the stream. */
struct client_stream_config {
    enum client_stream_kind kind;
    uint64_t ref;    /* of its requests; not 0, unique in the pool */
    uint64_t job;    /* READS: which */
    uint64_t cursor; /* of a first SUBSCRIBE; BELT_CURSOR_KEPT: where the reader stands */
    struct belt_bytes key, function, reader;
    bool named;   /* the key is the user's: the job may be there already, with another input */
    bool confirm; /* the broker's word is wanted that it has the last acknowledgement */
    enum belt_mode mode;
    struct belt_open_options options;
    bool take_over;  /* the job, or its reader, shall be ours although another client has it */
    uint64_t window; /* credit for results beyond what was taken */
    uint64_t window_bytes;
    uint64_t slack; /* deliveries that the broker may be ahead of what it was told, beyond the window: saves messages of
                       a small one */
};

struct client_unwanted; /* a task that was cancelled by itself */

struct client_stream {
    struct client_stream_config config;
    enum client_stream_state state;
    uint64_t job, sub;

    struct belt_task_item *ring; /* tasks accepted … next-1, kept until they are accepted */
    uint64_t capacity;           /* a power of 2, or 0 */
    uint64_t accepted;           /* below it: at the broker for good */
    uint64_t sent;               /* below it: sent on this connection */
    uint64_t next;               /* index of the next task to append */
    uint64_t next_bytes;         /* payload bytes of all tasks below `next` */
    uint64_t sent_bytes;         /* payload bytes of all tasks below `sent` */
    uint32_t max_payload;        /* the broker's limit; 0: not known */
    struct belt_grant grant;
    bool ended, end_sent, end_known;
    struct belt_digest digest; /* of the tasks below `accepted` that were appended */
    uint64_t expected_at;      /* the broker has told its digest of so many tasks; 0: none */
    struct belt_digest expected;
    bool opened; /* OPENED came at least once: what is taken over is ours */

    uint64_t received; /* number of the next delivery */
    uint64_t received_bytes;
    uint64_t base_bytes; /* received_bytes when it subscribed: the broker counts from there */
    uint64_t taken;      /* deliveries that the reader took */
    uint64_t taken_bytes;
    uint64_t acked; /* `taken` as last told */
    uint64_t acked_bytes;
    struct belt_grant credit; /* as last told */
    bool started;             /* SUBSCRIBED came at least once */
    uint64_t start;           /* its cursor */
    bool done;
    uint32_t done_code;
    uint64_t total;               /* results that the job has, when it is done */
    bool confirm_sent, confirmed; /* see config.confirm */

    bool cancel, cancel_sent;
    bool halt, halt_sent;                  /* nothing more is to begin */
    struct client_unwanted *unwanted;      /* tasks that are not wanted any more, and have no result: a hash by index */
    struct client_unwanted *unwanted_next; /* of those the first that was not told on this connection */
    bool detach;                           /* nobody reads or feeds here any more; the job stays */
    unsigned notice;                       /* BELT_NO_WORKER or BELT_OK */
    unsigned code;
    char text[512];
};

void client_stream_init(struct client_stream *stream, const struct client_stream_config *config);
void client_stream_fini(struct client_stream *stream);

/** Adds a task; takes the payload's reference. False when out of memory (the payload stays the caller's). */
bool client_stream_append(struct client_stream *stream, const struct belt_payload *payload);
/** Of a stream that has failed: gives the payload of a task that the broker had not accepted. False: it had. */
bool client_stream_reclaim(struct client_stream *stream, uint64_t index, struct belt_payload *payload);
/** The broker's limit for a payload: a task over it, which another broker or another life of it allowed, fails the
 * stream instead of being sent again and again. */
void client_stream_limit(struct client_stream *stream, uint32_t max_payload);
/** No more tasks. */
void client_stream_end(struct client_stream *stream);
/** What the reader has taken so far, as running totals, and the size of its window now. */
void client_stream_take(struct client_stream *stream, uint64_t taken, uint64_t bytes, uint64_t window);
/** The job is not wanted any more. */
void client_stream_cancel(struct client_stream *stream);
/** What has not begun is not wanted any more; what runs is. */
void client_stream_halt(struct client_stream *stream);
/** This task is not wanted any more. False when out of memory. */
bool client_stream_cancel_task(struct client_stream *stream, uint64_t task);
/** The job and its subscription stay at the broker: only what was handed in and what was taken is still told. */
void client_stream_detach(struct client_stream *stream);
/** The connection was made anew (PROTOCOL.md §7.4). */
void client_stream_resync(struct client_stream *stream);
/** It will not go on, for this reason. */
void client_stream_fail(struct client_stream *stream, unsigned code, const char *text);

/** The job is known, and has tasks that were not appended here yet: its results wait until these were compared. */
bool client_stream_compares(const struct client_stream *stream);
/** True when the broker has nothing left to send. */
bool client_stream_complete(const struct client_stream *stream);
/** True when nothing is owed to the broker: a closed stream may be forgotten. */
bool client_stream_settled(const struct client_stream *stream);

/** A message of this stream (by ref, job or sub). */
enum client_stream_action client_stream_receive(struct client_stream *stream, const struct belt_msg *msg,
                                                uint32_t *skip);

/**
 * The next message to send, which then counts as sent; false: none. `*msg` borrows from the stream
 * until its next call. `idle`: nothing else has been going on for a while: acknowledge all that was taken.
 */
bool client_stream_send(struct client_stream *stream, bool idle, struct belt_msg *msg);

#endif
