/* SPDX-License-Identifier: Apache-2.0
 *
 * How `belt map` ends when somebody wants it to: nothing stays behind.
 */
#include "tests/e2e/process.h"

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

    snprintf(mark, sizeof(mark), "BELT_TEST_STOP_MARK=%d-%lld", (int)getpid(), process_now_ms());
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
    snprintf(command, sizeof(command), "trap '' TERM; rm %s; while :; do sleep 1; done", path);
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

    snprintf(script, sizeof(script), "yes | '%s' map -j1 --die-with-parent -- 'echo {}; sleep 60' & wait",
             process_belt());
    process = start(argv, NULL);
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

    snprintf(script, sizeof(script), "{ yes | '%s' map -- echo {}; echo $? >&2; } | head -n 1", process_belt());
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

    snprintf(mark, sizeof(mark), "BELT_TEST_STOP_MARK=%d-%lld", (int)getpid(), process_now_ms());
    env[0] = mark;
    process = process_start(&(struct process_options){
        .argv = ARGV("-j1", "--", "sleep", "60"), .env = env, .input = "1\n", .stdout_closed = true});
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 6);
    all_gone();
    process_free(process);
}

/* The failed one is not due to be printed: the first input takes long. */
static struct process *halts(const char *when, unsigned first_s)
{
    char *input = malloc(4000), path[] = "/tmp/belt-test-XXXXXX", command[256];
    int at = 0;

    close(mkstemp(path));
    for (int i = 1; i <= 200; i++)
        at += sprintf(input + at, "%d\n", i);
    snprintf(command, sizeof(command),
             "echo {} >>%s; case {} in 1) sleep %u;; 2) exit 1;; *) sleep 1;; esac; echo {} whole", path, first_s);
    struct process *process = start(ARGV("-j2", "--halt", when, "--", command), input);
    cr_assert(process_wait(process, BOUND_MS), "%s", process_err(process));
    cr_assert_eq(process_status(process), 4, "%d: %s", process_status(process), process_err(process));
    FILE *begun = fopen(path, "r");
    int lines = 0;
    for (int c; (c = getc(begun)) != EOF;)
        lines += c == '\n';
    fclose(begun);
    unlink(path);
    free(input);
    cr_assert_lt(lines, 20, "%d tasks were begun", lines);
    all_gone();
    return process;
}

Test(cli_stop, halt_soon_begins_nothing_more_and_finishes_what_runs)
{
    struct process *process = halts("soon,fail=1", 2);

    cr_assert_not_null(strstr(process_out(process), "1 whole\n"), "%s%s", process_out(process), process_err(process));
    cr_assert_not_null(strstr(process_err(process), "not begun"), "%s", process_err(process));
    process_free(process);
}

Test(cli_stop, halt_now_does_not_wait_for_earlier_results)
{
    struct process *process = halts("now,fail=1", 600);

    cr_assert_null(strstr(process_out(process), "whole"), "%s", process_out(process));
    process_free(process);
}

Test(cli_stop, a_task_has_time_to_clean_up)
{
    char path[] = "/tmp/belt-test-XXXXXX", command[256];
    struct process *process;

    close(mkstemp(path));
    snprintf(command, sizeof(command),
             "trap 'sleep 0.3; rm %s; exit 0' TERM; echo runs; echo runs >&2; sleep 60 & wait", path);
    process = start(ARGV("-j1", "--", "sh", "-c", command), "1\n");
    cr_assert(process_wait_err(process, "runs", BOUND_MS), "%s", process_err(process)); /* its trap is set */
    process_signal(process, SIGKILL); /* of the map itself: its agent sees to it */
    for (long long end = process_now_ms() + BOUND_MS; access(path, F_OK) == 0; usleep(20000))
        cr_assert_lt(process_now_ms(), end, "the task was killed before it had cleaned up");
    all_gone();
    process_free(process);
}

Test(cli_stop, ignored_signals_stay_ignored)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    char script[512];
    const char *const argv[] = {"sh", "-c", script, NULL};

    snprintf(script, sizeof(script), "trap '' INT TERM HUP; exec '%s' map -j1 -- 'sleep 0.5; echo {}'", process_belt());
    struct process *process = start(argv, "1\n2\n");
    cr_assert(process_wait_out(process, "1\n", BOUND_MS));
    for (int i = 0; i < 3; i++)
        process_signal(process, numbers[i]);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%d", process_status(process));
    cr_assert_str_eq(process_out(process), "1\n2\n");
    process_free(process);
}

Test(cli_stop, it_goes_on_in_the_background_when_its_parent_ends)
{
    char script[512], path[] = "/tmp/belt-test-XXXXXX", out[32] = "";
    const char *const argv[] = {"sh", "-c", script, NULL};
    long long end = process_now_ms() + BOUND_MS;

    close(mkstemp(path));
    snprintf(script, sizeof(script), "'%s' map -j1 -- 'sleep 1.5; echo {}' ::: 1 2 >%s 2>&1 </dev/null & sleep 0.5",
             process_belt(), path);
    struct process *process = process_start(
        &(struct process_options){.argv = (const char *const[]){"setsid", "-w", argv[0], argv[1], script, NULL}});
    cr_assert(process_wait(process, BOUND_MS));
    while (strcmp(out, "1\n2\n") != 0) {
        FILE *file = fopen(path, "r");
        out[fread(out, 1, sizeof(out) - 1, file)] = '\0';
        fclose(file);
        cr_assert_lt(process_now_ms(), end, "%s", out);
        usleep(50000);
    }
    unlink(path);
    process_free(process);
}

Test(cli_stop, a_task_has_no_terminal)
{
    struct process *process = start(ARGV("-j1", "--", "cat /dev/tty || echo none"), "1\n");

    cr_assert(process_wait(process, BOUND_MS), "it waits for a terminal");
    cr_assert_str_eq(process_out(process), "none\n");
    process_free(process);
}

/* The state of a process as /proc has it: 'T' when it is stopped. */
static char state_of(pid_t pid)
{
    char path[64], state = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state;
}

/* As Ctrl-Z and `fg` do. The task says which process it is, and ends when the file is gone; it starts nothing, since a
 * shell that waits for the start of what it has started is not seen as stopped. */
Test(cli_stop, tasks_stop_and_go_on_with_the_map)
{
    char path[] = "/tmp/belt-test-XXXXXX", command[256];
    int task = 0;

    close(mkstemp(path));
    snprintf(command, sizeof(command), "echo pid $$ >&2; while [ -e %s ]; do :; done; echo {}", path);
    struct process *process = start(ARGV("-j1", "--timeout", "30", "--", command), "1\n");
    cr_assert(process_wait_err(process, "pid ", BOUND_MS) && process_wait_err(process, "\n", BOUND_MS));
    cr_assert_eq(sscanf(strstr(process_err(process), "pid "), "pid %d", &task), 1, "%s", process_err(process));
    process_signal(process, SIGTSTP);
    for (long long end = process_now_ms() + BOUND_MS; state_of(task) != 'T' || state_of(process_pid(process)) != 'T';) {
        cr_assert_lt(process_now_ms(), end, "task '%c', map '%c'", state_of(task), state_of(process_pid(process)));
        usleep(20000);
    }
    process_signal(process, SIGCONT);
    unlink(path);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%d: %s", process_status(process), process_err(process));
    cr_assert_str_eq(process_out(process), "1\n");
    process_free(process);
}

Test(cli_stop, with_tty_a_task_asks_on_the_terminal)
{
    char script[512];
    const char *const argv[] = {"script", "-qec", script, "/dev/null", NULL};

    snprintf(script, sizeof(script),
             "'%s' map -j1 --tty -- 'printf name: >/dev/tty; read x </dev/tty; echo {} is $x' ::: 1", process_belt());
    struct process *process = process_start(&(struct process_options){.argv = argv, .stdin_open = true});
    cr_assert(process_wait_out(process, "name:", BOUND_MS), "%s", process_out(process));
    process_write(process, "anna\n");
    cr_assert(process_wait_out(process, "1 is anna", BOUND_MS), "%s", process_out(process));
    process_close_stdin(process);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%d: %s", process_status(process), process_out(process));
    process_free(process);
}

Test(cli_stop, tty_is_for_one_command_at_a_time)
{
    struct process *process = start(ARGV("-j2", "--tty", "--", "true"), "1\n");

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 2);
    process_free(process);
}
