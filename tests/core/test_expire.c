/* SPDX-License-Identifier: Apache-2.0
 *
 * expire.c: when a job starts, when what is left of it expires (PROTOCOL.md §9.2), and tasks that are not wanted any
 * more (§7.3).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>

static uint64_t reader_of(struct peer *p, uint64_t job)
{
    return client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100000);
}

Test(expire, nothing_runs_before_the_start)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 4, "f");
    client_job(p, "f", 2, &(struct belt_open_options){.after_ms = 60000});
    cluster_advance(c, 59990);
    cr_assert_eq(agent_take(w), 0);
    cluster_advance(c, 10);
    cr_assert_eq(agent_take(w), 2);
    cluster_free(c);
}

Test(expire, nobody_is_missed_before_the_start)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_job(p, "f", 2, &(struct belt_open_options){.after_ms = 60000});
    peer_clear(p);
    cluster_advance(c, 59000);
    peer_expect_nothing(p);
    cluster_advance(c, 5000);
    cr_assert_eq(peer_expect(p, BELT_MSG_NOTICE)->u.notice.code, BELT_NO_WORKER);
    cluster_free(c);
}

Test(expire, what_waits_expires_and_what_runs_is_stopped)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 3, &(struct belt_open_options){.deadline_ms = 5000, .retries = 9});
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    agent_take(w);
    cluster_advance(c, 5000);
    cr_assert_str_eq(client_read(p), "0", "task 1 still runs");
    cr_assert_eq(peer_skip_to(w, BELT_MSG_DROP)->u.drop.refs[0].index, 1);
    agent_return(w, 0);
    cr_assert_str_eq(client_read(p), "1! 2!.");
    cluster_free(c);
}

Test(expire, a_result_that_comes_too_late_does_not_count)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.deadline_ms = 5000});
    reader_of(p, job);
    agent_take(w);
    cluster_advance(c, 5000);
    agent_result(w, 0, BELT_OK);
    const struct belt_msg *msg = peer_skip_to(p, BELT_MSG_DELIVER);
    cr_assert_eq(msg->u.deliver.results[0].code, BELT_TASK_EXPIRED);
    cluster_free(c);
}

Test(expire, an_agent_that_is_lost_at_the_deadline_holds_nothing_up)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.deadline_ms = 3000});
    reader_of(p, job);
    agent_take(w);
    w->alive = false;
    cluster_advance(c, 9000);
    cr_assert_str_eq(client_read(p), "0!.");
    peer_connect(w);
    agent_sync(w);
    cr_assert_eq(peer_expect(w, BELT_MSG_DROP)->u.drop.count, 1);
    cluster_free(c);
}

Test(expire, what_comes_after_the_deadline_expires_at_once)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.deadline_ms = 1000});
    reader_of(p, job);
    cluster_advance(c, 1000);
    client_push(p, job, 0, 3);
    client_end(p, job, 3);
    cr_assert_eq(agent_take(w), 0);
    cr_assert_str_eq(client_read(p), "0! 1! 2!.");
    cluster_free(c);
}

Test(expire, a_pause_between_tries_ends_at_the_deadline)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job =
        client_job(p, "f", 1, &(struct belt_open_options){.deadline_ms = 1000, .retries = 1, .backoff_ms = 20000});
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    cluster_advance(c, 1000);
    cr_assert_str_eq(client_read(p), "0!.");
    cluster_advance(c, 30000);
    cr_assert_eq(agent_take(w), 0);
    cluster_free(c);
}

Test(expire, many_tasks_expire_over_several_turns)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.deadline_ms = 1000});
    for (uint64_t first = 0; first < 40000; first += 4000)
        client_push(p, job, first, 4000);
    client_end(p, job, 40000);
    cluster_advance(c, 1100);
    peer_clear(p);
    reader_of(p, job);
    uint64_t seen = 0;
    const struct belt_msg *msg;
    while ((msg = peer_skip_to(p, BELT_MSG_DELIVER)))
        seen += msg->u.deliver.count;
    cr_assert_eq(seen, 40000);
    cluster_free(c);
}

Test(expire, a_jump_of_the_wall_clock_changes_nothing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4, "f");
    client_job(p, "f", 1, &(struct belt_open_options){.after_ms = 10000, .deadline_ms = 20000});
    c->wall_ahead += 365ull * 24 * 3600 * 1000;
    cluster_advance(c, 9000);
    cr_assert_eq(agent_take(w), 0);
    c->wall_ahead = 0;
    cluster_advance(c, 1000);
    cr_assert_eq(agent_take(w), 1);
    cluster_free(c);
}

Test(expire, a_moment_of_the_wall_clock_is_understood)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 4, "f");
    uint64_t wall = c->now + c->wall_ahead;
    client_job(p, "f", 1, &(struct belt_open_options){.after_at = wall + 3000});
    client_job(p, "f", 1, &(struct belt_open_options){.after_at = 1});
    cr_assert_str_eq(agent_holds(w), "2.0/1", "what is over is now");
    cluster_advance(c, 3000);
    cr_assert_str_eq(agent_holds(w), "2.0/1 1.0/1");
    cluster_free(c);
}

Test(expire, times_survive_a_restart)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 4, "f");
    uint64_t job = client_open(p, "k", "f",
                               &(struct belt_open_options){.after_ms = 60000, .deadline_ms = 90000, .detached = true});
    client_push(p, job, 0, 2);
    client_end(p, job, 2);
    cluster_advance(c, 30000);
    c->config.wall_ms = c->now + c->wall_ahead;
    cluster_restart(c);
    peer_connect(w);
    agent_sync(w);
    cluster_advance(c, 29900);
    cr_assert_eq(agent_take(w), 0);
    cluster_advance(c, 100);
    cr_assert_eq(agent_take(w), 2);
    agent_result(w, 0, BELT_OK);
    cluster_advance(c, 30000);
    cr_assert_eq(peer_skip_to(w, BELT_MSG_DROP)->u.drop.count, 1);
    agent_return(w, 0);
    peer_connect(p);
    const struct belt_open_options same = {.after_ms = 60000, .deadline_ms = 90000};
    cr_assert_eq(client_open(p, "k", "f", &same), job);
    reader_of(p, job);
    cr_assert_str_eq(client_read(p), "0 1!.");
    cluster_free(c);
}

Test(halt, what_has_not_begun_is_cancelled_and_what_runs_goes_on)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 3, &(struct belt_open_options){.retries = 9});
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 1);
    client_halt(p, job);
    cluster_advance(c, 10);
    cr_assert_eq(agent_take(w), 1, "a task began");
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_str_eq(client_read(p), "0! 1! 2!.");
    cluster_free(c);
}

Test(halt, what_an_agent_gives_back_is_cancelled_too)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 2, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 2);
    client_halt(p, job);
    peer_skip_to(w, BELT_MSG_RECALL);
    agent_return(w, 1);
    agent_result(w, 0, BELT_OK);
    cr_assert_str_eq(client_read(p), "0 1!.");
    cluster_free(c);
}

Test(halt, a_complete_job_is_left_alone)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, NULL);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    client_halt(p, job);
    reader_of(p, job);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

/* ---- one task ---- */

static uint32_t code_of(const struct belt_msg *msg, uint64_t index)
{
    for (uint32_t i = 0; i < msg->u.deliver.count; i++)
        if (msg->u.deliver.results[i].index == index)
            return msg->u.deliver.results[i].code;
    cr_assert_fail("task %llu was not delivered", (unsigned long long)index);
    return 0;
}

Test(cancel_task, one_that_waits_has_its_result_at_once_and_the_others_go_on)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 3, NULL);
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 1);
    client_cancel_task(p, job, 1);
    agent_result(w, 0, BELT_OK);
    const struct belt_msg *msg = peer_skip_to(p, BELT_MSG_DELIVER);
    cr_assert_eq(code_of(msg, 1), BELT_TASK_CANCELLED);
    cr_assert_eq(agent_take(w), 1);
    cr_assert_eq(w->held[0].ref.index, 2, "task 1 is not run");
    agent_result(w, 0, BELT_OK);
    cr_assert_str_eq(client_read(p), "2.");
    cluster_free(c);
}

Test(cancel_task, one_that_runs_is_stopped_and_has_its_result_when_it_has_ended)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 2, "f");
    uint64_t job = client_job(p, "f", 2, &(struct belt_open_options){.retries = 9});
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 2);
    client_cancel_task(p, job, 0);
    const struct belt_msg *drop = peer_skip_to(w, BELT_MSG_DROP);
    cr_assert(drop->u.drop.count == 1 && drop->u.drop.refs[0].index == 0);
    client_cancel_task(p, job, 0);
    peer_expect_nothing(w);
    agent_result(w, 0, BELT_OK);
    const struct belt_msg *msg = peer_skip_to(p, BELT_MSG_DELIVER);
    cr_assert_eq(code_of(msg, 0), BELT_TASK_CANCELLED, "whatever it came to");
    agent_result(w, 0, BELT_OK);
    cr_assert_str_eq(client_read(p), "1.");
    cluster_free(c);
}

Test(cancel_task, an_agent_that_is_lost_or_gives_it_back_holds_nothing_up)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 2, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 2);
    client_cancel_task(p, job, 0);
    client_cancel_task(p, job, 1);
    agent_return(w, 0);
    peer_gone(w);
    w->alive = false;
    cluster_advance(c, 60000);
    cr_assert_str_eq(client_read(p), "0! 1!.");
    cluster_free(c);
}

Test(cancel_task, a_pause_between_tries_ends)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.retries = 9, .backoff_ms = 60000});
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    client_cancel_task(p, job, 0);
    const struct belt_msg *msg = peer_skip_to(p, BELT_MSG_DELIVER);
    cr_assert_eq(code_of(msg, 0), BELT_TASK_CANCELLED);
    cluster_free(c);
}

Test(cancel_task, one_that_is_done_or_does_not_exist_is_left_alone)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    agent_take(w);
    client_cancel_task(p, job, 0);
    client_cancel_task(p, job, 2);
    client_cancel_task(p, job, UINT64_MAX);
    client_cancel_task(other, job, 1);
    peer_expect_error(other, BELT_NOT_ALLOWED);
    agent_result(w, 0, BELT_OK);
    client_cancel_task(p, job, 1);
    reader_of(p, job);
    cr_assert_str_eq(client_read(p), "0 1.");
    cluster_free(c);
}

Test(cancel_task, a_durable_one_stays_cancelled_in_the_next_broker)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_job(p, "f", 2, &(struct belt_open_options){.durable = true, .detached = true});
    client_cancel_task(p, job, 0);
    cluster_advance(c, 10);
    cluster_restart(c);
    peer_connect(p);
    struct peer *w = agent_new(c, "w1", 1, 1, "f");
    cluster_advance(c, 60000);
    cr_assert_eq(agent_take(w), 1);
    cr_assert_eq(w->held[0].ref.index, 1);
    agent_result(w, 0, BELT_OK);
    reader_of(p, job);
    cr_assert_str_eq(client_read(p), "0! 1.");
    cluster_free(c);
}

Test(cancel_task, one_is_cancelled_unless_it_has_begun)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 2, "f");
    uint64_t job = client_job(p, "f", 3, &(struct belt_open_options){.retries = 9});
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 2);
    for (uint64_t i = 0; i < 3; i++)
        client_halt_task(p, job, i);
    peer_skip_to(w, BELT_MSG_RECALL);
    agent_return(w, 1);
    agent_result(w, 0, BELT_TASK_FAILED);
    unsigned codes[3] = {0};
    for (int i = 0; i < 3;) {
        const struct belt_msg *msg = peer_skip_to(p, BELT_MSG_DELIVER);
        for (uint32_t k = 0; k < msg->u.deliver.count; k++, i++)
            codes[msg->u.deliver.results[k].index] = msg->u.deliver.results[k].code;
    }
    cr_assert_eq(codes[0], BELT_TASK_FAILED, "it had begun, and is not tried again");
    cr_assert_eq(codes[1], BELT_TASK_CANCELLED, "its agent gave it back");
    cr_assert_eq(codes[2], BELT_TASK_CANCELLED, "it waited");
    cluster_free(c);
}
