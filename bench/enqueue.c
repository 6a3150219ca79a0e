/* SPDX-License-Identifier: Apache-2.0
 *
 * Hands in tasks that nobody runs, over the protocol itself: what a waiting task costs, and how fast a durable
 * broker acknowledges (PROTOCOL.md §7.1).
 *
 *   enqueue ENDPOINT SIZE TASKS OUTSTANDING [volatile]
 *
 * At most OUTSTANDING tasks are handed in and not acknowledged. The job is detached: it stays. One line of JSON.
 */
#include "bench/measure.h"

#include "proto/link.h"
#include "proto/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

struct client {
    void *socket;
    struct belt_session session;
    struct belt_decoder *decoder;
    uint8_t id[BELT_SESSION_LEN];
    char key[64];
    bool is_volatile, opened, hello_due;
    uint64_t job, sent, accepted, tasks, outstanding;
    struct belt_grant grant;
    struct belt_payload payload;
};

static uint64_t now_ms(void)
{
    return measure_now_ns() / 1000000u;
}

static void refused(const char *what, struct belt_bytes text)
{
    fprintf(stderr, "enqueue: %s: %.*s\n", what, (int)text.len, (const char *)text.data);
    exit(1);
}

static void wait_for(struct client *client, short events)
{
    zmq_pollitem_t item = {.socket = client->socket, .events = events};

    zmq_poll(&item, 1, 20);
}

static void send_msg(struct client *client, struct belt_msg *msg)
{
    struct belt_frames frames;

    belt_session_stamp(&client->session, now_ms(), msg);
    if (belt_encode(msg, &frames) != BELT_OK)
        measure_die("encode");
    while (belt_link_send(client->socket, NULL, &frames) != 0) {
        if (msg->type == BELT_MSG_HELLO) {
            belt_session_unsent(&client->session, now_ms());
            belt_frames_clear(&frames);
            return;
        }
        wait_for(client, ZMQ_POLLOUT);
    }
}

static void say_hello(struct client *client)
{
    static const char name[] = "enqueue";
    struct belt_msg msg = {.type = BELT_MSG_HELLO};

    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = BELT_ROLE_CLIENT,
                                          .session = {client->id, BELT_SESSION_LEN},
                                          .name = {(const uint8_t *)name, sizeof(name) - 1}};
    send_msg(client, &msg);
}

static void open_job(struct client *client)
{
    static const char function[] = "nobody-serves-this";
    struct belt_msg msg = {.type = BELT_MSG_OPEN};

    msg.u.open.ref = 1;
    msg.u.open.key = (struct belt_bytes){(const uint8_t *)client->key, strlen(client->key)};
    msg.u.open.function = (struct belt_bytes){(const uint8_t *)function, sizeof(function) - 1};
    msg.u.open.options = (struct belt_open_options){.window_bytes = 1ull << 40,
                                                    .detached = true,
                                                    .durable = !client->is_volatile,
                                                    .never_durable = client->is_volatile};
    send_msg(client, &msg);
}

static void on_message(struct client *client, const struct belt_msg *msg)
{
    if (msg->type == BELT_MSG_OPENED) {
        client->opened = true;
        client->job = msg->u.opened.job;
        client->grant = msg->u.opened.grant;
    } else if (msg->type == BELT_MSG_ACCEPTED) {
        client->accepted = msg->u.accepted.next;
        client->grant = msg->u.accepted.grant;
    } else if (msg->type == BELT_MSG_ERROR) {
        refused("the broker says", msg->u.error.text);
    }
}

static void act(struct client *client, enum belt_session_action action, const struct belt_msg *msg)
{
    struct belt_msg ping = {.type = BELT_MSG_PING};

    if (action == BELT_SESSION_SEND_HELLO)
        say_hello(client);
    else if (action == BELT_SESSION_WELCOMED)
        open_job(client);
    else if (action == BELT_SESSION_PASS)
        on_message(client, msg);
    else if (action == BELT_SESSION_SEND_PING)
        send_msg(client, &ping);
    else if (action == BELT_SESSION_RECONNECT || action == BELT_SESSION_FAILED)
        refused("lost", (struct belt_bytes){(const uint8_t *)client->session.text, strlen(client->session.text)});
}

static void turn(struct client *client)
{
    struct belt_frames frames = {0};
    struct belt_msg msg;

    while (now_ms() >= belt_session_deadline(&client->session)) {
        enum belt_session_action action = belt_session_timer(&client->session, now_ms());
        if (action == BELT_SESSION_NOTHING)
            break;
        act(client, action, NULL);
    }
    wait_for(client, ZMQ_POLLIN);
    while (belt_link_recv(client->socket, NULL, &frames) == 1) {
        if (belt_decode(client->decoder, &frames, &msg) != BELT_OK)
            measure_die("a message of the broker is malformed");
        act(client, belt_session_receive(&client->session, now_ms(), &msg), &msg);
        belt_frames_clear(&frames);
    }
}

static bool may_push(const struct client *client, uint64_t next)
{
    return next < client->tasks && next - client->accepted < client->outstanding && next < client->grant.items &&
           next * client->payload.len < client->grant.bytes;
}

static void push(struct client *client)
{
    static struct belt_task_item items[BELT_MAX_BATCH];
    struct belt_msg msg = {.type = BELT_MSG_PUSH};
    struct belt_batch batch = {0};

    while (may_push(client, client->sent + batch.count) && belt_batch_add(&batch, client->payload.len, 16))
        items[batch.count - 1].payload = client->payload;
    msg.u.push =
        (struct belt_msg_push){.job = client->job, .first = client->sent, .tasks = items, .count = batch.count};
    client->sent += batch.count;
    send_msg(client, &msg);
}

int main(int argc, char **argv)
{
    struct client client = {0};
    struct measure measure = {0};

    if (argc < 5) {
        fprintf(stderr, "usage: enqueue ENDPOINT SIZE TASKS OUTSTANDING [volatile]\n");
        return 2;
    }
    uint32_t size = (uint32_t)measure_number(argv[2]);
    client.tasks = measure_number(argv[3]);
    client.outstanding = measure_number(argv[4]);
    client.is_volatile = argc > 5;
    client.payload = (struct belt_payload){.buf = belt_buf_new(size), .len = size};
    if (!client.payload.buf || getrandom(client.id, sizeof(client.id), 0) != (ssize_t)sizeof(client.id))
        measure_die("start");
    memset(client.payload.buf->data, 'x', size);
    client.payload.data = client.payload.buf->data;
    snprintf(client.key, sizeof(client.key), "enqueue-%d-%llu", (int)getpid(), (unsigned long long)now_ms());
    belt_link_seed();
    void *context = belt_link_context();
    client.socket = belt_link_dealer(context, argv[1], BELT_MAX_PAYLOAD_CEILING);
    client.decoder = belt_decoder_new(BELT_MAX_PAYLOAD_CEILING);
    if (!client.socket || !client.decoder)
        measure_die("connect");
    belt_session_init(&client.session, now_ms());
    while (!client.opened)
        turn(&client);
    measure_begin(&measure);
    while (client.accepted < client.tasks) {
        while (may_push(&client, client.sent))
            push(&client);
        turn(&client);
    }
    measure_end(&measure, client.tasks);
    measure_print(&measure);
    belt_decoder_free(client.decoder);
    belt_payload_clear(&client.payload);
    zmq_close(client.socket);
    zmq_ctx_term(context);
    return 0;
}
