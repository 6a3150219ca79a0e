/* SPDX-License-Identifier: Apache-2.0
 *
 * Who a message is from: the key of its connection and nothing else (PROTOCOL.md §12.1); and what the owner of some
 * keys may have at a time (§12.3).
 */
#include "broker/core/model/state.h"
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct belt_identity ann = {{1}, "ann1", "ann", BELT_MAY_CLIENT, 0, {0}};
static const struct belt_identity bob = {{2}, "bob1", "bob", BELT_MAY_CLIENT, 0, {0}};
static const struct belt_identity boss = {{3}, "boss", "boss", BELT_MAY_ADMIN, 0, {0}};
static const struct belt_identity host = {{4}, "host", "hosts", BELT_MAY_WORKER, 0, {0}};
static const struct belt_open_options detached = {.detached = true}, shared = {.detached = true, .share = true};

static struct peer *join(struct cluster *c, uint8_t role, const struct belt_identity *identity)
{
    struct peer *peer = peer_new(c, role, identity ? identity->name : "nobody");
    peer->identity = identity;
    peer->alive = true;
    peer_connect(peer);
    return peer;
}

static struct peer *join_worker(struct cluster *c, const char *functions)
{
    struct peer *peer = peer_new(c, BELT_ROLE_WORKER, "w");
    peer->identity = &host;
    peer->slots = peer->window_items = 4;
    peer->window_bytes = 1 << 20;
    peer->functions = functions;
    peer->alive = true;
    peer_connect(peer);
    agent_sync(peer);
    return peer;
}

static void expect_error(struct peer *peer, unsigned code, const char *part)
{
    struct belt_msg_error error = peer_expect_error(peer, code);
    char text[512];
    snprintf(text, sizeof(text), "%.*s", (int)error.text.len, (const char *)error.text.data);
    cr_assert(strstr(text, part), "'%s' says nothing of '%s'", text, part);
}

/* ---- who it is ---- */

Test(identity, a_message_with_another_key_on_a_known_route_is_a_strangers)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann);
    uint64_t job = client_open(a, "k", "f", &detached);
    a->identity = &bob; /* the route is bob's from now on */
    client_cancel(a, job);
    cr_assert_eq(peer_expect_error(a, BELT_SYNC_LOST).job, 0);
    cr_assert_eq(a->handle, 0);
    peer_say_hello(a); /* with ann's session */
    expect_error(a, BELT_NOT_ALLOWED, "known by another key");
    a->identity = &ann;
    peer_connect(a);
    cr_assert_eq(client_open(a, "k", "f", &detached), job);
    cluster_free(c);
}

Test(identity, a_key_of_the_same_owner_is_another_sender_and_has_the_same_jobs)
{
    struct belt_identity second = ann;
    struct cluster *c = cluster_new(NULL);
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann);
    uint64_t job = client_open(a, "k", "f", &detached);
    second.credential[5] = 1;
    a->identity = &second;
    peer_send_type(a, BELT_MSG_PING);
    peer_expect_error(a, BELT_SYNC_LOST);
    struct peer *b = join(c, BELT_ROLE_CLIENT, &second);
    cr_assert_eq(client_take_over(b, "k", "f", &detached), job);
    cluster_free(c);
}

Test(identity, a_key_that_is_revoked_or_over_does_nothing_more)
{
    struct belt_identity key = ann, worker = host;
    struct cluster *c = cluster_new(NULL);
    struct peer *a = join(c, BELT_ROLE_CLIENT, &key);
    uint64_t job = client_open(a, "k", "f", &detached);
    key.roles = 0;
    client_push(a, job, 0, 1);
    expect_error(a, BELT_NOT_ALLOWED, "revoked");
    peer_say_hello(a);
    expect_error(a, BELT_NOT_ALLOWED, "revoked");
    key.roles = BELT_MAY_CLIENT;
    key.expires_at = c->now + c->wall_ahead + 1000;
    peer_connect(a);
    peer_clear(a);
    cluster_advance(c, 1000);
    peer_clear(a);
    if (a->handle)
        client_push(a, job, 0, 1);
    cr_assert_eq(a->handle, 0);
    peer_say_hello(a);
    expect_error(a, BELT_NOT_ALLOWED, "expired");

    struct peer *w = join_worker(c, "f");
    w->identity = &worker;
    worker.roles = BELT_MAY_CLIENT; /* at the workers' endpoint */
    peer_send_type(w, BELT_MSG_LEAVING);
    expect_error(w, BELT_NOT_ALLOWED, "role worker");
    cr_assert_eq(w->handle, 0);
    cluster_free(c);
}

Test(identity, what_cannot_be_decoded_is_judged_likewise)
{
    struct belt_identity key = ann;
    struct cluster *c = cluster_new(NULL);
    struct peer *a = join(c, BELT_ROLE_CLIENT, &key);
    a->identity = &bob;
    peer_send_bad(a, BELT_BAD_MESSAGE, "it is broken");
    peer_expect_error(a, BELT_SYNC_LOST);
    a->identity = &key;
    peer_connect(a);
    key.roles = 0;
    peer_send_bad(a, BELT_BAD_MESSAGE, "it is broken");
    expect_error(a, BELT_NOT_ALLOWED, "revoked");
    cluster_free(c);
}

Test(identity, each_endpoint_wants_its_role)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *a = peer_new(c, BELT_ROLE_CLIENT, "a"), *w = peer_new(c, BELT_ROLE_WORKER, "w");
    a->identity = &host;
    peer_say_hello(a);
    expect_error(a, BELT_NOT_ALLOWED, "client, observer and admin");
    w->identity = &boss;
    w->slots = w->window_items = 1;
    w->functions = "f";
    peer_say_hello(w);
    expect_error(w, BELT_NOT_ALLOWED, "role worker");
    cluster_free(c);
}

/* ---- keys of jobs and names of readers are their owner's ---- */

Test(identity, the_same_key_of_another_owner_is_another_job)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann), *b = join(c, BELT_ROLE_CLIENT, &bob);
    uint64_t of_ann = client_open(a, "k", "f", &detached), of_bob = client_open(b, "k", "g", &detached);
    cr_assert_neq(of_ann, of_bob);
    cluster_restart(c);
    peer_connect(a);
    peer_connect(b);
    cr_assert_eq(client_open(b, "k", "g", &detached), of_bob);
    cr_assert_eq(client_open(a, "k", "f", &detached), of_ann);
    cluster_free(c);
}

/* Until a key was needed: its jobs are nobody's then, but a broker that is without keys again knows them all. */
Test(identity, a_broker_without_keys_knows_all_jobs)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *n = join(c, BELT_ROLE_CLIENT, NULL), *a = join(c, BELT_ROLE_CLIENT, &ann);
    uint64_t old = client_open(n, "k", "f", &detached), own = client_open(a, "own", "f", &detached);
    cr_assert_neq(client_open(a, "k", "f", &detached), old);
    cluster_restart(c);
    n->identity = a->identity = NULL;
    peer_connect(n);
    peer_connect(a);
    cr_assert_eq(client_open(n, "k", "f", &detached), old);
    client_cancel(a, own);
    cr_assert_eq(peer_expect(a, BELT_MSG_CANCELLED)->u.cancelled.job, own);
    cluster_free(c);
}

Test(identity, a_shared_job_has_readers_of_the_same_name_for_each_owner)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann), *b = join(c, BELT_ROLE_CLIENT, &bob);
    struct peer *w = join_worker(c, "f");
    uint64_t job = client_open(a, "k", "f", &shared);
    client_push(a, job, 0, 4);
    client_end(a, job, 4);
    agent_work(w);
    peer_clear(a);
    uint64_t one = client_subscribe(a, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    uint64_t other = client_subscribe(b, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_neq(one, other);
    cr_assert_str_eq(client_read(a), "0 1 2 3.");
    cr_assert_str_eq(client_read(b), "0 1 2 3.");
    client_ack(b, other, 2, 100);
    client_ack(a, one, 3, 100);
    cluster_turn(c);
    cluster_restart(c);
    peer_connect(a);
    peer_connect(b);
    client_subscribe(a, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_subscribe(b, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(a), "3.");
    cr_assert_str_eq(client_read(b), "2 3.");
    cluster_free(c);
}

Test(identity, what_others_have_read_of_a_shared_job_stays_for_its_owner)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann), *b = join(c, BELT_ROLE_CLIENT, &bob);
    struct peer *w = join_worker(c, "f");
    uint64_t job = client_job(a, "f", 4, &shared);
    agent_work(w);
    uint64_t sub = client_subscribe(b, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(b), "0 1 2 3.");
    client_ack(b, sub, 4, 100);
    cluster_advance(c, 10 * BELT_LEASE_MS);
    cluster_restart(c);
    peer_connect(a);
    sub = client_subscribe(a, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(a), "0 1 2 3.");
    client_ack(a, sub, 4, 100);
    cluster_advance(c, 10 * BELT_LEASE_MS);
    client_send_subscribe(a, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_error(a, BELT_UNKNOWN_JOB);
    cluster_free(c);
}

Test(identity, failed_tasks_and_their_retry_stay_their_owners)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann), *b = join(c, BELT_ROLE_CLIENT, &bob);
    struct peer *w = join_worker(c, "f"), *admin;
    uint64_t job = client_job(a, "f", 1, &detached);
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    cluster_turn(c);
    cluster_restart(c);
    peer_connect(a);
    peer_connect(b);
    admin = join(c, BELT_ROLE_ADMIN, &boss);
    cr_assert_str_eq(admin_list(b, ""), "");
    char expected[32];
    snprintf(expected, sizeof(expected), "%lu.0!1", (unsigned long)job);
    cr_assert_str_eq(admin_list(a, ""), expected);
    const struct belt_msg *made = admin_failed(admin, BELT_FAILED_RETRY, "", job, UINT64_MAX);
    cr_assert_eq(made->type, BELT_MSG_FAILURES);
    uint64_t again = made->u.failures.job;
    client_cancel(b, again);
    peer_expect_error(b, BELT_UNKNOWN_JOB);
    client_cancel(a, again);
    cr_assert_eq(peer_expect(a, BELT_MSG_CANCELLED)->u.cancelled.job, again);
    cluster_free(c);
}

/* ---- quotas ---- */

Test(identity, connections_are_bounded_for_all_keys_of_an_owner)
{
    struct belt_identity key = ann, second = ann;
    struct cluster *c = cluster_new(NULL);
    key.quotas.connections = second.quotas.connections = 2;
    second.credential[0] = 7;
    struct peer *one = join(c, BELT_ROLE_CLIENT, &key), *two = join(c, BELT_ROLE_CLIENT, &second);
    struct peer *three = peer_new(c, BELT_ROLE_CLIENT, "three");
    three->identity = &key;
    peer_say_hello(three);
    expect_error(three, BELT_QUOTA, "connections: 'ann' has 2");
    peer_connect(one); /* once more on its own connection, and on a new one */
    peer_cut(one);
    peer_connect(one);
    peer_send_type(two, BELT_MSG_BYE);
    peer_connect(three);
    join(c, BELT_ROLE_CLIENT, &bob);
    cluster_free(c);
}

Test(identity, jobs_are_bounded_and_one_that_is_over_gives_its_place)
{
    struct belt_identity key = ann;
    struct cluster *c = cluster_new(NULL);
    key.quotas.jobs = 2;
    struct peer *a = join(c, BELT_ROLE_CLIENT, &key), *b = join(c, BELT_ROLE_CLIENT, &bob);
    uint64_t job = client_open(a, "1", "f", NULL);
    client_open(a, "2", "f", NULL);
    client_send_open(a, "3", "f", NULL);
    expect_error(a, BELT_QUOTA, "jobs: 'ann' has 2");
    client_open(a, "2", "f", NULL); /* which is there */
    client_open(b, "3", "f", NULL);
    client_cancel(a, job);
    peer_expect(a, BELT_MSG_CANCELLED);
    client_open(a, "3", "f", NULL);
    cluster_free(c);
}

/* Opens a job with one input, has it run and reads it to its end: what is left is that its key is remembered. */
static uint64_t read_job(struct peer *peer, struct peer *worker, const char *key)
{
    uint64_t job =
        client_open(peer, key, "f", &(struct belt_open_options){.detached = true, .remember_ms = BELT_REMEMBER_MS});
    uint64_t sub = client_subscribe(peer, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(peer, job, 0, 1);
    client_end(peer, job, 1);
    agent_work(worker);
    client_ack(peer, sub, 1, 100);
    peer_clear(peer);
    return job;
}

Test(identity, jobs_that_were_read_fill_no_quota_and_push_no_keys_of_others_out)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = 2 * BELT_QUOTA_SHARE});
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann), *b = join(c, BELT_ROLE_CLIENT, &bob);
    struct peer *w = join_worker(c, "f");
    uint64_t bobs = read_job(b, w, "k"), last = 0;
    char key[16];
    for (unsigned i = 0; i < 3 * BELT_QUOTA_SHARE; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        last = read_job(a, w, key);
    }
    cr_assert_eq(client_open(a, key, "f", &detached), last);
    cr_assert_eq(client_open(b, "k", "f", &detached), bobs, "ann has pushed bob's key out");
    cluster_free(c);
}

Test(identity, the_default_is_a_part_of_what_the_broker_has)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_jobs = 4 * BELT_QUOTA_SHARE});
    struct peer *a = join(c, BELT_ROLE_CLIENT, &ann);
    for (int i = 0; i < 4; i++)
        client_open(a, "", "f", NULL);
    client_send_open(a, "", "f", NULL);
    expect_error(a, BELT_QUOTA, "jobs:");
    cluster_free(c);
}

/* What the last ACCEPTED of the job in the inbox says; all 0: there is none. */
static struct belt_msg_accepted accepted(struct peer *peer, uint64_t job)
{
    struct belt_msg_accepted last = {0};
    const struct belt_msg *msg;
    while ((msg = peer_next(peer)))
        if (msg->type == BELT_MSG_ACCEPTED && msg->u.accepted.job == job)
            last = msg->u.accepted;
    return last;
}

Test(identity, waiting_inputs_end_the_grants_of_their_owner_alone)
{
    struct belt_identity key = ann;
    struct cluster *c = cluster_new(NULL);
    key.quotas.waiting_bytes = 100000;
    struct peer *a = join(c, BELT_ROLE_CLIENT, &key), *b = join(c, BELT_ROLE_CLIENT, &bob);
    uint64_t job = client_open(a, "1", "f", &detached), other = client_open(a, "2", "f", &detached);
    client_push_sized(a, job, 0, 5, 20000);
    cr_assert_leq(accepted(a, job).grant.bytes, 100000);
    client_push_sized(a, other, 0, 1, 20000); /* granted when there was room: it is put off */
    cluster_turn(c);
    cr_assert_eq(accepted(a, other).next, 0);
    uint64_t of_bob = client_open(b, "1", "f", &detached);
    client_push_sized(b, of_bob, 0, 5, 20000);
    cluster_advance(c, 100);
    cr_assert_gt(accepted(b, of_bob).grant.bytes, 1000000);
    struct peer *w = join_worker(c, "f");
    agent_work(w);
    cluster_turn(c);
    peer_clear(a);
    uint64_t sub = client_subscribe(a, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(a), "0 1 2 3 4");
    client_ack(a, sub, 5, 100);
    cluster_turn(c);
    client_open(a, "2", "f", &detached);
    client_push_sized(a, other, 0, 1, 20000);
    cluster_advance(c, 100);
    cr_assert_eq(accepted(a, other).next, 1);
    cluster_free(c);
}

/* The last result found no room: its agent kept it, and is asked for it. */
static void say_again(struct peer *worker, struct belt_task_ref ref)
{
    cr_assert_eq(peer_expect_error(worker, BELT_SYNC_LOST).job, 0);
    peer_connect(worker);
    agent_sync_refs(worker, &ref, 1, false);
    agent_send_result(worker, worker->results - 1, ref, BELT_OK, 15000, 10);
}

Test(identity, unread_results_stop_their_owners_jobs_and_no_others)
{
    struct belt_identity key = ann;
    struct cluster *c = cluster_new(NULL);
    key.quotas.kept_bytes = 100000;
    struct peer *a = join(c, BELT_ROLE_CLIENT, &key), *b = join(c, BELT_ROLE_CLIENT, &bob);
    struct peer *w = join_worker(c, "f");
    uint64_t job = client_open(a, "1", "f", &detached), results = 0, next = 0;
    struct belt_task_ref last = {0};
    client_push(a, job, 0, 100);
    for (uint32_t held; (held = agent_take(w)) && results < 100;)
        for (; held; held--, results++) {
            last = w->held[0].ref;
            agent_result_sized(w, 0, BELT_OK, 15000, 10);
        }
    cr_assert_lt(results, 15, "%lu results of 15000 bytes were taken", (unsigned long)results);
    uint64_t of_bob = client_open(b, "1", "f", &detached);
    client_push(b, of_bob, 0, 20);
    agent_work(w);
    peer_clear(b);
    client_subscribe(b, of_bob, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(b), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    peer_clear(a);
    uint64_t sub = client_subscribe(a, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    for (int i = 0; i < 100 && next < 100; i++) { /* who reads gets all */
        const struct belt_msg *msg;
        while ((msg = peer_next(a)))
            next += msg->type == BELT_MSG_DELIVER ? msg->u.deliver.count : 0;
        client_ack(a, sub, next, 1000);
        if (!w->handle)
            say_again(w, last);
        agent_work(w);
        cluster_turn(c);
    }
    cr_assert_eq(next, 100);
    cluster_free(c);
}

Test(identity, workers_are_shared_by_owners_and_not_by_sessions)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *many[3], *b = join(c, BELT_ROLE_CLIENT, &bob);
    uint32_t of_bob = 0, of_ann = 0;
    for (int i = 0; i < 3; i++) {
        many[i] = join(c, BELT_ROLE_CLIENT, &ann);
        client_push(many[i], client_open(many[i], "", "f", &detached), 0, 200);
    }
    uint64_t job = client_open(b, "", "f", &detached);
    client_push(b, job, 0, 200);
    struct peer *w = join_worker(c, "f");
    while (of_bob + of_ann < 200 && agent_take(w)) {
        of_bob += w->held[0].ref.job == job;
        of_ann += w->held[0].ref.job != job;
        agent_result(w, 0, BELT_OK);
    }
    cr_assert(of_bob > 80 && of_bob < 120, "%u of 200", of_bob);
    cluster_free(c);
}
