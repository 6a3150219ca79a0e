/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets for what is under way (flight.h).
 */
#include "broker/flight.h"

#include <stdlib.h>
#include <unistd.h>

/* Small frames get one ticket for so many bytes of them: it costs more than they do. */
#define TICKET_BYTES 4096u
/* ZeroMQ's own book-keeping of a frame. */
#define FRAME_EXTRA 64u

struct flight {
    struct flights *all;
    atomic_uint refs; /* its peer, and each ticket */
    atomic_size_t bytes, replies;
    atomic_size_t wanted;        /* one more than what flight_watch() waits for, 0: it does not */
    size_t small, small_replies; /* without a ticket yet */
};

struct ticket {
    struct belt_buf buf;
    struct belt_buf *of;
    struct flight *flight;
    size_t bytes, replies;
};

static void flight_unref(struct flight *flight)
{
    if (atomic_fetch_sub(&flight->refs, 1) == 1)
        free(flight);
}

struct flight *flight_new(struct flights *all)
{
    struct flight *flight = calloc(1, sizeof(*flight));
    if (!flight)
        return NULL;
    flight->all = all;
    atomic_init(&flight->refs, 1);
    return flight;
}

void flight_free(struct flight *flight)
{
    if (flight)
        flight_unref(flight);
}

static void wake(const struct flights *all)
{
    uint64_t one = 1;
    if (all->wake_fd >= 0 && write(all->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        return; /* it is set already */
}

static void ticket_release(struct belt_buf *buf)
{
    struct ticket *ticket = (struct ticket *)(void *)buf;
    struct flight *flight = ticket->flight;
    atomic_fetch_sub(&flight->replies, ticket->replies);
    atomic_fetch_sub(&flight->all->bytes, ticket->bytes);
    size_t left = atomic_fetch_sub(&flight->bytes, ticket->bytes) - ticket->bytes;
    size_t wanted = atomic_load(&flight->wanted);
    if (wanted && left < wanted && atomic_compare_exchange_strong(&flight->wanted, &wanted, 0))
        wake(flight->all);
    belt_buf_unref(ticket->of);
    flight_unref(flight);
    free(ticket);
}

/* For this frame and the small ones before it. */
static struct belt_buf *ticket_new(struct flight *flight, struct belt_buf *of)
{
    struct ticket *ticket = malloc(sizeof(*ticket));
    if (!ticket)
        return NULL;
    *ticket = (struct ticket){
        .of = belt_buf_ref(of), .flight = flight, .bytes = flight->small, .replies = flight->small_replies};
    atomic_init(&ticket->buf.refs, 1);
    ticket->buf.len = of->len;
    ticket->buf.data = of->data;
    ticket->buf.share = true;
    ticket->buf.release = ticket_release;
    flight->small = flight->small_replies = 0;
    atomic_fetch_add(&flight->refs, 1);
    atomic_fetch_add(&flight->bytes, ticket->bytes);
    atomic_fetch_add(&flight->replies, ticket->replies);
    atomic_fetch_add(&flight->all->bytes, ticket->bytes);
    return &ticket->buf;
}

bool flight_wrap(struct flight *flight, const struct belt_frames *frames, bool reply, struct belt_frames *wrapped)
{
    *wrapped = (struct belt_frames){.cut = frames->cut};
    for (uint32_t i = 0; i < frames->count; i++) {
        struct belt_buf *buf = frames->frame[i];
        size_t bytes = buf->len + FRAME_EXTRA;
        flight->small += bytes;
        flight->small_replies += reply ? bytes : 0;
        buf = flight->small < TICKET_BYTES ? belt_buf_ref(buf) : ticket_new(flight, buf);
        if (!buf) {
            belt_frames_clear(wrapped);
            return false;
        }
        wrapped->frame[wrapped->count++] = buf;
    }
    return true;
}

size_t flight_bytes(const struct flight *flight)
{
    return atomic_load(&flight->bytes);
}

size_t flight_replies(const struct flight *flight)
{
    return atomic_load(&flight->replies);
}

void flight_watch(struct flight *flight, size_t bytes)
{
    atomic_store(&flight->wanted, bytes + 1);
    if (flight_bytes(flight) <= bytes && atomic_exchange(&flight->wanted, 0))
        wake(flight->all);
}
