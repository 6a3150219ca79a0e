/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker that pings and does not answer for its tasks: those with a time-out are taken back and run elsewhere, its
 * late answers are refused, and it is shown as stalled (PROTOCOL.md §8.6).
 */
#include "tests/core/cluster.h"
#include "broker/core/model/state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 20000u
#define MARGIN_MS  (BELT_OVERDUE_LEASES * BELT_LEASE_MS)

struct scene {
    struct cluster *c;
    struct peer *p, *deaf, *other;
    uint64_t job;
};

/* A worker that holds `count` tasks in as many slots as it has, and another one that comes later. */
static struct scene scene_new(uint32_t slots, uint32_t count, const struct belt_open_options *options)
{
    struct scene s = {.c = cluster_new(NULL)};
    s.p = client_new(s.c, "c1");
    s.deaf = agent_new(s.c, "deaf", slots, 100, "f");
    s.p->alive = s.deaf->alive = true;
    s.job = client_job(s.p, "f", count, options);
    client_subscribe(s.p, s.job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    agent_take(s.deaf);
    return s;
}

static void other_comes(struct scene *s)
{
    s->other = agent_new(s->c, "other", 4, 100, "f");
    s->other->alive = true;
    agent_take(s->other);
}

static struct belt_row_worker row_of(struct scene *s, const char *name)
{
    struct peer *admin = peer_new(s->c, BELT_ROLE_ADMIN, "admin");
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    peer_connect(admin);
    msg.u.status = (struct belt_msg_status){.ref = 1,
                                            .what = BELT_REPORT_WORKERS,
                                            .named = true,
                                            .name = {(const uint8_t *)name, strlen(name)},
                                            .extended = true};
    peer_send(admin, msg);
    const struct belt_msg *answer = peer_expect(admin, BELT_MSG_REPORT);
    cr_assert_eq(answer->u.report.count, 1);
    return answer->u.report.rows.workers[0];
}

Test(overdue, a_task_that_is_not_answered_in_its_time_runs_elsewhere)
{
    struct scene s = scene_new(1, 1, &(struct belt_open_options){.timeout_ms = TIMEOUT_MS, .backoff_ms = 0});
    other_comes(&s);
    cr_assert_eq(s.other->held_count, 0);
    cluster_advance(s.c, TIMEOUT_MS + MARGIN_MS - 1);
    cr_assert_eq(agent_take(s.other), 0, "not before");
    cluster_advance(s.c, 2 * BELT_HEARTBEAT_MS + BELT_BACKOFF_MS);
    cr_assert_eq(agent_take(s.other), 1);
    const struct belt_msg *drop = peer_skip_to(s.deaf, BELT_MSG_DROP);
    cr_assert(drop && drop->u.drop.count == 1 && drop->u.drop.refs[0].attempt == 1);
    struct belt_row_worker row = row_of(&s, "deaf");
    cr_assert(row.stalled && row.overdue == 1 && row.lost == 1);
    cr_assert_geq(row.quiet_ms, TIMEOUT_MS + MARGIN_MS);

    agent_result(s.deaf, 0, BELT_OK); /* too late */
    cr_assert_str_eq(client_read(s.p), "");
    cr_assert_eq(s.c->core->counts.stale, 1);
    cr_assert(!row_of(&s, "deaf").stalled, "it has answered");
    agent_result(s.other, 0, BELT_OK);
    cr_assert_str_eq(client_read(s.p), "0.");
    cluster_free(s.c);
}

Test(overdue, a_stalled_worker_gives_all_back_and_gets_nothing_more)
{
    struct scene s = scene_new(2, 6, &(struct belt_open_options){.timeout_ms = TIMEOUT_MS, .chunk = 2});
    cr_assert_str_eq(agent_holds(s.deaf), "1.0/1 1.1/1 1.2/1 1.3/1 1.4/1 1.5/1", "two chunks run, one waits there");
    other_comes(&s);
    cluster_advance(s.c, TIMEOUT_MS + MARGIN_MS + 2 * BELT_HEARTBEAT_MS + BELT_BACKOFF_MS);
    cr_assert_eq(row_of(&s, "deaf").overdue, 2, "the first of each chunk that ran; the others had not begun");
    agent_work(s.other);
    cr_assert_eq(s.c->core->counts.retried, 2);
    cr_assert_eq(strlen(client_read(s.p)), strlen("0 1 2 3 4 5."));

    peer_send_type(s.other, BELT_MSG_LEAVING);
    uint64_t more = client_open(s.p, "more", "f", NULL);
    client_push(s.p, more, 0, 1);
    s.deaf->held_count = 0;
    cr_assert_eq(agent_take(s.deaf), 0, "its slots are held");
    struct belt_task_ref ref = {s.job, 0, 1};
    agent_send_result(s.deaf, s.deaf->results++, ref, BELT_OK, 8, 1000);
    cr_assert_eq(agent_take(s.deaf), 1, "one slot is free, as far as is known");
    cr_assert_eq(row_of(&s, "deaf").overdue, 1);
    cluster_free(s.c);
}

Test(overdue, a_task_that_waits_behind_others_is_not_late)
{
    struct scene s = scene_new(1, 3, &(struct belt_open_options){.timeout_ms = TIMEOUT_MS});
    for (int i = 0; i < 3; i++) {
        cluster_advance(s.c, TIMEOUT_MS); /* as long as it may */
        agent_take(s.deaf);
        agent_result(s.deaf, 0, BELT_OK);
    }
    cr_assert_str_eq(client_read(s.p), "0 1 2.");
    cr_assert_eq(s.c->core->counts.overdue, 0);
    cluster_free(s.c);
}

Test(overdue, a_task_that_nobody_answers_for_is_lost_in_the_end)
{
    struct scene s = scene_new(1, 1, &(struct belt_open_options){.timeout_ms = TIMEOUT_MS, .max_attempts = 1});
    cluster_advance(s.c, TIMEOUT_MS + MARGIN_MS + 2 * BELT_HEARTBEAT_MS);
    const struct belt_msg *msg = peer_skip_to(s.p, BELT_MSG_DELIVER);
    cr_assert_not_null(msg);
    const struct belt_result_item *item = msg->u.deliver.results;
    cr_assert_eq(item->code, BELT_TASK_LOST);
    cr_assert(memmem(item->extras->text.data, item->extras->text.len, "worker deaf has not answered", 28));
    cluster_free(s.c);
}

Test(overdue, without_a_time_out_a_task_is_never_taken_back_but_shown)
{
    struct scene s = scene_new(1, 1, NULL);
    cluster_advance(s.c, 60u * BELT_LEASE_MS - BELT_LEASE_MS);
    cr_assert(!row_of(&s, "deaf").stalled, "nobody knows how long such a task takes");
    cluster_advance(s.c, BELT_LEASE_MS);
    struct belt_row_worker row = row_of(&s, "deaf");
    cr_assert(row.stalled && row.overdue == 0);
    cr_assert_eq(row.quiet_ms, 60u * BELT_LEASE_MS);
    agent_result(s.deaf, 0, BELT_OK);
    cr_assert_str_eq(client_read(s.p), "0.");
    cr_assert(!row_of(&s, "deaf").stalled);
    cr_assert_eq(row_of(&s, "deaf").quiet_ms, 0, "it holds nothing");
    cluster_free(s.c);
}

Test(overdue, a_worker_is_compared_with_what_such_tasks_take)
{
    struct scene s = scene_new(1, 2, NULL);
    agent_result_sized(s.deaf, 0, BELT_OK, 8, 4000000); /* 4 s */
    agent_take(s.deaf);
    cluster_advance(s.c, 79000);
    cr_assert(!row_of(&s, "deaf").stalled);
    cluster_advance(s.c, 2000);
    cr_assert(row_of(&s, "deaf").stalled, "20 times that");
    cluster_free(s.c);
}

Test(overdue, a_broker_that_was_held_up_takes_nothing_back)
{
    struct scene s = scene_new(1, 1, &(struct belt_open_options){.timeout_ms = TIMEOUT_MS});
    cluster_advance(s.c, TIMEOUT_MS);
    s.c->now += MARGIN_MS; /* no turn in between */
    cluster_turn(s.c);
    cluster_advance(s.c, TIMEOUT_MS);
    cr_assert_eq(s.c->core->counts.overdue, 0);
    cluster_free(s.c);
}

Test(overdue, whoever_says_hello_anew_has_its_slots_again)
{
    struct scene s = scene_new(1, 1, &(struct belt_open_options){.timeout_ms = TIMEOUT_MS});
    cluster_advance(s.c, TIMEOUT_MS + MARGIN_MS + 2 * BELT_HEARTBEAT_MS + BELT_BACKOFF_MS);
    cr_assert_eq(row_of(&s, "deaf").overdue, 1);
    peer_cut(s.deaf);
    s.deaf->held_count = 0;
    peer_connect(s.deaf);
    agent_sync(s.deaf);
    cr_assert_eq(agent_take(s.deaf), 1, "the task, with another attempt");
    cr_assert_str_eq(agent_holds(s.deaf), "1.0/2");
    cluster_free(s.c);
}
