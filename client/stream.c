/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire's half of a stream: its tasks, and what the broker's answers change. See stream.h; the clauses are
 * PROTOCOL.md's.
 */
#include "client/stream_private.h"

#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client_stream_init(struct client_stream *stream, const struct client_stream_config *config)
{
    assert(config->ref != 0);
    memset(stream, 0, sizeof(*stream));
    stream->config = *config;
    if (config->kind == CLIENT_STREAM_READS) {
        stream->state = CLIENT_STREAM_OPEN;
        stream->job = config->job;
    }
}

/* One more of the tasks that were appended is at the broker. */
static void digest_add(struct client_stream *stream, const struct belt_payload *payload)
{
    if (stream->config.options.digest)
        belt_digest_add(&stream->digest, payload->data, payload->len);
}

/* Tasks below `next` are at the broker for good. */
static void accept_below(struct client_stream *stream, uint64_t next)
{
    for (; stream->accepted < next && stream->accepted < stream->next; stream->accepted++) {
        struct belt_payload *payload = &client_stream_task(stream, stream->accepted)->payload;

        digest_add(stream, payload);
        belt_payload_clear(payload);
    }
    if (stream->accepted < next) /* another stream of the same key has pushed further */
        stream->accepted = next;
}

static void forget_unwanted(struct client_stream *stream, struct client_unwanted *unwanted)
{
    if (stream->unwanted_next == unwanted)
        stream->unwanted_next = unwanted->hh.next;
    HASH_DELETE(hh, stream->unwanted, unwanted);
    free(unwanted);
}

void client_stream_fini(struct client_stream *stream)
{
    accept_below(stream, stream->next);
    free(stream->ring);
    stream->ring = NULL;
    while (stream->unwanted)
        forget_unwanted(stream, stream->unwanted);
}

/* A job of one task is not to cost more than it must. */
#define RING_FIRST 2u

static bool ring_grow(struct client_stream *stream)
{
    uint64_t capacity = stream->capacity == 0 ? RING_FIRST : 2 * stream->capacity;
    struct belt_task_item *ring = calloc(capacity, sizeof(*ring));

    if (!ring)
        return false;
    for (uint64_t i = stream->accepted; i < stream->next; i++)
        ring[i & (capacity - 1)] = *client_stream_task(stream, i);
    free(stream->ring);
    stream->ring = ring;
    stream->capacity = capacity;
    return true;
}

/* A job that is done and was opened by its key: it has as many tasks as are handed in here, or it is another one's. */
static void check_total(struct client_stream *stream)
{
    bool fewer = stream->ended && stream->next<stream->total, more = stream->next> stream->total;
    char text[160];

    if (!stream->done || stream->done_code != BELT_OK || stream->config.kind == CLIENT_STREAM_READS || stream->halt ||
        stream->cancel || (!fewer && !more))
        return;
    snprintf(text, sizeof(text), "the job with this key has %llu inputs, and %s%llu were handed in: use another key",
             (unsigned long long)stream->total, more ? "at least " : "", (unsigned long long)stream->next);
    client_stream_fail(stream, more ? BELT_JOB_ENDED : BELT_BAD_MESSAGE, text);
}

bool client_stream_compares(const struct client_stream *stream)
{
    return stream->expected_at > stream->next && stream->state < CLIENT_STREAM_FAILED;
}

/* The tasks that the broker has under this key are those that were appended here, or it is another one's (§7.1). */
static void compare(struct client_stream *stream)
{
    char text[200];

    if (stream->expected_at == 0 || client_stream_compares(stream))
        return;
    if (memcmp(&stream->digest, &stream->expected, sizeof(stream->digest)) == 0) {
        stream->expected_at = 0;
        return;
    }
    snprintf(text, sizeof(text),
             "job %llu has this key and other inputs: they differ within the first %llu; use another key, or the same "
             "input",
             (unsigned long long)stream->job, (unsigned long long)stream->expected_at);
    client_stream_fail(stream, BELT_BAD_OPTION, text);
}

bool client_stream_append(struct client_stream *stream, const struct belt_payload *payload)
{
    struct belt_payload copy = *payload;

    assert(!stream->ended);
    if (stream->next < stream->accepted) { /* the broker has it already (§7.1: same key) */
        digest_add(stream, &copy);
        stream->next_bytes += copy.len;
        belt_payload_clear(&copy);
        stream->next++;
        compare(stream);
        return true;
    }
    if (stream->next - stream->accepted == stream->capacity && !ring_grow(stream))
        return false;
    *client_stream_task(stream, stream->next) = (struct belt_task_item){.index = stream->next, .payload = copy};
    stream->next_bytes += copy.len;
    stream->next++;
    check_total(stream);
    return true;
}

bool client_stream_reclaim(struct client_stream *stream, uint64_t index, struct belt_payload *payload)
{
    struct belt_payload *kept;

    if (index < stream->accepted || index >= stream->next)
        return false;
    kept = &client_stream_task(stream, index)->payload;
    *payload = *kept;
    *kept = (struct belt_payload){0};
    return true;
}

void client_stream_end(struct client_stream *stream)
{
    stream->ended = true;
    check_total(stream);
}

void client_stream_take(struct client_stream *stream, uint64_t taken, uint64_t bytes, uint64_t window)
{
    stream->taken = stream->start + taken;
    stream->taken_bytes = bytes;
    stream->config.window = window;
}

void client_stream_fail(struct client_stream *stream, unsigned code, const char *text)
{
    if (stream->state == CLIENT_STREAM_FAILED || stream->state == CLIENT_STREAM_CANCELLED)
        return;
    stream->state = CLIENT_STREAM_FAILED;
    stream->code = code;
    text_print(stream->text, sizeof(stream->text), "%s", text);
}

void client_stream_limit(struct client_stream *stream, uint32_t max_payload)
{
    stream->max_payload = max_payload;
}

void client_stream_cancel(struct client_stream *stream)
{
    if (stream->cancel)
        return;
    stream->cancel = true;
    if (stream->state == CLIENT_STREAM_NEW && stream->job == 0) /* the broker has never heard of it */
        stream->state = CLIENT_STREAM_CANCELLED;
}

void client_stream_halt(struct client_stream *stream)
{
    stream->halt = true;
}

bool client_stream_cancel_task(struct client_stream *stream, uint64_t task)
{
    struct client_unwanted *unwanted;

    HASH_FIND(hh, stream->unwanted, &task, sizeof(task), unwanted);
    if (unwanted)
        return true;
    unwanted = calloc(1, sizeof(*unwanted));
    if (!unwanted)
        return false;
    unwanted->task = task;
    HASH_ADD(hh, stream->unwanted, task, sizeof(unwanted->task), unwanted);
    if (!unwanted->hh.tbl) {
        free(unwanted);
        return false;
    }
    if (!stream->unwanted_next)
        stream->unwanted_next = unwanted;
    return true;
}

/* What has a result need not be cancelled any more. */
static void settle_unwanted(struct client_stream *stream, const struct belt_msg_deliver *msg)
{
    for (uint32_t i = 0; stream->unwanted && i < msg->count; i++) {
        struct client_unwanted *unwanted;

        HASH_FIND(hh, stream->unwanted, &msg->results[i].index, sizeof(msg->results[i].index), unwanted);
        if (unwanted)
            forget_unwanted(stream, unwanted);
    }
}

void client_stream_detach(struct client_stream *stream)
{
    stream->detach = true;
}

bool client_stream_complete(const struct client_stream *stream)
{
    if (stream->config.kind == CLIENT_STREAM_SUBMITS)
        return stream->end_known && stream->accepted >= stream->next;
    if (stream->done && stream->config.named && stream->config.kind == CLIENT_STREAM_MAPS &&
        stream->done_code == BELT_OK && !stream->halt && !stream->cancel)
        return stream->ended && stream->next == stream->total;
    return stream->done || (stream->end_known && stream->started && stream->received >= stream->next);
}

/* The broker has everything that was handed in. */
static bool is_fed(const struct client_stream *stream)
{
    if (stream->config.kind == CLIENT_STREAM_READS)
        return true;
    return stream->state >= CLIENT_STREAM_OPEN && stream->accepted >= stream->next &&
           (!stream->ended || stream->end_known);
}

bool client_stream_settled(const struct client_stream *stream)
{
    if (stream->state == CLIENT_STREAM_FAILED || stream->state == CLIENT_STREAM_CANCELLED)
        return true;
    if (stream->config.kind == CLIENT_STREAM_SUBMITS && client_stream_complete(stream))
        return !stream->unwanted_next;
    if (stream->detach)
        return !stream->unwanted_next && is_fed(stream) &&
               (stream->acked == stream->taken || stream->config.kind == CLIENT_STREAM_SUBMITS);
    return client_stream_complete(stream) && stream->acked == stream->received &&
           (!stream->config.confirm || stream->confirmed || stream->taken < stream->received);
}

void client_stream_resync(struct client_stream *stream)
{
    if (stream->state == CLIENT_STREAM_FAILED || stream->state == CLIENT_STREAM_CANCELLED)
        return;
    stream->cancel_sent = stream->halt_sent = stream->confirm_sent = false;
    stream->unwanted_next = stream->unwanted;
    if (stream->config.kind == CLIENT_STREAM_READS) { /* asking again makes no job, and the last ACK may be owed */
        stream->state = CLIENT_STREAM_OPEN;
        stream->acked = stream->start;
        return;
    }
    if (client_stream_complete(stream) && !stream->cancel) {
        /* The broker may have forgotten it by right: OPEN would make a new job. Only the last ACK may be owed, and it
         * is taken from a subscriber. */
        stream->state = CLIENT_STREAM_OPEN;
        stream->acked = stream->start;
        return;
    }
    stream->state = CLIENT_STREAM_NEW;
    stream->end_sent = false;
}

static enum client_stream_action on_opened(struct client_stream *stream, const struct belt_msg_opened *opened)
{
    if (stream->state != CLIENT_STREAM_OPENING)
        return CLIENT_STREAM_NOTHING;
    if (opened->next < stream->accepted) { /* §7.4: forgotten, and the first tasks are not here any more */
        char text[256];

        snprintf(
            text, sizeof(text),
            "the broker has given up the job: it was restarted without a state, or this client was away for longer "
            "than its grace; it holds %llu of the %llu tasks it had accepted",
            (unsigned long long)opened->next, (unsigned long long)stream->accepted);
        client_stream_fail(stream, BELT_LOST_BROKER, text);
        return CLIENT_STREAM_CHANGED;
    }
    accept_below(stream, opened->next);
    stream->job = opened->job;
    stream->sent = opened->next;
    stream->sent_bytes = opened->next_bytes;
    stream->grant = opened->grant;
    stream->state = CLIENT_STREAM_OPEN;
    stream->opened = true;
    stream->expected_at = opened->digested ? opened->next : 0;
    stream->expected = opened->digest;
    compare(stream);
    return CLIENT_STREAM_CHANGED;
}

static enum client_stream_action on_accepted(struct client_stream *stream, const struct belt_msg_accepted *accepted)
{
    if (stream->state < CLIENT_STREAM_OPEN || stream->state > CLIENT_STREAM_READING)
        return CLIENT_STREAM_NOTHING;
    if (accepted->next > stream->accepted && accepted->next <= stream->sent)
        accept_below(stream, accepted->next);
    if (accepted->grant.items > stream->grant.items)
        stream->grant.items = accepted->grant.items;
    if (accepted->grant.bytes > stream->grant.bytes)
        stream->grant.bytes = accepted->grant.bytes;
    return CLIENT_STREAM_CHANGED;
}

static enum client_stream_action on_subscribed(struct client_stream *stream, const struct belt_msg_subscribed *msg)
{
    if (stream->state == CLIENT_STREAM_READING && stream->confirm_sent) { /* what came before it is done (§7.2) */
        stream->confirmed = true;
        return CLIENT_STREAM_CHANGED;
    }
    if (stream->state != CLIENT_STREAM_SUBSCRIBING)
        return CLIENT_STREAM_NOTHING;
    stream->sub = msg->sub;
    if (!stream->started) { /* a new reader of an old job begins with the first that is kept */
        stream->started = true;
        stream->start = stream->received = stream->taken = stream->acked = msg->cursor;
    } else if (msg->cursor != stream->received) {
        client_stream_fail(stream, BELT_GONE, "the broker cannot go on where this reader stood: results were released");
        return CLIENT_STREAM_CHANGED;
    }
    stream->state = CLIENT_STREAM_READING;
    return CLIENT_STREAM_CHANGED;
}

/* A task that has a result is at the broker, and so are those before it: ACCEPTED may be behind. */
static void accept_delivered(struct client_stream *stream, const struct belt_msg_deliver *msg)
{
    uint64_t next = 0;

    for (uint32_t i = 0; i < msg->count; i++)
        next = msg->results[i].index >= next ? msg->results[i].index + 1 : next;
    if (next > stream->accepted && next <= stream->sent)
        accept_below(stream, next);
}

static enum client_stream_action on_deliver(struct client_stream *stream, const struct belt_msg_deliver *msg,
                                            uint32_t *skip)
{
    if (stream->state != CLIENT_STREAM_READING || stream->cancel)
        return CLIENT_STREAM_NOTHING;
    if (msg->first > stream->received) { /* something is missing between: ask again from where it stands */
        client_stream_resync(stream);
        return CLIENT_STREAM_CHANGED;
    }
    if (stream->received - msg->first >= msg->count)
        return CLIENT_STREAM_NOTHING;
    *skip = (uint32_t)(stream->received - msg->first);
    for (uint32_t i = *skip; i < msg->count; i++)
        stream->received_bytes += msg->results[i].payload.len;
    stream->received = msg->first + msg->count;
    accept_delivered(stream, msg);
    settle_unwanted(stream, msg);
    return CLIENT_STREAM_RESULTS;
}

static enum client_stream_action on_done(struct client_stream *stream, const struct belt_msg_done *done)
{
    if (stream->state != CLIENT_STREAM_READING || stream->done)
        return CLIENT_STREAM_NOTHING;
    if (done->code == BELT_OK && done->count > stream->received) {
        client_stream_resync(stream);
        return CLIENT_STREAM_CHANGED;
    }
    if (done->code == BELT_UNKNOWN_READER) {
        client_stream_fail(stream, BELT_UNKNOWN_READER,
                           "another client has taken over: it asked to read this job under the same reader's name "
                           "(--take-over); give each reader a name of its own");
        return CLIENT_STREAM_CHANGED;
    }
    stream->done = true;
    stream->done_code = done->code;
    stream->total = done->count;
    check_total(stream);
    return CLIENT_STREAM_CHANGED;
}

static enum client_stream_action on_error(struct client_stream *stream, const struct belt_msg_error *error)
{
    char text[sizeof(stream->text)];

    if (stream->cancel && error->code == BELT_NOT_ALLOWED && error->ref == stream->config.ref &&
        stream->config.kind != CLIENT_STREAM_READS && stream->state != CLIENT_STREAM_OPENING) {
        client_stream_resync(stream); /* after a restart the job belongs to nobody until it is opened again (§7.5) */
        return CLIENT_STREAM_CHANGED;
    }
    if (stream->cancel && (error->code == BELT_UNKNOWN_JOB || error->ref == stream->config.ref)) {
        stream->state = CLIENT_STREAM_CANCELLED; /* nothing is left to cancel */
        return CLIENT_STREAM_CHANGED;
    }
    if (stream->config.kind == CLIENT_STREAM_READS && error->ref != stream->config.ref)
        return CLIENT_STREAM_NOTHING; /* it is for the stream that feeds the job */
    if (client_stream_complete(stream)) {
        stream->acked = stream->received; /* the broker has forgotten what is over: nothing is owed */
        stream->confirmed = true;
        return CLIENT_STREAM_CHANGED;
    }
    if (error->code == BELT_SYNC_LOST ||
        (error->code == BELT_UNKNOWN_READER && stream->state == CLIENT_STREAM_READING)) {
        if (stream->state == CLIENT_STREAM_NEW || stream->state == CLIENT_STREAM_OPENING)
            return CLIENT_STREAM_NOTHING; /* on its way anyway */
        client_stream_resync(stream);
        return CLIENT_STREAM_CHANGED;
    }
    text_print(text, sizeof(text), "%.*s", (int)error->text.len, (const char *)error->text.data);
    client_stream_fail(stream, error->code, text);
    return CLIENT_STREAM_CHANGED;
}

enum client_stream_action client_stream_receive(struct client_stream *stream, const struct belt_msg *msg,
                                                uint32_t *skip)
{
    *skip = 0;
    if (stream->state == CLIENT_STREAM_FAILED || stream->state == CLIENT_STREAM_CANCELLED)
        return CLIENT_STREAM_NOTHING;
    switch (msg->type) {
    case BELT_MSG_OPENED:
        return on_opened(stream, &msg->u.opened);
    case BELT_MSG_ACCEPTED:
        return on_accepted(stream, &msg->u.accepted);
    case BELT_MSG_ENDED:
        stream->end_known = stream->ended && msg->u.ended.count == stream->next;
        if (stream->end_known)
            accept_below(stream, stream->next);
        return CLIENT_STREAM_CHANGED;
    case BELT_MSG_SUBSCRIBED:
        return on_subscribed(stream, &msg->u.subscribed);
    case BELT_MSG_DELIVER:
        return on_deliver(stream, &msg->u.deliver, skip);
    case BELT_MSG_DONE:
        return on_done(stream, &msg->u.done);
    case BELT_MSG_CANCELLED:
        stream->state = CLIENT_STREAM_CANCELLED;
        return CLIENT_STREAM_CHANGED;
    case BELT_MSG_NOTICE:
        stream->notice = msg->u.notice.code;
        return CLIENT_STREAM_CHANGED;
    case BELT_MSG_ERROR:
        return on_error(stream, &msg->u.error);
    default:
        return CLIENT_STREAM_NOTHING;
    }
}
