/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of PROTOCOL.md as structs. The codec turns them into frames and
 * back; cores read and write only these.
 *
 * Ownership: a decoded message *borrows*: every pointer in it points into the
 * frames or the decoder it came from, and payloads carry no reference of their
 * own (take one with belt_payload_ref to keep it). A message to encode borrows
 * from its sender in the same way; the encoder takes the references that the
 * frames need.
 */
#ifndef BELT_MESSAGE_H
#define BELT_MESSAGE_H

#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/limits.h"

#include <belt/codes.h>
#include <stdbool.h>

/* X(NAME, number, from): who may send it. Numbers never change meaning (PROTOCOL.md §5). */
#define BELT_MESSAGES(X)                                                                                               \
    X(HELLO, 1, PEER)                                                                                                  \
    X(WELCOME, 2, BROKER)                                                                                              \
    X(ERROR, 3, BROKER)                                                                                                \
    X(PING, 4, PEER)                                                                                                   \
    X(PONG, 5, BROKER)                                                                                                 \
    X(BYE, 6, BOTH)                                                                                                    \
    X(JOIN, 7, PEER)                                                                                                   \
    X(JOINED, 8, BROKER)                                                                                               \
    X(OPEN, 10, CLIENT)                                                                                                \
    X(OPENED, 11, BROKER)                                                                                              \
    X(PUSH, 12, CLIENT)                                                                                                \
    X(ACCEPTED, 13, BROKER)                                                                                            \
    X(END, 14, CLIENT)                                                                                                 \
    X(ENDED, 15, BROKER)                                                                                               \
    X(SUBSCRIBE, 16, CLIENT)                                                                                           \
    X(SUBSCRIBED, 17, BROKER)                                                                                          \
    X(DELIVER, 18, BROKER)                                                                                             \
    X(ACK, 19, CLIENT)                                                                                                 \
    X(DONE, 20, BROKER)                                                                                                \
    X(DETACH, 21, CLIENT)                                                                                              \
    X(CANCEL, 22, CLIENT)                                                                                              \
    X(CANCELLED, 23, BROKER)                                                                                           \
    X(NOTICE, 24, BROKER)                                                                                              \
    X(STATUS, 25, CLIENT)                                                                                              \
    X(REPORT, 26, BROKER)                                                                                              \
    X(FAILED, 27, CLIENT)                                                                                              \
    X(FAILURES, 28, BROKER)                                                                                            \
    X(SYNC, 40, WORKER)                                                                                                \
    X(DISPATCH, 41, BROKER)                                                                                            \
    X(RESULTS, 42, WORKER)                                                                                             \
    X(RECORDED, 43, BROKER)                                                                                            \
    X(RECALL, 44, BROKER)                                                                                              \
    X(RETURNED, 45, WORKER)                                                                                            \
    X(DROP, 46, BROKER)                                                                                                \
    X(LEAVING, 47, WORKER)                                                                                             \
    X(PROGRESS, 48, WORKER)

enum belt_msg_type {
#define BELT_MSG_ENUM(name, number, from) BELT_MSG_##name = (number),
    BELT_MESSAGES(BELT_MSG_ENUM)
#undef BELT_MSG_ENUM
};

enum belt_role { BELT_ROLE_CLIENT = 1, BELT_ROLE_WORKER = 2, BELT_ROLE_ADMIN = 3 };
enum belt_mode { BELT_ORDERED = 0, BELT_UNORDERED = 1 };
enum belt_job_state { BELT_JOB_OPEN = 0, BELT_JOB_ENDED_INPUT = 1, BELT_JOB_COMPLETE = 2, BELT_JOB_STOPPED = 3 };
enum belt_report {
    BELT_REPORT_QUEUES = 1,
    BELT_REPORT_WORKERS = 2,
    BELT_REPORT_JOBS = 3,
    BELT_REPORT_BROKER = 4,
    BELT_REPORT_READERS = 5
};

#define BELT_SESSION_LEN 16u

/** What a worker says of itself (HELLO properties). */
struct belt_worker_props {
    struct belt_bytes name; /* for people; need not be unique */
    uint32_t slots;         /* 1 .. BELT_MAX_SLOTS */
    uint32_t window_items;  /* tasks it is ready to hold, started or not */
    uint64_t window_bytes;  /* their payload bytes */
    const struct belt_bytes *functions;
    uint32_t function_count;
};

struct belt_msg_hello {
    uint32_t version;
    uint8_t role;
    struct belt_bytes session; /* BELT_SESSION_LEN random bytes, the same on every reconnect */
    struct belt_bytes name;    /* of the peer, for people: host:pid or the worker's name */
    struct belt_worker_props worker;
};

struct belt_msg_welcome {
    uint32_t version;
    uint64_t epoch;        /* of this life of the broker, never 0 */
    uint32_t heartbeat_ms; /* the peer speaks at least this often */
    uint32_t lease_ms;     /* silence after which either side takes the other for gone */
    uint32_t max_payload;  /* bytes */
    uint64_t max_frame;    /* bytes: a longer frame ends the connection; 0: not told */
    struct belt_bytes name;
    struct belt_bytes next_key; /* BELT_KEY_BYTES of the server key that comes next; empty: none (PROTOCOL.md §17.5) */
};

/** The longest frame that a broker with this payload limit reads. */
static inline uint64_t belt_max_frame(uint32_t max_payload)
{
    return (uint64_t)(max_payload > BELT_MAX_HEADER ? max_payload : BELT_MAX_HEADER) + BELT_FRAME_MARGIN;
}

struct belt_msg_error {
    uint64_t ref; /* of the request it answers, 0: the connection, or the job in `job` */
    uint64_t job; /* 0: none */
    uint32_t code;
    struct belt_bytes text;
};

#define BELT_NO_BACKOFF UINT64_MAX /* on the wire: 0 */

/** Options of a job (OPEN), all with a neutral zero. */
struct belt_open_options {
    uint64_t window_items; /* 0: no window, the broker's memory budget alone */
    uint64_t window_bytes;
    int32_t priority;               /* higher first, -100 .. 100 */
    uint32_t retries;               /* more runs for a task that fails or times out */
    uint32_t max_attempts;          /* runs of a task whose slot dies; 0: the default */
    uint32_t chunk;                 /* tasks per dispatch; 0: auto */
    uint64_t timeout_ms;            /* of one run; 0: none */
    bool detail;                    /* results name host and start time */
    bool detached;                  /* outlives its client */
    bool durable;                   /* outlives the broker; refused by one that keeps nothing */
    bool never_durable;             /* `volatile`: not kept even by a broker that keeps jobs */
    struct belt_bytes argument;     /* what all tasks of the job share */
    uint64_t backoff_ms;            /* pause before the first further run; 0: the default, BELT_NO_BACKOFF: none */
    uint64_t after_ms;              /* nothing runs before so long after OPEN; 0: at once */
    uint64_t deadline_ms;           /* what has no result so long after OPEN expires; 0: never */
    uint64_t after_at, deadline_at; /* the same by the wall clock, ms since 1970 */
    uint8_t final_status[BELT_STATUS_BYTES]; /* bit n: exit status n of a command is not tried again */
    uint64_t keep_ms;     /* a job that nobody feeds or reads is given up after this; 0: the broker's own time */
    uint64_t remember_ms; /* its key stands for it so long after it was read to its end; 0: for two leases */
    bool digest;          /* the broker keeps a digest of the input, and tells it in OPENED */
    bool share;           /* other owners may see and read the job, at a broker with keys */
};

struct belt_msg_open {
    uint64_t ref;
    struct belt_bytes key; /* the same key again is the same job */
    struct belt_bytes function;
    struct belt_open_options options;
    bool take_over; /* the job shall be ours although another client feeds it */
};

/* Grants are running totals from the job's beginning: tasks with index < items may be
 * pushed, and a task may be pushed while the bytes pushed before it are < bytes. */
struct belt_grant {
    uint64_t items;
    uint64_t bytes;
};

struct belt_msg_opened {
    uint64_t ref;
    uint64_t job;
    uint64_t next;       /* index of the first task not yet accepted */
    uint64_t next_bytes; /* payload bytes accepted so far */
    struct belt_grant grant;
    uint8_t state;
    bool digested; /* `digest` is told: of the tasks below `next` */
    struct belt_digest digest;
};

/** A task on its way: in PUSH `index` is implied by position and attempt is 0. */
struct belt_task_item {
    uint64_t index;
    uint32_t attempt;
    struct belt_payload payload;
};

struct belt_msg_push {
    uint64_t job;
    uint64_t first;
    const struct belt_task_item *tasks;
    uint32_t count;
};

struct belt_msg_accepted {
    uint64_t job;
    uint64_t next;
    struct belt_grant grant;
};

struct belt_msg_end { /* END, ENDED */
    uint64_t job;
    uint64_t count;
};

#define BELT_CURSOR_KEPT UINT64_MAX /* SUBSCRIBE.cursor: where the reader stands, or the first that is kept */

/* Credit as running totals: deliveries numbered < items may be sent, and one may be sent while
 * the payload bytes sent on this subscription since SUBSCRIBED are < bytes. */
struct belt_msg_subscribe {
    uint64_t ref;
    uint64_t job;
    struct belt_bytes reader; /* name of the subscription within the job */
    uint8_t mode;
    uint64_t cursor;
    struct belt_grant credit;
    bool take_over; /* although another client reads as this reader */
};

struct belt_msg_subscribed {
    uint64_t ref;
    uint64_t job;
    uint64_t sub;
    uint64_t cursor; /* number of the next delivery */
};

/** What is said of a result beside its payload; absent as a whole on the fast path. */
struct belt_result_extras {
    struct belt_bytes text; /* of the error */
    struct belt_bytes log;  /* tail of the task's standard error */
    struct belt_bytes host; /* worker that ran it (option `detail`) */
    uint64_t started_ms;    /* wall clock of that host, ms since 1970 (option `detail`) */
    int32_t exit_status;    /* of a command, -1: none */
    int32_t term_signal;    /* of a command or slot, 0: none */
};

struct belt_result_item {
    uint64_t index;
    uint32_t attempt;
    uint32_t code;
    uint32_t service_us; /* measured in the slot, saturating */
    struct belt_payload payload;
    const struct belt_result_extras *extras; /* NULL: none */
};

struct belt_msg_deliver {
    uint64_t sub;
    uint64_t first; /* number of the first delivery in it */
    const struct belt_result_item *results;
    uint32_t count;
};

struct belt_msg_ack {
    uint64_t sub;
    uint64_t upto; /* deliveries numbered below it were taken by the reader */
    struct belt_grant credit;
};

struct belt_msg_done {
    uint64_t sub;
    uint64_t count; /* deliveries in all */
    uint32_t code;  /* OK, JOB_CANCELLED, or UNKNOWN_READER: another session took it over */
};

struct belt_msg_sub { /* DETACH */
    uint64_t sub;
};

struct belt_msg_cancel { /* CANCEL, CANCELLED */
    uint64_t ref;
    uint64_t job;
    bool forget;  /* of CANCEL: what is complete is forgotten, too */
    bool waiting; /* of CANCEL: only what has not begun */
    bool one;     /* of CANCEL: only this task */
    uint64_t task;
    bool leaves; /* of CANCEL: only this reader goes */
    struct belt_bytes reader;
};

struct belt_msg_notice {
    uint64_t job;
    uint32_t code; /* NO_WORKER, or OK when it no longer holds */
    struct belt_bytes text;
};

/** Which rows are wanted, and from where on (STATUS options). */
struct belt_status_query {
    uint64_t after;                    /* of jobs: ids above it; the next page goes on behind the last row */
    bool past;                         /* of jobs: `after` is of one that is past */
    uint64_t offset;                   /* of queues, workers and readers: rows that were seen before */
    uint32_t limit;                    /* rows of this page; 0: as many as fit */
    uint8_t states;                    /* of jobs: bit n stands for state n; 0: all */
    struct belt_bytes function, owner; /* of jobs: empty: all */
};

struct belt_msg_status {
    uint64_t ref;
    uint8_t what;           /* enum belt_report */
    struct belt_bytes name; /* only this queue, worker or job (§5.5) */
    bool named;             /* `name` is there; without options an empty one is not */
    bool extended;          /* it has options, and so has the answer */
    struct belt_status_query query;
};

enum belt_failed_action { BELT_FAILED_LIST = 1, BELT_FAILED_SHOW = 2, BELT_FAILED_RETRY = 3, BELT_FAILED_DROP = 4 };

/** Chooses among the failed tasks that are kept: those of `function` (empty: any) and of `job` (0: any), of which
 *  `indexes` are named (none: all), from number `from` on. */
struct belt_msg_failed {
    uint64_t ref;
    uint8_t action; /* enum belt_failed_action; RETRY needs a job */
    struct belt_bytes function;
    uint64_t job;
    uint64_t from;
    const uint64_t *indexes;
    uint32_t count;
    bool extended; /* the answer is to say what was let go */
};

/** A failed task that is kept with its input. */
struct belt_letter {
    uint64_t serial; /* grows with each that fails */
    uint64_t job, index;
    uint32_t attempt, code;
    uint64_t failed_at; /* wall clock of the broker, ms since 1970 */
    uint32_t size;      /* of its input */
    struct belt_bytes function;
    struct belt_payload payload;             /* its input (SHOW), else empty */
    const struct belt_result_extras *extras; /* NULL: none */
};

struct belt_msg_failures {
    uint64_t ref;
    uint64_t count;                    /* that were chosen */
    uint64_t dropped;                  /* that were let go to stay within the limits, in this life of the broker */
    uint64_t job;                      /* RETRY: the job that runs them, else 0 */
    const struct belt_letter *letters; /* LIST, SHOW: as many as fit; ask on from the last serial + 1 */
    uint32_t letter_count;
    bool extended;
    uint64_t let_go; /* extended, of a question with a job: failed tasks of it that were let go */
};

struct belt_row_queue {
    struct belt_bytes function;
    uint64_t waiting, running, done, failed, retried;
    uint32_t workers, slots, jobs;
    uint64_t rate_milli; /* results per 1000 s over the last seconds */
    uint64_t service_us; /* estimate of one task */
    uint64_t oldest_ms;  /* age of the longest waiting task */
};

struct belt_row_worker {
    struct belt_bytes name;
    struct belt_bytes functions; /* joined by commas */
    uint32_t slots, running, queued;
    uint64_t done, failed, lost; /* lost: slots that died */
    uint64_t connected_ms, silent_ms;
    uint8_t state; /* 0 ready, 1 leaving */
    /* in an extended report only: */
    bool stalled;      /* it does not answer for what it holds, as far as can be seen */
    uint64_t quiet_ms; /* since it answered for a task last, of one that holds some */
    uint64_t overdue;  /* tasks that were taken back from it and still hold its slots */
};

struct belt_row_job {
    uint64_t job;
    struct belt_bytes key, function, owner;
    uint8_t state;
    int32_t priority;
    uint64_t total, waiting, running, done, failed, retried, unread;
    uint64_t age_ms;
    uint32_t readers;
    uint32_t progress_permille; /* sum over running tasks that tell */
    struct belt_bytes why;      /* why it does not move, empty when it does */
    /* in an extended report only: */
    bool past;                   /* it is over and forgotten, but for this row */
    uint64_t opened_at, over_at; /* ms since 1970; 0: not known, or not over yet */
    uint64_t keyed;              /* 1: its owner was proven by a key */
};

struct belt_row_reader {
    uint64_t job;
    struct belt_bytes reader;
    uint8_t mode, connected;
    uint64_t acknowledged, unread, sent;
};

struct belt_row_broker {
    struct belt_bytes name, version;
    uint64_t epoch, uptime_ms;
    uint64_t bytes, budget; /* payloads kept */
    uint32_t clients, workers, slots, jobs;
    uint64_t accepted, done, failed, retried, stale;
    uint8_t draining;
    /* in an extended report only: */
    uint64_t past;          /* jobs that are over and remembered */
    uint64_t failed_kept;   /* failed tasks that are kept with their inputs */
    uint64_t failed_let_go; /* and those that were not, or not for long, to stay within the bounds */
    uint64_t overslept;     /* sleeps that their time ended although a message was there: a fault */
    uint64_t refused;       /* requests of peers */
    uint64_t overdue;       /* tasks that were taken back, since no worker answered for them */
    uint64_t stalled;       /* workers that do not answer for what they hold */
    uint64_t stalled_ms;    /* the longest time for which one has not */
};

struct belt_msg_report {
    uint64_t ref;
    uint8_t what;
    uint32_t count;
    union {
        const struct belt_row_queue *queues;
        const struct belt_row_worker *workers;
        const struct belt_row_job *jobs;
        const struct belt_row_broker *broker; /* count is 1 */
        const struct belt_row_reader *readers;
    } rows;
    bool extended;
    uint64_t total; /* rows of all pages together; known on the first page only */
};

/** Names one attempt of one task. */
struct belt_task_ref {
    uint64_t job;
    uint64_t index;
    uint32_t attempt;
};

struct belt_msg_refs { /* SYNC, RETURNED, DROP */
    const struct belt_task_ref *refs;
    uint32_t count;
    bool more; /* SYNC only: further SYNC messages follow */
};

struct belt_msg_dispatch {
    uint64_t job;
    struct belt_bytes function;
    uint64_t timeout_ms; /* of one run; 0: none */
    bool detail;
    bool together; /* the tasks are one chunk: they go to one slot */
    struct belt_bytes argument;
    struct belt_buf *argument_buf; /* where it lies, for one that is not copied; NULL: nowhere */
    const struct belt_task_item *tasks;
    uint32_t count;
};

struct belt_msg_results {
    uint64_t first; /* number of the first result in it: the agent counts its results from 0 */
    uint64_t job;
    const struct belt_result_item *results;
    uint32_t count;
};

struct belt_msg_recorded {
    uint64_t upto;
};

struct belt_msg_recall {
    uint32_t count;
};

struct belt_msg_progress {
    struct belt_task_ref task;
    uint64_t done, total; /* in units of the task's own */
};

struct belt_msg_bye {
    struct belt_bytes text;
};

/** PROTOCOL.md §17.4 */
struct belt_msg_join {
    uint32_t version;
    struct belt_bytes name;       /* that the peer would like */
    struct belt_bytes public_key; /* BELT_KEY_BYTES */
};

struct belt_msg_joined {
    struct belt_bytes name; /* that the key has */
    struct belt_bytes role;
};

struct belt_msg {
    uint8_t type; /* enum belt_msg_type */
    uint64_t seq; /* place on its connection and direction; HELLO and WELCOME are 0 */
    union {
        struct belt_msg_hello hello;
        struct belt_msg_welcome welcome;
        struct belt_msg_error error;
        struct belt_msg_bye bye;
        struct belt_msg_join join;
        struct belt_msg_joined joined;
        struct belt_msg_open open;
        struct belt_msg_opened opened;
        struct belt_msg_push push;
        struct belt_msg_accepted accepted;
        struct belt_msg_end end;
        struct belt_msg_end ended;
        struct belt_msg_subscribe subscribe;
        struct belt_msg_subscribed subscribed;
        struct belt_msg_deliver deliver;
        struct belt_msg_ack ack;
        struct belt_msg_done done;
        struct belt_msg_sub detach;
        struct belt_msg_cancel cancel;
        struct belt_msg_cancel cancelled;
        struct belt_msg_notice notice;
        struct belt_msg_status status;
        struct belt_msg_report report;
        struct belt_msg_failed failed;
        struct belt_msg_failures failures;
        struct belt_msg_refs sync;
        struct belt_msg_refs returned;
        struct belt_msg_refs drop;
        struct belt_msg_dispatch dispatch;
        struct belt_msg_results results;
        struct belt_msg_recorded recorded;
        struct belt_msg_recall recall;
        struct belt_msg_progress progress;
    } u;
};

/** What a message that could not be decoded names, as far as it can be read; 0: nothing. */
struct belt_named {
    uint64_t version; /* of a HELLO */
    uint64_t ref;     /* of a request */
    uint64_t job;
    bool task; /* `index` is that of the task whose payload is too large */
    uint64_t index;
};

/** "PUSH" for BELT_MSG_PUSH, NULL for an unknown number. */
const char *belt_msg_name(unsigned type);

#endif
