/* SPDX-License-Identifier: Apache-2.0
 *
 * A pipe of bytes in memory that two processes share: one writes, one reads,
 * without a system call. It knows nothing of the slot protocol, and does not wait: whoever
 * finds it empty (or full) arms it, and the other side is then told to wake him, by whatever means they have.
 *
 * The reader trusts no number of the writer, and the other way round: a process that has gone mad
 * makes the ring broken, and harms nobody else.
 */
#ifndef BELT_WORKER_SLOT_RING_H
#define BELT_WORKER_SLOT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enough for what a slot has in hand of short tasks, small enough to stay in a processor's cache. A power of two. */
#define RING_BYTES (256u << 10)

struct ring {
    _Alignas(64) atomic_ullong written; /* bytes in all; the writer's */
    atomic_bool writer_waits;           /* it found no room */
    _Alignas(64) atomic_ullong read;    /* the reader's */
    atomic_bool reader_waits;           /* it found nothing */
    _Alignas(64) uint8_t bytes[RING_BYTES];
};

/** Empty, with a reader that waits. Nobody else may use it at that time. */
void ring_reset(struct ring *ring);

/** Writes as much as there is room for; returns how much. */
size_t ring_write(struct ring *ring, const void *data, size_t len);
/** Reads what is there, at most `room` bytes; returns how much. */
size_t ring_read(struct ring *ring, void *to, size_t room);
bool ring_broken(const struct ring *ring);

/** The reader is going to wait: true when there is still nothing to read. */
bool ring_arm_reader(struct ring *ring);
/** The writer is going to wait: true when there is still no room. */
bool ring_arm_writer(struct ring *ring);
/** After writing: true when the reader waits and is to be woken, once. */
bool ring_reader_waits(struct ring *ring);
/** After reading: true when the writer waits and is to be woken, once. */
bool ring_writer_waits(struct ring *ring);

#endif
