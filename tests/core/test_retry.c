/* SPDX-License-Identifier: Apache-2.0
 *
 * retry.c: pauses between tries, final errors, tries that survive the broker
 * (PROTOCOL.md §9.1).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>

static uint64_t reader_of(struct peer *p, uint64_t job)
{
    return client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
}

/* How long the task waits for its next run, which is taken. */
static uint64_t pause_of(struct cluster *c, struct peer *w)
{
    uint64_t begun = c->now;
    while (!agent_take(w)) {
        cr_assert_leq(c->now - begun, 40000);
        cluster_advance(c, 1);
        for (uint32_t i = 0; (c->now - begun) % 1000 == 0 && i < c->peer_count; i++)
            if (c->peers[i]->handle)
                peer_send_type(c->peers[i], BELT_MSG_PING);
    }
    return c->now - begun;
}

static struct belt_row_job row_of(struct peer *p)
{
    struct belt_msg status = {.type = BELT_MSG_STATUS};
    status.u.status.what = BELT_REPORT_JOBS;
    peer_send(p, status);
    return peer_skip_to(p, BELT_MSG_REPORT)->u.report.rows.jobs[0];
}

Test(retry, pauses_double_up_to_their_most)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.retries = 12});
    reader_of(p, job);
    agent_take(w);
    for (uint64_t most = 100, n = 0; n < 12; n++, most = most * 2 < 30000 ? most * 2 : 30000) {
        agent_result(w, 0, BELT_TASK_FAILED);
        uint64_t pause = pause_of(c, w);
        cr_assert(pause >= most / 2 && pause <= most, "try %lu: %lu ms", (unsigned long)n, (unsigned long)pause);
    }
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_str_eq(client_read(p), "0!.");
    cluster_free(c);
}

Test(retry, tasks_that_failed_together_do_not_come_back_together)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 8, 16, "f");
    client_job(p, "f", 8, &(struct belt_open_options){.retries = 1, .backoff_ms = 1000});
    agent_take(w);
    for (int i = 0; i < 8; i++)
        agent_result(w, 0, BELT_TASK_FAILED);
    uint32_t moments = 0, back = 0;
    for (int ms = 0; ms < 1000; ms++) {
        cluster_advance(c, 1);
        uint32_t held = agent_take(w);
        moments += held > back;
        back = held;
    }
    cr_assert_eq(back, 8);
    cr_assert_gt(moments, 3, "they are spread: %u moments", moments);
    cluster_free(c);
}

Test(retry, a_waiting_task_is_shown_and_others_go_on)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 2, &(struct belt_open_options){.retries = 1, .backoff_ms = 2000});
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_str_eq(agent_holds(w), "1.1/1", "the slot is not kept idle");
    agent_finish(w, 1);
    cr_assert_str_eq(client_read(p), "1");
    struct belt_row_job row = row_of(p);
    cr_assert_eq(row.waiting, 1);
    cr_assert_eq(row.retried, 1);
    cr_assert_eq(strncmp((const char *)row.why.data, "1 tasks wait for another try", 28), 0);
    cluster_advance(c, 2000);
    cr_assert_str_eq(agent_holds(w), "1.0/2");
    agent_finish(w, 1);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(retry, a_cancelled_job_waits_for_nothing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.retries = 1, .backoff_ms = 2000});
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    client_cancel(p, job);
    cluster_advance(c, 20000);
    cr_assert_eq(agent_take(w), 0);
    cluster_free(c);
}

Test(retry, a_refused_input_is_not_tried_again)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.retries = 5});
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_TASK_REFUSED);
    cr_assert_str_eq(client_read(p), "0!.");
    cluster_free(c);
}

static void send_status(struct peer *w, int32_t status)
{
    struct belt_result_extras extras = {.exit_status = status};
    struct belt_result_item item = {
        .index = w->held[0].ref.index, .attempt = w->held[0].ref.attempt, .code = BELT_TASK_FAILED, .extras = &extras};
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};
    msg.u.results =
        (struct belt_msg_results){.first = w->results++, .job = w->held[0].ref.job, .results = &item, .count = 1};
    w->held_count--;
    memmove(w->held, w->held + 1, w->held_count * sizeof(*w->held));
    peer_send(w, msg);
}

Test(retry, exit_statuses_may_be_final)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    struct belt_open_options options = {.retries = 5, .backoff_ms = BELT_NO_BACKOFF, .final_status = {[8] = 1 << 1}};
    uint64_t job = client_job(p, "f", 1, &options);
    reader_of(p, job);
    agent_take(w);
    send_status(w, 1);
    cr_assert_eq(agent_take(w), 1, "status 1 is tried again");
    send_status(w, -1);
    cr_assert_eq(agent_take(w), 1, "so is none at all");
    send_status(w, 65);
    cr_assert_str_eq(client_read(p), "0!.", "65 is final");
    cluster_free(c);
}

Test(retry, who_comes_back_during_the_pause_goes_on)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.max_attempts = 2, .backoff_ms = 20000});
    reader_of(p, job);
    agent_take(w);
    peer_cut(w);
    cluster_advance(c, 6000);
    cr_assert_eq(row_of(p).waiting, 1);
    peer_connect(w);
    agent_sync(w);
    cr_assert_eq(row_of(p).running, 1);
    cluster_advance(c, 30000);
    agent_finish(w, 1);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

/* ---- a durable job ---- */

static uint64_t durable_job(struct peer *p, const struct belt_open_options *options)
{
    uint64_t job = client_open(p, "k", "f", options);
    client_push(p, job, 0, 1);
    client_end(p, job, 1);
    return job;
}

Test(retry, a_restart_forgives_no_loss)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = durable_job(p, &(struct belt_open_options){.max_attempts = 3, .retries = 1});
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        pause_of(c, w);
        cr_assert_eq(w->held[0].ref.attempt, attempt, "the attempts go on where they were");
        agent_result(w, 0, BELT_TASK_LOST);
        cr_assert_eq(disk_count(&c->disk, RECORD_TRIES) + disk_count(&c->disk, RECORD_MARK), 1,
                     "one record for the task, or the mark of the job");
        cluster_restart(c);
        peer_connect(w);
        agent_sync(w);
    }
    cluster_advance(c, 20000);
    cr_assert_eq(agent_take(w), 0, "poison ends after max_attempts");
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", &(struct belt_open_options){.max_attempts = 3, .retries = 1}), job);
    reader_of(p, job);
    cr_assert_str_eq(client_read(p), "0!.");
    cluster_free(c);
}

Test(retry, the_next_run_goes_on_over_a_restart)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = durable_job(p, &(struct belt_open_options){.retries = 1});
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    pause_of(c, w);
    cluster_restart(c);
    peer_connect(w);
    agent_sync(w);
    peer_expect_nothing(w);
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", &(struct belt_open_options){.retries = 1}), job);
    reader_of(p, job);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_str_eq(client_read(p), "0!.", "it had one retry, in all lives of the broker");
    cluster_free(c);
}

Test(retry, an_attempt_that_ended_is_not_adopted_after_a_restart)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    durable_job(p, &(struct belt_open_options){.retries = 1});
    agent_take(w);
    struct belt_task_ref ref = w->held[0].ref;
    agent_result(w, 0, BELT_TASK_FAILED);
    cluster_restart(c); /* RECORDED was lost */
    peer_connect(w);
    agent_sync_refs(w, &ref, 1, false);
    cr_assert_eq(peer_expect(w, BELT_MSG_DROP)->u.drop.refs[0].attempt, 1);
    agent_send_result(w, 0, ref, BELT_TASK_FAILED, 0, 0);
    pause_of(c, w);
    cr_assert_eq(w->held[0].ref.attempt, 2, "its failure counted once");
    cluster_free(c);
}

Test(retry, a_number_used_up_during_the_pause_does_not_end_it)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    durable_job(p, &(struct belt_open_options){.retries = 1, .backoff_ms = 20000});
    agent_take(w);
    agent_return(w, 0);
    agent_take(w);
    cr_assert_str_eq(agent_holds(w), "1.0/2");
    cluster_restart(c); /* runs that did not end are not on disk */
    struct peer *other = agent_new(c, "w2", 1, 1, "f");
    pause_of(c, other);
    cr_assert_eq(other->held[0].ref.attempt, 1);
    agent_result(other, 0, BELT_TASK_FAILED);
    peer_connect(w);
    agent_sync(w);
    cr_assert_eq(peer_expect(w, BELT_MSG_DROP)->u.drop.refs[0].attempt, 2);
    w->held_count = 0;
    peer_gone(w);
    pause_of(c, other);
    cr_assert_eq(other->held[0].ref.attempt, 3);
    cluster_free(c);
}

Test(retry, a_loss_that_was_taken_back_is_not_read_back)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 2, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.max_attempts = 2, .backoff_ms = 20000});
    client_push(p, job, 0, 2);
    client_end(p, job, 2);
    agent_take(w);
    peer_cut(w);
    cluster_advance(c, 6000);
    cr_assert_eq(disk_count(&c->disk, RECORD_TRIES), 2);
    peer_connect(w);
    agent_sync(w);
    cr_assert_eq(disk_count(&c->disk, RECORD_TRIES), 0, "no attempt has ended");
    cluster_restart(c);
    cluster_free(c);
}
