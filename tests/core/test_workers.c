/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.c: results and fencing, SYNC, returns, losses and retries (PROTOCOL.md §8, §9).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>

static uint64_t reader_of(struct peer *p, uint64_t job)
{
    return client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
}

Test(workers, results_are_recorded_and_a_repeated_one_is_ignored)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 2, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    reader_of(p, job);
    agent_take(w);
    struct belt_task_ref ref = w->held[0].ref;
    agent_result(w, 0, BELT_OK);
    cr_assert_eq(peer_skip_to(w, BELT_MSG_RECORDED)->u.recorded.upto, 1);
    agent_send_result(w, 0, ref, BELT_TASK_FAILED, 0, 0);
    cr_assert_eq(peer_skip_to(w, BELT_MSG_RECORDED)->u.recorded.upto, 1);
    cr_assert_str_eq(client_read(p), "0");
    cluster_free(c);
}

Test(workers, a_stale_attempt_changes_nothing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 2, "f");
    uint64_t job = client_job(p, "f", 1, NULL);
    reader_of(p, job);
    agent_take(w);
    peer_cut(w);
    cluster_advance(c, 6000);
    struct peer *w2 = agent_new(c, "w2", 1, 2, "f");
    cr_assert_str_eq(agent_holds(w2), "1.0/2");
    peer_connect(w);
    agent_sync(w);
    cr_assert_eq(peer_expect(w, BELT_MSG_DROP)->u.drop.refs[0].attempt, 1);
    cluster_forget_trace(c);
    agent_send_result(w, 0, (struct belt_task_ref){job, 0, 1}, BELT_OK, 5, 5);
    cluster_told(c, "[16000] w1 > job 1 task 0 attempt 1: stale, ignored\n");
    cr_assert_eq(peer_expect(w, BELT_MSG_RECORDED)->u.recorded.upto, 1, "stale or not, it is acknowledged");
    cr_assert_str_eq(client_read(p), "");
    agent_send_result(w, 1, (struct belt_task_ref){job, 0, 2}, BELT_OK, 5, 5);
    cr_assert_str_eq(client_read(p), "", "nor does the right attempt from the wrong agent");
    agent_finish(w2, 1);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(workers, a_lost_dispatch_waits_again_uncounted)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 2, "f");
    client_job(p, "f", 2, &(struct belt_open_options){.max_attempts = 1});
    peer_cut(w);
    peer_connect(w);
    agent_sync_refs(w, &(struct belt_task_ref){1, 0, 1}, 1, true);
    peer_expect_nothing(w);
    agent_sync_refs(w, NULL, 0, false);
    cr_assert_str_eq(agent_holds(w), "1.1/2", "task 0 was named, task 1 never arrived");
    cluster_free(c);
}

Test(workers, who_comes_back_with_a_task_goes_on_with_it)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 2, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.max_attempts = 3});
    reader_of(p, job);
    agent_take(w);
    for (int i = 0; i < 5; i++) { /* it falls asleep five times: no loss */
        peer_cut(w);
        cluster_advance(c, 6000);
        peer_connect(w);
        agent_sync(w);
    }
    peer_expect_nothing(w);
    agent_finish(w, 1);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(workers, a_retry_is_not_adopted_from_an_old_result)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.retries = 1, .backoff_ms = BELT_NO_BACKOFF});
    reader_of(p, job);
    agent_take(w);
    struct belt_task_ref ref = w->held[0].ref;
    c->burst = true;
    agent_result(w, 0, BELT_TASK_FAILED);
    c->burst = false;
    peer_cut(w); /* RECORDED is lost */
    peer_connect(w);
    agent_sync_refs(w, &ref, 1, false);
    agent_send_result(w, 0, ref, BELT_TASK_FAILED, 0, 0);
    cr_assert_str_eq(agent_holds(w), "1.0/2");
    agent_finish(w, 1);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(workers, returned_tasks_go_elsewhere)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4, "f");
    uint64_t job = client_job(p, "f", 1, NULL);
    reader_of(p, job);
    agent_take(w);
    peer_send_type(w, BELT_MSG_LEAVING);
    agent_return(w, 0);
    cr_assert_eq(agent_take(w), 0);
    struct peer *w2 = agent_new(c, "w2", 1, 4, "f");
    cr_assert_str_eq(agent_holds(w2), "1.0/2");
    agent_finish(w2, 1);
    cr_assert_str_eq(client_read(p), "0.");
    peer_send_type(w, BELT_MSG_BYE);
    cr_assert_eq(w->handle, 0);
    cluster_free(c);
}

Test(workers, a_leaving_agent_finishes_what_runs)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    reader_of(p, job);
    agent_take(w);
    peer_send_type(w, BELT_MSG_LEAVING);
    agent_finish(w, 1);
    cr_assert_eq(agent_take(w), 0);
    cr_assert_str_eq(client_read(p), "0");
    cluster_free(c);
}

Test(workers, failures_are_retried_as_often_as_asked)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.retries = 2, .backoff_ms = BELT_NO_BACKOFF});
    reader_of(p, job);
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        cr_assert_eq(agent_take(w), 1);
        cr_assert_eq(w->held[0].ref.attempt, attempt);
        cr_assert_str_eq(client_read(p), "");
        agent_result(w, 0, attempt == 2 ? BELT_TASK_TIMEOUT : BELT_TASK_FAILED);
    }
    cr_assert_str_eq(client_read(p), "0!.");
    cr_assert_eq(agent_take(w), 0);
    cluster_free(c);
}

Test(workers, poison_ends_after_max_attempts)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    uint64_t job = client_job(p, "f", 2, &(struct belt_open_options){.backoff_ms = BELT_NO_BACKOFF});
    reader_of(p, job);
    cluster_forget_trace(c);
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        agent_take(w);
        cr_assert_eq(w->held[0].ref.index, 0);
        agent_result(w, 0, BELT_TASK_LOST);
    }
    cluster_told(c, "[10000] w1 > job 1 task 0 began at 9950.000 and ran for 50.000 ms\n"
                    "[10000] job 1 > task 0 lost: waits again (attempt 1)\n"
                    "[10000] w1 > job 1 tasks 0 to 0 go there\n"
                    "[10000] w1 > job 1 task 0 began at 9950.000 and ran for 50.000 ms\n"
                    "[10000] job 1 > task 0 lost: waits again (attempt 2)\n"
                    "[10000] w1 > job 1 tasks 0 to 0 go there\n"
                    "[10000] w1 > job 1 task 0 began at 9950.000 and ran for 50.000 ms\n"
                    "[10000] w1 > job 1 tasks 1 to 1 go there\n");
    agent_work(w);
    cr_assert_str_eq(client_read(p), "0! 1.", "I8: the job goes on");
    cluster_free(c);
}

Test(workers, a_dead_agent_is_blamed_for_what_it_ran)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_job(p, "f", 3, &(struct belt_open_options){.max_attempts = 1, .chunk = 3});
    reader_of(p, job);
    cr_assert_eq(agent_take(w), 3);
    w->alive = false;
    cluster_forget_trace(c);
    cluster_advance(c, 5000);
    cluster_told(c, "[15000] w1 > lease expired\n"
                    "[15000] w1 > gone with 3 tasks\n");
    cr_assert_str_eq(client_read(p), "0!", "only the first of the chunk was running");
    struct peer *w2 = agent_new(c, "w2", 1, 10, "f");
    cr_assert_str_eq(agent_holds(w2), "1.1/2 1.2/2");
    cluster_free(c);
}

Test(workers, bye_blames_nobody)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_job(p, "f", 1, &(struct belt_open_options){.max_attempts = 1});
    reader_of(p, job);
    peer_send_type(w, BELT_MSG_BYE);
    cr_assert_str_eq(client_read(p), "");
    agent_work(agent_new(c, "w2", 1, 1, "f"));
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(workers, not_served_is_returned_and_not_given_again)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_job(p, "f", 1, NULL);
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_NOT_SERVED);
    cr_assert_eq(agent_take(w), 0);
    cr_assert_str_eq(client_read(p), "");
    agent_work(agent_new(c, "w2", 1, 1, "f"));
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(workers, progress_shows)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    client_job(p, "f", 1, NULL);
    agent_take(w);
    struct belt_msg msg = {.type = BELT_MSG_PROGRESS};
    msg.u.progress = (struct belt_msg_progress){w->held[0].ref, 1, 4};
    peer_send(w, msg);
    struct belt_msg status = {.type = BELT_MSG_STATUS};
    status.u.status.what = BELT_REPORT_JOBS;
    peer_send(p, status);
    const struct belt_row_job *row = peer_expect(p, BELT_MSG_REPORT)->u.report.rows.jobs;
    cr_assert_eq(row->progress_permille, 250);
    cr_assert_eq(row->running, 1);
    cluster_free(c);
}

/* ---- owed.c ---- */

Test(workers, recorded_waits_for_company_but_not_long)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 4, "f");
    uint64_t job = client_job(p, "f", 4, NULL);
    reader_of(p, job);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    cr_assert_str_eq(client_read(p), "0", "the result itself waits for nobody");
    cluster_advance(c, 4);
    agent_result(w, 0, BELT_OK);
    peer_expect_nothing(w);
    cluster_advance(c, 1);
    cr_assert_eq(peer_expect(w, BELT_MSG_RECORDED)->u.recorded.upto, 2);
    agent_result_sized(w, 0, BELT_OK, BELT_BATCH_BYTES, 1);
    cr_assert_eq(peer_expect(w, BELT_MSG_RECORDED)->u.recorded.upto, 3, "large ones are let go at once");
    agent_result(w, 0, BELT_OK);
    peer_expect_nothing(w);
    peer_send_type(w, BELT_MSG_LEAVING);
    cr_assert_eq(peer_expect(w, BELT_MSG_RECORDED)->u.recorded.upto, 4, "who leaves waits for nothing else");
    cluster_free(c);
}

Test(workers, recorded_does_not_wait_when_there_is_enough_to_tell)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 256, 256, "f");
    client_job(p, "f", 256, NULL);
    cr_assert_eq(agent_take(w), 256);
    agent_finish(w, 255);
    peer_expect_nothing(w);
    agent_finish(w, 1);
    cr_assert_eq(peer_expect(w, BELT_MSG_RECORDED)->u.recorded.upto, 256);
    cluster_free(c);
}

Test(workers, one_that_goes_while_recorded_waits_leaves_nothing_behind)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    client_job(p, "f", 1, NULL);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    peer_send_type(w, BELT_MSG_BYE);
    cluster_advance(c, 1000);
    cluster_free(c);
}

Test(workers, a_broker_that_drains_keeps_no_recorded_back)
{
    struct cluster *c = cluster_new(&(struct core_config){.ack_ms = 5});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 1, "f");
    client_job(p, "f", 1, NULL);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    peer_expect_nothing(w);
    cluster_drain(c);
    cr_assert_eq(peer_expect(w, BELT_MSG_RECORDED)->u.recorded.upto, 1, "the agent may be stopping too");
    cr_assert(core_drained(c->core));
    cluster_free(c);
}
