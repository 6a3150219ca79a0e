/* SPDX-License-Identifier: Apache-2.0
 *
 * restore.c: the attempts that run while the broker is away, and how often they count (I9, I2).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>

static struct cluster *kept_new(void)
{
    return cluster_new(&(struct core_config){.durable = true});
}

/* The client is back, and reads on. */
static void come_back(struct peer *p, uint64_t job)
{
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
}

Test(durable_attempts, a_running_task_goes_on_where_it_runs)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 2);
    client_end(p, job, 2);
    cr_assert_str_eq(agent_holds(w), "1.0/1 1.1/1");
    cluster_restart(c);
    struct peer *idle = agent_new(c, "w2", 2, 100, "f");
    cr_assert_eq(agent_take(idle), 0, "those who hold tasks are waited for");
    peer_connect(w);
    agent_sync(w);
    cluster_advance(c, 3000);
    cr_assert_eq(agent_take(idle), 0);
    agent_finish(w, 2);
    come_back(p, job);
    cr_assert_str_eq(client_read(p), "0 1.");
    cluster_free(c);
}

Test(durable_attempts, an_attempt_whose_result_was_ignored_is_not_waited_for)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 100, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.retries = 3});
    client_push(p, job, 0, 1);
    cr_assert_str_eq(agent_holds(w), "1.0/1");
    cluster_restart(c);
    const struct belt_task_ref refs[] = {{job, 0, 1}, {job, 0, 2}}; /* of two earlier lives, neither recorded */
    peer_connect(w);
    agent_sync_refs(w, refs, 2, false);
    for (int again = 0; again < 2; again++) {
        agent_send_result(w, 0, refs[0], BELT_TASK_FAILED, 0, 0);
        agent_send_result(w, 1, refs[1], BELT_TASK_FAILED, 0, 0);
        peer_cut(w); /* RECORDED is lost */
        peer_connect(w);
        agent_sync_refs(w, refs, 2, false);
    }
    w->held_count = 0;
    cluster_advance(c, 3000);
    cr_assert_str_eq(agent_holds(w), "1.0/3", "it runs again, under a number of its own");
    cluster_free(c);
}

/* What was recorded since then is lost: the broker was killed before it was on disk. */
static void disk_forget(struct disk *disk, uint32_t count)
{
    while (disk->count > count)
        belt_buf_unref(disk->rows[--disk->count].body);
}

Test(durable_attempts, an_attempt_of_a_task_that_was_lost_is_not_counted_anew)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 1);
    agent_work(w);
    uint32_t kept = c->disk.count;
    client_push(p, job, 1, 1);
    cr_assert_str_eq(agent_holds(w), "1.1/1");
    disk_forget(&c->disk, kept);
    cluster_restart(c);
    peer_connect(w);
    agent_sync(w);
    cr_assert_eq(peer_expect(w, BELT_MSG_DROP)->u.drop.count, 1, "nobody knows of it any more");
    come_back(p, job);
    client_push(p, job, 1, 1);
    cluster_advance(c, 3000);
    agent_return(w, 0); /* the answer to DROP */
    cr_assert_str_eq(agent_holds(w), "1.1/2", "it speaks of the old one, and not of this");
    cluster_free(c);
}

Test(durable_attempts, a_later_attempt_than_the_one_that_goes_on_is_not_counted_anew)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.retries = 2, .backoff_ms = BELT_NO_BACKOFF});
    client_push(p, job, 0, 1);
    cr_assert_str_eq(agent_holds(w), "1.0/1");
    cluster_restart(c);
    peer_connect(w);
    struct belt_task_ref refs[] = {{job, 0, 1}, {job, 0, 2}}; /* the results of both are there, and not recorded */
    agent_sync_refs(w, refs, 2, false);
    cr_assert_eq(peer_expect(w, BELT_MSG_DROP)->u.drop.refs[0].attempt, 2);
    w->held_count = 0;
    agent_send_result(w, 0, refs[0], BELT_TASK_FAILED, 1, 1);
    cluster_advance(c, 3000);
    cr_assert_str_eq(agent_holds(w), "1.0/3");
    cluster_free(c);
}

Test(durable_attempts, a_result_that_came_before_may_wait_for_the_disk_still)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    client_job(p, "f", 1, NULL);
    cr_assert_eq(agent_take(w), 1);
    struct belt_task_ref ref = w->held[0].ref;
    agent_result(w, 0, BELT_OK);
    cr_assert(c->held[BELT_MSG_RECORDED]);
    peer_cut(w);
    cluster_advance(c, 20000); /* its lease is over, and the disk slow */
    peer_connect(w);
    agent_sync_refs(w, &ref, 1, false);
    agent_send_result(w, 0, ref, BELT_OK, 1, 5);
    peer_skip_to(w, BELT_MSG_RECORDED);
    cr_assert(c->held[BELT_MSG_RECORDED], "it counts no second time, and may not be on disk");
    cluster_free(c);
}

Test(durable_attempts, a_task_whose_agent_does_not_come_back_runs_elsewhere)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 2);
    agent_take(w);
    cluster_restart(c);
    struct peer *other = agent_new(c, "w2", 2, 100, "f");
    cluster_advance(c, 3000);
    cr_assert_eq(agent_take(other), 2);
    agent_finish(other, 2);
    peer_connect(w);
    agent_sync(w);
    peer_skip_to(w, BELT_MSG_DROP);
    agent_finish(w, 2);
    come_back(p, job);
    cr_assert_str_eq(client_read(p), "0 1", "each once");
    cluster_free(c);
}
