/* SPDX-License-Identifier: Apache-2.0
 *
 * report.c, sizing.c and run_time.c: what status shows, and how much is given at once.
 */
#include "broker/core/model/run_time.h"
#include "broker/core/policy/sizing.h"
#include "broker/core/model/state.h"
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct belt_msg_report *report(struct peer *p, uint8_t what, const char *name)
{
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    msg.u.status = (struct belt_msg_status){.ref = 5, .what = what, .name = {(const uint8_t *)name, strlen(name)}};
    peer_send(p, msg);
    const struct belt_msg *answer = peer_skip_to(p, BELT_MSG_REPORT);
    cr_assert(answer && answer->u.report.ref == 5 && answer->u.report.what == what);
    return &answer->u.report;
}

static bool is(struct belt_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

Test(reports, queues_workers_jobs_and_the_broker)
{
    struct cluster *c = cluster_new(&(struct core_config){.name = "b1", .version = "1.2"});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 10, "f,g");
    uint64_t job = client_job(p, "f", 5, NULL);
    agent_take(w);
    agent_result(w, 0, BELT_OK);
    agent_result(w, 0, BELT_TASK_FAILED);
    cluster_advance(c, 1500);

    const struct belt_row_queue *queue = report(p, BELT_REPORT_QUEUES, "f")->rows.queues;
    cr_assert(is(queue->function, "f") && queue->done == 1 && queue->failed == 1 && queue->running == 2);
    cr_assert(queue->waiting == 1 && queue->workers == 1 && queue->slots == 2 && queue->jobs == 1);
    cr_assert(queue->service_us == 50000 && queue->oldest_ms == 1500);
    cr_assert_eq(report(p, BELT_REPORT_QUEUES, "")->count, 2);

    const struct belt_row_worker *worker = report(p, BELT_REPORT_WORKERS, "")->rows.workers;
    cr_assert(is(worker->name, "w1") && is(worker->functions, "f,g") && worker->slots == 2 && worker->running == 2);
    cr_assert(worker->queued == 0 && worker->done == 1 && worker->failed == 1 && worker->connected_ms == 1500);

    const struct belt_row_job *row = report(p, BELT_REPORT_JOBS, "1")->rows.jobs;
    cr_assert(row->job == job && is(row->owner, "c1") && row->state == BELT_JOB_ENDED_INPUT && row->total == 5);
    cr_assert(row->unread == 2 && row->done == 1 && row->failed == 1 && row->waiting == 1 && row->running == 2);
    cr_assert_eq(report(p, BELT_REPORT_JOBS, "nothing")->count, 0);

    const struct belt_row_broker *broker = report(p, BELT_REPORT_BROKER, "")->rows.broker;
    cr_assert(is(broker->name, "b1") && is(broker->version, "1.2") && broker->epoch == CLUSTER_EPOCH);
    cr_assert(broker->clients == 1 && broker->workers == 1 && broker->slots == 2 && broker->accepted == 5 &&
              broker->uptime_ms == 1500);
    cluster_free(c);
}

Test(reports, the_readers_of_a_job)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 8, 10, "f");
    uint64_t job = client_job(p, "f", 5, NULL);
    client_job(p, "f", 2, NULL);
    uint64_t sub = client_subscribe(p, job, "first", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    client_subscribe(p, job, "second", BELT_UNORDERED, BELT_CURSOR_KEPT, 0);
    agent_take(w);
    for (int i = 0; i < 3; i++)
        agent_result(w, 0, i ? BELT_OK : BELT_TASK_REFUSED);
    client_ack(p, sub, 2, 10);
    const struct belt_msg_report *readers = report(p, BELT_REPORT_READERS, "1");
    const struct belt_row_reader *row = readers->rows.readers;
    cr_assert_eq(readers->count, 2);
    cr_assert(row[0].job == job && is(row[0].reader, "first") && row[0].mode == BELT_ORDERED && row[0].connected);
    cr_assert(row[0].acknowledged == 2 && row[0].unread == 1 && row[0].sent == 3);
    cr_assert(is(row[1].reader, "second") && row[1].mode == BELT_UNORDERED && row[1].acknowledged == 0 &&
              row[1].unread == 3);
    cr_assert_eq(report(p, BELT_REPORT_READERS, "2")->count, 0);
    cr_assert_eq(report(p, BELT_REPORT_READERS, "")->count, 2);
    cluster_free(c);
}

Test(reports, why_a_job_does_not_move)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_job(p, "f", 1, NULL);
    cr_assert(is(report(p, BELT_REPORT_JOBS, "1")->rows.jobs->why, "no connected worker serves 'f'"));
    client_open(p, "", "f", NULL);
    cr_assert(is(report(p, BELT_REPORT_JOBS, "2")->rows.jobs->why, "its client sends no tasks"));
    cluster_free(c);
}

Test(sizing, the_target_hides_the_way_to_the_broker)
{
    static const struct {
        double service_us;
        uint32_t slots, least, most;
    } rows[] = {{0, 4, 4, 4},      {1e6, 4, 4, 4},     {20000, 4, 4, 4},      {10000, 4, 8, 8},
                {100, 1, 10, 100}, {1, 1, 1000, 3000}, {0.001, 1, 1000, 3000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint32_t target = sizing_target(rows[i].service_us, rows[i].slots);
        cr_assert(target >= rows[i].least && target <= rows[i].most, "row %zu: %u", i, target);
    }
}

Test(sizing, a_share_fills_idle_slots_and_shrinks_toward_the_end)
{
    static const struct {
        uint32_t target, held, slots, all;
        uint64_t waiting;
        uint32_t share;
    } rows[] = {
        {4, 0, 4, 4, 0, 0},        {4, 4, 4, 4, 10, 0},    {4, 0, 4, 8, 2, 2},       {4, 1, 4, 8, 100, 3},
        {100, 0, 1, 2, 1000, 100}, {100, 0, 1, 2, 40, 11}, {100, 0, 1, 2, 1, 1},     {100, 88, 1, 2, 1000, 12},
        {100, 89, 1, 2, 1000, 0},  {4, 0, 4, 0, 9, 4},     {40, 38, 40, 40, 100, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        cr_assert_eq(sizing_share(rows[i].target, rows[i].held, rows[i].slots, rows[i].all, rows[i].waiting),
                     rows[i].share, "row %zu", i);
}

Test(sizing, half_of_what_is_there_lies_ahead)
{
    cr_assert_eq(sizing_part(2, 4, 1000), 2 + 250);
    cr_assert_eq(sizing_part(1, 2, 100), 1 + 128, "a few may all lie ahead");
    cr_assert_eq(sizing_part(100, 10000, 1000000), 100 + 5000);
    cr_assert_eq(sizing_part(100, 10000, 100000000), 100 + 10485, "more would be minutes of work for the broker");
    cr_assert_eq(sizing_part(4, 0, 0), 4 + 1024);
    cr_assert_eq(sizing_part(UINT32_MAX, 1, UINT64_MAX), UINT32_MAX);
}

Test(sizing, the_estimate_rises_fast_and_falls_slowly)
{
    cr_assert_eq(run_time_estimate(0, 100), 100);
    cr_assert_gt(run_time_estimate(0, 0), 0);
    cr_assert_eq(run_time_estimate(100, 300), 150);
    cr_assert_eq(run_time_estimate(100, 1000000), run_time_estimate(100, 400), "one outlier says little");
    double down = run_time_estimate(500, 100);
    cr_assert(down > 480 && down < 500);
}

Test(sizing, what_an_agent_holds_is_counted_in_time)
{
    cr_assert_eq(sizing_held(0, 7, 1e6, 2), 7, "nobody knows");
    cr_assert_eq(sizing_held(1000, 2, 40, 2), 2);
    cr_assert_eq(sizing_held(1000, 200, 4000, 2), 4, "many, but soon done");
    cr_assert_eq(sizing_held(20, 6, 6000, 2), 300, "few, but long");
    cr_assert_eq(sizing_held(1000, 100, 40, 2), 2, "no slot idles");
}

static void learn(struct run_time_typical *typical, int times, uint32_t us, bool risen)
{
    for (int i = 1; i <= times; i++)
        cr_assert_eq(run_time_learn(typical, us), risen && i == times, "%u us, sample %d", us, i);
}

Test(sizing, the_typical_task_is_a_rather_short_one)
{
    struct run_time_typical typical = {0};
    learn(&typical, 1, 20, false);
    cr_assert_eq(typical.us, 20);
    for (int i = 0; i < 1000; i++) {
        learn(&typical, 3, 50000, false);
        learn(&typical, 1, 20, false);
        cr_assert_lt(typical.us, 26, "long ones among them change little");
    }
    for (int i = 0; i < 200; i++)
        learn(&typical, 1, 90, false);
    cr_assert_eq(typical.us, 90, "somewhat longer ones are learnt in steps");
}

Test(sizing, a_shift_of_run_times_is_believed_when_several_in_a_row_say_so)
{
    struct run_time_typical typical = {0};
    learn(&typical, 1, 1, false);
    learn(&typical, 3, 104, false);
    cr_assert_lt(typical.us, 1.2, "that may be the machine");
    learn(&typical, 3, 300000, false);
    cr_assert_eq(run_time_expect(&typical), 300000, "but what is given out heeds it");
    learn(&typical, 1, 1, false);
    cr_assert_lt(run_time_expect(&typical), 2);
    learn(&typical, 1, 300000, false);
    cr_assert(run_time_expect(&typical) > 100 && run_time_expect(&typical) < 1000, "one long one says little");
    learn(&typical, 2, 5000, false);
    learn(&typical, 1, 6000, true);
    cr_assert_eq(typical.us, 5000, "the nearest of them");
    learn(&typical, 1, 1200, false);
    cr_assert_gt(typical.us, 4000);
    learn(&typical, 1, 900, false);
    cr_assert_eq(typical.us, 1200, "two are enough downwards: too little ahead costs more");
}

Test(sizing, what_is_taken_back_is_worth_the_way)
{
    cr_assert_eq(sizing_recall(1e6, 1, 1, 5), 0, "nothing lies unstarted");
    cr_assert_eq(sizing_recall(1e6, 10, 1, 0), 0, "nobody idles");
    cr_assert_eq(sizing_recall(1, 10, 1, 1), 0, "done before it arrives");
    cr_assert_eq(sizing_recall(1e6, 11, 1, 2), 2, "long ones: as many as slots idle");
    cr_assert_eq(sizing_recall(1000, 11, 1, 1), 5, "short ones: half");
}
