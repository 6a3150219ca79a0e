/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the broker's pure helpers: addresses, outboxes, the table of peers.
 */
#include "broker/endpoint.h"
#include "broker/peers.h"

#include <belt/codes.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char error[1024];

static int check(const char *endpoint, bool insecure)
{
    return broker_endpoint_check(endpoint, insecure, error, sizeof(error));
}

Test(endpoint, loopback_is_allowed)
{
    static const char *const good[] = {"tcp://127.0.0.1:7878", "tcp://127.9.9.9:1", "tcp://localhost:7878",
                                       "tcp://[::1]:65535",    "tcp://127.0.0.1:*", "tcp://127.0.0.1:0",
                                       "ipc:///run/belt",      "ipc://@name"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert_eq(check(good[i], false), BELT_OK, "%s: %s", good[i], error);
}

Test(endpoint, other_addresses_need_the_long_flag)
{
    static const char *const open[] = {"tcp://*:7878",
                                       "tcp://0.0.0.0:7878",
                                       "tcp://[::]:7878",
                                       "tcp://192.168.1.1:1",
                                       "tcp://eth0:7878",
                                       "tcp://lo:7878",
                                       "tcp://127.0.0.1.example.com:7878",
                                       "tcp://1270.0.0:1",
                                       "tcp://localhost.example:1"};
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        cr_assert_eq(check(open[i], false), BELT_INVALID, "%s", open[i]);
        cr_assert_not_null(strstr(error, "--insecure-plaintext"), "%s", error);
        cr_assert_eq(check(open[i], true), BELT_OK, "%s: %s", open[i], error);
    }
}

Test(endpoint, nonsense_is_refused_with_either)
{
    static const char *const bad[] = {"",
                                      "7878",
                                      "udp://127.0.0.1:1",
                                      "tcp://127.0.0.1",
                                      "tcp://:7878",
                                      "tcp://",
                                      "tcp://[::1:7878",
                                      "tcp://127.0.0.1:65536",
                                      "tcp://127.0.0.1:x",
                                      "inproc://a",
                                      "ipc://",
                                      "tcp://127.0.0.1:"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (int insecure = 0; insecure < 2; insecure++)
            cr_assert_eq(check(bad[i], insecure), BELT_INVALID, "%s", bad[i]);
}

Test(endpoint, paths_have_the_length_of_a_socket_address)
{
    char path[6 + 108 + 1] = "ipc://";
    memset(path + 6, 'p', 108);
    cr_assert_eq(check(path, false), BELT_INVALID);
    cr_assert_not_null(strstr(error, "107"), "%s", error);
    path[6 + 107] = '\0';
    cr_assert_eq(check(path, false), BELT_OK);
    cr_assert_str_eq(broker_endpoint_path("ipc:///run/x"), "/run/x");
    cr_assert_null(broker_endpoint_path("ipc://@x"));
    cr_assert_null(broker_endpoint_path("tcp://127.0.0.1:1"));
}

static struct belt_frames message(size_t len)
{
    return (struct belt_frames){.frame = {belt_buf_new(len)}, .count = 1};
}

Test(outbox, keeps_order_and_counts_bytes)
{
    struct outbox outbox = {0};
    for (size_t len = 1; len <= 3; len++) {
        struct belt_frames frames = message(len * 1000);
        cr_assert(outbox_push(&outbox, &frames, false));
        cr_assert_eq(frames.count, 0, "it took the frames");
    }
    cr_assert_geq(outbox.bytes, 6000);
    for (size_t len = 1; len <= 3; len++) {
        cr_assert_eq(outbox_front(&outbox)->frame[0]->len, len * 1000);
        outbox_pop(&outbox);
    }
    cr_assert_null(outbox_front(&outbox));
    cr_assert_eq(outbox.bytes, 0);
    struct belt_frames frames = message(5);
    cr_assert(outbox_push(&outbox, &frames, false));
    outbox_clear(&outbox);
    cr_assert_eq(outbox.bytes, 0);
}

Test(outbox, tells_what_was_granted)
{
    struct outbox outbox = {0};
    for (size_t i = 0; i < 4; i++) {
        struct belt_frames frames = message(1000);
        cr_assert(outbox_push(&outbox, &frames, i % 2));
    }
    cr_assert_eq(outbox.granted * 2, outbox.bytes);
    outbox_pop(&outbox);
    cr_assert_eq(outbox.granted * 3, outbox.bytes * 2);
    outbox_pop(&outbox);
    cr_assert_eq(outbox.granted * 2, outbox.bytes);
    outbox_clear(&outbox);
    cr_assert_eq(outbox.granted, 0);
}

static struct belt_route route(uint32_t number)
{
    struct belt_route to = {.len = 5};
    memcpy(to.bytes + 1, &number, sizeof(number));
    return to;
}

Test(peers, a_route_keeps_its_handle_until_it_is_removed)
{
    struct peers peers;
    struct belt_route a = route(1), b = route(2);
    peers_init(&peers, 10);
    struct peer *first = peers_at(&peers, BROKER_CLIENTS, &a);
    uint64_t handle = first->handle;
    cr_assert_neq(handle, 0);
    cr_assert_neq(peers_at(&peers, BROKER_CLIENTS, &b)->handle, handle);
    cr_assert_neq(peers_at(&peers, BROKER_WORKERS, &a)->handle, handle, "the sockets have routes of their own");
    cr_assert_eq(peers_at(&peers, BROKER_CLIENTS, &a), first);
    cr_assert_eq(peers_find(&peers, handle), first);
    peers_remove(&peers, first);
    cr_assert_null(peers_find(&peers, handle));
    cr_assert_neq(peers_at(&peers, BROKER_CLIENTS, &a)->handle, handle, "a handle is never used twice");
    peers_fini(&peers);
    cr_assert_eq(peers.count, 0);
}

Test(peers, are_bounded)
{
    struct peers peers;
    peers_init(&peers, 100);
    for (uint32_t i = 0; i < 100; i++) {
        struct belt_route at = route(i);
        cr_assert_not_null(peers_at(&peers, BROKER_WORKERS, &at));
    }
    struct belt_route more = route(1000), known = route(5);
    cr_assert_null(peers_at(&peers, BROKER_WORKERS, &more));
    struct peer *peer = peers_at(&peers, BROKER_WORKERS, &known);
    cr_assert_not_null(peer, "those that are known stay known");
    struct belt_frames frames = message(10);
    outbox_push(&peer->outbox, &frames, false);
    peers_remove(&peers, peer);
    cr_assert_not_null(peers_at(&peers, BROKER_WORKERS, &more));
    peers_fini(&peers);
}
