/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets into a socket with keys: a suite of our own, since Debian's build of libzmq leaves its own out. Each case is
 * tried with the handler that the broker has, and the closed ones also with none, with one that does not answer, and
 * with one that has ended.
 */
#include "broker/keys.h"
#include "broker/zap.h"
#include "proto/access_file.h"
#include "proto/link.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define MAX_FRAME (1u << 20)
/* Who is let in is in long before; who is not has so long to slip through. */
#define SHUT_MS 300
#define OPEN_MS 30000

struct pair {
    uint8_t public_key[BELT_KEY_BYTES], secret_key[BELT_KEY_BYTES];
};

static char directory[] = "/tmp/belt-curve-XXXXXX";
static void *context;
static struct pair server, ann, old, token, stranger;

static void draw(struct pair *pair)
{
    char public_text[41], secret_text[41];
    cr_assert_eq(zmq_curve_keypair(public_text, secret_text), 0, "this libzmq has no CURVE");
    zmq_z85_decode(pair->public_key, public_text);
    zmq_z85_decode(pair->secret_key, secret_text);
}

static size_t line_of(char *out, const struct pair *pair, const char *rest)
{
    char key[BELT_KEY_TEXT];
    belt_key_write(key, pair->public_key);
    return (size_t)sprintf(out, "%s %s\n", key, rest);
}

static void write_list(void)
{
    char text[1024];
    size_t len = line_of(text, &ann, "ann client");
    len += line_of(text + len, &old, "old admin expires=2001-01-01T00:00:00Z");
    len += line_of(text + len, &token, "spring join grants=worker uses=1 expires=2099-01-01T00:00:00Z");
    cr_assert_eq(keys_write_list(directory, text, len), 0);
}

static void setup(void)
{
    struct pair *const pairs[] = {&server, &ann, &old, &token, &stranger};
    cr_assert_not_null(mkdtemp(directory));
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        draw(pairs[i]);
    write_list();
    belt_link_seed();
    context = belt_link_context();
}

static void teardown(void)
{
    char command[128];
    zmq_ctx_term(context);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(curve, .init = setup, .fini = teardown, .timeout = 120);

/* ---- the two ends ---- */

struct door {
    void *router;
    char bound[BELT_MAX_TEXT];
    struct belt_link_sender sender;
    struct belt_link_watch watch;
};

static void open_door(struct door *door, const char *endpoint)
{
    const struct belt_link_keys keys = {.secret_key = server.secret_key};
    *door = (struct door){.watch = {.look = true, .source = -1}};
    door->watch.sender = &door->sender;
    cr_assert(belt_link_router_keyed(context, endpoint, MAX_FRAME, &keys, door->bound, &door->router, NULL), "%s",
              zmq_strerror(errno));
}

static void close_door(struct door *door)
{
    zmq_close(door->router);
}

/* Whether a message comes in within the time. */
static bool comes_in(struct door *door, int ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    long long end = ts.tv_sec * 1000LL + ts.tv_nsec / 1000000 + ms;
    for (;;) {
        struct belt_route route;
        struct belt_frames frames;
        door->watch.look = true;
        if (belt_link_recv_watched(door->router, &door->watch, &route, &frames) == 1) {
            belt_frames_clear(&frames);
            return true;
        }
        clock_gettime(CLOCK_MONOTONIC, &ts);
        if (ts.tv_sec * 1000LL + ts.tv_nsec / 1000000 >= end)
            return false;
        poll(NULL, 0, 5);
    }
}

/* A peer that says one word again and again, as it connects. */
static void *knock(struct door *door, const struct pair *own, const uint8_t *server_key, const char *plain)
{
    static const int zero = 0, interval = 20;
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(dealer, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(dealer, ZMQ_RECONNECT_IVL, &interval, sizeof(interval));
    if (plain)
        cr_assert_eq(zmq_setsockopt(dealer, ZMQ_PLAIN_USERNAME, plain, strlen(plain)), 0);
    if (own) {
        cr_assert_eq(zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, server_key, BELT_KEY_BYTES), 0);
        cr_assert_eq(zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, own->public_key, BELT_KEY_BYTES), 0);
        cr_assert_eq(zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, own->secret_key, BELT_KEY_BYTES), 0);
    }
    cr_assert_eq(zmq_connect(dealer, door->bound), 0);
    zmq_send(dealer, "knock", 5, ZMQ_DONTWAIT);
    return dealer;
}

static bool gets_in(struct door *door, const struct pair *own, const uint8_t *server_key, const char *plain, int ms)
{
    void *dealer = knock(door, own, server_key, plain);
    bool in = comes_in(door, ms);
    zmq_close(dealer);
    return in;
}

/* ---- the broker's handler ---- */

Test(curve, a_key_of_the_list_gets_in_and_is_known_by_it)
{
    struct door door;
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS));
    cr_assert_eq(door.sender.kind, BELT_SENDER_KEY);
    cr_assert_eq(memcmp(door.sender.key, ann.public_key, BELT_KEY_BYTES), 0);
    cr_assert_geq(door.sender.fd, 0);
    cr_assert(gets_in(&door, &token, server.public_key, NULL, OPEN_MS), "a token gets in, to join");
    cr_assert_eq(memcmp(door.sender.key, token.public_key, BELT_KEY_BYTES), 0);
    cr_assert_not(broker_zap.ended(handler));
    close_door(&door);
    broker_zap.stop(&handler);
    cr_assert_null(handler);
}

Test(curve, nobody_else_gets_in)
{
    struct door door;
    char address[64];
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    cr_assert_not(gets_in(&door, &stranger, server.public_key, NULL, SHUT_MS), "a key that is not in the list");
    cr_assert_not(gets_in(&door, &old, server.public_key, NULL, SHUT_MS), "one whose time is over");
    cr_assert_geq(broker_zap.refused(handler, address, sizeof(address)), 2);
    cr_assert_not_null(strstr(address, "127.0.0.1"), "%s", address);
    struct pair false_secret = ann;
    memcpy(false_secret.secret_key, stranger.secret_key, BELT_KEY_BYTES);
    cr_assert_not(gets_in(&door, &false_secret, server.public_key, NULL, SHUT_MS), "the key without its secret");
    cr_assert_not(gets_in(&door, &ann, stranger.public_key, NULL, SHUT_MS), "who takes the broker for another");
    cr_assert_not(gets_in(&door, NULL, NULL, NULL, SHUT_MS), "the mechanism NULL");
    cr_assert_not(gets_in(&door, NULL, NULL, "ann", SHUT_MS), "the mechanism PLAIN");
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS), "and the door works still");
    close_door(&door);
    broker_zap.stop(&handler);
}

Test(curve, the_list_holds_from_one_moment_to_the_next)
{
    struct door door;
    char text[1024];
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS));
    cr_assert_eq(keys_write_list(directory, text, line_of(text, &stranger, "bob client")), 0);
    cr_assert_not(gets_in(&door, &ann, server.public_key, NULL, SHUT_MS), "revoked");
    cr_assert(gets_in(&door, &stranger, server.public_key, NULL, OPEN_MS), "let in");
    close_door(&door);
    broker_zap.stop(&handler);
}

static void nobody(struct door *door, const char *why)
{
    cr_assert_not(gets_in(door, &ann, server.public_key, NULL, SHUT_MS), "%s", why);
    cr_assert_not(gets_in(door, NULL, NULL, NULL, SHUT_MS), "%s: NULL", why);
}

Test(curve, a_list_that_cannot_be_read_lets_nobody_in)
{
    struct door door;
    char path[64];
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    snprintf(path, sizeof(path), "%s/peers", directory);
    cr_assert_eq(chmod(path, 0644), 0);
    nobody(&door, "others can read it");
    cr_assert_eq(chmod(path, 0600), 0);
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS));
    cr_assert_eq(keys_write_list(directory, "", 0), 0);
    nobody(&door, "it is empty");
    unlink(path);
    nobody(&door, "it is gone");
    close_door(&door);
    broker_zap.stop(&handler);
}

/* ---- no handler, a dead one, a slow one ---- */

Test(curve, without_a_handler_nobody_gets_in)
{
    struct door door;
    open_door(&door, "tcp://127.0.0.1:*");
    nobody(&door, "no handler");
    close_door(&door);
}

Test(curve, after_the_end_of_the_handler_nobody_gets_in)
{
    struct door door;
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS));
    broker_zap.stop(&handler);
    nobody(&door, "the handler has ended");
    close_door(&door);
}

Test(curve, while_the_handler_does_not_answer_nobody_gets_in)
{
    struct door door;
    void *silent = zmq_socket(context, ZMQ_REP);
    cr_assert_eq(zmq_bind(silent, "inproc://zeromq.zap.01"), 0);
    open_door(&door, "tcp://127.0.0.1:*");
    nobody(&door, "it does not answer");
    close_door(&door);
    zmq_close(silent);
}

Test(curve, a_handler_that_cannot_start_has_ended)
{
    void *taken = zmq_socket(context, ZMQ_REP);
    cr_assert_eq(zmq_bind(taken, "inproc://zeromq.zap.01"), 0);
    void *handler = broker_zap.start(context, directory);
    cr_assert_not_null(handler);
    struct pollfd end = {.fd = broker_zap.fd(handler), .events = POLLIN};
    while (!broker_zap.ended(handler))
        poll(&end, 1, 10);
    broker_zap.stop(&handler);
    zmq_close(taken);
}

/* ---- beside it, a Unix socket ---- */

Test(curve, on_a_unix_socket_the_user_is_known_instead)
{
    struct door door;
    char endpoint[128];
    const struct belt_link_keys keys = {.secret_key = server.secret_key};
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/socket", directory);
    char tcp[BELT_MAX_TEXT];
    snprintf(tcp, sizeof(tcp), "%s", door.bound);
    cr_assert_eq(belt_link_bind(door.router, endpoint, &keys, door.bound), 0);
    cr_assert(gets_in(&door, NULL, NULL, NULL, OPEN_MS));
    cr_assert_eq(door.sender.kind, BELT_SENDER_USER);
    cr_assert_eq(door.sender.user, geteuid());
    snprintf(door.bound, sizeof(door.bound), "%s", tcp);
    cr_assert_not(gets_in(&door, NULL, NULL, NULL, SHUT_MS), "tcp:// still asks for keys");
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS));
    cr_assert_eq(door.sender.kind, BELT_SENDER_KEY);
    close_door(&door);
    broker_zap.stop(&handler);
}

/* Frame by frame, the handler gets what it did not expect, and goes on. */
Test(curve, the_handler_survives_any_question)
{
    struct door door;
    char reply[256];
    int rounds = 0;
    void *handler = broker_zap.start(context, directory);
    open_door(&door, "tcp://127.0.0.1:*");
    for (unsigned seed = 1; seed <= 400; seed++) {
        static const char *const parts[] = {"1.0", "1", "belt", "127.0.0.1", "", "CURVE", "x", "NULL"};
        unsigned count = 1 + seed % 12, state = seed * 2654435761u;
        char frame[600];
        void *req = zmq_socket(context, ZMQ_REQ);
        const int zero = 0, bound_ms = OPEN_MS;
        zmq_setsockopt(req, ZMQ_LINGER, &zero, sizeof(zero));
        zmq_setsockopt(req, ZMQ_RCVTIMEO, &bound_ms, sizeof(bound_ms));
        cr_assert_eq(zmq_connect(req, "inproc://zeromq.zap.01"), 0);
        for (unsigned i = 0; i < count; i++) {
            state = state * 1664525u + 1013904223u;
            size_t len = (state >> 24) % 4 ? strlen(parts[i % 8]) : (state >> 8) % sizeof(frame);
            memset(frame, (int)(state >> 16), sizeof(frame));
            memcpy(frame, parts[i % 8], strlen(parts[i % 8]));
            zmq_send(req, frame, len, i + 1 < count ? ZMQ_SNDMORE : 0);
        }
        for (int more = 1, at = 0; more; at++) {
            size_t size = sizeof(more);
            int got = zmq_recv(req, reply, sizeof(reply), 0);
            cr_assert_geq(got, 0, "no answer to question %u", seed);
            cr_assert(at != 2 || memcmp(reply, "400", 3) == 0, "question %u got in", seed);
            zmq_getsockopt(req, ZMQ_RCVMORE, &more, &size);
        }
        zmq_close(req);
        rounds++;
    }
    cr_assert_eq(rounds, 400);
    cr_assert(gets_in(&door, &ann, server.public_key, NULL, OPEN_MS));
    close_door(&door);
    broker_zap.stop(&handler);
}
