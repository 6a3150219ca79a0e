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

Test(jobs, the_same_key_is_the_same_job)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 5});
    client_push(p, job, 0, 3);
    peer_clear(p);
    client_send_open(p, "k", "f", NULL);
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_OPENED);
    cr_assert_eq(msg->u.opened.job, job, "I12");
    cr_assert_eq(msg->u.opened.next, 3);
    cr_assert_eq(msg->u.opened.next_bytes, 30);
    cr_assert_eq(msg->u.opened.grant.items, 5);
    cr_assert_neq(client_open(p, "", "f", NULL), client_open(p, "", "f", NULL), "no key is a new job each time");
    cluster_free(c);
}

Test(jobs, a_key_is_one_function_with_the_options_that_change_results)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2");
    struct belt_open_options is = {
        .retries = 2, .timeout_ms = 500, .detached = true, .argument = {(const uint8_t *)"arg", 3}};
    uint64_t job = client_open(p, "k", "f", &is);
    struct belt_open_options differ[] = {is, is, is, is, is, is, is, is, is, is, is, is};
    differ[0].retries = 3;
    differ[1].timeout_ms = 501;
    differ[2].max_attempts = BELT_MAX_ATTEMPTS_DEFAULT + 1;
    differ[3].final_status[0] = 2;
    differ[4].argument = (struct belt_bytes){(const uint8_t *)"arh", 3};
    differ[5].argument.len = 2;
    differ[6].after_ms = 1000;
    differ[7].deadline_ms = 1000;
    differ[8].after_at = CLUSTER_WALL + 1000000;
    differ[9].deadline_at = CLUSTER_WALL + 1000000;
    differ[10].detail = true;
    differ[11].durable = true;
    for (unsigned i = 0; i < sizeof(differ) / sizeof(*differ); i++) {
        client_send_open(other, "k", "f", &differ[i]);
        peer_expect_error(other, BELT_BAD_OPTION);
    }
    client_send_open(other, "k", "g", &is);
    peer_expect_error(other, BELT_BAD_OPTION);
    client_push(p, job, 0, 1); /* who was refused has not taken it over */
    is.max_attempts = BELT_MAX_ATTEMPTS_DEFAULT;
    is.priority = 5; /* when a task runs, not what comes of it */
    cr_assert_eq(client_take_over(other, "k", "f", &is), job);
    cluster_free(c);
}

Test(jobs, start_and_deadline_of_a_key_are_compared_by_what_was_said)
{
    for (unsigned absolute = 0; absolute < 2; absolute++) {
        struct cluster *c = cluster_new(&(struct core_config){.durable = true});
        struct peer *p = client_new(c, "c1");
        struct belt_open_options is = {.after_ms = 60000, .deadline_ms = 90000, .detached = true};
        if (absolute)
            is = (struct belt_open_options){.after_at = c->now + c->wall_ahead + 60000,
                                            .deadline_at = c->now + c->wall_ahead + 90000,
                                            .detached = true};
        uint64_t job = client_open(p, "k", "f", &is);
        cluster_advance(c, 5000);
        cr_assert_eq(client_open(p, "k", "f", &is), job, "the same words name the same job, later, too");
        cluster_restart(c);
        peer_connect(p);
        cr_assert_eq(client_open(p, "k", "f", &is), job);
        struct belt_open_options differ[] = {is, is, is};
        differ[0].after_ms += 1;
        differ[0].after_at += absolute;
        differ[1].deadline_ms += 1;
        differ[1].deadline_at += absolute;
        differ[2].deadline_ms = differ[2].deadline_at = 0;
        for (unsigned i = 0; i < 3; i++) {
            client_send_open(p, "k", "f", &differ[i]);
            peer_expect_error(p, BELT_BAD_OPTION);
        }
        cluster_free(c);
    }
}

Test(jobs, what_was_asked_of_a_key_must_hold_and_more_does_no_harm)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.detail = true});
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    cr_assert_eq(client_open(p, "k", "f", &(struct belt_open_options){.durable = true}), job);
    client_send_open(p, "k", "f", &(struct belt_open_options){.never_durable = true});
    peer_expect_error(p, BELT_BAD_OPTION);
    client_open(p, "v", "f", &(struct belt_open_options){.never_durable = true});
    client_send_open(p, "v", "f", &(struct belt_open_options){.durable = true});
    peer_expect_error(p, BELT_BAD_OPTION);
    cluster_free(c);
}

Test(jobs, who_feeds_a_job_and_lives_is_not_ousted_unasked)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2"), *third = client_new(c, "c3");
    const struct belt_open_options detached = {.detached = true};
    uint64_t job = client_open(p, "k", "f", &detached);
    cluster_advance(c, 7000);
    client_send_open(other, "k", "f", &detached);
    peer_expect_nothing(other);
    client_send_open(third, "k", "f", &detached);
    cluster_advance(c, BELT_HEARTBEAT_MS);
    peer_expect_error(third, BELT_NOT_ALLOWED);
    struct belt_msg_error error = peer_expect_error(other, BELT_NOT_ALLOWED);
    cr_assert_not_null(strstr((const char *)error.text.data, "'c1'), which has fed it for 8 s"), "who and since when");
    client_push(p, job, 0, 1);
    peer_expect(p, BELT_MSG_ACCEPTED);
    cr_assert_eq(client_take_over(other, "k", "f", &detached), job);
    client_push(p, job, 1, 1);
    peer_expect_error(p, BELT_NOT_ALLOWED);
    cluster_free(c);
}

Test(jobs, who_is_gone_is_replaced)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2"), *third = client_new(c, "c3");
    const struct belt_open_options detached = {.detached = true};
    uint64_t job = client_open(p, "k", "f", &detached);
    p->alive = false;
    client_send_open(other, "k", "f", &detached);
    peer_gone(p); /* the transport tells */
    cluster_advance(c, BELT_RETURN_MS - 1);
    peer_expect_nothing(other);
    cluster_advance(c, 1);
    cr_assert_eq(peer_expect(other, BELT_MSG_OPENED)->u.opened.job, job);
    other->alive = false;
    peer_cut(other); /* it does not */
    client_send_open(third, "k", "f", &detached);
    cluster_advance(c, BELT_LEASE_MS - BELT_RETURN_MS - 1);
    peer_expect_nothing(third);
    cluster_advance(c, 1);
    cr_assert_eq(peer_expect(third, BELT_MSG_OPENED)->u.opened.job, job);
    peer_send_type(third, BELT_MSG_BYE);
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", &detached), job, "who has said goodbye is not waited for");
    cluster_free(c);
}

Test(jobs, who_asks_for_a_job_and_goes_is_forgotten)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2"), *third = client_new(c, "c3");
    const struct belt_open_options detached = {.detached = true};
    uint64_t job = client_open(p, "k", "f", &detached);
    p->alive = false;
    other->alive = false;
    client_send_open(other, "k", "f", &detached);
    peer_gone(other);
    client_send_open(third, "k", "f", &detached);
    peer_gone(p);
    cluster_advance(c, BELT_RETURN_MS);
    cr_assert_eq(peer_expect(third, BELT_MSG_OPENED)->u.opened.job, job);
    peer_connect(p);
    third->alive = false;
    client_send_open(p, "k", "f", &detached);
    client_send_open(p, "k", "f", &detached); /* each request has its answer */
    peer_gone(third);
    cluster_advance(c, BELT_RETURN_MS);
    cr_assert_eq(peer_expect(p, BELT_MSG_OPENED)->u.opened.ref, p->last_ref - 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_OPENED)->u.opened.ref, p->last_ref);
    cluster_free(c);
}

static struct belt_msg_opened opened_with_digest(struct peer *p, const char *key, bool asks)
{
    peer_clear(p);
    client_send_open(p, key, "f", &(struct belt_open_options){.digest = asks, .detached = true});
    return peer_skip_to(p, BELT_MSG_OPENED)->u.opened;
}

Test(jobs, the_digest_of_the_input_is_told_to_who_asks)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    struct belt_digest none = {{0}}, five = {{0}};
    for (unsigned i = 0; i < 5; i++)
        belt_digest_add(&five, "tttttttttt", 10);
    struct belt_msg_opened opened = opened_with_digest(p, "k", true);
    cr_assert(opened.digested && !memcmp(&opened.digest, &none, sizeof(none)));
    uint64_t sub;
    for (unsigned rounds = 0; rounds < 4; rounds++) { /* with all tasks on disk, and with none of them any more */
        if (rounds == 0)
            client_push(p, opened.job, 0, 3);
        else if (rounds == 1)
            agent_work(w);
        else if (rounds == 2)
            client_push(p, opened.job, 3, 2);
        else
            client_end(p, opened.job, 5);
        peer_clear(p);
        cluster_restart(c);
        peer_connect(w);
        agent_sync(w);
        peer_connect(p);
        struct belt_msg_opened now = opened_with_digest(p, "k", true);
        cr_assert_eq(now.next, rounds < 2 ? 3 : 5);
        struct belt_digest wanted = {{0}};
        for (unsigned i = 0; i < now.next; i++)
            belt_digest_add(&wanted, "tttttttttt", 10);
        cr_assert(now.digested && !memcmp(&now.digest, &wanted, sizeof(wanted)), "round %u", rounds);
        cr_assert(!opened_with_digest(p, "k", false).digested);
        peer_clear(p);
        sub = client_subscribe(p, opened.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
        if (rounds == 1)
            client_ack(p, sub, 3, 100);
    }
    opened_with_digest(p, "without", false);
    cr_assert(!opened_with_digest(p, "without", true).digested, "nobody has counted");
    cluster_free(c);
}

Test(jobs, a_key_belongs_to_its_session_unless_detached)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2");
    client_open(p, "mine", "f", NULL);
    uint64_t job = client_open(p, "ours", "f", &(struct belt_open_options){.detached = true});
    client_send_open(other, "mine", "f", NULL);
    peer_expect_error(other, BELT_NOT_ALLOWED);
    cr_assert_eq(client_take_over(other, "ours", "f", NULL), job);
    client_push(p, job, 0, 1);
    peer_expect_error(p, BELT_NOT_ALLOWED);
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

/* ---- owed.c ---- */

Test(jobs, accepted_waits_for_company_but_not_long)
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

Test(jobs, accepted_does_not_wait_when_there_is_enough_to_tell)
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

Test(jobs, accepted_of_what_is_on_disk_does_not_wait)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5, .durable = true});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 1);
    cr_assert_eq(peer_expect(p, BELT_MSG_ACCEPTED)->u.accepted.next, 1);
    cluster_free(c);
}

Test(jobs, accepted_does_not_wait_when_somebody_else_reads)
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

Test(jobs, a_grant_that_is_used_up_does_not_wait)
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

Test(jobs, one_that_goes_while_accepted_waits_leaves_nothing_behind)
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

Test(jobs, durable_and_volatile_contradict_each_other)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_send_open(p, "k", "f", &(struct belt_open_options){.durable = true, .never_durable = true});
    peer_expect_error(p, BELT_BAD_OPTION);
    cluster_free(c);
}
