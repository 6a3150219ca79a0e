/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that commits beside the broker's loop. The loop hands over
 * batches of changes and goes on; all that arrives while one commit runs is
 * the next transaction. How far the records are durable comes back through a
 * descriptor that the loop polls.
 *
 * A store that fails for now loses nothing: the batches stay, the failure is
 * told once, and tried again until it heals, which is told too. A store that
 * lives from its reserve goes on, and is told of in the same way: what makes
 * room still gets through.
 *
 * Decides nothing about jobs. All functions belong to the loop's thread.
 */
#ifndef BELT_COMMITTER_H
#define BELT_COMMITTER_H

#include "broker/store/store.h"

/* What one transaction takes at most (a single batch may be larger). */
#define COMMITTER_GROUP_BYTES (8u << 20)
/* What may wait: some seconds of a slow disk. */
#define COMMITTER_QUEUE_BYTES (64u << 20)
/* Between two attempts at a commit that failed. */
#define COMMITTER_RETRY_MIN_MS 100u
#define COMMITTER_RETRY_MAX_MS 2000u
/* After so long without work the store may give room back. */
#define COMMITTER_TIDY_MS 1000u

struct committer;

/** Zero: the default. */
struct committer_config {
    uint64_t group_bytes, queue_bytes;
    uint32_t retry_min_ms, retry_max_ms, tidy_ms;
};

/** Borrows the store until committer_stop(): nobody else may call it meanwhile. NULL with the reason in `error`. */
struct committer *committer_start(struct store *store, const struct committer_config *config, char *error,
                                  uint32_t size);

/**
 * Hands over a batch: all of it is in one transaction, batches are committed in the order they come. `through` is the
 * highest record number in it (0: none). Takes a reference of owners[i], in which the body of changes[i] lies (NULL for
 * a change without body); with owners NULL it copies the bodies. BELT_OK; BELT_LIMIT, nothing taken: the queue is full
 * (an empty one takes any batch), wait for committer_fd(); BELT_NO_MEMORY.
 */
int committer_hand(struct committer *committer, const struct store_change *changes, uint32_t count,
                   struct belt_buf *const *owners, uint64_t through);

/** Bytes handed over and not yet durable, and how many may be: near it, take no new work. */
uint64_t committer_queued(struct committer *committer, uint64_t *most);

/** Readable when committer_done() has news. */
int committer_fd(const struct committer *committer);

/**
 * What is new: *through is the highest record number that is durable, *code is BELT_OK, BELT_STORE_FAILED while commits
 * fail or the store has no room but its reserve (hand over nothing that grows; it goes back to BELT_OK by itself), or a
 * final code: nothing will be committed any more. False when nothing changed since the last call; both are set all the
 * same.
 */
bool committer_done(struct committer *committer, uint64_t *through, int *code);

/** The store's sentence for the code of the last committer_done(); "" for BELT_OK. Borrowed until the next one. */
const char *committer_error(const struct committer *committer);

/**
 * Commits what waits, for `within_ms` at most, and ends the thread. BELT_OK: all is durable, the rest is freed.
 * BELT_STORE_FAILED or the final code: freed, but not all is durable. BELT_AGAIN: the disk does not answer; nothing is
 * freed, the thread may still run, and the process should end without closing the store. Accepts NULL.
 */
int committer_stop(struct committer *committer, uint64_t within_ms);

#endif
