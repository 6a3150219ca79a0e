/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound of the protocol and its reason. A number that limits what a peer
 * may send or make us keep stands here and nowhere else.
 */
#ifndef BELT_LIMITS_H
#define BELT_LIMITS_H

/* What both sides speak. A peer of another version is refused (PROTOCOL.md §10). */
#define BELT_PROTOCOL_VERSION 1

/* Numbers that the broker gives out stay below: the greatest that a JavaScript number holds exactly (PROTOCOL.md
 * §13.5). */
#define BELT_MAX_EXACT (((uint64_t)1 << 53) - 1)

/* One task's input or output. The default suits messages; beyond it shared storage is the better road. */
#define BELT_MAX_PAYLOAD_DEFAULT (16u << 20)
/* The most an operator may configure: lengths stay in 32 bits with room to add. */
#define BELT_MAX_PAYLOAD_CEILING (1u << 30)

/* Payloads up to this ride inside the header frame: a copy is cheaper than a frame of its own (about 0.5 us). */
#define BELT_INLINE_PAYLOAD (16u << 10)

/* First frame of a message: a full batch of inline payloads and their positions fit. */
#define BELT_MAX_HEADER (1u << 20)
/* A frame that is over the payload limit (or a header over its own) by no more than this is read, so that its sender is
 * told; the transport ends the connection of whoever sends a longer one, and nobody can answer it. */
#define BELT_FRAME_MARGIN (1u << 20)
/* Frames a message may have: header and attachments. Bounds what one receive can make us collect. */
#define BELT_MAX_FRAMES 65u
/* Items (tasks, results, references) in one message. */
#define BELT_MAX_BATCH 4096u
/* A batch is closed at this many payload bytes: enough to spread the cost of a message, too little to delay. */
#define BELT_BATCH_BYTES (64u << 10)
/* Payload bytes of all frames of a batch with attachments (one oversized item always fits alone). */
#define BELT_BATCH_ATTACHED (4u << 20)

/* Names of functions, workers, readers: a word for people, safe in tables and file names. */
#define BELT_MAX_NAME 128u
/* Job keys: room for a path or a UUID with a prefix. */
#define BELT_MAX_KEY 256u
/* Error texts. */
#define BELT_MAX_TEXT 4096u
/* What a result carries of what its task wrote to standard error, unless the operator says otherwise: some screens. */
#define BELT_LOG_BYTES (16u << 10)
/* The most that he may say: beside it a batch still fits into a header. */
#define BELT_LOG_BYTES_MAX (256u << 10)
/* The line before it that says how many bytes are left out. */
#define BELT_LOG_NOTE 64u
/* Both together. */
#define BELT_MAX_LOG ((256u << 10) + 64u)
/* The argument that all tasks of a job share (for `exec`: the command) within a header; a longer one is an attachment,
 * and as long as a payload may be. */
#define BELT_MAX_ARGUMENT (64u << 10)

/* Nesting of msgpack values: message > items > item > extras > value. */
#define BELT_MAX_DEPTH 6u
/* Keys in a map of options or properties. */
#define BELT_MAX_OPTIONS 32u

/* Functions that one worker serves. */
#define BELT_MAX_FUNCTIONS 256u
/* Slots of one worker. */
#define BELT_MAX_SLOTS 4096u
/* Tasks that one worker may hold, started or not (a SYNC names each, in batches). */
#define BELT_MAX_HELD 65536u

/* What one broker keeps: each is some kilobytes at most when idle. */
#define BELT_MAX_PEERS 16384u
#define BELT_MAX_JOBS  131072u
/* Sessions that came over one connection and are not over: a client has one, and one that draws a new session again and
 * again cannot take the places of all. */
#define BELT_MAX_LINK_SESSIONS 8u
/* Places beyond BELT_MAX_PEERS for those that come in on the administration's endpoint. */
#define BELT_PEERS_RESERVED 16u
/* The same of connections, whose descriptors the broker keeps for them. */
#define BELT_CONNECTIONS_RESERVED 16u
/* A connection that has no session for so many leases is closed: it takes a descriptor. */
#define BELT_HELLO_LEASES 2u
/* Of the jobs of a broker: this part is left to other sessions by the one that has most, … */
#define BELT_SESSION_JOBS_SHARE 8u
/* … and this part to jobs that end with their client by those that do not. */
#define BELT_DETACHED_JOBS_SHARE 4u
#define BELT_MAX_READERS         64u /* subscriptions of one job */
/* Of these: only for its owner and administrators, so that others cannot lock them out. */
#define BELT_READERS_RESERVED 8u
/* Jobs that are over and still shown by `belt jobs`: some hundred bytes each, and no more than this part of the
 * broker's memory budget. */
#define BELT_MAX_HISTORY   65536u
#define BELT_HISTORY_SHARE 16u
/* So long are they shown: what ran in the week-end is looked at on Monday. */
#define BELT_HISTORY_MS (7ull * 24 * 3600 * 1000)
/* Questions of one session that wait to be answered: one that asks faster than the broker answers is told so. */
#define BELT_MAX_QUESTIONS 64u
/* Rows in one REPORT; whoever wants more asks for the next page. */
#define BELT_MAX_ROWS 4096u

/* Tasks between the oldest of a durable job that is in the store and its newest: a billion may pass one that hangs, and
 * a damaged index does not make the broker allocate more than 64 MB. Grants keep to half of it: the store may still
 * name tasks that were let go, as old against the oldest as that one is against the newest. */
#define BELT_MAX_SPAN ((uint64_t)1 << 31)

/* Window of a job when nobody says otherwise, and the most one may ask for. */
#define BELT_WINDOW_ITEMS_MAX     (16u << 20)
#define BELT_WINDOW_BYTES_DEFAULT (64u << 20)

/* An owner has this part of the broker's places and memory when the list of keys says nothing else: a few of them at
 * their bounds leave something to others. */
#define BELT_QUOTA_SHARE 4u

/* Bytes of tasks and results that the broker keeps before it stops granting credit. */
#define BELT_MEMORY_BUDGET_DEFAULT ((uint64_t)1 << 30)
/* Sessions, workers and the functions that they serve take this part of it at the most. */
#define BELT_PEERS_SHARE 8u
/* But with a small budget so much: a few hundred peers. */
#define BELT_PEERS_LEAST (1u << 20)
/* The least that a private pool may be given for them: below it a job alone would leave no room for its tasks. */
#define BELT_MEMORY_BUDGET_LEAST (1u << 20)

/* Times, in ms. A peer speaks every heartbeat; after a lease of silence it is taken for gone.
 * The lease forgives four lost heartbeats: a busy host is not a dead one. */
#define BELT_HEARTBEAT_MS 1000u
#define BELT_LEASE_MS     5000u
/* A task with a time-out that its worker has not answered for is taken back when so many leases more are over: the
 * worker stops it by itself, with some seconds' grace, and its answer may be on its way. */
#define BELT_OVERDUE_LEASES 6u
/* A job that is not detached outlives its client's connection by this: a broken network heals, a crashed client does
 * not. Longer than a client waits by default for a broker that is away (60 s, belt_pool_options.lost_timeout_ms): one
 * that was stopped for less than that finds its job. */
#define BELT_GRACE_MS 90000u
/* A client whose connection has ended keeps its jobs and readers from others that ask for them for so long: one that
 * lives connects again at once, and one that was killed and is started again does not wait for its lease. */
#define BELT_RETURN_MS 50u
/* So many OPEN and SUBSCRIBE wait at a time until it is known whether who has the job lives: each for a lease at most.
 */
#define BELT_MAX_CLAIMS 1024u
/* A detached job that nobody reads or feeds is kept for this: a week-end and a holiday. */
#define BELT_KEEP_MS (7ull * 24 * 3600 * 1000)
/* The most that a job may ask to be kept for, when the operator names no other time. */
#define BELT_KEEP_MAX_MS (366ull * 24 * 3600 * 1000)
/* A key stands for its job so long after that was read to its end, when the user names no other time: the same command
 * again, from a script that was restarted, is told that all is done. */
#define BELT_REMEMBER_MS (3600ull * 1000)
/* A task that failed, ran over its time or was lost waits before it runs again: a passing trouble passes, and a
 * lasting one does not keep the slots busy. Doubled with each try. */
#define BELT_BACKOFF_MS     100u
#define BELT_BACKOFF_MAX_MS 30000u
/* The most that a job may wait for its start or its deadline: ten years, so that sums of times do not overflow. */
#define BELT_MAX_WAIT_MS (10ull * 366 * 24 * 3600 * 1000)
/* Failed tasks that are kept with their inputs for each function, and the bytes of these; the oldest go first. All
 * functions together may take this part of the broker's memory budget. */
#define BELT_MAX_FAILED   100000u
#define BELT_FAILED_BYTES (128u << 20)
#define BELT_FAILED_SHARE 8u
/* Between two lines of the broker's log on those that were let go. */
#define BELT_LET_GO_TOLD_MS 10000u
/* The same on what peers were refused. */
#define BELT_REFUSALS_TOLD_MS 10000u
/* Exit statuses of a command, as bits. */
#define BELT_STATUS_BYTES 32u
/* Runs of a task whose slot died before it is called poison. */
#define BELT_MAX_ATTEMPTS_DEFAULT 3u

/* Of a key of CURVE25519, public or secret: PROTOCOL.md §17. */
#define BELT_KEY_BYTES 32u

#endif
