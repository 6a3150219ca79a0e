/* SPDX-License-Identifier: Apache-2.0
 *
 * The joblog, the halt policy and the progress of a map.
 */
#include "cli/halt.h"
#include "cli/joblog.h"
#include "cli/progress.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void skips(const char *log, bool failed_again, const char *expected)
{
    struct joblog_skip skip;
    char error[128] = "", got[16] = "";

    cr_assert_eq(joblog_read(log, strlen(log), failed_again, &skip, error, sizeof(error)), 0, "%s", error);
    for (uint64_t i = 0; i < 10; i++)
        got[i] = joblog_skips(&skip, i) ? 'x' : '.';
    cr_assert_str_eq(got, expected);
    joblog_skip_free(&skip);
}

#define LINE(seq, exit, signal) #seq "\t:\t1700000000.123\t     0.002\t0\t5\t" #exit "\t" #signal "\techo\n"

Test(joblog, a_line_reads_as_gnu_parallels)
{
    struct joblog_line line = {.index = 6,
                               .host = "",
                               .started_ms = 1700000000123,
                               .service_us = 2500,
                               .sent = 3,
                               .received = 5,
                               .exit_status = 3,
                               .command = "echo a\nb\tc",
                               .command_len = 10};
    size_t len;
    char *text = joblog_format(&line, &len);
    struct joblog_skip skip;
    char error[64];

    cr_assert_not_null(text);
    cr_assert_eq(strncmp(text, "7\t:\t1700000000.123\t     0.003\t3\t5\t3\t0\techo a\\nb\\tc\n", len), 0, "%.*s",
                 (int)len, text);
    cr_assert_eq(joblog_read(text, len, false, &skip, error, sizeof(error)), 0);
    cr_assert_eq(skip.count, 1);
    cr_assert_eq(skip.indexes[0], 6);
    joblog_skip_free(&skip);
    free(text);
}

Test(joblog, resume_skips_all_that_is_listed)
{
    skips(JOBLOG_HEADER LINE(3, 0, 0) LINE(1, 1, 0) LINE(5, 0, 9), false, "x.x.x.....");
    skips("", false, "..........");
    skips(JOBLOG_HEADER, false, "..........");
}

Test(joblog, resume_failed_skips_what_succeeded_last)
{
    skips(JOBLOG_HEADER LINE(1, 0, 0) LINE(2, 1, 0) LINE(3, 0, 9) LINE(4, -1, 0), true, "x.........");
    skips(JOBLOG_HEADER LINE(2, 1, 0) LINE(2, 0, 0), true, ".x........");
    skips(JOBLOG_HEADER LINE(2, 0, 0) LINE(2, 1, 0), true, "..........");
}

Test(joblog, a_torn_last_line_is_not_done)
{
    skips(JOBLOG_HEADER LINE(1, 0, 0) "2\t:\t17000", false, "x.........");
}

Test(joblog, what_is_no_joblog_is_refused)
{
    struct joblog_skip skip;
    char error[128];

    cr_assert_eq(joblog_read("my diary\n", 9, false, &skip, error, sizeof(error)), -1);
    cr_assert_str_eq(error, "line 1 is no line of a joblog");
    cr_assert_null(skip.indexes);
    cr_assert_eq(joblog_read(JOBLOG_HEADER "0\t:\t1\t1\t0\t0\t0\t0\tx\n", strlen(JOBLOG_HEADER) + 18, false, &skip,
                             error, sizeof(error)),
                 -1);
}

Test(halt, texts)
{
    struct halt halt;
    char text[48];
    static const char *const bad[] = {
        "",           "now",         "now,fail",   "now,fail=", "now,fail=0", "later,fail=1", "now,fail=101%",
        "now,fail=%", "now,fail=1x", "soon,lost=1"};

    cr_assert(halt_parse("never", &halt) && halt.when == HALT_NEVER);
    cr_assert(halt_parse("now,fail=1", &halt) && halt.when == HALT_NOW && halt.what == HALT_FAIL && halt.count == 1);
    cr_assert_str_eq(halt_show(&halt, text), "1 failure");
    cr_assert(halt_parse("soon,success=3", &halt) && halt.when == HALT_SOON && halt.what == HALT_SUCCESS);
    cr_assert(halt_parse("soon,fail=10%", &halt) && halt.percent == 10 && halt.count == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_assert_not(halt_parse(bad[i], &halt), "'%s' was accepted", bad[i]);
}

Test(halt, counts)
{
    struct halt halt;

    halt_parse("now,fail=2", &halt);
    cr_assert_eq(halt_check(&halt, 100, 1, 0), HALT_NEVER);
    cr_assert_eq(halt_check(&halt, 0, 2, 0), HALT_NOW);
    halt_parse("soon,success=1", &halt);
    cr_assert_eq(halt_check(&halt, 0, 9, 0), HALT_NEVER);
    cr_assert_eq(halt_check(&halt, 1, 0, 0), HALT_SOON);
    halt_parse("now,done=3", &halt);
    cr_assert_eq(halt_check(&halt, 2, 1, 0), HALT_NOW);
}

Test(halt, percentages_wait_for_three)
{
    struct halt halt;

    halt_parse("now,fail=50%", &halt);
    cr_assert_eq(halt_check(&halt, 0, 1, 0), HALT_NEVER);
    cr_assert_eq(halt_check(&halt, 0, 3, 0), HALT_NOW);
    cr_assert_eq(halt_check(&halt, 4, 3, 0), HALT_NEVER);
    cr_assert_eq(halt_check(&halt, 0, 3, 10), HALT_NEVER);
    cr_assert_eq(halt_check(&halt, 0, 5, 10), HALT_NOW);
    halt_parse("soon,done=50%", &halt);
    cr_assert_eq(halt_check(&halt, 9, 0, 0), HALT_NEVER);
    cr_assert_eq(halt_check(&halt, 5, 0, 10), HALT_SOON);
}

Test(progress, rate_and_time_left)
{
    struct progress progress;
    struct progress_counts counts = {.started = 100, .slots = 4, .ended = true};
    char line[128];

    progress_init(&progress, 1000);
    for (uint64_t second = 1; second <= 10; second++) {
        counts.done = second * 5;
        progress_update(&progress, 1000 + second * 1000, &counts);
    }
    cr_assert_float_eq(progress_rate(&progress, 11000, &counts), 5.0, 0.01);
    cr_assert_eq(progress_eta(&progress, 11000, &counts), 10000);
    cr_assert_eq(progress_running(&counts), 4);
    counts.failed = 1;
    counts.done = 49;
    progress_line(&progress, 11000, &counts, line, sizeof(line), 100);
    cr_assert_str_eq(line, "49/100 done, 1 failed, 4 running, 5.0/s, 10.0s left");
    progress_line(&progress, 11000, &counts, line, sizeof(line), 10);
    cr_assert_str_eq(line, "49/100 don");
}

Test(progress, the_rate_follows_the_last_seconds)
{
    struct progress progress;
    struct progress_counts counts = {.started = 100000};

    progress_init(&progress, 0);
    for (uint64_t ms = 500; ms <= 60000; ms += 500) {
        counts.done += ms <= 30000 ? 1 : 50;
        progress_update(&progress, ms, &counts);
    }
    cr_assert_float_eq(progress_rate(&progress, 60000, &counts), 100.0, 0.01);
}

Test(progress, unknown_while_the_input_grows_or_nothing_is_done)
{
    struct progress progress;
    struct progress_counts counts = {.started = 10};

    progress_init(&progress, 0);
    cr_assert_eq(progress_eta(&progress, 0, &counts), UINT64_MAX);
    counts.done = 5;
    cr_assert_eq(progress_eta(&progress, 1000, &counts), UINT64_MAX);
    counts.ended = true;
    cr_assert_eq(progress_eta(&progress, 1000, &counts), 1000);
    counts.done = 0;
    cr_assert_eq(progress_eta(&progress, 1000, &counts), UINT64_MAX);
    cr_assert_eq(progress_running(&counts), 10);
}

Test(joblog, tasks_of_a_resumed_run_have_the_numbers_of_their_inputs)
{
    uint64_t skipped[] = {0, 1, 4, 6, 9}, input = 0;
    struct joblog_skip none = {0}, skip = {.indexes = skipped, .count = 5}, asked = skip;

    cr_assert_eq(joblog_input(&none, 7), 7);
    for (uint64_t task = 0; task < 20; task++, input++) {
        while (joblog_skips(&asked, input))
            input++;
        cr_assert_eq(joblog_input(&skip, task), input, "task %d", (int)task);
    }
}
