/* SPDX-License-Identifier: Apache-2.0
 *
 * job.c: opening, pushing, grants, the end, cancelling, grace (PROTOCOL.md §7.1, §7.3, §7.5).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

Test(jobs, the_first_grant_is_the_window)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_send_open(p, "k", "f", &(struct belt_open_options){.window_items = 5});
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_OPENED);
    cr_assert_eq(msg->u.opened.grant.items, 5);
    cr_assert_eq(msg->u.opened.next, 0);
    cr_assert_eq(msg->u.opened.state, BELT_JOB_OPEN);
    cluster_free(c);
}

Test(jobs, keep_says_how_long_a_job_waits_for_its_client)
{
    struct cluster *c = cluster_new(&(struct core_config){.grace_ms = 10000});
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2");
    client_open(p, "short", "f", &(struct belt_open_options){.keep_ms = 3000});
    uint64_t grace = client_open(p, "grace", "f", NULL);
    uint64_t longer = client_open(p, "long", "f", &(struct belt_open_options){.keep_ms = 30000});
    p->alive = false;
    peer_cut(p);
    cluster_advance(c, BELT_LEASE_MS + 2999);
    cluster_forget_trace(c);
    cluster_advance(c, 1);
    cluster_told(c, "[18000] job 1 > cancelled: nobody came for it\n");
    cluster_advance(c, 6999);
    cluster_told(c, "");
    cluster_advance(c, 1);
    cluster_told(c, "[25000] job 2 > cancelled: its client is gone\n");
    p->alive = true;
    peer_connect(p);
    cr_assert_eq(client_open(p, "long", "f", &(struct belt_open_options){.keep_ms = 30000}), longer);
    client_send_open(other, "long", "f", &(struct belt_open_options){.keep_ms = 30000});
    peer_expect_error(other, BELT_NOT_ALLOWED);
    cr_assert_neq(client_open(p, "grace", "f", NULL), grace);
    cluster_free(c);
}

Test(jobs, what_cannot_be_opened_is_refused)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = 1});
    struct peer *p = client_new(c, "c1");
    client_send_open(p, "k", "f", &(struct belt_open_options){.durable = true});
    peer_expect_error(p, BELT_NOT_DURABLE);
    client_open(p, "k", "f", NULL);
    client_send_open(p, "l", "f", NULL);
    peer_expect_error(p, BELT_LIMIT);
    cluster_drain(c);
    client_send_open(p, "m", "f", NULL);
    peer_expect_error(p, BELT_DRAINING);
    client_open(p, "k", "f", NULL);
    cluster_free(c);
}

Test(jobs, pushes_are_accepted_once_and_without_gaps)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 10});
    client_push(p, job, 0, 4);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 4);
    client_push(p, job, 2, 4);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 6, "what was accepted is skipped");
    client_push(p, job, 0, 2);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 6);
    client_push(p, job, 7, 1);
    peer_expect_error(p, BELT_SYNC_LOST);
    client_push(p, job, 6, 5);
    peer_expect_error(p, BELT_BAD_MESSAGE);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 10, "up to the grant");
    client_push(p, 99, 0, 1);
    peer_expect_error(p, BELT_UNKNOWN_JOB);
    cluster_free(c);
}

Test(jobs, the_byte_window_overshoots_by_one_task)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 100, .window_bytes = 100});
    client_push_sized(p, job, 0, 1, 1000);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 1);
    client_push_sized(p, job, 1, 1, 1);
    peer_expect_error(p, BELT_BAD_MESSAGE);
    cluster_free(c);
}

Test(jobs, the_end_is_exact_and_idempotent)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 3);
    peer_clear(p);
    client_end(p, job, 4);
    peer_expect_error(p, BELT_SYNC_LOST);
    client_end(p, job, 2);
    peer_expect_error(p, BELT_BAD_MESSAGE);
    client_end(p, job, 3);
    cr_assert_eq(peer_expect(p, BELT_MSG_ENDED)->u.ended.count, 3);
    client_end(p, job, 3);
    cr_assert_eq(peer_expect(p, BELT_MSG_ENDED)->u.ended.count, 3);
    client_push(p, job, 3, 1);
    peer_expect_error(p, BELT_JOB_ENDED);
    peer_clear(p);
    client_push(p, job, 0, 3);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 3, "old tasks may be pushed again after the end");
    client_end(p, 99, 0);
    peer_expect_error(p, BELT_UNKNOWN_JOB);
    cluster_free(c);
}

Test(jobs, an_empty_job_is_complete_at_its_end)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    client_end(p, job, 0);
    peer_expect(p, BELT_MSG_ENDED);
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_DONE);
    cr_assert_eq(msg->u.done.count, 0);
    cr_assert_eq(msg->u.done.code, BELT_OK);
    cluster_free(c);
}

Test(jobs, the_window_opens_by_what_was_taken)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 4});
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 4);
    agent_work(w);
    peer_clear(p);
    cr_assert_eq(p->job_granted[job], 4, "done is not taken");
    client_ack(p, sub, 1, 100);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.grant.items, 5);
    client_ack(p, sub, 4, 100);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.grant.items, 8);
    cluster_free(c);
}

Test(jobs, nothing_follows_a_cancel)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 10, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 5);
    agent_take(w);
    peer_clear(p);
    c->burst = true;
    agent_result(w, 0, BELT_OK);
    client_cancel(p, job);
    cluster_turn(c);
    c->burst = false;
    cr_assert_eq(peer_expect(p, BELT_MSG_CANCELLED)->u.cancelled.job, job);
    cr_assert_eq(peer_expect(p, BELT_MSG_DONE)->u.done.code, BELT_JOB_CANCELLED);
    agent_take(w);
    const struct belt_msg *drop = peer_expect(w, BELT_MSG_DROP);
    cr_assert_eq(drop->u.drop.count, 1);
    cr_assert_eq(drop->u.drop.refs[0].index, 1);
    agent_result(w, 0, BELT_OK);
    peer_expect_nothing(p);
    cr_assert_eq(agent_take(w), 0, "a cancelled job was dispatched");
    client_push(p, job, 5, 1);
    peer_expect_error(p, BELT_JOB_CANCELLED);
    client_cancel(p, job);
    peer_expect(p, BELT_MSG_CANCELLED);
    client_cancel(p, 99);
    peer_expect_error(p, BELT_UNKNOWN_JOB);
    cluster_free(c);
}

Test(jobs, only_the_owner_and_an_admin_cancel)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2"), *admin = peer_new(c, BELT_ROLE_ADMIN, "a");
    peer_connect(admin);
    uint64_t job = client_open(p, "k", "f", NULL);
    client_cancel(other, job);
    peer_expect_error(other, BELT_NOT_ALLOWED);
    client_cancel(admin, job);
    peer_expect(admin, BELT_MSG_CANCELLED);
    cluster_free(c);
}

Test(jobs, a_lost_client_is_waited_for_by_the_grace)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_open(p, "k", "f", NULL);
    uint64_t kept = client_open(p, "kept", "f", &(struct belt_open_options){.detached = true});
    cluster_forget_trace(c);
    peer_cut(p);
    p->alive = false;
    cluster_advance(c, 120000);
    cluster_told(c, "[15000] c1 > lease expired\n"
                    "[105000] job 1 > cancelled: its client is gone\n");
    struct peer *other = client_new(c, "c2");
    client_send_subscribe(other, 1, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1);
    peer_expect_error(other, BELT_UNKNOWN_JOB);
    cr_assert_eq(client_open(other, "kept", "f", NULL), kept);
    cluster_free(c);
}

Test(jobs, a_client_that_comes_back_within_the_grace_goes_on)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    peer_cut(p);
    cluster_advance(c, BELT_LEASE_MS + BELT_GRACE_MS - 1);
    peer_connect(p);
    cluster_advance(c, 60000);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    cluster_free(c);
}

Test(jobs, what_was_read_to_the_end_is_forgotten_after_two_leases)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    agent_work(w);
    cr_assert_str_eq(client_read(p), "0 1.");
    cluster_advance(c, 60000);
    peer_clear(p);
    client_ack(p, sub, 2, 100);
    peer_expect_nothing(p);
    cluster_advance(c, 9999);
    client_ack(p, sub, 2, 100);
    peer_expect_nothing(p);
    cluster_advance(c, 1);
    client_ack(p, sub, 2, 100);
    peer_expect_error(p, BELT_UNKNOWN_READER);
    cluster_free(c);
}

/* A job with the key "k" that was read to the end just now. */
static uint64_t read_job(struct cluster *c, struct peer *p)
{
    struct peer *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 1);
    client_end(p, job, 1);
    agent_work(w);
    client_ack(p, sub, 1, 100);
    peer_clear(p);
    return job;
}

Test(jobs, who_opens_a_job_that_was_read_has_two_leases_again)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = read_job(c, p);
    cluster_advance(c, 9000);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    cluster_advance(c, 9999);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    cluster_advance(c, 10000);
    cr_assert_neq(client_open(p, "k", "f", NULL), job);
    cluster_free(c);
}

Test(jobs, nothing_that_was_read_is_forgotten_while_answers_wait_for_the_store)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1");
    uint64_t job = read_job(c, p);
    core_store_works(c->core, false, 0);
    cluster_advance(c, 60000);
    core_store_works(c->core, true, 0);
    cluster_advance(c, 9999);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    cluster_free(c);
}

Test(jobs, a_detached_job_that_was_read_is_forgotten_without_its_reader)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.detached = true});
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 1);
    agent_work(w);
    client_ack(p, sub, 1, 100);
    c->burst = true;
    client_end(p, job, 1);
    peer_gone(p); /* before DONE */
    c->burst = false;
    cluster_advance(c, 60000);
    peer_connect(p);
    cr_assert_neq(client_open(p, "k", "f", NULL), job, "all was read and acknowledged (PROTOCOL.md §7.3)");
    cluster_free(c);
}

/* A job with the key "k" and one input that was read to its end just now, and is remembered. */
static uint64_t remembered_job(struct cluster *c, struct peer *p, uint64_t remember_ms)
{
    struct peer *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.detached = true, .remember_ms = remember_ms});
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);

    client_push(p, job, 0, 1);
    client_end(p, job, 1);
    agent_work(w);
    client_ack(p, sub, 1, 100);
    peer_clear(p);
    return job;
}

Test(jobs, a_key_stands_for_a_job_that_was_read_for_as_long_as_was_asked)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1");
    uint64_t job = remembered_job(c, p, BELT_REMEMBER_MS);

    for (uint64_t left = BELT_REMEMBER_MS - 1; left > 0;) { /* peers speak, and a restart begins the time anew */
        uint64_t step = left < 600000 ? left : 600000;
        cluster_advance(c, step);
        left -= step;
    }
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    client_end(p, job, 1);
    peer_clear(p);
    client_send_open(p, "k", "g", NULL);
    peer_expect_error(p, BELT_BAD_OPTION);
    cluster_advance(c, 60000);
    peer_connect(p);
    cr_assert_neq(client_open(p, "k", "g", NULL), job, "the key is free");
    cluster_free(c);
}

Test(jobs, the_job_that_was_read_longest_ago_makes_room)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = 1});
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2");

    remembered_job(c, p, BELT_REMEMBER_MS);
    peer_gone(p);
    cluster_advance(c, 60000);
    peer_connect(other);
    cr_assert_gt(client_open(other, "another", "f", NULL), 0);
    client_send_open(other, "a third", "f", NULL);
    peer_expect_error(other, BELT_LIMIT);
    cluster_free(c);
}

Test(jobs, the_budget_stops_grants_but_not_small_jobs)
{
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = 1000000});
    struct peer *p = client_new(c, "c1");
    uint64_t big = client_open(p, "big", "f", NULL), taken = 0;
    const struct belt_msg *msg;
    for (uint64_t i = 0; i < 40 && i < p->job_granted[big]; i++)
        client_push_sized(p, big, i, 1, 30000);
    while ((msg = peer_next(p)) && msg->type == BELT_MSG_ACCEPTED)
        taken = msg->u.accepted.next;
    cr_assert(taken >= 20 && taken <= 21, "%lu: three eighths are kept for results and small jobs",
              (unsigned long)taken);
    peer_clear(p);
    uint64_t small = client_open(p, "small", "f", NULL);
    client_push_sized(p, small, 0, 1, 10);
    cr_assert_eq(peer_skip_to(p, BELT_MSG_ACCEPTED)->u.accepted.next, 1);
    cluster_free(c);
}

Test(jobs, what_has_no_room_in_memory_is_asked_for_later)
{
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = 2000000});
    struct peer *p = client_new(c, "c1");
    uint64_t one = client_open(p, "one", "f", NULL), two = client_open(p, "two", "f", NULL);
    for (uint64_t i = 0; i < 14; i++) /* each has a frame of its own; both had been granted nearly all */
        client_push_sized(p, one, i, 1, 100000);
    peer_clear(p);
    for (uint64_t i = 0; i < 14; i++)
        client_push_sized(p, two, i, 1, 100000);
    const struct belt_msg *msg;
    uint64_t next = 0;
    while ((msg = peer_next(p))) {
        cr_assert_eq(msg->type, BELT_MSG_ACCEPTED, "tasks behind those that were not taken are no fault");
        next = msg->u.accepted.job == two ? msg->u.accepted.next : next;
    }
    cr_assert(next > 0 && next < 14, "%lu", (unsigned long)next);
    client_cancel(p, one);
    bool asked = false;
    while ((msg = peer_next(p)))
        asked |= msg->type == BELT_MSG_ERROR && msg->u.error.code == BELT_SYNC_LOST && msg->u.error.job == two;
    cr_assert(asked, "there is room again");
    client_push_sized(p, two, next, 1, 100000);
    cr_assert_eq(peer_skip_to(p, BELT_MSG_ACCEPTED)->u.accepted.next, next + 1);
    cluster_free(c);
}

Test(jobs, a_job_that_nobody_comes_for_is_kept_as_long_as_it_says)
{
    struct cluster *c = cluster_new(&(struct core_config){.keep_ms = 3600000});
    struct peer *p = client_new(c, "c1");
    client_open(p, "short", "f", &(struct belt_open_options){.detached = true, .keep_ms = 7000});
    uint64_t kept = client_open(p, "long", "f", &(struct belt_open_options){.detached = true});
    cluster_forget_trace(c);
    peer_send_type(p, BELT_MSG_BYE);
    p->alive = false;
    cluster_advance(c, 60000);
    cluster_told(c, "[10000] c1 > bye\n"
                    "[17000] job 1 > cancelled: nobody came for it\n");
    struct peer *other = client_new(c, "c2");
    cr_assert_eq(client_open(other, "long", "f", NULL), kept);
    cluster_free(c);
}

Test(jobs, durable_and_volatile_contradict_each_other)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_send_open(p, "k", "f", &(struct belt_open_options){.durable = true, .never_durable = true});
    peer_expect_error(p, BELT_BAD_OPTION);
    cluster_free(c);
}
