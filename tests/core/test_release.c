/* SPDX-License-Identifier: Apache-2.0
 *
 * release.c: what every reader has acknowledged is let go, what nobody gave credit for holds nothing back, and no
 * message costs the broker more than its size, however large the job is (PROTOCOL.md §7.2). Costs are counted in steps.
 */
#include "tests/core/cluster.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/state.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define TASKS (5u * BELT_MAX_BATCH)
/* What one message and one turn may look at. */
#define STEPS_A_MESSAGE BELT_MAX_BATCH
#define STEPS_A_TURN    (2u * BELT_MAX_BATCH)

struct scene {
    struct cluster *c;
    struct peer *p, *w;
    uint64_t job;
};

/* All tasks of a detached job are done; two clients may read it. */
static struct scene scene_new(uint32_t tasks, bool detached)
{
    struct scene s = {.c = cluster_new(NULL)};
    s.c->burst = true;
    s.p = client_new(s.c, "c1");
    s.w = agent_new(s.c, "w1", 1, BELT_MAX_HELD, "f");
    s.job = client_open(s.p, "k", "f", &(struct belt_open_options){.detached = detached});
    for (uint32_t first = 0; first < tasks; first += BELT_MAX_BATCH) {
        uint32_t count = tasks - first < BELT_MAX_BATCH ? tasks - first : BELT_MAX_BATCH;
        client_push(s.p, s.job, first, count);
        cluster_turn(s.c);
        peer_clear(s.p);
    }
    while (agent_take(s.w) > 0) {
        static struct belt_result_item items[BELT_MAX_BATCH];
        uint32_t count = 0;
        for (; count < s.w->held_count && count < BELT_MAX_BATCH; count++)
            items[count] =
                (struct belt_result_item){.index = s.w->held[count].ref.index, .attempt = s.w->held[count].ref.attempt};
        struct belt_msg msg = {.type = BELT_MSG_RESULTS};
        msg.u.results =
            (struct belt_msg_results){.first = s.w->results, .job = s.job, .results = items, .count = count};
        s.w->results += count;
        memmove(s.w->held, s.w->held + count, (s.w->held_count - count) * sizeof(*s.w->held));
        s.w->held_count -= count;
        peer_send(s.w, msg);
        cluster_turn(s.c);
    }
    return s;
}

static const struct job *job_of(const struct scene *s)
{
    return catalog_find(s->c->core, s->job);
}

static uint64_t subscribe(struct scene *s, struct peer *from, const char *reader, uint8_t mode, uint64_t items)
{
    client_send_subscribe(from, s->job, reader, mode, BELT_CURSOR_KEPT, items);
    cluster_turn(s->c);
    const struct belt_msg *msg = peer_skip_to(from, BELT_MSG_SUBSCRIBED);
    cr_assert_not_null(msg);
    return msg->u.subscribed.sub;
}

static void detach(struct peer *from, uint64_t sub)
{
    struct belt_msg msg = {.type = BELT_MSG_DETACH};
    msg.u.detach = (struct belt_msg_sub){.sub = sub};
    peer_send(from, msg);
}

static void turn(struct scene *s)
{
    uint64_t before = s->c->core->release.steps;
    cluster_one_turn(s->c);
    cr_assert_leq(s->c->core->release.steps - before, STEPS_A_TURN);
}

/* Turns until nothing is left to do; each within its bound. */
static void settle(struct scene *s)
{
    for (int turns = 0; turns < 100; turns++) {
        turn(s);
        if (core_deadline(s->c->core) > s->c->now)
            return;
    }
    cr_assert_fail("there is always more to do");
}

Test(release, a_reader_that_comes_and_goes_costs_nobody_the_size_of_the_job)
{
    struct scene s = scene_new(TASKS, true);
    struct peer *stranger = client_new(s.c, "c2");
    subscribe(&s, s.p, "slow", BELT_ORDERED, 1); /* it holds everything back */
    settle(&s);
    for (int i = 0; i < 20; i++) {
        uint64_t before = s.c->core->release.steps;
        client_send_subscribe(stranger, s.job, "s", i % 2 ? BELT_ORDERED : BELT_UNORDERED, TASKS, 1);
        const struct belt_msg *msg = peer_skip_to(stranger, BELT_MSG_SUBSCRIBED);
        cr_assert_not_null(msg);
        uint64_t sub = msg->u.subscribed.sub;
        client_ack(stranger, sub, TASKS, 1); /* all that there is, in one message */
        detach(stranger, sub);
        cr_assert_leq(s.c->core->release.steps - before, 3 * STEPS_A_MESSAGE);
        turn(&s);
        peer_clear(stranger);
    }
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, 0);
    cluster_free(s.c);
}

Test(release, what_a_reader_held_back_is_let_go_when_it_leaves)
{
    struct scene s = scene_new(TASKS, false);
    uint64_t slow = subscribe(&s, s.p, "slow", BELT_UNORDERED, 1);
    uint64_t fast = subscribe(&s, s.p, "fast", BELT_ORDERED, TASKS);
    settle(&s);
    client_ack(s.p, fast, TASKS / 2 + 3, TASKS);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, 0, "the slow one has not taken any");
    detach(s.p, slow);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, TASKS / 2 + 3);
    subscribe(&s, s.p, "third", BELT_UNORDERED, 1);
    peer_clear(s.p);
    cr_assert_eq(job_of(&s)->release.whole_from[BELT_ORDERED], TASKS / 2 + 3, "where a new reader begins");
    client_ack(s.p, fast, TASKS, TASKS);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, TASKS / 2 + 3, "the third has not taken any");
    cluster_free(s.c);
}

Test(release, readers_that_come_and_go_do_not_hold_up_what_is_let_go)
{
    struct scene s = scene_new(TASKS, true);
    struct peer *stranger = client_new(s.c, "c2");
    uint64_t fast = subscribe(&s, s.p, "fast", BELT_ORDERED, TASKS);
    settle(&s);
    peer_clear(s.p);
    uint64_t slow = subscribe(&s, stranger, "slow", BELT_UNORDERED, 1);
    client_ack(s.p, fast, TASKS, TASKS);
    settle(&s);
    detach(stranger, slow);
    uint64_t least = 0;
    for (int i = 0; i < 8 && job_of(&s)->counts.released < TASKS; i++) { /* each of them makes the broker look anew */
        cr_assert(i == 0 || job_of(&s)->counts.released > least, "round %d", i);
        least = job_of(&s)->counts.released;
        client_send_subscribe(stranger, s.job, "s", BELT_UNORDERED, BELT_CURSOR_KEPT, 1);
        const struct belt_msg *msg = peer_skip_to(stranger, BELT_MSG_SUBSCRIBED);
        cr_assert_not_null(msg);
        detach(stranger, msg->u.subscribed.sub);
        turn(&s);
        peer_clear(stranger);
    }
    cr_assert_eq(job_of(&s)->counts.released, TASKS);
    cluster_free(s.c);
}

Test(release, a_reader_without_credit_holds_nothing_back)
{
    struct scene s = scene_new(4, true);
    struct peer *stranger = client_new(s.c, "c2");
    uint64_t idle = subscribe(&s, stranger, "idle", BELT_ORDERED, 0);
    uint64_t sub = subscribe(&s, s.p, "r", BELT_ORDERED, 4);
    client_ack(s.p, sub, 2, 4);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, 2);
    client_ack(stranger, idle, 0, 10);
    cluster_turn(s.c);
    peer_expect_error(stranger, BELT_GONE);
    cr_assert_eq(job_of(&s)->readers.count, 1);
    cr_assert_eq(subscribe(&s, stranger, "idle", BELT_ORDERED, 1) > idle, true);
    client_ack(s.p, sub, 4, 4);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, 2, "with credit it does");
    cluster_free(s.c);
}

Test(release, a_reader_that_gives_its_first_credit_in_time_has_all_of_it)
{
    struct scene s = scene_new(4, true);
    struct peer *stranger = client_new(s.c, "c2");
    uint64_t late = subscribe(&s, stranger, "late", BELT_UNORDERED, 0);
    client_ack(stranger, late, 0, 10);
    uint64_t sub = subscribe(&s, s.p, "r", BELT_ORDERED, 4);
    client_ack(s.p, sub, 4, 4);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, 0);
    cr_assert_str_eq(client_read(stranger), "0 1 2 3");
    cluster_free(s.c);
}

Test(release, a_reader_without_credit_is_forgotten_with_its_connection)
{
    struct scene s = scene_new(4, true);
    struct peer *stranger = client_new(s.c, "c2");
    subscribe(&s, stranger, "idle", BELT_ORDERED, 0);
    peer_gone(stranger);
    settle(&s);
    cr_assert_eq(job_of(&s)->readers.count, 0);
    uint64_t sub = subscribe(&s, s.p, "r", BELT_ORDERED, 4);
    client_end(s.p, s.job, 4);
    client_ack(s.p, sub, 4, 4);
    settle(&s);
    cr_assert(list_holds(&job_of(&s)->closing.retired), "nobody else has to read it");
    cluster_free(s.c);
}

/* ---- removing a reader ---- */

static void remove_reader(struct scene *s, struct peer *from, const char *reader)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){
        .ref = 7, .job = s->job, .leaves = true, .reader = {(const uint8_t *)reader, strlen(reader)}};
    peer_send(from, msg);
    settle(s);
}

Test(release, the_owner_and_an_administrator_remove_readers)
{
    struct scene s = scene_new(4, true);
    struct peer *stranger = client_new(s.c, "c2"), *admin = peer_new(s.c, BELT_ROLE_ADMIN, "admin");
    peer_connect(admin);
    subscribe(&s, stranger, "slow", BELT_UNORDERED, 1);
    uint64_t sub = subscribe(&s, s.p, "r", BELT_ORDERED, 4);
    client_ack(s.p, sub, 4, 4);
    settle(&s);
    cr_assert_eq(job_of(&s)->counts.released, 0);
    peer_clear(stranger);

    remove_reader(&s, stranger, "r");
    peer_expect_error(stranger, BELT_NOT_ALLOWED);
    remove_reader(&s, admin, "nobody");
    peer_expect_error(admin, BELT_UNKNOWN_READER);
    cr_assert_eq(job_of(&s)->readers.count, 2);

    remove_reader(&s, admin, "slow");
    cr_assert_eq(peer_expect(admin, BELT_MSG_CANCELLED)->u.cancelled.ref, 7);
    cr_assert_eq(peer_expect(stranger, BELT_MSG_DONE)->u.done.code, BELT_UNKNOWN_READER);
    cr_assert_eq(job_of(&s)->counts.released, 4, "what it alone held back");

    subscribe(&s, stranger, "again", BELT_ORDERED, 1);
    peer_clear(s.p);
    remove_reader(&s, s.p, "again");
    peer_expect(s.p, BELT_MSG_CANCELLED);
    cr_assert_eq(job_of(&s)->readers.count, 1);
    cr_assert_eq(job_of(&s)->state, BELT_JOB_OPEN, "the job goes on");
    cluster_free(s.c);
}
