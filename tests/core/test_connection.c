/* SPDX-License-Identifier: Apache-2.0
 *
 * peer.c: hello, sequence, leases, probes, BYE (PROTOCOL.md §6).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

static struct belt_msg hello_of(uint8_t *session, uint32_t version, uint8_t role)
{
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){
        .version = version, .role = role, .session = {session, BELT_SESSION_LEN}, .name = {(const uint8_t *)"x", 1}};
    return msg;
}

Test(connection, hello_is_welcomed)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = peer_new(c, BELT_ROLE_CLIENT, "c1");
    peer_say_hello(p);
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_WELCOME);
    cr_assert_eq(msg->u.welcome.version, BELT_PROTOCOL_VERSION);
    cr_assert_eq(msg->u.welcome.heartbeat_ms, BELT_HEARTBEAT_MS);
    cr_assert_eq(msg->u.welcome.lease_ms, BELT_LEASE_MS);
    cr_assert_eq(msg->u.welcome.max_payload, BELT_MAX_PAYLOAD_DEFAULT);
    cr_assert_eq(msg->u.welcome.max_frame, BELT_MAX_PAYLOAD_DEFAULT + BELT_FRAME_MARGIN);
    peer_send_type(p, BELT_MSG_PING);
    cr_assert_not_null(peer_skip_to(p, BELT_MSG_PONG));
    cluster_told(c, "[10000] c1 > client said hello\n");
    cluster_free(c);
}

Test(connection, wrong_version_and_role_are_refused)
{
    struct cluster *c = cluster_new(NULL);
    uint8_t session[BELT_SESSION_LEN] = {1};
    struct peer *p = peer_new(c, BELT_ROLE_CLIENT, "c1");
    p->handle = ++c->last_handle;
    peer_send_at(p, hello_of(session, 99, BELT_ROLE_CLIENT), 0);
    cr_assert_eq(peer_expect_error(p, BELT_BAD_VERSION).ref, BELT_PROTOCOL_VERSION, "the version that would do");
    cr_assert_eq(p->handle, 0, "a refused peer is forgotten");
    p->handle = ++c->last_handle;
    p->role = BELT_ROLE_WORKER; /* the endpoint of workers */
    peer_send_at(p, hello_of(session, BELT_PROTOCOL_VERSION, BELT_ROLE_CLIENT), 0);
    peer_expect_error(p, BELT_BAD_ROLE);
    cr_assert_eq(p->handle, 0);
    cluster_free(c);
}

Test(connection, the_cap_on_peers_holds)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_peers = 2});
    client_new(c, "c1");
    client_new(c, "c2");
    struct peer *p = peer_new(c, BELT_ROLE_CLIENT, "c3");
    peer_say_hello(p);
    peer_expect_error(p, BELT_LIMIT);
    cluster_free(c);
}

Test(connection, a_stranger_is_told_to_say_hello)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = peer_new(c, BELT_ROLE_CLIENT, "c1");
    p->handle = ++c->last_handle;
    peer_send_type(p, BELT_MSG_PING);
    peer_expect_error(p, BELT_SYNC_LOST);
    cr_assert_eq(p->handle, 0);
    cluster_free(c);
}

Test(connection, a_duplicate_is_ignored_and_a_gap_ends_the_connection)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    peer_send_at(p, (struct belt_msg){.type = BELT_MSG_PING}, 1);
    cr_assert_null(peer_skip_to(p, BELT_MSG_PONG), "a duplicate was answered");
    cluster_forget_trace(c);
    peer_send_at(p, (struct belt_msg){.type = BELT_MSG_PING}, 4);
    peer_expect_error(p, BELT_SYNC_LOST);
    cr_assert_eq(p->handle, 0);
    cluster_told(c, "[10000] c1 > lost 2 messages: hello again\n");
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", NULL), job, "the session went on");
    cluster_free(c);
}

Test(connection, what_cannot_be_decoded_counts_as_received)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    peer_send_bad(p, BELT_BAD_MESSAGE, "PUSH: tasks: expected array");
    peer_expect_error(p, BELT_BAD_MESSAGE);
    client_open(p, "", "f", NULL);
    struct peer *stranger = peer_new(c, BELT_ROLE_CLIENT, "c2");
    stranger->handle = ++c->last_handle;
    peer_send_bad(stranger, BELT_BAD_MESSAGE, "not msgpack");
    peer_expect_error(stranger, BELT_BAD_MESSAGE);
    cr_assert_eq(stranger->handle, 0);
    cluster_free(c);
}

Test(connection, what_cannot_be_decoded_is_answered_by_its_ref_and_job)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    peer_send_bad_naming(p, BELT_BAD_MESSAGE, "SUBSCRIBE: mode", (struct belt_named){.ref = 7, .job = 3});
    struct belt_msg_error error = peer_expect_error(p, BELT_BAD_MESSAGE);
    cr_assert_eq(error.ref, 7);
    cr_assert_eq(error.job, 3);
    peer_send_bad_naming(p, BELT_TOO_LARGE, "PUSH: too much", (struct belt_named){.job = 3, .task = true, .index = 41});
    error = peer_expect_error(p, BELT_TOO_LARGE);
    cr_assert_eq(error.job, 3);
    cr_assert(error.text.len > 8 && memcmp(error.text.data, "task 41:", 8) == 0);
    struct peer *w = agent_new(c, "w1", 1, 4, "f");
    peer_send(w, (struct belt_msg){.type = BELT_MSG_STATUS, .u.status = {.ref = 9, .what = BELT_REPORT_JOBS}});
    cr_assert_eq(peer_expect_error(w, BELT_BAD_MESSAGE).ref, 9, "a worker that asks is answered, too");
    cluster_free(c);
}

Test(connection, a_hello_of_a_newer_version_that_is_not_understood_is_told_the_version)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    peer_send_bad_naming(p, BELT_BAD_MESSAGE, "HELLO: has 6 fields", (struct belt_named){.version = 2});
    cr_assert_eq(peer_expect_error(p, BELT_BAD_VERSION).ref, BELT_PROTOCOL_VERSION);
    cr_assert_eq(p->handle, 0);
    cluster_free(c);
}

Test(connection, a_session_keeps_its_role)
{
    struct cluster *c = cluster_new(NULL);
    uint8_t session[BELT_SESSION_LEN] = {1};
    struct peer *p = peer_new(c, BELT_ROLE_CLIENT, "c1");
    p->handle = ++c->last_handle;
    peer_send_at(p, hello_of(session, BELT_PROTOCOL_VERSION, BELT_ROLE_CLIENT), 0);
    peer_expect(p, BELT_MSG_WELCOME);
    peer_send_at(p, hello_of(session, BELT_PROTOCOL_VERSION, BELT_ROLE_ADMIN), 0);
    struct belt_msg_error error = peer_expect_error(p, BELT_BAD_ROLE);
    cr_assert_not_null(memmem(error.text.data, error.text.len, "session of its own", 18), "the endpoint is right");
    cr_assert_eq(p->handle, 0);
    cluster_free(c);
}

Test(connection, what_the_role_does_not_say_is_an_error)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    peer_send_type(p, BELT_MSG_LEAVING);
    peer_expect_error(p, BELT_BAD_MESSAGE);
    struct peer *w = agent_new(c, "w1", 1, 4, "f");
    client_cancel(w, 1);
    peer_expect_error(w, BELT_BAD_MESSAGE);
    struct peer *late = peer_new(c, BELT_ROLE_WORKER, "w2");
    late->slots = late->window_items = 1;
    late->functions = "f";
    peer_connect(late);
    peer_send_type(late, BELT_MSG_LEAVING);
    peer_expect_error(late, BELT_BAD_MESSAGE);
    cluster_free(c);
}

Test(connection, a_silent_peer_is_probed_and_then_gone)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    p->alive = false;
    cluster_advance(c, 1499);
    cr_assert_null(peer_skip_to(p, BELT_MSG_PONG));
    cluster_advance(c, 1);
    cr_assert_not_null(peer_skip_to(p, BELT_MSG_PONG));
    cluster_advance(c, 1000);
    cr_assert_not_null(peer_skip_to(p, BELT_MSG_PONG));
    cluster_forget_trace(c);
    cluster_advance(c, 2500);
    cluster_told(c, "[15000] c1 > lease expired\n");
    cr_assert_eq(p->handle, 0);
    cluster_free(c);
}

Test(connection, who_speaks_lives)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    cluster_forget_trace(c);
    cluster_advance(c, 60000);
    cluster_told(c, "");
    cr_assert_neq(p->handle, 0);
    cluster_free(c);
}

Test(connection, an_unreachable_peer_is_waited_for_a_heartbeat)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    cluster_advance(c, 3000);
    cluster_forget_trace(c);
    peer_gone(p);
    cluster_advance(c, 1000);
    cluster_told(c, "[13000] c1 > connection lost: unreachable\n[14000] c1 > lease expired\n");
    cluster_free(c);
}

Test(connection, a_turn_that_comes_late_is_nobody_elses_fault)
{
    struct cluster *c = cluster_new(NULL);
    client_new(c, "c1")->alive = false;
    cluster_advance(c, 1000);
    cluster_forget_trace(c);
    c->now += 20000; /* the broker was stopped, and what its peers said meanwhile is not read yet */
    cluster_turn(c);
    cluster_advance(c, 4999);
    cluster_told(c, "");
    cluster_advance(c, 1);
    cluster_told(c, "[36000] c1 > lease expired\n");
    cluster_free(c);
}

Test(connection, a_hello_from_elsewhere_takes_the_session_over)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t old = p->handle;
    p->handle = 0;
    peer_connect(p);
    cr_assert_neq(p->handle, old);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    cluster_free(c);
}

Test(connection, the_later_session_of_a_connection_counts)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t handle = p->handle;
    uint8_t other[BELT_SESSION_LEN] = {9, 9};
    memcpy(p->session, other, sizeof(other));
    peer_connect(p);
    cr_assert_eq(p->handle, handle, "the connection that was just welcomed was dropped");
    client_open(p, "", "f", NULL);
    cluster_free(c);
}

Test(connection, bye_of_a_client_ends_its_jobs)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    struct peer *other = client_new(c, "c2");
    uint64_t job = client_job(p, "f", 3, NULL);
    cluster_forget_trace(c);
    peer_send_type(p, BELT_MSG_BYE);
    cr_assert_eq(p->handle, 0);
    cluster_told(c, "[10000] c1 > bye\n[10000] job 1 > cancelled: its client is gone\n");
    client_cancel(other, job);
    peer_expect(other, BELT_MSG_CANCELLED); /* it is */
    client_send_subscribe(other, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1);
    peer_expect_error(other, BELT_UNKNOWN_JOB);
    cluster_free(c);
}
