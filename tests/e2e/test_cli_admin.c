/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody calls a job is that job and no other; jobs are cancelled,
 * forgotten, waited for and listed, also by the thousand and after a restart.
 */
#include "tests/e2e/stage.h"

#include <belt/belt.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const bounds[] = {"--history", "1h", "--failed-count", "3", NULL};
static struct stage stage;

static void open_stage(void)
{
    stage_open(&stage, STAGE_IPC, true, bounds);
}

static void close_stage(void)
{
    stage_close(&stage);
}

TestSuite(cli_admin, .init = open_stage, .fini = close_stage);

/* The output of a command that ends with this status; to be freed. */
static char *output(int status, const char *const *argv)
{
    struct process *process = stage_run(&stage, NULL, status, argv);
    char *out = strdup(process_out(process));
    process_free(process);
    return out;
}

static void says(int status, const char *text, const char *const *argv)
{
    struct process *process = stage_run(&stage, NULL, status, argv);
    cr_assert(strstr(process_err(process), text) || strstr(process_out(process), text), "%s%s", process_out(process),
              process_err(process));
    process_free(process);
}

static void prints(const char *expected, const char *const *argv)
{
    char *out = output(0, argv);
    cr_assert_str_eq(out, expected);
    free(out);
}

/* A text of the first job that is called so. */
static void is_so(const char *name, const char *key, const char *expected)
{
    char *out = output(0, WORDS("jobs", "--json", name));
    json_t *answer = json_loads(out, 0, NULL), *row = json_array_get(json_object_get(answer, "jobs"), 0);
    const char *text = json_string_value(json_object_get(row, key));
    cr_assert(text && !strcmp(text, expected), "%s: %s is %s", name, key, text ? text : "missing");
    json_decref(answer);
    free(out);
}

static json_int_t number_of(const char *name, const char *key)
{
    char *out = output(0, WORDS("jobs", "--json", name));
    json_t *answer = json_loads(out, 0, NULL), *row = json_array_get(json_object_get(answer, "jobs"), 0);
    json_int_t value = json_integer_value(json_object_get(row, key));
    json_decref(answer);
    free(out);
    return value;
}

Test(cli_admin, a_key_that_looks_like_an_id_never_names_another_job)
{
    prints("1\n", WORDS("submit", "--key", "2", "f", ":::", "1"));
    prints("2\n", WORDS("submit", "--key", "one", "f", ":::", "1"));
    says(5, "not over", WORDS("wait", "-t", "0", "2"));
    is_so("2", "key", "one");
    is_so("#2", "key", "one");
    is_so("key:2", "key", "2");
    prints("job 2 is cancelled\n", WORDS("cancel", "2"));
    is_so("key:2", "state", "ended");
    prints("job 1 is cancelled\n", WORDS("cancel", "key:2"));
    says(7, "there is no job '3'", WORDS("wait", "3"));
}

Test(cli_admin, an_empty_name_is_an_error_everywhere)
{
    prints("1\n", WORDS("submit", "f", ":::", "1"));
    const char *const *const lines[] = {WORDS("cancel", ""),
                                        WORDS("forget", ""),
                                        WORDS("wait", ""),
                                        WORDS("results", ""),
                                        WORDS("jobs", ""),
                                        WORDS("retry", "", "--failed"),
                                        WORDS("workers", ""),
                                        WORDS("status", ""),
                                        WORDS("failed", "drop", ""),
                                        WORDS("failed", "show", ""),
                                        WORDS("failed", "retry", ""),
                                        WORDS("failed", "list", ""),
                                        WORDS("failed", "drop", "--all", ""),
                                        WORDS("cancel", "--function", "", "--yes")};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        says(2, "", lines[i]);
    is_so("1", "state", "ended");
}

Test(cli_admin, the_job_of_today_goes_before_that_of_yesterday)
{
    for (int i = 0; i < 2; i++) {
        char *id = output(0, WORDS("submit", "--key", "nightly", "f", ":::", "1"));
        free(id);
        says(0, "is cancelled", WORDS("cancel", "nightly"));
        says(4, "", WORDS("wait", "nightly"));
        says(0, "forgotten", WORDS("forget", i ? "#2" : "#1"));
    }
    prints("3\n", WORDS("submit", "--key", "nightly", "f", ":::", "1"));
    prints("job 3 is cancelled\n", WORDS("cancel", "nightly"));
}

Test(cli_admin, complete_is_complete)
{
    struct process *worker = stage_worker(&stage, STAGE_C, "2");
    prints("1\n", WORDS("submit", "--key", "k", "f", ":::", "1", "2"));
    says(0, "is complete", WORDS("wait", "1"));
    says(0, "its results stay", WORDS("cancel", "k"));
    prints("1\n2\n", WORDS("results", "--reader", "first", "1"));
    says(0, "is forgotten", WORDS("forget", "1"));
    is_so("1", "state", "complete");
    says(7, "", WORDS("results", "1"));
    prints("2\n", WORDS("submit", "g", ":::", "1"));
    says(7, "is not over", WORDS("forget", "2"));
    stage_stop_worker(worker);
}

Test(cli_admin, of_several_names_all_are_done_that_can_be)
{
    prints("1\n", WORDS("submit", "f", ":::", "1"));
    prints("2\n", WORDS("submit", "f", ":::", "1"));
    struct process *process = stage_run(&stage, NULL, 8, WORDS("cancel", "1", "nobody", "2"));
    cr_assert_str_eq(process_out(process), "job 1 is cancelled\njob 2 is cancelled\n");
    cr_assert(strstr(process_err(process), "there is no job 'nobody'"));
    process_free(process);
    says(7, "there is no job 'neither'", WORDS("cancel", "nobody", "neither"));
    says(4, "job 2 is cancelled", WORDS("wait", "1", "2"));
}

Test(cli_admin, jobs_are_cancelled_by_what_they_are)
{
    for (int i = 0; i < 5; i++)
        free(output(0, WORDS("submit", i % 2 ? "f" : "g", ":::", "1")));
    says(2, "--yes", WORDS("cancel", "--all"));
    says(2, "not both", WORDS("cancel", "--all", "1"));
    says(2, "only open and ended", WORDS("cancel", "--state", "complete", "--yes"));
    prints("job 2 is cancelled\njob 4 is cancelled\n", WORDS("cancel", "--function", "f", "--yes"));
    says(0, "3 jobs", WORDS("jobs", "--state", "ended"));
    prints("job 1 is cancelled\njob 3 is cancelled\njob 5 is cancelled\n", WORDS("cancel", "--all", "-y"));
    says(0, "no such job", WORDS("cancel", "--all", "-y"));
    says(0, "job 4 is forgotten", WORDS("forget", "--function", "f", "--yes"));
}

/* Nobody is asked how often what it takes is more than one message holds. */
Test(cli_admin, some_thousand_jobs_are_listed_and_cancelled)
{
    enum { COUNT = 4600 };
    belt_pool_options options;
    belt_pool *pool = NULL;
    belt_pool_options_init(&options);
    options.name = "the crowd";
    cr_assert_eq(belt_pool_open(stage.clients, &options, &pool), BELT_OK, "%s", belt_error_text());
    belt_job_options job;
    belt_job_options_init(&job);
    job.durability = BELT_VOLATILE;
    for (int i = 0; i < COUNT; i++) {
        belt_stream *stream = NULL;
        cr_assert_eq(belt_pool_submit_open(pool, "f", NULL, NULL, &job, &stream), BELT_OK, "%s", belt_error_text());
        cr_assert(belt_stream_end(stream) == BELT_OK && belt_stream_flush(stream, BOUND_MS) == BELT_OK, "%s",
                  belt_error_text());
        belt_stream_detach(&stream);
    }
    belt_status *status = NULL;
    cr_assert_eq(belt_status_get(pool, BELT_STATUS_JOBS, NULL, NULL, BOUND_MS, &status), BELT_OK, "%s",
                 belt_error_text());
    cr_assert(status->count == COUNT && status->total == COUNT, "%zu", status->count);
    for (size_t i = 1; i < status->count; i++)
        cr_assert_lt(status->jobs[i - 1]->job, status->jobs[i]->job);
    belt_status_free(&status);
    belt_pool_close(&pool);
    says(0, "4600 jobs", WORDS("jobs", "--owner", "the crowd"));
    says(0, "20 of 4600 jobs are shown", WORDS("jobs", "--limit", "20"));
}

Test(cli_admin, times_owner_and_history_survive_the_broker)
{
    prints("1\n", WORDS("submit", "f", ":::", "1"));
    prints("2\n", WORDS("submit", "f", ":::", "1"));
    says(0, "", WORDS("cancel", "2"));
    json_int_t opened = number_of("1", "opened_at"), over = number_of("2", "over_at");
    cr_assert(opened > 1600000000000 && over >= opened);
    process_signal(stage.broker, SIGTERM);
    cr_assert(process_wait(stage.broker, BOUND_MS));
    stage_start_broker(&stage);
    cr_assert(number_of("1", "opened_at") == opened && number_of("2", "over_at") == over);
    is_so("2", "state", "cancelled");
    char *out = output(0, WORDS("jobs", "--json", "1"));
    cr_assert(!strstr(out, "\"owner\":\"\""), "%s", out);
    free(out);
    says(0, "2 jobs, 1 of them over and forgotten", WORDS("jobs"));
}

Test(cli_admin, a_retry_says_what_it_could_not_reach)
{
    /* All five expire at once. */
    prints("1\n", WORDS("submit", "--deadline", "1ms", "--key", "k", "f", ":::", "1", "2", "3", "4", "5"));
    says(1, "5 failed", WORDS("wait", "k"));
    cr_assert(process_wait_err(stage.broker, "2 failed tasks (the last: function f) let go", BOUND_MS), "%s",
              process_err(stage.broker));
    says(0, "2 failed tasks were let go", WORDS("status"));
    says(8, "no failed task 1.0 is kept", WORDS("failed", "show", "1.0", "1.4"));
    says(8, "no failed task 1.1 is kept", WORDS("failed", "drop", "k.1", "1.2"));
    says(7, "no failed task 1.1 is kept", WORDS("failed", "retry", "1.1", "#1.0"));
    says(8, "job 2 runs 2 of 4 failed tasks of job 1 again", WORDS("retry", "k", "--failed"));
    says(7, "no such failed task", WORDS("retry", "1", "--failed"));
}

Test(cli_admin, a_job_starts_at_a_time)
{
    prints("1\n", WORDS("submit", "--at", "2035-01-31 22:30Z", "--keep", "1h", "f", ":::", "1"));
    says(0, "it starts in", WORDS("jobs", "1"));
    says(2, "is over", WORDS("submit", "--at", "2001-01-31 22:30", "f", ":::", "1"));
    says(2, "is no time", WORDS("submit", "--at", "soon", "f", ":::", "1"));
    says(2, "exclude each other", WORDS("submit", "--at", "@2000000000", "--after", "1", "f", ":::", "1"));
    says(2, "needs --broker", WORDS("map", "--broker", "local", "--keep", "1h", "--", "echo", ":::", "1"));
}
