/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements that wait for company (policy/owed.c).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

Test(owed, accepted_waits_for_company_but_not_long)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 1);
    cluster_advance(c, 3);
    client_push(p, job, 1, 1);
    cluster_advance(c, 1);
    peer_expect_nothing(p);
    cluster_advance(c, 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 2);
    cluster_advance(c, 100);
    peer_expect_nothing(p);
    client_push(p, job, 2, 1);
    peer_expect_nothing(p);
    cluster_advance(c, 5);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 3, "the time begins with the first that is owed");
    cluster_free(c);
}

Test(owed, accepted_does_not_wait_when_there_is_enough_to_tell)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL), other = client_open(p, "l", "f", NULL);
    client_push(p, job, 0, 255);
    peer_expect_nothing(p);
    client_push(p, job, 255, 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 256);
    client_push_sized(p, job, 256, 1, BELT_BATCH_BYTES - 1);
    peer_expect_nothing(p);
    client_push(p, job, 257, 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 258);
    client_push(p, other, 0, 1);
    client_end(p, other, 1);
    cr_assert_eq(peer_skip_to(p, BELT_MSG_ACCEPTED)->u.accepted.next, 1, "nothing else comes");
    cluster_free(c);
}

Test(owed, accepted_of_what_is_on_disk_does_not_wait)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5, .durable = true});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 1);
    cluster_free(c);
}

Test(owed, accepted_does_not_wait_when_somebody_else_reads)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.detached = true});
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 1);
    peer_expect_nothing(p);
    client_subscribe(q, job, "other", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 1, "the other may be shown its result");
    client_push(p, job, 1, 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 2);
    cluster_free(c);
}

Test(owed, a_grant_that_is_used_up_does_not_wait)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 1});
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 1);
    agent_work(w);
    cr_assert_str_eq(client_read(p), "0");
    peer_expect_nothing(p);
    client_ack(p, sub, 1, 100);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.grant.items, 2);
    cluster_free(c);
}

Test(owed, one_that_goes_while_accepted_waits_leaves_nothing_behind)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 1);
    peer_send_type(p, BELT_MSG_BYE);
    p->alive = false;
    cluster_advance(c, 1000);
    cluster_free(c);
}
