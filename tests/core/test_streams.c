/* SPDX-License-Identifier: Apache-2.0
 *
 * subscription.c: cursors, credit, acknowledgements, several readers (PROTOCOL.md §7.2).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A job of `count` tasks that an agent with as many slots holds. */
struct scene {
    struct cluster *c;
    struct peer *p, *w;
    uint64_t job;
};

static struct scene scene_with(uint32_t count, const struct belt_open_options *options)
{
    struct scene s = {.c = cluster_new(NULL)};
    s.p = client_new(s.c, "c1");
    s.w = agent_new(s.c, "w1", count, 100, "f");
    s.job = client_job(s.p, "f", count, options);
    agent_take(s.w);
    return s;
}

static struct scene scene_new(uint32_t count)
{
    return scene_with(count, NULL);
}

/* The task with this index is done. */
static void done(struct scene *s, uint64_t index)
{
    for (uint32_t i = 0; i < s->w->held_count; i++)
        if (s->w->held[i].ref.index == index) {
            agent_result(s->w, i, BELT_OK);
            return;
        }
    cr_assert_fail("nobody holds it");
}

static uint64_t ordered(struct scene *s, const char *reader, uint64_t credit)
{
    s->p->seen[s->p->seen_count].ordered = true;
    return client_subscribe(s->p, s->job, reader, BELT_ORDERED, BELT_CURSOR_KEPT, credit);
}

Test(streams, ordered_waits_for_its_turn)
{
    struct scene s = scene_new(4);
    ordered(&s, "r", 100);
    done(&s, 2);
    done(&s, 1);
    cr_assert_str_eq(client_read(s.p), "");
    done(&s, 0);
    cr_assert_str_eq(client_read(s.p), "0 1 2");
    done(&s, 3);
    cr_assert_str_eq(client_read(s.p), "3.");
    cluster_free(s.c);
}

Test(streams, unordered_comes_as_it_is_done)
{
    struct scene s = scene_new(4);
    client_subscribe(s.p, s.job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    done(&s, 2);
    cr_assert_str_eq(client_read(s.p), "2");
    done(&s, 3);
    done(&s, 0);
    cr_assert_str_eq(client_read(s.p), "3 0");
    done(&s, 1);
    cr_assert_str_eq(client_read(s.p), "1.");
    cluster_free(s.c);
}

Test(streams, errors_are_results_of_their_own)
{
    struct scene s = scene_new(3);
    ordered(&s, "r", 100);
    agent_result(s.w, 1, BELT_TASK_FAILED);
    done(&s, 2);
    done(&s, 0);
    cr_assert_str_eq(client_read(s.p), "0 1! 2.");
    cluster_free(s.c);
}

Test(streams, nothing_is_sent_without_credit)
{
    struct scene s = scene_new(4);
    uint64_t sub = ordered(&s, "r", 2);
    for (uint64_t i = 0; i < 4; i++)
        done(&s, i);
    cr_assert_str_eq(client_read(s.p), "0 1");
    client_ack(s.p, sub, 0, 3);
    cr_assert_str_eq(client_read(s.p), "2");
    client_ack(s.p, sub, 3, 1);
    cr_assert_str_eq(client_read(s.p), "", "credit never shrinks, nor grows by that");
    client_ack(s.p, sub, 3, 100);
    cr_assert_str_eq(client_read(s.p), "3.");
    cluster_free(s.c);
}

Test(streams, byte_credit_overshoots_by_one_result)
{
    struct scene s = scene_new(3);
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBE};
    msg.u.subscribe = (struct belt_msg_subscribe){
        .ref = 1, .job = s.job, .reader = {(const uint8_t *)"r", 1}, .cursor = BELT_CURSOR_KEPT, .credit = {100, 10}};
    peer_send(s.p, msg);
    for (uint64_t i = 0; i < 3; i++)
        done(&s, i); /* 8 bytes each */
    cr_assert_str_eq(client_read(s.p), "0 1");
    cluster_free(s.c);
}

Test(streams, a_reader_goes_on_where_it_acknowledged)
{
    struct scene s = scene_new(5);
    uint64_t sub = ordered(&s, "r", 100);
    for (uint64_t i = 0; i < 4; i++)
        done(&s, i);
    cr_assert_str_eq(client_read(s.p), "0 1 2 3");
    client_ack(s.p, sub, 2, 100);
    peer_cut(s.p);
    peer_connect(s.p);
    cr_assert_eq(ordered(&s, "r", 100), sub);
    cr_assert_str_eq(client_read(s.p), "2 3");
    client_subscribe(s.p, s.job, "r", BELT_ORDERED, 4, 100);
    done(&s, 4);
    cr_assert_str_eq(client_read(s.p), "4.", "with a cursor: from there");
    client_send_subscribe(s.p, s.job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_error(s.p, BELT_BAD_OPTION);
    cluster_free(s.c);
}

Test(streams, what_was_released_is_gone)
{
    struct scene s = scene_new(4);
    uint64_t sub = ordered(&s, "r", 100);
    done(&s, 0);
    done(&s, 1);
    client_ack(s.p, sub, 2, 100);
    peer_clear(s.p);
    client_send_subscribe(s.p, s.job, "r", BELT_ORDERED, 1, 100);
    peer_expect_error(s.p, BELT_GONE);
    client_send_subscribe(s.p, s.job, "r", BELT_ORDERED, 5, 100);
    peer_expect_error(s.p, BELT_GONE);
    client_send_subscribe(s.p, 99, "r", BELT_ORDERED, 0, 100);
    peer_expect_error(s.p, BELT_UNKNOWN_JOB);
    cluster_free(s.c);
}

Test(streams, wrong_acks_change_nothing)
{
    struct scene s = scene_new(2);
    uint64_t sub = ordered(&s, "r", 100);
    done(&s, 0);
    peer_clear(s.p);
    client_ack(s.p, sub, 2, 100);
    peer_expect_error(s.p, BELT_BAD_MESSAGE);
    client_ack(s.p, 99, 0, 100);
    peer_expect_error(s.p, BELT_UNKNOWN_READER);
    struct peer *other = client_new(s.c, "c2");
    client_ack(other, sub, 1, 100);
    peer_expect_error(other, BELT_UNKNOWN_READER);
    cluster_free(s.c);
}

static void say_detach(struct peer *p, uint64_t sub)
{
    struct belt_msg detach = {.type = BELT_MSG_DETACH};
    detach.u.detach.sub = sub;
    peer_send(p, detach);
}

Test(streams, the_slowest_reader_holds_the_window)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 3});
    uint64_t a = client_subscribe(p, job, "a", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    uint64_t b = client_subscribe(p, job, "b", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 3);
    agent_work(w);
    client_ack(p, a, 3, 100);
    cr_assert_eq(p->job_granted[job], 3);
    client_ack(p, b, 2, 100);
    cr_assert_eq(p->job_granted[job], 5);
    say_detach(p, b);
    cr_assert_eq(p->job_granted[job], 6, "a reader that detached is not waited for");
    cluster_free(c);
}

Test(streams, a_detach_that_was_lost_is_said_again)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 3, .detached = true});
    uint64_t a = client_subscribe(p, job, "a", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    uint64_t b = client_subscribe(q, job, "b", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 3);
    agent_work(w);
    client_ack(p, a, 3, 100);
    peer_cut(q); /* and DETACH with it */
    peer_connect(q);
    say_detach(p, b);
    cr_assert_eq(p->job_granted[job], 3, "it is another session's");
    say_detach(q, b);
    cr_assert_eq(p->job_granted[job], 6);
    cluster_free(c);
}

Test(streams, what_was_sent_before_it_subscribed_again_may_be_acknowledged)
{
    struct scene s = scene_new(3);
    uint64_t sub = ordered(&s, "r", 100);
    done(&s, 0);
    done(&s, 1);
    cr_assert_str_eq(client_read(s.p), "0 1");
    s.c->burst = true;
    client_send_subscribe(s.p, s.job, "r", BELT_ORDERED, 0, 100);
    client_ack(s.p, sub, 2, 100);
    s.c->burst = false;
    cluster_turn(s.c);
    const struct belt_msg *msg;
    while ((msg = peer_next(s.p)))
        cr_assert_neq(msg->type, BELT_MSG_ERROR, "the answer to an earlier SUBSCRIBE may come after a later one");
    cluster_free(s.c);
}

Test(streams, two_readers_each_see_all_in_their_mode)
{
    struct scene s = scene_with(3, &(struct belt_open_options){.detached = true});
    struct peer *q = client_new(s.c, "c2");
    uint64_t a = ordered(&s, "a", 100), b = client_subscribe(q, s.job, "b", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    done(&s, 2);
    done(&s, 0);
    cr_assert_str_eq(client_read(s.p), "0");
    cr_assert_str_eq(client_read(q), "2 0");
    client_ack(q, b, 2, 100);
    client_ack(s.p, a, 1, 100);
    done(&s, 1);
    cr_assert_str_eq(client_read(s.p), "1 2.");
    cr_assert_str_eq(client_read(q), "1.");
    cluster_free(s.c);
}

Test(streams, a_late_reader_starts_at_what_is_kept)
{
    struct scene s = scene_with(5, &(struct belt_open_options){.detached = true});
    uint64_t a = client_subscribe(s.p, s.job, "a", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    done(&s, 1);
    done(&s, 3);
    client_ack(s.p, a, 1, 100);
    struct peer *q = client_new(s.c, "c2");
    q->seen[0].ordered = true;
    uint64_t b = client_subscribe(q, s.job, "b", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    done(&s, 2);
    cr_assert_str_eq(client_read(q), "2 3", "1 was released");
    client_ack(q, b, 4, 100);
    done(&s, 0);
    done(&s, 4);
    cr_assert_str_eq(client_read(q), "4.");
    peer_clear(s.p);
    client_ack(s.p, a, 5, 100);
    client_ack(q, b, 5, 100);
    peer_expect_nothing(s.p);
    cluster_free(s.c);
}

Test(streams, the_number_of_readers_is_bounded)
{
    struct scene s = scene_new(1);
    char name[8];
    for (uint32_t i = 0; i < BELT_MAX_READERS; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        client_send_subscribe(s.p, s.job, name, BELT_ORDERED, BELT_CURSOR_KEPT, 0);
    }
    peer_clear(s.p);
    client_send_subscribe(s.p, s.job, "more", BELT_ORDERED, BELT_CURSOR_KEPT, 0);
    peer_expect_error(s.p, BELT_LIMIT);
    cluster_free(s.c);
}

static void one_then_sleep(uint8_t mode)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 100, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 20}), next = 0;
    uint64_t sub = client_subscribe(p, job, "r", mode, BELT_CURSOR_KEPT, 20);
    for (int round = 0; round < 50; round++) {
        if (next < p->job_granted[job]) {
            client_push(p, job, next, (uint32_t)(p->job_granted[job] - next));
            next = p->job_granted[job];
        }
        agent_work(w);
        if (round == 3)
            client_ack(p, sub, 1, 21);
        cluster_advance(c, 1000);
    }
    cr_assert_eq(next, 21, "%lu tasks were drawn", (unsigned long)next);
    cluster_free(c);
}

Test(streams, take_one_and_sleep_and_the_window_holds)
{
    one_then_sleep(BELT_ORDERED);
    one_then_sleep(BELT_UNORDERED);
}

Test(streams, a_long_stream_leaves_nothing_behind)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 64}), next = 0;
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 64), most = 0;
    while (next < 20000) {
        client_push(p, job, next, (uint32_t)(p->job_granted[job] - next));
        next = p->job_granted[job];
        agent_work(w);
        client_ack(p, sub, p->seen[0].next, p->seen[0].next + 64);
        peer_clear(p);
        struct belt_msg status = {.type = BELT_MSG_STATUS};
        status.u.status.what = BELT_REPORT_BROKER;
        peer_send(p, status);
        uint64_t bytes = peer_expect(p, BELT_MSG_REPORT)->u.report.rows.broker->bytes;
        most = bytes > most ? bytes : most;
    }
    cr_assert_lt(most, 30000, "%lu bytes", (unsigned long)most);
    cluster_free(c);
}

Test(streams, a_reader_that_is_taken_over_by_another_session_is_told)
{
    struct scene s = scene_with(2, &(struct belt_open_options){.detached = true});
    uint64_t sub = ordered(&s, "r", 100);
    struct peer *other = client_new(s.c, "c2");
    peer_clear(s.p);
    client_take_reader(other, s.job, "r");
    const struct belt_msg *told = peer_expect(s.p, BELT_MSG_DONE);
    cr_assert_eq(told->u.done.sub, sub);
    cr_assert_eq(told->u.done.code, BELT_UNKNOWN_READER);
    client_ack(s.p, sub, 0, 100);
    peer_expect_error(s.p, BELT_UNKNOWN_READER);
    other->seen[other->seen_count].ordered = true;
    done(&s, 0);
    peer_expect_nothing(s.p);
    cluster_free(s.c);
}

Test(streams, who_reads_and_lives_is_not_ousted_unasked)
{
    struct scene s = scene_with(2, &(struct belt_open_options){.detached = true});
    ordered(&s, "r", 100);
    cluster_advance(s.c, 3000);
    struct peer *other = client_new(s.c, "c2");
    client_send_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_nothing(other);
    cluster_advance(s.c, BELT_HEARTBEAT_MS);
    struct belt_msg_error error = peer_expect_error(other, BELT_NOT_ALLOWED);
    cr_assert_not_null(strstr((const char *)error.text.data, "('c1') has read job"), "who");
    cr_assert_not_null(strstr((const char *)error.text.data, "as reader 'r' for 4 s"), "since when");
    done(&s, 0);
    cr_assert_str_eq(client_read(s.p), "0");
    cluster_free(s.c);
}

Test(streams, a_reader_whose_client_is_gone_is_replaced_and_one_that_comes_back_is_not)
{
    struct scene s = scene_with(2, &(struct belt_open_options){.detached = true});
    struct peer *other = client_new(s.c, "c2");
    ordered(&s, "r", 100);
    peer_gone(s.p);
    client_send_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_nothing(other);
    cluster_advance(s.c, 1);
    peer_connect(s.p);
    peer_expect_error(other, BELT_NOT_ALLOWED);
    ordered(&s, "r", 100);
    s.p->alive = false;
    client_send_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_gone(s.p);
    cluster_advance(s.c, BELT_RETURN_MS);
    peer_expect(other, BELT_MSG_SUBSCRIBED);
    cluster_free(s.c);
}

Test(streams, nobody_takes_over_a_reader_of_a_job_that_is_not_detached)
{
    struct scene s = scene_new(2);
    struct peer *other = client_new(s.c, "c2");
    ordered(&s, "r", 100);
    client_send_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_error(other, BELT_NOT_ALLOWED);
    done(&s, 0);
    done(&s, 1);
    cr_assert_str_eq(client_read(s.p), "0 1.");
    cluster_free(s.c);
}

/* ---- a connection that what was sent on it has not left ---- */

Test(streams, nothing_is_delivered_to_who_does_not_read)
{
    struct scene s = scene_with(4, &(struct belt_open_options){.detached = true});
    struct peer *other = client_new(s.c, "c2");
    ordered(&s, "r", 100);
    uint64_t sub = client_subscribe(s.p, s.job, "u", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    done(&s, 0);
    cr_assert_str_eq(client_read(s.p), "0 0");
    peer_is_full(s.p, false, true);
    done(&s, 2);
    done(&s, 1);
    client_ack(s.p, sub, 1, 100);
    client_subscribe(other, s.job, "other", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    done(&s, 3);
    cr_assert_str_eq(client_read(s.p), "", "its credit allows it, its connection does not");
    cr_assert_str_eq(client_read(other), "0 2 1 3.");
    peer_is_full(s.p, false, false);
    const char *all = client_read(s.p);
    cr_assert(!strcmp(all, "1 2 3. 2 1 3.") || !strcmp(all, "2 1 3. 1 2 3."), "%s", all);
    cluster_free(s.c);
}

Test(streams, who_does_not_read_learns_of_the_end_all_the_same)
{
    struct scene s = scene_new(2);
    uint64_t sub = ordered(&s, "r", 100);
    peer_is_full(s.p, false, true);
    done(&s, 0);
    peer_expect_nothing(s.p);
    client_cancel(s.p, s.job);
    peer_expect(s.p, BELT_MSG_CANCELLED);
    const struct belt_msg *msg = peer_expect(s.p, BELT_MSG_DONE);
    cr_assert(msg->u.done.sub == sub && msg->u.done.code == BELT_JOB_CANCELLED && msg->u.done.count == 0);
    peer_is_full(s.p, false, false);
    peer_expect_nothing(s.p);
    cluster_free(s.c);
}

/* Another session on it finds it as it is, a new one has room. */
Test(streams, it_is_the_connection_that_is_full)
{
    struct scene s = scene_with(3, &(struct belt_open_options){.detached = true});
    struct peer *other = peer_new(s.c, BELT_ROLE_CLIENT, "c2");
    done(&s, 0);
    peer_is_full(s.p, false, true);
    other->handle = s.p->handle;
    s.p->handle = 0;
    peer_connect(other);
    client_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_nothing(other);
    peer_connect(other);
    client_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_expect_nothing(other);
    peer_cut(other);
    peer_connect(other);
    client_subscribe(other, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(other), "0");
    peer_is_full(other, false, true);
    done(&s, 1);
    peer_is_full(other, false, true);
    peer_is_full(other, false, false);
    cr_assert_str_eq(client_read(other), "1");
    cluster_free(s.c);
}

/* One turn does not hand out all that a large credit allows. */
Test(streams, a_turn_delivers_a_bounded_part)
{
    enum { SIZE = 1 << 20, COUNT = 40 };
    struct scene s = scene_with(COUNT, &(struct belt_open_options){.window_bytes = 1 << 30});
    for (uint32_t i = 0; i < COUNT; i++)
        agent_result_sized(s.w, 0, BELT_OK, SIZE, 0);
    s.c->burst = true;
    client_send_subscribe(s.p, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, COUNT);
    core_step(s.c->core, &(struct core_event){.type = CORE_TURN, .now = s.c->now}, s.c->update);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s.c->update->send_count; i++) {
        const struct belt_msg *msg = &s.c->update->sends[i].msg;
        for (uint32_t k = 0; msg->type == BELT_MSG_DELIVER && k < msg->u.deliver.count; k++)
            bytes += msg->u.deliver.results[k].payload.len;
    }
    cr_assert(bytes > 0 && bytes <= 4 * BELT_BATCH_ATTACHED, "%lu bytes", (unsigned long)bytes);
    cr_assert_eq(core_deadline(s.c->core), 0, "more at once");
    cluster_free(s.c);
}

Test(streams, who_waits_for_the_disk_reads_volatile_jobs)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    uint64_t kept = client_job(p, "f", 2, NULL);
    client_subscribe(p, kept, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    uint64_t job = client_job(p, "f", 2, &(struct belt_open_options){.never_durable = true});
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    peer_is_full(p, true, true);
    agent_work(w);
    cr_assert_str_eq(client_read(p), "0 1.", "these");
    peer_is_full(p, false, true);
    peer_is_full(p, true, false);
    cr_assert_str_eq(client_read(p), "", "now it is the connection");
    peer_is_full(p, false, false);
    cr_assert_str_eq(client_read(p), "0 1.", "and those");
    cluster_free(c);
}

Test(streams, what_a_dead_client_said_does_not_take_the_subscription_over)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *dead = client_new(c, "old"), *p = client_new(c, "new"), *other = client_new(c, "other");
    const struct belt_open_options detached = {.detached = true};
    uint64_t job = client_open(dead, "k", "f", &detached);
    client_take_over(p, "k", "f", &detached);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    client_send_subscribe(dead, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    peer_expect_error(dead, BELT_NOT_ALLOWED);
    peer_expect_nothing(p);
    client_take_reader(other, job, "r");
    cr_assert_eq(peer_expect(p, BELT_MSG_DONE)->u.done.code, BELT_UNKNOWN_READER, "anybody else may: it is detached");
    cluster_free(c);
}

Test(streams, a_stranger_adds_no_reader_to_a_job_that_is_not_detached)
{
    struct scene s = scene_new(2);
    struct peer *stranger = client_new(s.c, "c2"), *admin = peer_new(s.c, BELT_ROLE_ADMIN, "a");
    ordered(&s, "mine", 100);
    client_send_subscribe(stranger, s.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 0);
    peer_expect_error(stranger, BELT_NOT_ALLOWED);
    peer_connect(admin);
    client_subscribe(admin, s.job, "watch", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    struct scene open = scene_with(2, &(struct belt_open_options){.detached = true});
    client_subscribe(client_new(open.c, "c2"), open.job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cluster_free(open.c);
    cluster_free(s.c);
}

Test(streams, others_cannot_take_all_names_of_readers)
{
    struct scene s = scene_with(2, &(struct belt_open_options){.detached = true});
    struct peer *stranger = client_new(s.c, "c2");
    char name[16];
    for (uint32_t i = 0; i < BELT_MAX_READERS - BELT_READERS_RESERVED; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        client_subscribe(stranger, s.job, name, BELT_UNORDERED, BELT_CURSOR_KEPT, 1);
    }
    client_send_subscribe(stranger, s.job, "more", BELT_ORDERED, BELT_CURSOR_KEPT, 1);
    peer_expect_error(stranger, BELT_LIMIT);
    ordered(&s, "mine", 100);
    cluster_free(s.c);
}
