/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sent a message is what the system and the handler of keys say, and never what the peer says of itself: raw peers
 * that claim a user's process or a key in the properties of their handshake.
 */
#include "proto/access.h"
#include "proto/link.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

/* Of a greeting, in bytes: what comes before the version. */
#define SIGNATURE   10u
#define CLAIMED_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void *context, *router;
static struct belt_link_sender sender;
static struct belt_link_watch watch;
static char bound[BELT_MAX_TEXT], place[64];

static void listen_at(const char *endpoint)
{
    belt_link_seed();
    context = belt_link_context();
    router = belt_link_router(context, endpoint, 1u << 20, bound);
    cr_assert_not_null(router, "%s", zmq_strerror(errno));
    watch = (struct belt_link_watch){.look = true, .source = -1, .sender = &sender};
}

static void end(int fd)
{
    close(fd);
    zmq_close(router);
    zmq_ctx_term(context);
}

static void put(int fd, const void *data, size_t len)
{
    cr_assert_eq(write(fd, data, len), (ssize_t)len);
}

/* The other side's part of the handshake, which goes step by step. */
static void get(int fd, size_t len)
{
    uint8_t bytes[64];
    for (size_t at = 0; at < len;) {
        ssize_t got = read(fd, bytes, len - at);
        cr_assert_gt(got, 0);
        at += (size_t)got;
    }
}

static size_t property(uint8_t *at, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    *at = (uint8_t)name_len;
    memcpy(at + 1, name, name_len);
    memcpy(at + 1 + name_len, (const uint8_t[]){0, 0, 0, (uint8_t)value_len}, 4);
    memcpy(at + 5 + name_len, value, value_len);
    return 5 + name_len + value_len;
}

/* ZMTP 3.0 with the mechanism NULL: a greeting, READY with the properties that are claimed, and a message. */
static void say(int fd, const char *name, const char *value)
{
    uint8_t greeting[64] = {0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L'};
    uint8_t ready[512] = {0x04, 0, 5, 'R', 'E', 'A', 'D', 'Y'};
    size_t len = 8;
    len += property(ready + len, "Socket-Type", "DEALER");
    len += property(ready + len, name, value);
    len += property(ready + len, "Identity", "");
    ready[1] = (uint8_t)(len - 2);
    put(fd, greeting, SIGNATURE);
    get(fd, SIGNATURE + 1);
    put(fd, greeting + SIGNATURE, sizeof(greeting) - SIGNATURE);
    get(fd, sizeof(greeting) - SIGNATURE - 1);
    put(fd, ready, len);
    put(fd, "\x00\x05hello", 7);
}

static void take(void)
{
    struct belt_route route;
    struct belt_frames frames;
    for (int got = 0; got != 1;) {
        watch.look = true;
        got = belt_link_recv_watched(router, &watch, &route, &frames);
        cr_assert_geq(got, 0);
        if (got != 1)
            poll(NULL, 0, 5);
    }
    belt_frames_clear(&frames);
}

static int dial_tcp(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(bound, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

Test(link_sender, a_peer_on_a_network_is_no_process_of_this_machine, .timeout = 60)
{
    listen_at("tcp://127.0.0.1:*");
    int fd = dial_tcp();
    say(fd, "Peer-Address", "localhost:0:0:1");
    take();
    cr_assert_eq(sender.kind, BELT_SENDER_NOBODY, "it passed for a process of root");
    cr_assert_geq(sender.fd, 0);
    end(fd);
}

Test(link_sender, a_process_has_no_key, .timeout = 60)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char endpoint[128];
    snprintf(place, sizeof(place), "/tmp/belt-sender-%ld", (long)getpid());
    snprintf(endpoint, sizeof(endpoint), "ipc://%s", place);
    listen_at(endpoint);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", place);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    say(fd, "User-Id", CLAIMED_KEY);
    take();
    cr_assert_eq(sender.kind, BELT_SENDER_USER, "it passed for somebody's key");
    cr_assert_eq(sender.user, geteuid());
    end(fd);
    unlink(place);
}
