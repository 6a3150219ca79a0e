/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream has to tell the broker next: its half of the wire, as messages go out. See stream.h; the clauses are
 * PROTOCOL.md's.
 */
#include "client/stream_private.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <string.h>

/* What a batch item takes beside its payload: nothing but its msgpack header. */
#define TASK_OVERHEAD 0u

/* Credit as running totals; bytes count from SUBSCRIBED (§7.2). */
static struct belt_grant credit_now(const struct client_stream *stream)
{
    uint64_t bytes = stream->taken_bytes + stream->config.window_bytes;

    return (struct belt_grant){.items = stream->taken + stream->config.window + stream->config.slack,
                               .bytes = bytes > stream->base_bytes ? bytes - stream->base_bytes : 0};
}

static void send_open(struct client_stream *stream, struct belt_msg *msg)
{
    msg->type = BELT_MSG_OPEN;
    msg->u.open = (struct belt_msg_open){.ref = stream->config.ref,
                                         .key = stream->config.key,
                                         .function = stream->config.function,
                                         .options = stream->config.options,
                                         .take_over = stream->config.take_over && !stream->opened};
    stream->state = CLIENT_STREAM_OPENING;
}

static void send_cancel(struct client_stream *stream, struct belt_msg *msg)
{
    msg->type = BELT_MSG_CANCEL;
    msg->u.cancel = (struct belt_msg_cancel){.ref = stream->config.ref, .job = stream->job, .forget = true};
    stream->cancel_sent = true;
}

static void send_halt(struct client_stream *stream, struct belt_msg *msg)
{
    msg->type = BELT_MSG_CANCEL;
    msg->u.cancel = (struct belt_msg_cancel){.ref = stream->config.ref, .job = stream->job, .waiting = true};
    stream->halt_sent = true;
}

/* The broker must have accepted it: of what it does not have it would know nothing afterwards. */
static bool cancels_task(const struct client_stream *stream)
{
    return stream->unwanted_next && stream->unwanted_next->task < stream->accepted;
}

static void send_cancel_task(struct client_stream *stream, struct belt_msg *msg)
{
    msg->type = BELT_MSG_CANCEL;
    msg->u.cancel = (struct belt_msg_cancel){
        .ref = stream->config.ref, .job = stream->job, .one = true, .task = stream->unwanted_next->task};
    stream->unwanted_next = stream->unwanted_next->hh.next;
}

static uint64_t cursor_now(const struct client_stream *stream)
{
    if (stream->started)
        return stream->received;
    return stream->config.kind == CLIENT_STREAM_READS ? stream->config.cursor : BELT_CURSOR_KEPT;
}

static void send_subscribe(struct client_stream *stream, struct belt_msg *msg)
{
    stream->base_bytes = stream->received_bytes;
    stream->credit = credit_now(stream);
    stream->acked = stream->start; /* the cursor acknowledges what was received only as far as the broker wants it */
    msg->type = BELT_MSG_SUBSCRIBE;
    msg->u.subscribe = (struct belt_msg_subscribe){.ref = stream->config.ref,
                                                   .job = stream->job,
                                                   .reader = stream->config.reader,
                                                   .mode = (uint8_t)stream->config.mode,
                                                   .cursor = cursor_now(stream),
                                                   .credit = stream->credit,
                                                   .take_over = stream->config.take_over && !stream->started};
    stream->state = CLIENT_STREAM_SUBSCRIBING;
}

static bool may_push(const struct client_stream *stream)
{
    return stream->sent < stream->next && stream->sent < stream->grant.items &&
           stream->sent_bytes < stream->grant.bytes;
}

static bool is_over_limit(const struct client_stream *stream, uint32_t len)
{
    return stream->max_payload > 0 && len > stream->max_payload;
}

/* The next task cannot be sent: a frame over the limit would only end the connection (PROTOCOL.md §4). */
static void refuse_task(struct client_stream *stream)
{
    char text[200];

    snprintf(text, sizeof(text), "task %llu has %lu bytes, over the payload limit of %lu that the broker has",
             (unsigned long long)stream->sent, (unsigned long)client_stream_task(stream, stream->sent)->payload.len,
             (unsigned long)stream->max_payload);
    client_stream_fail(stream, BELT_TOO_LARGE, text);
}

static void send_push(struct client_stream *stream, struct belt_msg *msg)
{
    struct belt_batch batch = {0};
    uint64_t first = stream->sent;
    uint64_t contiguous = stream->capacity - (first & (stream->capacity - 1));

    while (may_push(stream) && stream->sent - first < contiguous) {
        uint32_t len = client_stream_task(stream, stream->sent)->payload.len;

        if (is_over_limit(stream, len) || !belt_batch_add(&batch, len, TASK_OVERHEAD))
            break;
        stream->sent++;
        stream->sent_bytes += len;
    }
    msg->type = BELT_MSG_PUSH;
    msg->u.push = (struct belt_msg_push){.job = stream->job,
                                         .first = first,
                                         .tasks = client_stream_task(stream, first),
                                         .count = (uint32_t)(stream->sent - first)};
}

/* So many deliveries are acknowledged at a time: a quarter of what the broker lets be on its way. */
static uint64_t ack_step(const struct client_stream *stream)
{
    return (stream->config.window + stream->config.slack + 3) / 4;
}

/* Acknowledgements go in batches, but never late when somebody waits for them. */
static bool ack_due(const struct client_stream *stream, bool idle)
{
    struct belt_grant credit = credit_now(stream);

    if (stream->state != CLIENT_STREAM_READING ||
        (stream->taken == stream->acked && credit.items <= stream->credit.items &&
         credit.bytes <= stream->credit.bytes))
        return false;
    return idle || stream->detach || stream->sent < stream->next || /* the grant is used up: it grows by this */
           stream->taken - stream->acked >= ack_step(stream) ||
           4 * (stream->taken_bytes - stream->acked_bytes) >= stream->config.window_bytes ||
           (client_stream_complete(stream) && stream->taken == stream->received);
}

static void send_ack(struct client_stream *stream, struct belt_msg *msg)
{
    stream->credit = credit_now(stream);
    stream->acked = stream->taken;
    stream->acked_bytes = stream->taken_bytes;
    msg->type = BELT_MSG_ACK;
    msg->u.ack = (struct belt_msg_ack){.sub = stream->sub, .upto = stream->taken, .credit = stream->credit};
}

/* All was read, and the broker's word is wanted. */
static bool confirm_due(const struct client_stream *stream)
{
    return stream->config.confirm && !stream->confirmed && !stream->confirm_sent &&
           stream->state == CLIENT_STREAM_READING && stream->done && stream->taken == stream->received &&
           stream->acked == stream->received;
}

/* The answer to a SUBSCRIBE of the same reader comes when what it had acknowledged before is done (§7.2). */
static void send_confirm(struct client_stream *stream, struct belt_msg *msg)
{
    msg->type = BELT_MSG_SUBSCRIBE;
    msg->u.subscribe = (struct belt_msg_subscribe){.ref = stream->config.ref,
                                                   .job = stream->job,
                                                   .reader = stream->config.reader,
                                                   .mode = (uint8_t)stream->config.mode,
                                                   .cursor = stream->received,
                                                   .credit = stream->credit};
    stream->confirm_sent = true;
}

static void send_end(struct client_stream *stream, struct belt_msg *msg)
{
    msg->type = BELT_MSG_END;
    msg->u.end = (struct belt_msg_end){.job = stream->job, .count = stream->next};
    stream->end_sent = true;
}

/* No results of a job whose input may be another one; a stream that is left subscribes only for the acknowledgement
 * that it owes. */
static bool subscribes(const struct client_stream *stream)
{
    return stream->config.kind != CLIENT_STREAM_SUBMITS && !client_stream_compares(stream) &&
           !(stream->detach && stream->taken == stream->acked);
}

bool client_stream_send(struct client_stream *stream, bool idle, struct belt_msg *msg)
{
    bool open = stream->state >= CLIENT_STREAM_OPEN && stream->state <= CLIENT_STREAM_READING;

    if (stream->state == CLIENT_STREAM_NEW)
        send_open(stream, msg);
    else if (open && stream->cancel && !stream->cancel_sent)
        send_cancel(stream, msg);
    else if (stream->cancel || !open)
        return false;
    else if (stream->halt && !stream->halt_sent)
        send_halt(stream, msg);
    else if (cancels_task(stream))
        send_cancel_task(stream, msg);
    else if (stream->state == CLIENT_STREAM_OPEN && subscribes(stream))
        send_subscribe(stream, msg);
    else if (may_push(stream) && is_over_limit(stream, client_stream_task(stream, stream->sent)->payload.len)) {
        refuse_task(stream);
        return false;
    } else if (may_push(stream))
        send_push(stream, msg);
    else if (stream->ended && !stream->end_sent && stream->sent >= stream->next)
        send_end(stream, msg);
    else if (ack_due(stream, idle))
        send_ack(stream, msg);
    else if (confirm_due(stream))
        send_confirm(stream, msg);
    else
        return false;
    return true;
}
