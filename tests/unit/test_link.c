/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the link over inproc, ipc and tcp: what is sent arrives, large
 * frames are not copied, peers that are gone are told.
 */
#include "proto/link.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define WAIT_MS   5000
#define MAX_FRAME (4u << 20)

/* So many of the next calls of ZeroMQ end with EINTR, as when a signal comes while they look into the mailbox: what was
 * in it has been taken from the descriptor by then. */
static unsigned interruptions;

static bool interrupted(void)
{
    if (interruptions == 0)
        return false;
    interruptions--;
    errno = EINTR;
    return true;
}

/* Stands before libzmq's own. */
int zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    int (*real)(void *, int, void *, size_t *) = (int (*)(void *, int, void *, size_t *))dlsym(RTLD_NEXT, __func__);
    int rc = real(socket, option, value, size);

    return option == ZMQ_EVENTS && interrupted() ? -1 : rc;
}

int zmq_connect(void *socket, const char *address)
{
    int (*real)(void *, const char *) = (int (*)(void *, const char *))dlsym(RTLD_NEXT, __func__);

    return interrupted() ? -1 : real(socket, address);
}

int zmq_bind(void *socket, const char *address)
{
    int (*real)(void *, const char *) = (int (*)(void *, const char *))dlsym(RTLD_NEXT, __func__);

    return interrupted() ? -1 : real(socket, address);
}

static void *context;
static char directory[] = "/tmp/belt-link-XXXXXX";
static char endpoint[256], bound[BELT_MAX_TEXT];

static void start(void)
{
    belt_link_seed();
    context = belt_link_context();
    cr_assert_not_null(context);
}

static void stop(void)
{
    zmq_ctx_term(context);
}

TestSuite(link, .init = start, .fini = stop, .timeout = 60);

static struct belt_frames message(size_t len)
{
    struct belt_frames frames = {.frame = {belt_buf_new(len)}, .count = 1};
    memset(frames.frame[0]->data, (int)(len & 0x7f), len);
    return frames;
}

static int receive(void *socket, struct belt_route *route, struct belt_frames *frames)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "nothing came");
    return belt_link_recv(socket, route, frames);
}

/* Sends once the connection is there. */
static void send(void *socket, const struct belt_route *route, struct belt_frames *frames)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLOUT};
    cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "no room to send");
    cr_assert_eq(belt_link_send(socket, route, frames), 0, "%s", strerror(errno));
    cr_assert_eq(frames->count, 0);
}

static void there_and_back(const char *address)
{
    static const size_t lengths[] = {0, 1, 33, 34, 1024, 1025, 100000, MAX_FRAME};
    void *router = belt_link_router(context, address, MAX_FRAME, bound);
    cr_assert_not_null(router, "%s: %s", address, strerror(errno));
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    cr_assert_not_null(dealer);
    struct belt_route route;
    struct belt_frames frames;
    cr_assert_eq(belt_link_recv(router, &route, &frames), 0, "nothing is there yet");
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        frames = message(lengths[i]);
        send(dealer, NULL, &frames);
        cr_assert_eq(receive(router, &route, &frames), 1);
        cr_assert(route.len > 0);
        cr_assert_eq(frames.count, 1);
        cr_assert_eq(frames.frame[0]->len, lengths[i]);
        cr_assert(lengths[i] == 0 || frames.frame[0]->data[lengths[i] - 1] == (lengths[i] & 0x7f));
        send(router, &route, &frames); /* what was received is forwarded */
        cr_assert_eq(receive(dealer, NULL, &frames), 1);
        cr_assert_eq(frames.frame[0]->len, lengths[i]);
        belt_frames_clear(&frames);
    }
    zmq_close(dealer);
    zmq_close(router);
}

Test(link, over_inproc)
{
    there_and_back("inproc://here");
}

Test(link, over_tcp)
{
    there_and_back("tcp://127.0.0.1:*");
    cr_assert_eq(strncmp(bound, "tcp://127.0.0.1:", 16), 0, "bound to %s", bound);
    cr_assert_neq(bound[16], '*');
}

Test(link, over_ipc)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/socket", directory);
    there_and_back(endpoint);
    unlink(endpoint + 6);
    cr_assert_eq(rmdir(directory), 0);
}

Test(link, all_frames_of_a_message_arrive)
{
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", MAX_FRAME, bound);
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    struct belt_frames frames = {.count = 0};
    struct belt_route route;
    for (uint32_t i = 0; i < BELT_MAX_FRAMES; i++)
        frames.frame[frames.count++] = belt_buf_new(i * 50);
    send(dealer, NULL, &frames);
    cr_assert_eq(receive(router, &route, &frames), 1);
    cr_assert_eq(frames.count, BELT_MAX_FRAMES);
    for (uint32_t i = 0; i < BELT_MAX_FRAMES; i++)
        cr_assert_eq(frames.frame[i]->len, i * 50);
    belt_frames_clear(&frames);
    zmq_close(dealer);
    zmq_close(router);
}

Test(link, too_many_frames_are_read_to_their_end)
{
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", MAX_FRAME, bound);
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    struct belt_frames frames;
    struct belt_route route;
    zmq_pollitem_t item = {.socket = dealer, .events = ZMQ_POLLOUT};
    zmq_poll(&item, 1, WAIT_MS);
    for (uint32_t i = 0; i <= BELT_MAX_FRAMES; i++)
        cr_assert_eq(zmq_send(dealer, "x", 1, i < BELT_MAX_FRAMES ? ZMQ_SNDMORE : 0), 1);
    frames = message(7);
    send(dealer, NULL, &frames);
    cr_assert_eq(receive(router, &route, &frames), 1);
    cr_assert(frames.count == 1 && frames.cut, "the header alone, with word of it");
    belt_frames_clear(&frames);
    cr_assert(route.len > 0, "the caller can answer");
    cr_assert_eq(receive(router, &route, &frames), 1);
    cr_assert_eq(frames.frame[0]->len, 7, "the next message is whole");
    belt_frames_clear(&frames);
    zmq_close(dealer);
    zmq_close(router);
}

Test(link, a_frame_over_the_limit_ends_the_connection)
{
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", 1000, bound);
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    struct belt_frames frames = message(1001);
    struct belt_route route;
    send(dealer, NULL, &frames);
    frames = message(1000);
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
    for (int i = 0; i < 100 && zmq_poll(&item, 1, 50) == 0; i++) {
        struct belt_frames again = message(1000); /* the dealer connects anew by itself */
        if (belt_link_send(dealer, NULL, &again) != 0)
            belt_frames_clear(&again);
    }
    belt_frames_clear(&frames);
    cr_assert_eq(receive(router, &route, &frames), 1);
    cr_assert_eq(frames.frame[0]->len, 1000);
    belt_frames_clear(&frames);
    zmq_close(dealer);
    zmq_close(router);
}

Test(link, a_peer_that_is_gone_is_told)
{
    void *router = belt_link_router(context, "inproc://gone", MAX_FRAME, NULL);
    struct belt_route route = {.len = 5, .bytes = {0, 1, 2, 3, 4}};
    struct belt_frames frames = message(2000);
    struct belt_buf *buf = belt_buf_ref(frames.frame[0]);
    cr_assert_eq(belt_link_send(router, &route, &frames), -1);
    cr_assert_eq(errno, EHOSTUNREACH);
    cr_assert_eq(frames.count, 1, "the frames stay with the caller");
    cr_assert_eq(buf->refs, 2);
    belt_frames_clear(&frames);
    belt_buf_unref(buf);
    zmq_close(router);
}

Test(link, without_a_connection_there_is_no_room)
{
    void *dealer = belt_link_dealer(context, "tcp://127.0.0.1:1", MAX_FRAME);
    struct belt_frames frames = message(10);
    cr_assert_eq(belt_link_send(dealer, NULL, &frames), -1);
    cr_assert_eq(errno, EAGAIN);
    cr_assert_eq(frames.count, 1);
    belt_frames_clear(&frames);
    zmq_close(dealer);
}

Test(link, a_peer_that_does_not_read_fills_up)
{
    void *router = belt_link_router(context, "inproc://full", MAX_FRAME, NULL);
    void *dealer = belt_link_dealer(context, "inproc://full", MAX_FRAME);
    struct belt_frames frames = message(1);
    struct belt_route route;
    send(dealer, NULL, &frames);
    cr_assert_eq(receive(router, &route, &frames), 1);
    int sent = 0;
    while (sent < 1000000 && belt_link_send(router, &route, &frames) == 0) {
        frames = message(1);
        sent++;
    }
    cr_assert_eq(errno, EAGAIN);
    cr_assert(sent >= 1000 && sent < 100000, "%d messages", sent);
    belt_frames_clear(&frames);
    zmq_close(dealer);
    zmq_close(router);
}

Test(link, bad_endpoints_fail)
{
    errno = 0;
    cr_assert_null(belt_link_router(context, "nonsense", MAX_FRAME, NULL));
    cr_assert_neq(errno, 0);
    cr_assert_null(belt_link_dealer(context, "carrier://pigeon", MAX_FRAME));
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", MAX_FRAME, bound);
    cr_assert_null(belt_link_router(context, bound, MAX_FRAME, NULL));
    cr_assert_eq(errno, EADDRINUSE);
    zmq_close(router);
}

Test(link, a_watched_socket_is_asked_when_it_may_have_something)
{
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", MAX_FRAME, bound);
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    struct belt_link_watch watch = {0};
    struct belt_route route;
    struct belt_frames frames = message(10);
    send(dealer, NULL, &frames);
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
    cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    cr_assert_eq(belt_link_recv_watched(router, &watch, &route, &frames), 0, "the watch knows of nothing");
    cr_assert_not(belt_link_look(router, &watch), "nobody sent: the descriptor would tell");
    watch.sent = true;
    cr_assert(belt_link_look(router, &watch));
    cr_assert(watch.look && !watch.sent);
    cr_assert_eq(belt_link_recv_watched(router, &watch, &route, &frames), 1);
    belt_frames_clear(&frames);
    cr_assert(watch.look, "there may be more");
    cr_assert_eq(belt_link_recv_watched(router, &watch, &route, &frames), 0);
    cr_assert_not(watch.look);
    frames = message(10);
    cr_assert_eq(belt_link_send_watched(router, &watch, &route, &frames), 0);
    cr_assert(watch.sent);
    zmq_close(dealer);
    zmq_close(router);
}

/* A wake-up was lost when the descriptor says nothing and a message is there: here the question has taken its word. */
Test(link, a_message_that_was_slept_through_is_found)
{
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", MAX_FRAME, bound);
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    struct belt_link_watch watch = {0};
    struct belt_frames frames = message(10);
    cr_assert_not(belt_link_overslept(router, &watch), "nothing is there");
    send(dealer, NULL, &frames);
    zmq_pollitem_t item = {.fd = belt_link_fd(router), .events = ZMQ_POLLIN};
    while ((belt_link_events(router) & ZMQ_POLLIN) == 0) {
        cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "the descriptor tells, of a connection at least");
        cr_assert_not(belt_link_overslept(router, &watch), "the descriptor tells of it");
    }
    while (zmq_poll(&item, 1, 0) == 1)
        cr_assert(belt_link_events(router) & ZMQ_POLLIN);
    cr_assert(belt_link_overslept(router, &watch));
    cr_assert(watch.look);
    zmq_close(dealer);
    zmq_close(router);
}

/* A signal that interrupts a question does not answer it: what ZeroMQ told the socket its descriptor does not tell
 * again. */
Test(link, a_signal_loses_nothing)
{
    struct belt_link_watch watch = {.sent = true};
    struct belt_frames frames = message(10);
    interruptions = 3;
    void *router = belt_link_router(context, "tcp://127.0.0.1:*", MAX_FRAME, bound);
    cr_assert_not_null(router, "%s", strerror(errno));
    cr_assert_eq(interruptions, 0);
    interruptions = 3;
    void *dealer = belt_link_dealer(context, bound, MAX_FRAME);
    cr_assert_not_null(dealer, "%s", strerror(errno));
    cr_assert_eq(interruptions, 0);
    send(dealer, NULL, &frames);
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
    cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    interruptions = 3;
    cr_assert(belt_link_look(router, &watch));
    cr_assert_eq(interruptions, 0, "the window was not met");
    zmq_close(dealer);
    zmq_close(router);
}
