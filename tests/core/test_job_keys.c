/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: one key is one job of one function with one input, whoever asks for it (PROTOCOL.md §7.1).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

Test(job_keys, the_same_key_is_the_same_job)
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

Test(job_keys, a_key_is_one_function_with_the_options_that_change_results)
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

Test(job_keys, start_and_deadline_of_a_key_are_compared_by_what_was_said)
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

Test(job_keys, what_was_asked_of_a_key_must_hold_and_more_does_no_harm)
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

Test(job_keys, who_feeds_a_job_and_lives_is_not_ousted_unasked)
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

Test(job_keys, who_is_gone_is_replaced)
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

Test(job_keys, who_asks_for_a_job_and_goes_is_forgotten)
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

Test(job_keys, the_digest_of_the_input_is_told_to_who_asks)
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

Test(job_keys, a_key_belongs_to_its_session_unless_detached)
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
