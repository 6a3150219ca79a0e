/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns of the broker's shell, called one by one, with peers over TCP in this process: whether it would sleep while
 * there is something to do.
 */
#include "broker/shell.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <zmq.h>

#define WAIT_MS 60000

static void *context;
static char bound[2][BELT_MAX_TEXT];
static struct shell shell;

struct raw {
    void *socket;
    uint64_t seq;
};

static void start(void)
{
    struct core_config config = {.name = "test",
                                 .version = "0",
                                 .epoch = 1,
                                 .heartbeat_ms = 1000,
                                 .lease_ms = 10 * WAIT_MS,
                                 .grace_ms = WAIT_MS,
                                 .max_payload = 1u << 20,
                                 .memory_budget = 64u << 20,
                                 .max_peers = 16,
                                 .first_job = 0};

    belt_link_seed();
    context = belt_link_context();
    peers_init(&shell.peers, 16);
    shell.out_max = 1u << 20;
    shell.max_frame = config.max_payload;
    shell.quiet = true;
    shell.core = core_new(&config);
    shell.update = core_update_new();
    shell.decoder = belt_decoder_new(config.max_payload);
    for (int side = 0; side < 2; side++) {
        shell.sockets[side] = belt_link_router(context, "tcp://127.0.0.1:*", config.max_payload, bound[side]);
        cr_assert_not_null(shell.sockets[side]);
    }
}

static void stop(void)
{
    shell_fini(&shell);
    zmq_close(shell.sockets[0]);
    zmq_close(shell.sockets[1]);
    core_update_free(shell.update);
    core_free(shell.core);
    belt_decoder_free(shell.decoder);
    zmq_ctx_term(context);
}

TestSuite(shell_turn, .init = start, .fini = stop, .timeout = 120);

/* A turn that takes in what this peer has said. */
static void say(struct raw *raw, enum broker_side side, struct belt_msg msg)
{
    struct belt_frames frames = {0};
    zmq_pollitem_t out = {.socket = raw->socket, .events = ZMQ_POLLOUT},
                   in = {.socket = shell.sockets[side], .events = ZMQ_POLLIN};

    msg.seq = raw->seq++;
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    cr_assert_eq(zmq_poll(&out, 1, WAIT_MS), 1);
    cr_assert_eq(belt_link_send(raw->socket, NULL, &frames), 0);
    cr_assert_eq(zmq_poll(&in, 1, WAIT_MS), 1);
    shell.watch[side].look = true;
    shell_turn(&shell);
}

static struct raw enter(enum broker_side side, uint8_t id)
{
    static const struct belt_bytes function = {(const uint8_t *)"f", 1};
    static uint8_t session[BELT_SESSION_LEN];
    struct raw raw = {.socket = belt_link_dealer(context, bound[side], 1u << 20)};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};

    session[0] = id;
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = side == BROKER_WORKERS ? BELT_ROLE_WORKER : BELT_ROLE_CLIENT,
                                          .session = {session, sizeof(session)},
                                          .name = {(const uint8_t *)"raw", 3}};
    if (side == BROKER_WORKERS)
        msg.u.hello.worker = (struct belt_worker_props){
            .slots = 1, .window_items = 100, .window_bytes = 1u << 20, .functions = &function, .function_count = 1};
    say(&raw, side, msg);
    if (side == BROKER_WORKERS)
        say(&raw, side, (struct belt_msg){.type = BELT_MSG_SYNC});
    return raw;
}

/* Until the broker's socket knows that nobody is there any more; the broker itself learns it when it sends. */
static void leave(struct raw *raw)
{
    const struct peer *peer = shell.peers.by_handle;
    int error = 0;

    while (peer && peer->side != BROKER_WORKERS)
        peer = peer->by_handle.next;
    cr_assert_not_null(peer);
    zmq_close(raw->socket);
    for (int i = 0; i < WAIT_MS && error != EHOSTUNREACH; i++) {
        struct belt_frames frames = {.frame = {belt_buf_new(1)}, .count = 1};
        error = belt_link_send(shell.sockets[BROKER_WORKERS], &peer->route, &frames) != 0 ? errno : 0;
        belt_frames_clear(&frames);
        poll(NULL, 0, 1);
    }
    cr_assert_eq(error, EHOSTUNREACH);
}

static void push(struct raw *client)
{
    struct belt_task_item task = {0};
    struct belt_msg open = {.type = BELT_MSG_OPEN}, message = {.type = BELT_MSG_PUSH};

    open.u.open = (struct belt_msg_open){.ref = 1, .function = {(const uint8_t *)"f", 1}};
    open.u.open.options.window_items = 10;
    open.u.open.options.window_bytes = 1000;
    say(client, BROKER_CLIENTS, open);
    message.u.push = (struct belt_msg_push){.job = 1, .tasks = &task, .count = 1};
    say(client, BROKER_CLIENTS, message);
}

/* A turn sends a task to a worker that is gone; what the core makes of that is the next turn's to do. */
Test(shell_turn, another_turn_follows_when_sending_has_shown_that_a_worker_is_gone)
{
    struct raw worker = enter(BROKER_WORKERS, 1), client = enter(BROKER_CLIENTS, 2);

    cr_assert_neq(shell_timeout(&shell, shell_now()), 0, "there is nothing to do yet");
    leave(&worker);
    push(&client);
    cr_assert_eq(shell_timeout(&shell, shell_now()), 0,
                 "the task is to go to another worker now, not with a heartbeat");
    shell_turn(&shell);
    cr_assert_neq(shell_timeout(&shell, shell_now()), 0, "once is enough");
    zmq_close(client.socket);
}
