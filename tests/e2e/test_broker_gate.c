/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker with few descriptors that strangers take: connections that say nothing, sessions without end, and the
 * administration that gets in nevertheless.
 */
#include "tests/e2e/process.h"

#include "proto/limits.h"
#include "proto/link.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})
/* The fewest that a broker starts with, and what it serves then. */
#define DESCRIPTORS 256u
#define PEERS       128u

static char clients[64], workers[64], admin[64];
static int port;
static struct process *broker;

static void start_broker(const char *lease)
{
    port = process_free_port();
    snprintf(clients, sizeof(clients), "tcp://127.0.0.1:%d", port);
    snprintf(workers, sizeof(workers), "tcp://127.0.0.1:%d", process_free_port());
    snprintf(admin, sizeof(admin), "tcp://127.0.0.1:%d", process_free_port());
    char command[512];
    snprintf(command, sizeof(command),
             "ulimit -n %u; exec %s broker --clients %s --workers %s --admin %s --heartbeat 200ms --lease %s",
             DESCRIPTORS, process_belt(), clients, workers, admin, lease);
    broker = process_spawn("", ((const char *const[]){"/bin/sh", "-c", command, NULL}));
    cr_assert(process_wait_err(broker, "for administration on tcp", BOUND_MS), "%s", process_err(broker));
    cr_assert(process_wait_err(broker, "128 peers can be served", BOUND_MS), "%s", process_err(broker));
}

static void stop_broker(void)
{
    process_signal(broker, SIGTERM);
    cr_assert(process_wait(broker, BOUND_MS));
    cr_assert_eq(process_status(broker), 0, "%s", process_err(broker));
    process_free(broker);
}

TestSuite(broker_gate, .fini = stop_broker, .timeout = 240);

/* `belt status` over this address; its exit status. */
static int status_over(const char *address)
{
    struct process *belt = process_spawn("", ARGV("status", "--broker", address, "--connect-timeout", "50"));
    cr_assert(process_wait(belt, BOUND_MS));
    int status = process_status(belt);
    if (status == 0)
        cr_assert(strstr(process_out(belt), "broker "), "%s", process_out(belt));
    process_free(belt);
    return status;
}

static int connect_silently(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0, "%s", strerror(errno));
    return fd;
}

/* Reads until the broker closes it. */
static void wait_closed(int fd)
{
    char bytes[256];
    struct pollfd item = {.fd = fd, .events = POLLIN};
    ssize_t got;
    do {
        cr_assert_eq(poll(&item, 1, BOUND_MS), 1, "it is still open");
        got = read(fd, bytes, sizeof(bytes));
    } while (got > 0);
    close(fd);
}

Test(broker_gate, connections_that_say_nothing_lock_nobody_out)
{
    static int silent[2 * DESCRIPTORS];
    start_broker("1");
    for (unsigned i = 0; i < 2 * DESCRIPTORS; i++)
        silent[i] = connect_silently();
    cr_assert_eq(status_over(admin), 0, "%s", process_err(broker));
    cr_assert_eq(status_over(clients), 0, "%s", process_err(broker));
    for (unsigned i = 0; i < 2 * DESCRIPTORS; i++)
        wait_closed(silent[i]);
    cr_assert(process_wait_err(broker, "that said no HELLO", BOUND_MS), "%s", process_err(broker));
    cr_assert_eq(status_over(clients), 0);
}

/* ---- peers that do say HELLO ---- */

static void *context;
static struct belt_decoder *decoder;

static void *greet(unsigned number)
{
    void *socket = belt_link_dealer(context, clients, 1u << 20);
    uint8_t session[BELT_SESSION_LEN] = {1};
    memcpy(session + 1, &number, sizeof(number));
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    struct belt_frames frames;
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = BELT_ROLE_ADMIN,
                                          .session = {session, sizeof(session)},
                                          .name = {(const uint8_t *)"crowd", 5}};
    cr_assert(socket);
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    for (int i = 0; belt_link_send(socket, NULL, &frames) != 0; i++) {
        cr_assert_lt(i, BOUND_MS);
        poll(NULL, 0, 1);
    }
    return socket;
}

/* The type of the first answer; its code when it is an ERROR. */
static unsigned answer_of(void *socket, unsigned *code)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    struct belt_frames frames;
    struct belt_msg msg;
    cr_assert_eq(zmq_poll(&item, 1, BOUND_MS), 1, "the broker says nothing");
    cr_assert_eq(belt_link_recv(socket, NULL, &frames), 1);
    cr_assert_eq(belt_decode(decoder, &frames, &msg), BELT_OK);
    *code = msg.type == BELT_MSG_ERROR ? (unsigned)msg.u.error.code : 0;
    belt_frames_clear(&frames);
    return msg.type;
}

Test(broker_gate, who_comes_beyond_the_limit_is_told_so_and_the_administration_gets_in)
{
    static void *crowd[PEERS];
    unsigned code;
    start_broker("120");
    belt_link_seed();
    context = belt_link_context();
    decoder = belt_decoder_new(1u << 20);
    for (unsigned i = 0; i < PEERS; i++) {
        crowd[i] = greet(i);
        cr_assert_eq(answer_of(crowd[i], &code), BELT_MSG_WELCOME, "peer %u: %s", i, process_err(broker));
    }
    void *more = greet(PEERS);
    cr_assert_eq(answer_of(more, &code), BELT_MSG_ERROR);
    cr_assert_eq(code, BELT_LIMIT);
    cr_assert_eq(status_over(admin), 0, "%s", process_err(broker));
    cr_assert(process_wait_err(broker, "refused", BOUND_MS), "%s", process_err(broker));
    zmq_close(more);
    for (unsigned i = 0; i < PEERS; i++)
        zmq_close(crowd[i]);
    belt_decoder_free(decoder);
    zmq_ctx_term(context);
}

Test(broker_gate, a_peer_whose_session_is_over_loses_its_connection)
{
    start_broker("1");
    belt_link_seed();
    context = belt_link_context();
    decoder = belt_decoder_new(1u << 20);
    unsigned code;
    void *peer = greet(1);
    void *monitor = NULL;
    zmq_socket_monitor(peer, "inproc://end", ZMQ_EVENT_DISCONNECTED);
    monitor = zmq_socket(context, ZMQ_PAIR);
    cr_assert_eq(zmq_connect(monitor, "inproc://end"), 0);
    cr_assert_eq(answer_of(peer, &code), BELT_MSG_WELCOME);
    zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
    cr_assert_eq(zmq_poll(&item, 1, BOUND_MS), 1, "it says nothing more, and is still connected");
    zmq_socket_monitor(peer, NULL, 0);
    zmq_close(monitor);
    zmq_close(peer);
    belt_decoder_free(decoder);
    zmq_ctx_term(context);
}
