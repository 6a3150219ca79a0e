/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's I/O thread against a tiny broker in this process that answers
 * each task with its payload, and can be told to misbehave: to refuse, to lose
 * its memory of the connection, to lose messages, to go away.
 */
#include "proto/link.h"

#include <belt/belt.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define TASKS   4096u
#define WINDOW  64u
#define WAIT_MS 20000
/* Slow enough that a busy machine does not lose its lease by accident. */
#define LEASE_MS 2000u

struct fake {
    char endpoint[64];
    void *context, *socket;
    pthread_t thread;
    struct belt_decoder *decoder;
    atomic_bool stop;
    /* what it does wrong */
    unsigned refuse;          /* answers HELLO with this code */
    atomic_uint forget_after; /* after so many deliveries the connection is unknown; 0: never */
    atomic_uint lose_after;   /* one delivery is lost on the way; 0: never */
    atomic_bool silent;       /* answers nothing at all */
    /* the one job */
    struct belt_route peer;
    bool known;
    uint64_t seq;
    uint64_t next, count, released, cursor;
    bool ended, subscribed, done_sent;
    struct belt_grant credit;
    uint64_t window_bytes; /* that it was opened with */
    struct belt_payload tasks[TASKS];
    atomic_uint hellos, delivered, acks;
};

static void reply(struct fake *fake, struct belt_msg *msg)
{
    struct belt_frames frames = {0};

    msg->seq = msg->type == BELT_MSG_WELCOME || (msg->type == BELT_MSG_ERROR && !fake->known) ? 0 : fake->seq++;
    cr_assert_eq(belt_encode(msg, &frames), BELT_OK);
    if (belt_link_send(fake->socket, &fake->peer, &frames) != 0)
        belt_frames_clear(&frames);
}

static void lose_connection(struct fake *fake)
{
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    fake->known = fake->subscribed = false;
    msg.u.error = (struct belt_msg_error){.code = BELT_SYNC_LOST};
    reply(fake, &msg);
}

static void on_hello(struct fake *fake)
{
    struct belt_msg msg = {.type = BELT_MSG_WELCOME};

    atomic_fetch_add(&fake->hellos, 1);
    fake->subscribed = false;
    if (fake->refuse != 0) {
        static const char why[] = "not on a Sunday";

        msg.type = BELT_MSG_ERROR;
        msg.u.error = (struct belt_msg_error){.code = fake->refuse, .text = {(const uint8_t *)why, sizeof(why) - 1}};
        reply(fake, &msg);
        return;
    }
    fake->known = true;
    msg.u.welcome = (struct belt_msg_welcome){
        .version = 1, .epoch = 5, .heartbeat_ms = 200, .lease_ms = LEASE_MS, .max_payload = 1u << 20};
    reply(fake, &msg);
    fake->seq = 1;
}

static struct belt_grant grant(const struct fake *fake)
{
    return (struct belt_grant){fake->released + WINDOW, UINT64_MAX};
}

static void on_push(struct fake *fake, const struct belt_msg_push *push)
{
    struct belt_msg msg = {.type = BELT_MSG_ACCEPTED};

    for (uint32_t i = 0; i < push->count; i++)
        if (push->first + i == fake->next)
            fake->tasks[fake->next++] = belt_payload_ref(push->tasks[i].payload);
    msg.u.accepted = (struct belt_msg_accepted){1, fake->next, grant(fake)};
    reply(fake, &msg);
}

static void deliver(struct fake *fake)
{
    while (fake->known && fake->subscribed && fake->cursor < fake->next && fake->cursor < fake->credit.items) {
        struct belt_result_item item = {.index = fake->cursor, .attempt = 1, .payload = fake->tasks[fake->cursor]};
        struct belt_msg msg = {.type = BELT_MSG_DELIVER};
        unsigned delivered = atomic_fetch_add(&fake->delivered, 1) + 1;

        msg.u.deliver = (struct belt_msg_deliver){.sub = 3, .first = fake->cursor++, .results = &item, .count = 1};
        if (delivered == atomic_load(&fake->forget_after))
            lose_connection(fake);
        else if (delivered == atomic_load(&fake->lose_after))
            fake->seq++;
        else
            reply(fake, &msg);
    }
    if (fake->known && fake->subscribed && fake->ended && fake->cursor == fake->count && !fake->done_sent) {
        struct belt_msg msg = {.type = BELT_MSG_DONE};

        fake->done_sent = true;
        msg.u.done = (struct belt_msg_done){3, fake->count, BELT_OK};
        reply(fake, &msg);
    }
}

static void on_subscribe(struct fake *fake, const struct belt_msg_subscribe *subscribe)
{
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBED};

    fake->subscribed = true;
    fake->done_sent = false;
    if (subscribe->cursor != BELT_CURSOR_KEPT)
        fake->cursor = subscribe->cursor;
    fake->credit = subscribe->credit;
    msg.u.subscribed = (struct belt_msg_subscribed){subscribe->ref, 1, 3, fake->cursor};
    reply(fake, &msg);
}

static void on_ack(struct fake *fake, const struct belt_msg_ack *ack)
{
    struct belt_msg msg = {.type = BELT_MSG_ACCEPTED};

    atomic_fetch_add(&fake->acks, 1);
    fake->credit = ack->credit;
    if (ack->upto > fake->released)
        fake->released = ack->upto;
    msg.u.accepted = (struct belt_msg_accepted){1, fake->next, grant(fake)};
    reply(fake, &msg);
}

static void on_message(struct fake *fake, const struct belt_msg *msg)
{
    struct belt_msg out = {.type = BELT_MSG_PONG};

    switch (msg->type) {
    case BELT_MSG_PING:
        reply(fake, &out);
        break;
    case BELT_MSG_OPEN:
        fake->window_bytes = msg->u.open.options.window_bytes;
        out.type = BELT_MSG_OPENED;
        out.u.opened =
            (struct belt_msg_opened){.ref = msg->u.open.ref, .job = 1, .next = fake->next, .grant = grant(fake)};
        reply(fake, &out);
        break;
    case BELT_MSG_PUSH:
        on_push(fake, &msg->u.push);
        break;
    case BELT_MSG_SUBSCRIBE:
        on_subscribe(fake, &msg->u.subscribe);
        break;
    case BELT_MSG_ACK:
        on_ack(fake, &msg->u.ack);
        break;
    case BELT_MSG_END:
        fake->ended = true;
        fake->count = msg->u.end.count;
        out.type = BELT_MSG_ENDED;
        out.u.ended = msg->u.end;
        reply(fake, &out);
        break;
    default:
        break;
    }
}

static void receive(struct fake *fake)
{
    struct belt_frames frames = {0};
    struct belt_msg msg;

    while (belt_link_recv(fake->socket, &fake->peer, &frames) > 0) {
        if (belt_decode(fake->decoder, &frames, &msg) == BELT_OK && !atomic_load(&fake->silent)) {
            if (msg.type == BELT_MSG_HELLO)
                on_hello(fake);
            else if (fake->known)
                on_message(fake, &msg);
            else
                lose_connection(fake);
        }
        belt_frames_clear(&frames);
        deliver(fake);
    }
}

static void *serve(void *argument)
{
    struct fake *fake = argument;

    while (!atomic_load(&fake->stop)) {
        zmq_pollitem_t item = {.socket = fake->socket, .events = ZMQ_POLLIN};

        zmq_poll(&item, 1, 10);
        receive(fake);
    }
    return NULL;
}

static struct fake fake; /* one per test: each test is a process */

static void start(void)
{
    snprintf(fake.endpoint, sizeof(fake.endpoint), "ipc:///tmp/belt_fake_%ld", (long)getpid());
    fake.context = belt_link_context();
    fake.decoder = belt_decoder_new(1u << 20);
    fake.socket = belt_link_router(fake.context, fake.endpoint, 2u << 20, NULL);
    cr_assert_not_null(fake.socket);
    cr_assert_eq(pthread_create(&fake.thread, NULL, serve, &fake), 0);
}

static void stop(void)
{
    atomic_store(&fake.stop, true);
    pthread_join(fake.thread, NULL);
    zmq_close(fake.socket);
    zmq_ctx_term(fake.context);
    belt_decoder_free(fake.decoder);
    for (uint64_t i = 0; i < fake.next; i++)
        belt_payload_clear(&fake.tasks[i]);
    unlink(fake.endpoint + strlen("ipc://"));
}

static int open_pool(int64_t lost_timeout_ms, belt_pool **pool)
{
    belt_pool_options options;

    belt_pool_options_init(&options);
    options.lost_timeout_ms = lost_timeout_ms;
    return belt_pool_open(fake.endpoint, &options, pool);
}

struct numbers {
    uint64_t next, count;
};

static int number(void *ctx, belt_input *input)
{
    struct numbers *numbers = ctx;

    if (numbers->next == numbers->count)
        return BELT_INPUT_END;
    numbers->next++;
    input->data = &numbers->next;
    input->len = sizeof(numbers->next);
    return BELT_INPUT_READY;
}

/* Reads all; each result once, in order, with its own payload. */
static void read_through(uint64_t count)
{
    struct numbers numbers = {0, count};
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    belt_result *result;

    cr_assert_eq(open_pool(-1, &pool), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap(pool, "f", number, &numbers, NULL, &stream), BELT_OK);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t value;

        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->len, sizeof(value));
        memcpy(&value, result->data, sizeof(value));
        cr_assert_eq(value, i + 1);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(client_io, reads_a_stream)
{
    start();
    read_through(1000);
    cr_assert_eq(atomic_load(&fake.hellos), 1);
    stop();
    cr_assert_eq(fake.released, 1000, "the last acknowledgement is sent before the pool is gone");
    cr_assert_eq(fake.window_bytes, BELT_WINDOW_BYTES_DEFAULT, "nobody said otherwise");
}

/* A crash came when all that had been handed in was read: more tasks than the window lets through are there already. */
Test(client_io, feeds_on_behind_what_was_read_before_it_came)
{
    struct numbers numbers = {0, 120};
    belt_job_options options;
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    belt_result *result;

    fake.next = fake.cursor = fake.released = 100;
    start();
    belt_job_options_init(&options);
    options.buffersize = 10;
    cr_assert_eq(open_pool(-1, &pool), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap(pool, "f", number, &numbers, &options, &stream), BELT_OK);
    for (uint64_t i = 100; i < 120; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    stop();
}

Test(client_io, says_hello_again_when_the_broker_forgot_it)
{
    start();
    atomic_store(&fake.forget_after, 333);
    read_through(1000);
    cr_assert_eq(atomic_load(&fake.hellos), 2);
    stop();
}

Test(client_io, notices_a_message_that_was_lost)
{
    start();
    atomic_store(&fake.lose_after, 500);
    read_through(1000);
    cr_assert_eq(atomic_load(&fake.hellos), 2);
    stop();
}

Test(client_io, tells_why_it_was_refused)
{
    belt_pool *pool = NULL;

    fake.refuse = BELT_BAD_ROLE;
    start();
    cr_assert_eq(open_pool(-1, &pool), BELT_BAD_ROLE);
    cr_assert(strstr(belt_error_text(), "not on a Sunday") != NULL, "%s", belt_error_text());
    cr_assert(strstr(belt_error_text(), fake.endpoint) != NULL, "%s", belt_error_text());
    cr_assert_null(pool);
    stop();
}

Test(client_io, gives_up_a_broker_that_stays_away)
{
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    belt_result *result;

    start();
    cr_assert_eq(open_pool(100, &pool), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap(pool, "f", NULL, NULL, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, 0), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    atomic_store(&fake.silent, true);
    cr_assert_eq(belt_stream_feed(stream, "y", 1, 0), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_LOST_BROKER, "%s", belt_error_text());
    cr_assert(strstr(belt_error_text(), fake.endpoint) != NULL, "%s", belt_error_text());
    cr_assert_eq(belt_pool_ping(pool, WAIT_MS, NULL), BELT_LOST_BROKER);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    stop();
}

Test(client_io, lives_through_a_silence_of_the_broker)
{
    struct numbers numbers = {0, 1000};
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    belt_result *result;

    start();
    cr_assert_eq(open_pool(-1, &pool), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap(pool, "f", number, &numbers, NULL, &stream), BELT_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        int rc;

        if (i == 300)
            atomic_store(&fake.silent, true);
        while ((rc = belt_stream_next(stream, 500, &result)) == BELT_AGAIN)
            if (atomic_load(&fake.silent) && atomic_load(&fake.hellos) == 1) /* until it has closed its socket */
                atomic_store(&fake.silent, belt_pool_ping(pool, LEASE_MS + 1000, NULL) != BELT_AGAIN);
        cr_assert_eq(rc, BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        belt_result_free(&result);
    }
    cr_assert_gt(atomic_load(&fake.hellos), 1);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    stop();
}
