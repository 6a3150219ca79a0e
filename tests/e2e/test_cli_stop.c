/* SPDX-License-Identifier: Apache-2.0
 *
 * How `belt map` ends when somebody wants it to: nothing stays behind.
 */
#include "process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS  60000
#define GONE_MS   20000
#define ARGV(...) ((const char *const[]){process_belt(), "map", __VA_ARGS__, NULL})

static char mark[64];

/* Every test marks its processes in their environment. */
static struct process *start(const char *const *argv, const char *input)
{
    static const char *env[2];

    snprintf(mark, sizeof mark, "BELT_TEST_STOP_MARK=%d-%lld", (int)getpid(), process_now_ms());
    env[0] = mark;
    return process_start(&(struct process_options){.argv = argv, .env = env, .input = input});
}

static void all_gone(void)
{
    cr_assert(process_wait_marked(mark, 0, GONE_MS), "%d processes are left", process_count_marked(mark));
}

Test(cli_stop, one_interrupt_stops_the_tasks_and_tells_what_was_done)
{
    struct process *process =
        start(ARGV("-j2", "--", "if [ {} -gt 2 ]; then sleep 60; fi; echo {}"), "1\n2\n3\n4\n5\n");

    cr_assert(process_wait_out(process, "1\n2\n", BOUND_MS));
    process_signal(process, SIGINT);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 130);
    cr_assert_str_eq(process_out(process), "1\n2\n");
    cr_assert_not_null(strstr(process_err(process), "interrupted: 2 done, 0 failed, 3 not finished"), "%s",
                       process_err(process));
    all_gone();
    process_free(process);
}

Test(cli_stop, a_terminals_interrupt_reaches_all_and_ends_as_well)
{
    struct process *process =
        start(ARGV("-j2", "--", "if [ {} -gt 2 ]; then sleep 60; fi; echo {}"), "1\n2\n3\n4\n5\n");

    cr_assert(process_wait_out(process, "1\n2\n", BOUND_MS));
    process_signal_group(process, SIGINT);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 130, "%d: %s", process_status(process), process_err(process));
    all_gone();
    process_free(process);
}

Test(cli_stop, the_second_interrupt_ends_at_once)
{
    char path[] = "/tmp/belt-test-XXXXXX", command[128];
    struct process *process;

    close(mkstemp(path));
    snprintf(command, sizeof command, "trap '' TERM; rm %s; while :; do sleep 1; done", path);
    process = start(ARGV("-j1", "--", command), "1\n");
    for (long long end = process_now_ms() + BOUND_MS; access(path, F_OK) == 0; usleep(20000))
        cr_assert_lt(process_now_ms(), end);
    process_signal(process, SIGINT);
    process_signal(process, SIGINT);
    usleep(100000);
    process_signal(process, SIGINT);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 130, "%d", process_status(process));
    all_gone();
    process_free(process);
}

Test(cli_stop, sigterm_is_a_request_too)
{
    struct process *process = start(ARGV("-j2", "--", "test {} = 1 || sleep 60; echo {}"), "1\n2\n");

    cr_assert(process_wait_out(process, "1\n", BOUND_MS));
    process_signal(process, SIGTERM);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 128 + SIGTERM);
    all_gone();
    process_free(process);
}

Test(cli_stop, killed_it_leaves_nothing_behind)
{
    struct process *process = start(ARGV("-j2", "--", "test {} = 1 || sleep 60; echo {}"), "1\n2\n3\n");

    cr_assert(process_wait_out(process, "1\n", BOUND_MS));
    process_signal(process, SIGKILL);
    all_gone();
    cr_assert(process_wait(process, BOUND_MS));
    process_free(process);
}

Test(cli_stop, it_ends_with_its_parent_when_told_to)
{
    char script[512];
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct process *process;

    snprintf(script, sizeof script, "yes | '%s' map -j1 --die-with-parent -- 'echo {}; sleep 60' & wait",
             process_belt());
    process = start(argv, NULL);
    cr_assert(process_wait_out(process, "y\n", 2000) || true);
    for (long long end = process_now_ms() + BOUND_MS; process_count_marked(mark) < 6 && process_now_ms() < end;)
        usleep(20000);
    process_signal(process, SIGKILL);
    all_gone();
    process_free(process);
}

Test(cli_stop, an_interrupt_ends_it_though_nobody_reads_the_results)
{
    char path[] = "/tmp/belt-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    struct process *process;
    const char *out;

    for (int i = 0; i < 200000; i++)
        fprintf(file, "%06d\n", i);
    fclose(file);
    process = process_start(&(struct process_options){.argv = ARGV("-j1", "--filter", "cat"), .stdin_path = path});
    unlink(path);
    cr_assert(process_wait_out(process, "000000\n", BOUND_MS));
    usleep(500000);
    process_signal(process, SIGINT);
    /* Not read until it is gone: only its standard error would be looked at otherwise. */
    for (long long end = process_now_ms() + BOUND_MS; process_rss_kib(process) > 0; usleep(20000))
        cr_assert_lt(process_now_ms(), end, "it waits for its reader");
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 130, "%s", process_err(process));
    /* Nothing was written twice. */
    out = process_out(process);
    for (int i = 0; strlen(out) >= 7; i++, out += 7)
        cr_assert_eq(atoi(out), i);
    process_free(process);
}

Test(cli_stop, a_closed_reader_ends_an_endless_input)
{
    char script[512];
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct process *process;

    snprintf(script, sizeof script, "{ yes | '%s' map -- echo {}; echo $? >&2; } | head -n 1", process_belt());
    process = start(argv, NULL);
    cr_assert(process_wait(process, BOUND_MS), "%s", process_err(process));
    cr_assert_str_eq(process_out(process), "y\n");
    cr_assert_not_null(strstr(process_err(process), "standard output was closed by its reader"), "%s",
                       process_err(process));
    cr_assert_not_null(strstr(process_err(process), "6\n"));
    all_gone();
    process_free(process);
}

Test(cli_stop, a_reader_that_is_gone_is_noticed_without_a_result)
{
    static const char *env[2];
    struct process *process;

    snprintf(mark, sizeof mark, "BELT_TEST_STOP_MARK=%d-%lld", (int)getpid(), process_now_ms());
    env[0] = mark;
    process = process_start(&(struct process_options){
        .argv = ARGV("-j1", "--", "sleep", "60"), .env = env, .input = "1\n", .stdout_closed = true});
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 6);
    all_gone();
    process_free(process);
}
