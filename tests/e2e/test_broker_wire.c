/* SPDX-License-Identifier: Apache-2.0
 *
 * A real broker and a peer that speaks the protocol by hand: what a program in
 * another language would see, and a peer that never reads.
 */
#include "tests/e2e/process.h"

#include "proto/link.h"

#include <criterion/criterion.h>
#include <msgpack.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char clients[64], workers[64];
static struct process *broker;
static void *context;
static void *sockets[2]; /* of this test's peers */
static unsigned socket_count;
static struct belt_decoder *decoder;
static struct belt_frames last; /* what `msg` of the last receive() borrows from */

static void start_broker(void)
{
    snprintf(clients, sizeof(clients), "tcp://127.0.0.1:%d", process_free_port());
    snprintf(workers, sizeof(workers), "tcp://127.0.0.1:%d", process_free_port());
    broker = process_spawn("", ARGV("broker", "--clients", clients, "--workers", workers));
    cr_assert(process_wait_err(broker, "listening", BOUND_MS), "%s", process_err(broker));
    belt_link_seed();
    context = belt_link_context();
    decoder = belt_decoder_new(1u << 20);
}

/* Closes the peers' sockets first: a test that failed has left them open, and ZeroMQ's context would wait for them. */
static void stop_broker(void)
{
    while (socket_count > 0)
        zmq_close(sockets[--socket_count]);
    if (!process_wait(broker, 0))
        process_signal(broker, SIGTERM);
    cr_assert(process_wait(broker, BOUND_MS));
    cr_assert_eq(process_status(broker), 0, "%s", process_err(broker));
    process_free(broker);
    belt_frames_clear(&last);
    belt_decoder_free(decoder);
    zmq_ctx_term(context);
}

TestSuite(broker_wire, .init = start_broker, .fini = stop_broker, .timeout = 120);

struct raw {
    void *socket;
    uint64_t seq;
};

static void say(struct raw *raw, struct belt_msg msg)
{
    struct belt_frames frames;

    msg.seq = raw->seq++;
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    for (int i = 0; belt_link_send(raw->socket, NULL, &frames) != 0; i++) {
        cr_assert_lt(i, BOUND_MS, "the broker does not read");
        poll(NULL, 0, 1); /* not connected yet, or its queue is full */
    }
}

/* The next message of this type. */
static struct belt_msg hear(struct raw *raw, uint8_t type)
{
    struct belt_msg msg;

    for (;;) {
        zmq_pollitem_t item = {.socket = raw->socket, .events = ZMQ_POLLIN};
        cr_assert_gt(zmq_poll(&item, 1, BOUND_MS), 0, "no %s came", belt_msg_name(type));
        belt_frames_clear(&last);
        cr_assert_eq(belt_link_recv(raw->socket, NULL, &last), 1);
        cr_assert_eq(belt_decode(decoder, &last, &msg), BELT_OK, "%s", belt_decoder_error(decoder));
        if (msg.type == type)
            return msg;
    }
}

/* A plain DEALER: one with ZMQ_IMMEDIATE, as Belt's own peers have it, forgets what it received and was not asked for
 * when the connection ends. */
static void *plain_dealer(const char *endpoint, int queue)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);

    cr_assert_not_null(socket);
    cr_assert_eq(zmq_setsockopt(socket, ZMQ_RCVHWM, &queue, sizeof(queue)), 0);
    cr_assert_lt(socket_count, sizeof(sockets) / sizeof(*sockets));
    sockets[socket_count++] = socket;
    cr_assert_eq(zmq_setsockopt(socket, ZMQ_LINGER, &(int){0}, sizeof(int)), 0);
    cr_assert_eq(zmq_connect(socket, endpoint), 0);
    return socket;
}

static const struct belt_bytes function = {(const uint8_t *)"f", 1};

/* With room for so many messages that it has not read. */
static struct raw enter_with(const char *endpoint, uint8_t role, uint8_t id, int queue)
{
    static uint8_t session[BELT_SESSION_LEN];
    struct raw raw = {.socket = plain_dealer(endpoint, queue)};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};

    session[0] = id;
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = role,
                                          .session = {session, sizeof(session)},
                                          .name = {(const uint8_t *)"raw", 3}};
    if (role == BELT_ROLE_WORKER)
        msg.u.hello.worker = (struct belt_worker_props){
            .slots = 1, .window_items = 4096, .window_bytes = 1u << 20, .functions = &function, .function_count = 1};
    say(&raw, msg);
    return raw;
}

static struct raw enter(const char *endpoint, uint8_t role, uint8_t id)
{
    return enter_with(endpoint, role, id, 1000);
}

Test(broker_wire, a_bad_option_is_told_with_the_ref_of_its_open)
{
    struct raw raw = enter(clients, BELT_ROLE_CLIENT, 1);
    msgpack_sbuffer bytes;
    msgpack_packer packer;

    hear(&raw, BELT_MSG_WELCOME);
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 6);
    msgpack_pack_uint8(&packer, BELT_MSG_OPEN);
    msgpack_pack_uint64(&packer, raw.seq++);
    msgpack_pack_uint64(&packer, 4711);
    msgpack_pack_str_with_body(&packer, "", 0);
    msgpack_pack_str_with_body(&packer, "f", 1);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_str_with_body(&packer, "windos", 6);
    msgpack_pack_uint8(&packer, 1);
    cr_assert_gt(zmq_send(raw.socket, bytes.data, bytes.size, 0), 0);
    msgpack_sbuffer_destroy(&bytes);

    struct belt_msg msg = hear(&raw, BELT_MSG_ERROR);
    cr_expect_eq(msg.u.error.ref, 4711);
    cr_expect_eq(msg.u.error.code, BELT_BAD_OPTION);
}

Test(broker_wire, a_peer_at_the_wrong_endpoint_is_told_its_role)
{
    struct raw raw = enter(workers, BELT_ROLE_ADMIN, 1);
    struct belt_msg msg = hear(&raw, BELT_MSG_ERROR);
    char text[256];

    snprintf(text, sizeof(text), "%.*s", (int)msg.u.error.text.len, (const char *)msg.u.error.text.data);
    cr_expect_eq(msg.u.error.code, BELT_BAD_ROLE);
    cr_expect_not_null(strstr(text, "your role is admin"), "%s", text);
}

Test(broker_wire, a_broker_that_ends_says_bye)
{
    struct raw raw = enter(clients, BELT_ROLE_CLIENT, 1);

    hear(&raw, BELT_MSG_WELCOME);
    process_signal(broker, SIGTERM);
    struct belt_msg msg = hear(&raw, BELT_MSG_BYE);
    cr_expect_gt(msg.u.bye.text.len, 0);
    cr_assert(process_wait(broker, BOUND_MS));
}

/* Its own queue, the kernel's, ZeroMQ's and its outbox fill up; then it is dropped, alone. */
Test(broker_wire, a_peer_that_never_reads_is_dropped_alone)
{
    struct raw deaf = enter(clients, BELT_ROLE_CLIENT, 1), other = enter(clients, BELT_ROLE_CLIENT, 2);
    struct belt_msg ping = {.type = BELT_MSG_PING};
    bool dropped = false;
    long most = 0;

    hear(&other, BELT_MSG_WELCOME);
    for (int i = 0; i < 400 && !dropped; i++) {
        for (int n = 0; n < 10000; n++)
            say(&deaf, ping);
        say(&other, ping);
        hear(&other, BELT_MSG_PONG);
        dropped = process_wait_err(broker, "a peer does not read", 1);
        long now = process_rss_kib(broker);
        most = now > most ? now : most;
    }
    cr_expect(dropped, "%s", process_err(broker));
    cr_expect_lt(most, 400 * 1024, "the broker took %ld KiB for it", most);
    say(&other, ping);
    hear(&other, BELT_MSG_PONG);
}

#define LARGE   (16u << 10)
#define RESULTS 12000u /* 192 MB: the sockets' queues and much more than a peer's outbox may hold */

/* A job of so many small tasks, read with credit for all their results. */
static void open_and_subscribe(struct raw *reader)
{
    static struct belt_task_item tasks[1000];
    struct belt_msg msg = {.type = BELT_MSG_OPEN};

    msg.u.open = (struct belt_msg_open){.ref = 1, .function = function, .options.window_bytes = 512u << 20};
    say(reader, msg);
    uint64_t job = hear(reader, BELT_MSG_OPENED).u.opened.job;
    for (uint64_t first = 0; first < RESULTS; first += 1000) {
        msg = (struct belt_msg){.type = BELT_MSG_PUSH};
        msg.u.push = (struct belt_msg_push){.job = job, .first = first, .tasks = tasks, .count = 1000};
        say(reader, msg);
    }
    msg = (struct belt_msg){.type = BELT_MSG_END};
    msg.u.end = (struct belt_msg_end){.job = job, .count = RESULTS};
    say(reader, msg);
    msg = (struct belt_msg){.type = BELT_MSG_SUBSCRIBE};
    msg.u.subscribe = (struct belt_msg_subscribe){
        .ref = 1, .job = job, .mode = BELT_ORDERED, .cursor = BELT_CURSOR_KEPT, .credit = {RESULTS, 512u << 20}};
    say(reader, msg);
    hear(reader, BELT_MSG_SUBSCRIBED);
}

/* Answers one DISPATCH. Returns how many tasks it had. */
static uint32_t answer(struct raw *agent, uint64_t number)
{
    static uint8_t bytes[LARGE];
    struct belt_result_item items[32];
    struct belt_msg dispatch = hear(agent, BELT_MSG_DISPATCH), msg = {.type = BELT_MSG_RESULTS};
    uint32_t count = dispatch.u.dispatch.count;

    for (uint32_t done = 0; done < count; done += msg.u.results.count) {
        uint32_t some = count - done < 32 ? count - done : 32;
        for (uint32_t i = 0; i < some; i++) {
            const struct belt_task_item *task = &dispatch.u.dispatch.tasks[done + i];
            items[i] = (struct belt_result_item){
                .index = task->index, .attempt = task->attempt, .payload = {NULL, bytes, LARGE}};
        }
        msg.u.results = (struct belt_msg_results){
            .first = number + done, .job = dispatch.u.dispatch.job, .results = items, .count = some};
        say(agent, msg);
    }
    return count;
}

/* It lives, and does not read what its credit allows: it is sent no more than there is room for, and loses nothing. */
Test(broker_wire, a_reader_that_pauses_is_waited_for)
{
    struct raw reader = enter_with(clients, BELT_ROLE_CLIENT, 1, 1);
    struct raw agent = enter(workers, BELT_ROLE_WORKER, 2);
    struct belt_msg msg = {.type = BELT_MSG_SYNC}, ping = {.type = BELT_MSG_PING};
    uint64_t next = 0;

    hear(&reader, BELT_MSG_WELCOME);
    open_and_subscribe(&reader);
    say(&agent, msg);
    for (uint64_t count = 0; count < RESULTS; say(&reader, ping))
        count += answer(&agent, count);
    while (hear(&agent, BELT_MSG_RECORDED).u.recorded.upto < RESULTS)
        continue;
    cr_expect(!process_wait_err(broker, "does not read", 300), "%s", process_err(broker));
    while (next < RESULTS) {
        msg = hear(&reader, BELT_MSG_DELIVER);
        cr_assert_eq(msg.u.deliver.first, next);
        next += msg.u.deliver.count;
    }
    cr_expect_eq(hear(&reader, BELT_MSG_DONE).u.done.count, RESULTS);
}
