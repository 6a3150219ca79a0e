/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes between two processes in shared memory. See ring.h.
 *
 * Nobody sleeps through what he waits for: who is to wait says so and looks again, who
 * has changed something looks afterwards whether somebody waits. All four are sequentially consistent, so one of the
 * two sees the other. Every interleaving is explored in tests/models/ring.pml, whose steps bear these names.
 */
#include "worker/slot/ring.h"

#include <string.h>

/* Bytes that are there; more than RING_BYTES when a number is wrong. */
static unsigned long long filled(const struct ring *ring, memory_order written, memory_order read)
{
    return atomic_load_explicit(&ring->written, written) - atomic_load_explicit(&ring->read, read);
}

void ring_reset(struct ring *ring)
{
    atomic_store(&ring->written, 0);
    atomic_store(&ring->read, 0);
    atomic_store(&ring->writer_waits, false);
    atomic_store(&ring->reader_waits, true);
}

bool ring_broken(const struct ring *ring)
{
    return filled(ring, memory_order_relaxed, memory_order_relaxed) > RING_BYTES;
}

size_t ring_write(struct ring *ring, const void *data, size_t len)
{
    unsigned long long there = filled(ring, memory_order_relaxed, memory_order_acquire);
    unsigned long long at = atomic_load_explicit(&ring->written, memory_order_relaxed);

    if (there > RING_BYTES)
        return 0;
    size_t n = RING_BYTES - (size_t)there < len ? RING_BYTES - (size_t)there : len;
    size_t place = at % RING_BYTES, first = RING_BYTES - place < n ? RING_BYTES - place : n;
    if (n == 0)
        return 0;
    memcpy(ring->bytes + place, data, first);
    if (n > first)
        memcpy(ring->bytes, (const uint8_t *)data + first, n - first);
    atomic_store(&ring->written, at + n);
    return n;
}

size_t ring_read(struct ring *ring, void *to, size_t room)
{
    unsigned long long there = filled(ring, memory_order_acquire, memory_order_relaxed);
    unsigned long long at = atomic_load_explicit(&ring->read, memory_order_relaxed);

    if (there > RING_BYTES)
        return 0;
    size_t n = (size_t)there < room ? (size_t)there : room;
    size_t place = at % RING_BYTES, first = RING_BYTES - place < n ? RING_BYTES - place : n;
    if (n == 0)
        return 0;
    memcpy(to, ring->bytes + place, first);
    if (n > first)
        memcpy((uint8_t *)to + first, ring->bytes, n - first);
    atomic_store(&ring->read, at + n);
    return n;
}

bool ring_arm_reader(struct ring *ring)
{
    atomic_store(&ring->reader_waits, true);
    if (filled(ring, memory_order_seq_cst, memory_order_relaxed) == 0)
        return true;
    atomic_store_explicit(&ring->reader_waits, false, memory_order_relaxed);
    return false;
}

bool ring_arm_writer(struct ring *ring)
{
    atomic_store(&ring->writer_waits, true);
    if (filled(ring, memory_order_relaxed, memory_order_seq_cst) >= RING_BYTES)
        return true;
    atomic_store_explicit(&ring->writer_waits, false, memory_order_relaxed);
    return false;
}

static bool waits(atomic_bool *flag)
{
    return atomic_load(flag) && atomic_exchange(flag, false);
}

bool ring_reader_waits(struct ring *ring)
{
    return waits(&ring->reader_waits);
}

bool ring_writer_waits(struct ring *ring)
{
    return waits(&ring->writer_waits);
}
