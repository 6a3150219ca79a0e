/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.c, history.c, report_jobs.c and the cancelling in job.c: what somebody
 * calls a job names the right one, all are listed, and what is over stays known.
 */
#include "broker/core/model/state.h"
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct belt_bytes bytes(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static bool is(struct belt_bytes left, const char *text)
{
    return left.len == strlen(text) && memcmp(left.data, text, left.len) == 0;
}

static struct peer *admin_new(struct cluster *c)
{
    struct peer *a = peer_new(c, BELT_ROLE_ADMIN, "a1");
    a->alive = true;
    peer_connect(a);
    return a;
}

/* `name` NULL: all. */
static const struct belt_msg *ask(struct peer *a, uint8_t what, const char *name, struct belt_status_query query)
{
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    msg.u.status = (struct belt_msg_status){.ref = 5, .what = what, .extended = true, .query = query};
    if (name) {
        msg.u.status.named = true;
        msg.u.status.name = bytes(name);
    }
    peer_clear(a);
    peer_send(a, msg);
    const struct belt_msg *answer = peer_next(a);
    cr_assert(answer);
    return answer;
}

/* "3 7c 1p": the jobs with this name in the order of the answer, 'p' after those that are past. */
static const char *named(struct peer *a, const char *name)
{
    static char text[256];
    const struct belt_msg *answer = ask(a, BELT_REPORT_JOBS, name, (struct belt_status_query){0});
    size_t len = 0;
    text[0] = 0;
    cr_assert_eq(answer->type, BELT_MSG_REPORT);
    for (uint32_t i = 0; i < answer->u.report.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu%s", len ? " " : "",
                                (unsigned long long)answer->u.report.rows.jobs[i].job,
                                answer->u.report.rows.jobs[i].past ? "p" : "");
    return text;
}

static void cancel(struct peer *p, uint64_t job, bool forget)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){.ref = ++p->last_ref, .job = job, .forget = forget};
    peer_clear(p);
    peer_send(p, msg);
}

/* A job whose tasks are all done, and read by nobody. */
static uint64_t complete_job(struct peer *p, struct peer *w, const char *key, uint32_t count)
{
    uint64_t job = client_open(p, key, "f", NULL);
    client_push(p, job, 0, count);
    client_end(p, job, count);
    agent_take(w);
    agent_finish(w, count);
    return job;
}

Test(admin, an_id_is_an_id_and_a_key_is_a_key)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    uint64_t first = client_open(p, "2", "f", NULL), second = client_open(p, "one", "f", NULL);
    uint64_t third = client_open(p, "key:one", "f", NULL);
    cr_assert(first == 1 && second == 2 && third == 3);
    cr_assert_str_eq(named(a, "2"), "2", "never the job whose key looks like it");
    cr_assert_str_eq(named(a, "#2"), "2");
    cr_assert_str_eq(named(a, "002"), "2");
    cr_assert_str_eq(named(a, "key:2"), "1");
    cr_assert_str_eq(named(a, "one"), "2");
    cr_assert_str_eq(named(a, "key:one"), "2");
    cr_assert_str_eq(named(a, "key:key:one"), "3");
    cr_assert_str_eq(named(a, "4"), "");
    cr_assert_str_eq(named(a, "#"), "");
    cr_assert_str_eq(named(a, "key:"), "");
    cr_assert_str_eq(named(a, "tw"), "");
    cr_assert_str_eq(named(a, "18446744073709551618"), "", "2 ^ 64 + 2 is no id");
    cluster_free(c);
}

Test(admin, an_empty_name_names_nothing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    client_open(p, "k", "f", NULL);
    for (uint8_t what = BELT_REPORT_QUEUES; what <= BELT_REPORT_READERS; what++) {
        const struct belt_msg *answer = ask(a, what, "", (struct belt_status_query){0});
        cr_assert_eq(answer->type, BELT_MSG_ERROR);
        cr_assert(answer->u.error.ref == 5 && answer->u.error.code == BELT_BAD_MESSAGE);
    }
    cr_assert_eq(ask(a, BELT_REPORT_JOBS, NULL, (struct belt_status_query){0})->u.report.count, 1);
    cluster_free(c);
}

Test(admin, the_living_job_of_a_key_goes_before_those_that_are_past)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    for (int i = 0; i < 2; i++) {
        client_cancel(p, client_open(p, "k", "f", NULL));
        cluster_advance(c, 20000);
        peer_clear(p);
    }
    cr_assert_str_eq(named(a, "k"), "1p 2p");
    peer_clear(p);
    client_open(p, "k", "g", NULL);
    cr_assert_str_eq(named(a, "k"), "3 1p 2p");
    cr_assert_str_eq(named(a, "1"), "1p");
    cluster_free(c);
}

struct listing {
    uint64_t living, past, total;
    uint32_t pages;
};

/* Page after page, as a client asks for them; the order is checked. */
static struct listing list_all(struct peer *a, struct belt_status_query query)
{
    struct listing all = {0};
    for (;;) {
        const struct belt_msg_report *page = &ask(a, BELT_REPORT_JOBS, NULL, query)->u.report;
        if (!all.pages++)
            all.total = page->total;
        if (!page->count)
            return all;
        for (uint32_t i = 0; i < page->count; i++) {
            const struct belt_row_job *row = &page->rows.jobs[i];
            cr_assert(row->past > query.past || (row->past == query.past && row->job > query.after));
            query.past = row->past;
            query.after = row->job;
            (row->past ? all.past++ : all.living++);
        }
    }
}

Test(admin, some_thousand_jobs_are_all_listed_in_pages)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    const uint32_t count = 2 * BELT_MAX_ROWS - 1200;
    struct belt_open_options odd = {.never_durable = true, .detached = true}, even = {.detached = true};
    c->burst = true; /* the books are checked once for all of them */
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%u", i);
        client_send_open(p, key, i % 3 ? "f" : "g", i % 2 ? &odd : &even);
        peer_clear(p);
    }
    c->burst = false;
    cluster_turn(c);
    peer_clear(p);
    for (uint32_t i = 1; i <= 5; i++)
        client_cancel(p, i);
    cluster_advance(c, 20000);
    struct listing all = list_all(a, (struct belt_status_query){0});
    cr_assert(all.living + all.past == count && all.total == count && all.pages > 2);
    cr_assert_geq(all.past, 5);
    cluster_restart(c);
    peer_connect(a);
    all = list_all(a, (struct belt_status_query){0});
    cr_assert_eq(all.living + all.past, count / 2, "the durable ones, sorted by id after a restart, too");
    cluster_free(c);
}

Test(admin, jobs_are_filtered_and_counted)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2"), *a = admin_new(c);
    for (int i = 0; i < 6; i++)
        client_open(i % 2 ? p : q, "", i < 4 ? "f" : "g", NULL);
    client_cancel(q, 1);
    cluster_advance(c, 20000);
    struct listing all = list_all(a, (struct belt_status_query){.states = 1u << BELT_JOB_OPEN});
    cr_assert(all.living == 5 && all.past == 0 && all.total == 5);
    all = list_all(a, (struct belt_status_query){.states = 1u << BELT_JOB_STOPPED});
    cr_assert(all.living == 0 && all.past == 1 && all.total == 1);
    all = list_all(a, (struct belt_status_query){.function = bytes("f")});
    cr_assert(all.living == 3 && all.past == 1 && all.total == 4);
    all = list_all(a, (struct belt_status_query){.owner = bytes("c2"), .function = bytes("g")});
    cr_assert(all.living == 1 && all.total == 1);
    const struct belt_msg_report *page =
        &ask(a, BELT_REPORT_JOBS, NULL, (struct belt_status_query){.limit = 2})->u.report;
    cr_assert(page->count == 2 && page->total == 6 && page->rows.jobs[0].job == 2);
    cluster_free(c);
}

Test(admin, queues_workers_and_readers_are_sorted_and_come_in_pages)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    agent_new(c, "w2", 1, 1, "b,a");
    agent_new(c, "w1", 1, 1, "c");
    uint64_t job = client_open(p, "k", "a", NULL);
    client_subscribe(p, job, "z", BELT_ORDERED, BELT_CURSOR_KEPT, 1);
    client_subscribe(p, job, "y", BELT_ORDERED, BELT_CURSOR_KEPT, 1);
    struct belt_status_query second = {.offset = 1, .limit = 1};
    const struct belt_msg_report *page = &ask(a, BELT_REPORT_QUEUES, NULL, second)->u.report;
    cr_assert(page->count == 1 && page->total == 3 && is(page->rows.queues->function, "b"));
    page = &ask(a, BELT_REPORT_WORKERS, NULL, second)->u.report;
    cr_assert(page->count == 1 && page->total == 2 && is(page->rows.workers->name, "w2"));
    page = &ask(a, BELT_REPORT_READERS, NULL, second)->u.report;
    cr_assert(page->count == 1 && page->total == 2 && is(page->rows.readers->reader, "z"));
    page = &ask(a, BELT_REPORT_READERS, "k", (struct belt_status_query){.offset = 9})->u.report;
    cr_assert(page->count == 0 && page->total == 2);
    cluster_free(c);
}

Test(admin, complete_is_complete)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t job = complete_job(p, w, "k", 3);
    cancel(a, job, false);
    peer_expect_error(a, BELT_JOB_ENDED);
    peer_clear(p);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    cr_assert_str_eq(client_read(p), "0 1 2.", "its results are still there");
    cancel(a, job, true);
    peer_expect(a, BELT_MSG_CANCELLED);
    cluster_advance(c, 20000);
    const struct belt_row_broker *broker =
        ask(a, BELT_REPORT_BROKER, NULL, (struct belt_status_query){0})->u.report.rows.broker;
    cr_assert(broker->jobs == 0 && broker->bytes > 0 && broker->bytes < 1000, "only its line in the history is left");
    const struct belt_row_job *row = ask(a, BELT_REPORT_JOBS, "k", (struct belt_status_query){0})->u.report.rows.jobs;
    cr_assert(row->past && row->state == BELT_JOB_COMPLETE && is(row->why, "its results were dropped by a1"));
    cancel(a, job, false);
    peer_expect_error(a, BELT_JOB_ENDED);
    cancel(a, job, true);
    peer_expect(a, BELT_MSG_CANCELLED);
    cr_assert_str_eq(named(a, "k"), "", "what is past is forgotten for good");
    cancel(a, job, true);
    peer_expect_error(a, BELT_UNKNOWN_JOB);
    cluster_free(c);
}

Test(admin, what_is_cancelled_may_be_cancelled_again)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    uint64_t job = client_open(p, "k", "f", NULL);
    for (int i = 0; i < 3; i++) {
        cancel(a, job, false);
        peer_expect(a, BELT_MSG_CANCELLED);
        cluster_advance(c, 8000 * (uint64_t)i);
    }
    cluster_free(c);
}

Test(admin, times_and_owner_survive_the_broker)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f"), *a = admin_new(c);
    uint64_t opened = CLUSTER_WALL + c->now, job = complete_job(p, w, "k", 1);
    peer_clear(p);
    client_open(p, "open", "f", NULL);
    cluster_advance(c, 5000);
    peer_clear(p);
    client_cancel(p, client_open(p, "stopped", "f", NULL));
    cluster_restart(c);
    peer_connect(a);
    cluster_advance(c, 3000);
    const struct belt_row_job *row = ask(a, BELT_REPORT_JOBS, "k", (struct belt_status_query){0})->u.report.rows.jobs;
    cr_assert(row->job == job && is(row->owner, "c1") && row->opened_at == opened && row->over_at == opened);
    cr_assert_eq(row->age_ms, 8000);
    row = ask(a, BELT_REPORT_JOBS, "open", (struct belt_status_query){0})->u.report.rows.jobs;
    cr_assert(is(row->owner, "c1") && row->opened_at == opened && row->over_at == 0 && row->age_ms == 8000);
    row = ask(a, BELT_REPORT_JOBS, "stopped", (struct belt_status_query){0})->u.report.rows.jobs;
    cr_assert(row->past && is(row->owner, "c1") && is(row->why, "cancelled by c1") && row->age_ms == 3000);
    cr_assert(row->opened_at == opened + 5000 && row->over_at == opened + 5000);
    cluster_free(c);
}

Test(admin, who_takes_a_job_over_owns_it_after_a_restart_too)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2"), *a = admin_new(c);
    client_open(p, "k", "f", &(struct belt_open_options){.detached = true});
    client_take_over(q, "k", "f", &(struct belt_open_options){.detached = true});
    cluster_restart(c);
    peer_connect(a);
    cr_assert(is(ask(a, BELT_REPORT_JOBS, "k", (struct belt_status_query){0})->u.report.rows.jobs->owner, "c2"));
    cluster_free(c);
}

Test(admin, the_history_is_bounded_by_time_and_number)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true, .history_ms = 3600000, .max_history = 10});
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    for (int i = 0; i < 20; i++) {
        client_cancel(p, client_open(p, "", "f", NULL));
        peer_clear(p);
    }
    cluster_advance(c, 20000);
    struct listing all = list_all(a, (struct belt_status_query){0});
    cr_assert(all.past == 10 && all.living == 0);
    cr_assert_str_eq(named(a, "10"), "", "the earliest go first");
    cr_assert_str_eq(named(a, "11"), "11p");
    cr_assert_eq(disk_count(&c->disk, RECORD_HISTORY), 10);
    cluster_advance(c, 1800000);
    cluster_restart(c);
    peer_connect(a);
    cr_assert_eq(list_all(a, (struct belt_status_query){0}).past, 10);
    cluster_advance(c, 1900000);
    cr_assert_eq(list_all(a, (struct belt_status_query){0}).past, 0, "what is left of the hour counts on");
    cr_assert_eq(c->disk.count, 0);
    cluster_free(c);
}

Test(admin, the_history_is_bounded_without_being_told)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    cr_assert_eq(c->core->config.max_history, BELT_MAX_HISTORY);
    client_cancel(p, client_open(p, "", "f", NULL));
    cluster_advance(c, 20000);
    cr_assert_str_eq(named(a, "1"), "1p");
    p->alive = a->alive = false; /* a week of pings takes its time */
    cluster_advance(c, BELT_HISTORY_MS);
    peer_connect(a);
    cr_assert_str_eq(named(a, "1"), "");
    cluster_free(c);
}

Test(admin, the_history_takes_its_part_of_the_memory)
{
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = 65536 * BELT_HISTORY_SHARE});
    struct peer *p = client_new(c, "c1"), *a = admin_new(c);
    for (int i = 0; i < 400; i++) {
        client_cancel(p, client_open(p, "", "f", NULL));
        peer_clear(p);
    }
    cluster_advance(c, 20000);
    uint64_t past = list_all(a, (struct belt_status_query){0}).past;
    cr_assert(past > 50 && past < 300, "%llu", (unsigned long long)past);
    cluster_free(c);
}

Test(admin, a_line_of_the_history_that_cannot_be_is_damage)
{
    static const uint64_t jobs[] = {0, RECORD_NUMBER_MAX + 1, 7, 7};
    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
        struct core_config config = {.epoch = 1, .durable = true};
        struct core *core = core_new(&config);
        struct core_record record = {.number = 9, .job = jobs[i], .kind = RECORD_HISTORY};
        record.u.history =
            (struct record_history){.key = bytes(i == 2 ? "" : "k"), .function = bytes(i == 3 ? "" : "f")};
        cr_assert_eq(core_restore(core, 1, &record), BELT_BAD_MESSAGE, "row %zu", i);
        record.job = 7;
        record.number = 10;
        record.u.history = (struct record_history){.key = bytes("k"), .function = bytes("f")};
        cr_assert_eq(core_restore(core, 1, &record), BELT_OK);
        record.number = 11;
        cr_assert_eq(core_restore(core, 1, &record), BELT_BAD_MESSAGE, "it is there twice");
        core_free(core);
    }
}

Test(admin, a_job_that_waits_costs_the_others_turns_nothing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    for (int i = 0; i < 20; i++)
        client_job(p, "f", 1, NULL);
    peer_clear(p);
    cluster_turn(c);
    cr_assert(list_is_empty(&c->core->marks.jobs) && !c->core->marks.again,
              "no turn looks at them until something of them is due");
    cluster_advance(c, BELT_HEARTBEAT_MS);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(peer_expect(p, BELT_MSG_NOTICE)->u.notice.code, BELT_NO_WORKER, "they are told nevertheless");
    peer_expect_nothing(p);
    cluster_free(c);
}
