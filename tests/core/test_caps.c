/* SPDX-License-Identifier: Apache-2.0
 *
 * What one connection, one session and one broker take at most, how that is refused, and what the log hears of it.
 */
#include "tests/core/cluster.h"
#include "broker/core/model/state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Another session says HELLO over the connection with this number. */
static struct peer *draw_session(struct cluster *c, uint64_t link)
{
    struct peer *peer = peer_new(c, BELT_ROLE_CLIENT, "greedy");
    peer->link = link;
    peer_say_hello(peer);
    return peer;
}

Test(caps, one_connection_draws_a_few_sessions_only)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *peer = NULL;
    for (uint32_t i = 0; i < BELT_MAX_LINK_SESSIONS; i++)
        peer_expect((peer = draw_session(c, 7)), BELT_MSG_WELCOME);
    struct belt_msg_error error = peer_expect_error(draw_session(c, 7), BELT_LIMIT);
    cr_assert(memmem(error.text.data, error.text.len, "8 sessions came over this connection", 36));
    peer_expect(draw_session(c, 8), BELT_MSG_WELCOME);
    peer_send_type(peer, BELT_MSG_PING);
    peer_cut(peer);
    peer_say_hello(peer); /* one that is known may come back */
    peer_expect(peer, BELT_MSG_WELCOME);
    cluster_advance(c, 2 * BELT_LEASE_MS);
    peer_expect(draw_session(c, 7), BELT_MSG_WELCOME); /* those before are over */
    cluster_free(c);
}

Test(caps, a_session_without_connection_and_job_gives_its_place)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_peers = 3});
    struct peer *idle = client_new(c, "idle"), *owner = client_new(c, "owner"), *here = client_new(c, "here");
    client_open(owner, "k", "f", NULL);
    peer_gone(owner);
    cr_assert_eq(c->core->sessions.clients, 3);
    peer_expect_error(draw_session(c, 0), BELT_LIMIT); /* one owns a job, two are connected */
    peer_gone(idle);
    peer_expect(draw_session(c, 0), BELT_MSG_WELCOME);
    peer_expect_error(draw_session(c, 0), BELT_LIMIT);
    peer_connect(owner);
    peer_send_type(here, BELT_MSG_PING);
    cr_assert_eq(c->core->sessions.clients, 3);
    cluster_free(c);
}

Test(caps, places_are_kept_for_the_administration)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_peers = 2});
    client_new(c, "c1"), client_new(c, "c2");
    struct peer *pretender = peer_new(c, BELT_ROLE_ADMIN, "pretender");
    peer_say_hello(pretender);
    peer_expect_error(pretender, BELT_LIMIT);
    for (uint32_t i = 0; i < BELT_PEERS_RESERVED; i++) {
        struct peer *admin = peer_new(c, BELT_ROLE_ADMIN, "admin");
        admin->reserved = true;
        peer_connect(admin);
    }
    struct peer *more = peer_new(c, BELT_ROLE_ADMIN, "more");
    more->reserved = true;
    peer_say_hello(more);
    peer_expect_error(more, BELT_LIMIT);
    cluster_free(c);
}

static void open_some(struct peer *p, uint32_t count, const char *word, const struct belt_open_options *options)
{
    char key[32];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%s%u", word, i);
        client_open(p, key, "f", options);
    }
}

Test(caps, one_session_leaves_jobs_to_others)
{
    enum { JOBS = 64, MOST = JOBS - JOBS / (int)BELT_SESSION_JOBS_SHARE };
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = JOBS});
    struct peer *p = client_new(c, "greedy"), *other = client_new(c, "other");
    open_some(p, MOST, "k", NULL);
    client_send_open(p, "one-more", "f", NULL);
    struct belt_msg_error error = peer_expect_error(p, BELT_LIMIT);
    cr_assert(memmem(error.text.data, error.text.len, "your session has 56 jobs", 24));
    client_open(p, "k0", "f", NULL); /* one that is there */
    open_some(other, JOBS - MOST, "o", NULL);
    client_send_open(other, "one-more", "f", NULL);
    peer_expect_error(other, BELT_LIMIT);
    cluster_free(c);
}

Test(caps, detached_jobs_leave_room_for_others)
{
    enum { JOBS = 64, MOST = JOBS - JOBS / (int)BELT_DETACHED_JOBS_SHARE };
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = JOBS});
    struct peer *p = client_new(c, "greedy");
    struct belt_open_options detached = {.detached = true};
    open_some(p, MOST, "k", &detached);
    client_send_open(p, "one-more", "f", &detached);
    struct belt_msg_error error = peer_expect_error(p, BELT_LIMIT);
    cr_assert(memmem(error.text.data, error.text.len, "48 detached jobs", 16));
    uint64_t job = client_open(p, "attached", "f", NULL);
    client_cancel(p, job - 1);
    cluster_advance(c, 4 * BELT_LEASE_MS);
    peer_connect(p);
    client_open(p, "again", "f", &detached); /* one is over */
    cluster_free(c);
}

Test(caps, a_job_is_kept_no_longer_than_the_operator_allows)
{
    struct cluster *c = cluster_new(&(struct core_config){.keep_ms = 1000, .keep_max_ms = 5000});
    struct peer *p = client_new(c, "c1");
    client_send_open(p, "k", "f", &(struct belt_open_options){.detached = true, .keep_ms = 5001});
    struct belt_msg_error error = peer_expect_error(p, BELT_BAD_OPTION);
    cr_assert(memmem(error.text.data, error.text.len, "--keep-max", 10));
    client_open(p, "k", "f", &(struct belt_open_options){.detached = true, .keep_ms = 5000});
    cluster_free(c);

    c = cluster_new(NULL);
    p = client_new(c, "c1");
    client_send_open(p, "k", "f", &(struct belt_open_options){.detached = true, .keep_ms = BELT_KEEP_MAX_MS + 1});
    peer_expect_error(p, BELT_BAD_OPTION);
    client_open(p, "k", "f", &(struct belt_open_options){.detached = true, .keep_ms = BELT_KEEP_MAX_MS});
    cluster_free(c);
}

Test(caps, the_log_hears_of_what_is_refused_now_and_then)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = 8, .tell_refusals = true});
    struct peer *p = client_new(c, "greedy");
    p->alive = true;
    open_some(p, 7, "k", NULL);
    client_send_open(p, "no", "f", NULL);
    cluster_turn(c);
    cr_assert_str_eq(c->notice, "refused 1 request of peers (LIMIT 1); the last was of greedy: your session has 7 jobs "
                                "already, the limit of one session: end some of them");
    for (int i = 0; i < 500; i++)
        client_send_open(p, "no", "f", NULL);
    peer_send_bad(p, BELT_BAD_MESSAGE, "nonsense");
    peer_clear(p);
    cluster_turn(c);
    cr_assert(strstr(c->notice, "refused 1 request "), "not more often");
    cluster_advance(c, BELT_REFUSALS_TOLD_MS);
    cr_assert_str_eq(c->notice,
                     "refused 501 requests of peers (BAD_MESSAGE 1, LIMIT 500); the last was of greedy: nonsense");
    cluster_free(c);
}

Test(caps, a_private_broker_tells_its_pool_alone)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = 8});
    struct peer *p = client_new(c, "c1");
    open_some(p, 7, "k", NULL);
    client_send_open(p, "no", "f", NULL);
    cluster_turn(c);
    cr_assert_null(c->notice);
    cr_assert_eq(c->core->counts.refused, 1);
    cluster_free(c);
}
