/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letter.c and failed.c: failed tasks that are kept, asked for, tried again and
 * dropped (PROTOCOL.md §9.3).
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

static struct peer *admin_new(struct cluster *c)
{
    struct peer *peer = peer_new(c, BELT_ROLE_ADMIN, "root");
    peer->alive = true;
    peer_connect(peer);
    return peer;
}

/* A job of `count` tasks of which all but the first fail. */
static uint64_t job_that_fails(struct peer *p, struct peer *w, const char *function, uint32_t count)
{
    uint64_t job = client_job(p, function, count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        agent_take(w);
        agent_result(w, 0, i ? BELT_TASK_FAILED : BELT_OK);
    }
    return job;
}

Test(failed, they_outlive_their_job)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f,g"), *a = admin_new(c);
    uint64_t job = job_that_fails(p, w, "f", 3);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(p), "0 1! 2!.");
    client_ack(p, sub, 3, 100);
    cluster_advance(c, 20000);
    job_that_fails(p, w, "g", 2);
    cr_assert_str_eq(admin_list(a, ""), "1.1!1 1.2!1 2.1!1");
    cr_assert_str_eq(admin_list(a, "g"), "2.1!1");
    cr_assert_str_eq(admin_list(a, "h"), "");
    cluster_free(c);
}

Test(failed, they_are_shown_with_their_input)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = job_that_fails(p, w, "f", 2);
    const struct belt_msg *msg = admin_failed(a, BELT_FAILED_SHOW, "", job, 1);
    cr_assert_eq(msg->u.failures.count, 1);
    const struct belt_letter *letter = &msg->u.failures.letters[0];
    cr_assert_eq(letter->payload.len, 10);
    cr_assert_eq(memcmp(letter->payload.data, "tttttttttt", 10), 0);
    cr_assert_eq(letter->failed_at, c->now + c->wall_ahead);
    msg = admin_failed(a, BELT_FAILED_LIST, "", job, 1);
    cr_assert_eq(msg->u.failures.letters[0].payload.len, 0);
    cr_assert_eq(msg->u.failures.letters[0].size, 10);
    cluster_free(c);
}

Test(failed, only_an_administrator_may_ask)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    job_that_fails(p, w, "f", 2);
    peer_clear(p);
    const struct belt_msg *msg = admin_failed(p, BELT_FAILED_LIST, "", 0, UINT64_MAX);
    cr_assert_eq(msg->u.error.code, BELT_NOT_ALLOWED);
    cluster_free(c);
}

Test(failed, they_are_dropped_by_name_or_all)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = job_that_fails(p, w, "f", 5);
    cr_assert_eq(admin_failed(a, BELT_FAILED_DROP, "", job, 3)->u.failures.count, 1);
    cr_assert_str_eq(admin_list(a, ""), "1.1!1 1.2!1 1.4!1");
    cr_assert_eq(admin_failed(a, BELT_FAILED_DROP, "", job, 3)->u.error.code, BELT_UNKNOWN_TASK);
    cr_assert_eq(admin_failed(a, BELT_FAILED_DROP, "", 0, UINT64_MAX)->u.failures.count, 3);
    cr_assert_str_eq(admin_list(a, ""), "");
    cluster_free(c);
}

Test(failed, a_retry_is_a_job_that_anybody_may_read)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = job_that_fails(p, w, "f", 4);
    const struct belt_msg *msg = admin_failed(a, BELT_FAILED_RETRY, "", job, UINT64_MAX);
    cr_assert_eq(msg->type, BELT_MSG_FAILURES);
    cr_assert_eq(msg->u.failures.count, 3);
    uint64_t again = msg->u.failures.job;
    cr_assert_neq(again, job);
    cr_assert_str_eq(admin_list(a, ""), "");
    cr_assert_eq(agent_take(w), 3);
    peer_clear(p);
    client_subscribe(p, again, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    agent_result(w, 0, BELT_OK);
    agent_result(w, 0, BELT_TASK_REFUSED);
    agent_result(w, 0, BELT_OK);
    cr_assert_str_eq(client_read(p), "0 1! 2.");
    cr_assert_str_eq(admin_list(a, ""), "2.1!9", "what fails again is kept again");
    cr_assert_eq(admin_failed(a, BELT_FAILED_RETRY, "", 0, UINT64_MAX)->u.error.code, BELT_UNKNOWN_TASK);
    cluster_free(c);
}

Test(failed, each_retry_is_a_job_of_its_own)
{
    struct cluster *c = cluster_new(&(struct core_config){.first_job = 200});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t first = job_that_fails(p, w, "f", 2), second = job_that_fails(p, w, "f", 2);
    uint64_t again = admin_failed(a, BELT_FAILED_RETRY, "", first, UINT64_MAX)->u.failures.job;
    uint64_t other = admin_failed(a, BELT_FAILED_RETRY, "", second, UINT64_MAX)->u.failures.job;
    cr_assert(first > 200 && second > first && again > second && other > again);
    cluster_free(c);
}

/* The answer to the last question was lost with the connection: it is asked again under its number. */
static const struct belt_msg *ask_again(struct peer *a, uint8_t action, uint64_t job)
{
    peer_cut(a);
    cluster_advance(a->cluster, 20000);
    peer_connect(a);
    a->last_ref--;
    return admin_failed(a, action, "", job, UINT64_MAX);
}

Test(failed, what_is_asked_again_is_answered_again)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = job_that_fails(p, w, "f", 4), other = job_that_fails(p, w, "f", 3);
    uint64_t again = admin_failed(a, BELT_FAILED_RETRY, "", job, UINT64_MAX)->u.failures.job;
    const struct belt_msg *msg = ask_again(a, BELT_FAILED_RETRY, job);
    cr_assert_eq(msg->type, BELT_MSG_FAILURES);
    cr_assert(msg->u.failures.job == again && msg->u.failures.count == 3, "one job, and it is told which");
    cr_assert_eq(admin_failed(a, BELT_FAILED_DROP, "", other, UINT64_MAX)->u.failures.count, 2);
    cr_assert_eq(ask_again(a, BELT_FAILED_DROP, other)->u.failures.count, 2);
    msg = admin_failed(a, BELT_FAILED_DROP, "", other, UINT64_MAX);
    cr_assert_eq(msg->u.error.code, BELT_UNKNOWN_TASK, "a new question");
    cluster_free(c);
}

Test(failed, the_oldest_make_room)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_failed = 10000});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4000, "f"), *a = admin_new(c);
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.deadline_ms = 1000, .after_ms = 5000});
    for (uint64_t first = 0; first < 10005; first += 1001)
        client_push(p, job, first, 1001);
    cluster_advance(c, 2000);
    const struct belt_msg *msg = admin_failed(a, BELT_FAILED_LIST, "", 0, UINT64_MAX);
    cr_assert_eq(msg->u.failures.count, 10000);
    cr_assert_eq(msg->u.failures.dropped, 10);
    cr_assert_eq(msg->u.failures.letters[0].index, 10);
    cr_assert_gt(msg->u.failures.letter_count, 10);
    (void)w;
    cluster_free(c);
}

Test(failed, a_retry_tells_what_was_let_go_also_after_a_restart)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true, .max_failed = 3});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 8, 100, "f"), *a = admin_new(c);
    uint64_t job = client_job(p, "f", 5, NULL);
    agent_take(w);
    c->burst = true;
    for (int i = 0; i < 5; i++)
        agent_result(w, 0, BELT_TASK_FAILED);
    c->burst = false;
    cluster_turn(c);
    cr_assert_str_eq(c->notice, "2 failed tasks (the last: function f) let go to stay within the bounds of "
                                "--failed-count and --failed-bytes: they cannot be retried");
    cluster_restart(c);
    peer_connect(a);
    struct belt_msg msg = {.type = BELT_MSG_FAILED};
    msg.u.failed = (struct belt_msg_failed){.ref = 77, .action = BELT_FAILED_RETRY, .job = job, .extended = true};
    for (int i = 0; i < 2; i++) { /* asked again it is the same answer */
        peer_send(a, msg);
        const struct belt_msg *answer = peer_expect(a, BELT_MSG_FAILURES);
        cr_assert(answer->u.failures.count == 3 && answer->u.failures.let_go == 2);
    }
    for (uint32_t i = 0; i < c->disk.count; i++)
        cr_assert(c->disk.rows[i].kind < RECORD_FAILED_JOB || c->disk.rows[i].kind == RECORD_HISTORY,
                  "nothing is left of the old job's failed tasks");
    cluster_free(c);
}

Test(failed, what_is_let_go_is_told_at_once_and_then_from_time_to_time)
{
    struct cluster *c = cluster_new(&(struct core_config){.max_failed = 1});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 8, 100, "f");
    client_job(p, "f", 5, NULL);
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_null(c->notice);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_eq(strncmp(c->notice, "1 failed task ", 14), 0);
    agent_result(w, 0, BELT_TASK_FAILED);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_eq(strncmp(c->notice, "1 failed task ", 14), 0, "not with each");
    cluster_advance(c, BELT_LET_GO_TOLD_MS);
    cr_assert_eq(strncmp(c->notice, "2 failed tasks", 14), 0, "%s", c->notice);
    cluster_free(c);
}

Test(failed, twenty_thousand_are_tried_again_by_one_question)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    cr_assert_geq(BELT_MAX_FAILED, 20000);
    agent_new(c, "w1", 1, 4000, "f");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.deadline_ms = 1000, .after_ms = 5000});
    for (uint64_t first = 0; first < 20000; first += 1000)
        client_push(p, job, first, 1000);
    client_end(p, job, 20000);
    cluster_advance(c, 2000);
    const struct belt_msg *msg = admin_failed(a, BELT_FAILED_RETRY, "", job, UINT64_MAX);
    cr_assert_eq(msg->type, BELT_MSG_FAILURES);
    cr_assert_eq(msg->u.failures.count, 20000);
    cluster_free(c);
}

Test(failed, a_small_budget_bounds_them_too)
{
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = 80000});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4000, "f"), *a = admin_new(c);
    uint64_t job = client_open(p, "", "f", NULL);
    client_push_sized(p, job, 0, 3, 4000);
    client_end(p, job, 3);
    for (int i = 0; i < 3; i++) {
        agent_take(w);
        agent_result(w, 0, BELT_TASK_FAILED);
    }
    cr_assert_str_eq(admin_list(a, ""), "1.1!1 1.2!1");
    cluster_free(c);
}

/* ---- durable jobs ---- */

Test(failed, those_of_durable_jobs_survive_the_broker)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = client_job(p, "f", 3, &(struct belt_open_options){.argument = {(const uint8_t *)"arg", 3}});
    agent_take(w);
    agent_result(w, 0, BELT_TASK_REFUSED);
    agent_result(w, 0, BELT_OK);
    agent_result_sized(w, 0, BELT_TASK_FAILED, 7, 1);
    client_cancel(p, job);
    for (int i = 0; i < 2; i++) {
        cluster_restart(c);
        peer_connect(a);
        cr_assert_str_eq(admin_list(a, ""), "1.0!9 1.2!1");
    }
    cr_assert_eq(admin_failed(a, BELT_FAILED_DROP, "", job, 0)->u.failures.count, 1);
    cluster_restart(c);
    peer_connect(a);
    cr_assert_str_eq(admin_list(a, ""), "1.2!1");
    uint64_t again = admin_failed(a, BELT_FAILED_RETRY, "", job, 2)->u.failures.job;
    cr_assert_neq(again, job);
    cluster_restart(c);
    peer_connect(a);
    cr_assert_str_eq(admin_list(a, ""), "");
    peer_connect(w);
    agent_sync(w);
    cluster_advance(c, 3000);
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_DISPATCH);
    cr_assert_eq(msg->u.dispatch.job, again, "the job that tries it again is on disk");
    cr_assert_eq(msg->u.dispatch.tasks[0].payload.len, 10);
    cr_assert_eq(msg->u.dispatch.argument.len, 3);
    cluster_free(c);
}

Test(failed, nothing_is_left_on_disk_of_what_was_dropped)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = job_that_fails(p, w, "f", 5);
    client_forget(p, job);
    cr_assert_eq(c->disk.count, 6, "the job of old, four tasks, and the line of the job");
    admin_failed(a, BELT_FAILED_DROP, "", 0, UINT64_MAX);
    cr_assert_eq(c->disk.count, disk_count(&c->disk, RECORD_HISTORY));
    cluster_free(c);
}

Test(failed, those_of_volatile_jobs_end_with_the_broker)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    client_job(p, "f", 1, &(struct belt_open_options){.never_durable = true});
    agent_take(w);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_eq(c->disk.count, 0);
    cr_assert_str_eq(admin_list(a, ""), "1.0!1");
    cluster_restart(c);
    peer_connect(a);
    cr_assert_str_eq(admin_list(a, ""), "");
    cluster_free(c);
}
