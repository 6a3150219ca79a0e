/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent with real processes, against a broker of a few lines: C functions, what can go wrong with a slot, and how
 * the agent ends.
 */
#include "tests/unit/agent_bench.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------ C functions */

Test(exec, c_functions_answer_fail_and_log)
{
    static const char *const inputs[] = {"a", "fail", "return", "print", "large", "b"};
    struct bench bench = bench_start((struct belt_agent_options){0});
    struct fake_dispatch d = {.job = 1, .function = "act", .attempt = 2, .argument = {(const uint8_t *)"arg", 3}};

    fake_strings(bench.broker, &d, inputs, 6);
    cr_assert(fake_until(bench.broker, fake_results, 6));
    bench_expect(bench_one(&bench, 1, 0), "a 0 2 arg");
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_FAILED);
    cr_expect_str_eq(bench_one(&bench, 1, 1)->text, "as asked");
    cr_expect_str_eq(bench_one(&bench, 1, 2)->text, "the function returned 3 without a reply");
    bench_expect(bench_one(&bench, 1, 3), "print 3 2 arg");
    cr_expect_not_null(strstr(bench_one(&bench, 1, 3)->log, "on stdout"));
    cr_expect_not_null(strstr(bench_one(&bench, 1, 3)->log, "on stderr"));
    cr_expect_eq(bench_one(&bench, 1, 4)->code, BELT_RESULT_TOO_LARGE);
    bench_expect(bench_one(&bench, 1, 5), "b 5 2 arg");
    cr_expect_eq(bench_one(&bench, 1, 5)->attempt, 2);
    bench_stop(&bench);
}

Test(exec, many_short_tasks_each_answer_once)
{
    struct bench bench = bench_start((struct belt_agent_options){.slots = 2});
    struct belt_bytes payloads[1000];
    char text[1000][8];
    uint64_t seen[3][1000] = {{0}};

    for (uint32_t i = 0; i < 1000; i++)
        payloads[i] = (struct belt_bytes){(const uint8_t *)text[i], (size_t)snprintf(text[i], 8, "%u", i)};
    for (uint64_t job = 0; job < 3; job++) {
        struct fake_dispatch d = {.job = job, .function = "echo"};
        fake_dispatch(bench.broker, &d, payloads, 1000);
    }
    cr_assert(fake_until(bench.broker, fake_results, 3000));
    for (uint32_t i = 0; i < 3000; i++) {
        const struct fake_result *r = &bench.broker->results[i];
        cr_assert_eq(seen[r->job][r->index]++, 0);
        cr_assert_eq((uint64_t)atoi((const char *)r->data), r->index);
    }
    bench_stop(&bench);
}

Test(exec, a_payload_of_a_mebibyte_goes_through_a_slot)
{
    struct bench bench = bench_start((struct belt_agent_options){0});
    uint8_t *large = malloc(1u << 20);
    struct belt_bytes payload = {large, 1u << 20};
    uint64_t sum = 0;

    for (uint32_t i = 0; i < (1u << 20); i++)
        sum += large[i] = (uint8_t)(i * 7);
    fake_dispatch(bench.broker, &(struct fake_dispatch){.job = 1, .function = "echo"}, &payload, 1);
    fake_dispatch(bench.broker, &(struct fake_dispatch){.job = 2, .function = "count"}, &payload, 1);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(bench_one(&bench, 1, 0)->len, 1u << 20);
    cr_expect_eq(bench_one(&bench, 1, 0)->sum, sum);
    bench_expect(bench_one(&bench, 2, 0), "1048576\n");
    free(large);
    bench_stop(&bench);
}

Test(exec, a_slot_that_dies_loses_only_the_task_it_ran)
{
    static const char *const inputs[] = {"a", "crash", "b", "exit", "c", "d"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1});

    bench_strings(&bench, 1, "act", inputs, 6);
    cr_assert(fake_until(bench.broker, fake_results, 6));
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_LOST);
    cr_expect_eq(bench_one(&bench, 1, 1)->term_signal, SIGKILL);
    cr_expect_not_null(strstr(bench_one(&bench, 1, 1)->text, "killed by signal 9 (SIGKILL)"));
    cr_expect_eq(bench_one(&bench, 1, 3)->code, BELT_TASK_LOST);
    cr_expect_not_null(strstr(bench_one(&bench, 1, 3)->text, "exit status 5"));
    bench_expect(bench_one(&bench, 1, 2), "b 2 1 ");
    bench_expect(bench_one(&bench, 1, 5), "d 5 1 ");
    bench_stop(&bench);
}

Test(exec, a_task_over_its_time_out_is_asked_then_killed)
{
    static const char *const inputs[] = {"wait", "hang", "a"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1});

    fake_strings(bench.broker, &(struct fake_dispatch){.job = 1, .function = "act", .timeout_ms = 100}, inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_TASK_TIMEOUT);
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_TIMEOUT);
    cr_expect_not_null(strstr(bench_one(&bench, 1, 1)->text, "100 ms"));
    bench_expect(bench_one(&bench, 1, 2), "a 2 1 ");
    cr_expect_eq(bench.broker->progress_done, 1);
    cr_expect_eq(bench.broker->progress_total, 4);
    bench_stop(&bench);
}

Test(exec, dropped_tasks_are_stopped_and_returned)
{
    static const char *const inputs[] = {"hang", "a"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1});

    bench_strings(&bench, 1, "act", inputs, 2);
    fake_drop(bench.broker, (struct belt_task_ref){1, 0, 1});
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1}); /* not held: returned at once */
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    cr_assert(fake_until(bench.broker, fake_results, 1));
    cr_expect_null(fake_result(bench.broker, 1, 0));
    bench_expect(bench_one(&bench, 1, 1), "a 1 1 ");
    bench_stop(&bench);
}

Test(exec, recalled_tasks_are_the_last_and_not_started)
{
    static const char *const inputs[] = {"wait", "a", "b", "c"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1});

    bench_strings(&bench, 1, "act", inputs, 4);
    cr_assert(fake_until(bench.broker, fake_progress, 1)); /* the first runs */
    fake_recall(bench.broker, 2);
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    cr_expect_eq(bench.broker->returned[0].index, 3);
    cr_expect_eq(bench.broker->returned[1].index, 2);
    fake_drop(bench.broker, (struct belt_task_ref){1, 0, 1});
    cr_assert(fake_until(bench.broker, fake_results, 1));
    bench_expect(bench_one(&bench, 1, 1), "a 1 1 ");
    bench_stop(&bench);
}

Test(exec, unrecorded_results_come_again_after_a_hello)
{
    static const char *const inputs[] = {"a", "b", "wait"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 2});

    bench.broker->silent = true;
    bench_strings(&bench, 1, "act", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    bench.broker->silent = false;
    fake_lose(bench.broker);
    cr_assert(fake_until(bench.broker, fake_ready, 0));
    cr_expect_eq(bench.broker->hellos, 2);
    cr_expect_eq(bench.broker->synced_refs, 3, "one runs, two are not recorded");
    fake_drop(bench.broker, (struct belt_task_ref){1, 2, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    cr_expect_eq(bench.broker->repeated, 2);
    bench_stop(&bench);
}

Test(exec, an_unknown_function_is_refused)
{
    static const char *const inputs[] = {"a"};
    struct bench bench = bench_start((struct belt_agent_options){0});

    bench_strings(&bench, 1, "nobody", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 1));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_NOT_SERVED);
    bench_stop(&bench);
}

/* ------------------------------------------------------------ life and end */

Test(exec, draining_finishes_what_runs_and_returns_the_rest)
{
    char path[] = "/tmp/belt-test-XXXXXX", command[96];
    const char *const inputs[] = {command, "echo never"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1});

    close(mkstemp(path)); /* the task runs until it is gone */
    snprintf(command, sizeof(command), "while [ -e %s ]; do sleep 0.02; done; echo done", path);

    bench_strings(&bench, 1, "sh", inputs, 2);
    fake_recall(bench.broker, 0);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1)); /* all before it has arrived */
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_leaving, 0));
    fake_lose(bench.broker); /* a hello offers the functions anew: LEAVING must be said again */
    cr_assert(fake_until(bench.broker, fake_hellos, 2));
    cr_assert(fake_until(bench.broker, fake_leaving, 0));
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* what ends with the signal is no outcome (doubt.h) */
    unlink(path);
    cr_assert(fake_until(bench.broker, fake_gone, 0), "no BYE");
    cr_expect_eq(bench.broker->result_count, 1);
    bench_expect(bench_one(&bench, 1, 0), "done\n");
    cr_expect_eq(bench.broker->returned[1].index, 1);
    cr_expect_eq(fake_wait(bench.agent), 0);
    fake_free(bench.broker);
}

Test(exec, a_drain_time_that_is_over_gives_the_task_back)
{
    static const char *const inputs[] = {"sleep 1000"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1, .drain_ms = 50});

    bench_strings(&bench, 1, "sh", inputs, 1);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    cr_expect_eq(bench.broker->returned[1].job, 1);
    cr_assert(fake_until(bench.broker, fake_gone, 0));
    cr_expect(bench.broker->leaving);
    cr_expect_eq(fake_wait(bench.agent), 0);
    fake_free(bench.broker);
}

Test(exec, a_second_signal_stops_at_once)
{
    static const char *const inputs[] = {"trap '' TERM; sleep 1000; sleep 1000", "a"};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1, .drain_ms = 1000000});

    bench_strings(&bench, 1, "sh", inputs, 2);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_returned, 3));
    cr_assert(fake_until(bench.broker, fake_gone, 0));
    cr_expect_eq(fake_wait(bench.agent), 0);
    fake_free(bench.broker);
}

/* Processes with this word in their command line. */
static uint32_t processes_with(const char *word)
{
    DIR *dir = opendir("/proc");
    uint32_t count = 0;

    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300], line[4096];
        snprintf(path, sizeof(path), "/proc/%.200s/cmdline", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        size_t n = fread(line, 1, sizeof(line) - 1, file);
        fclose(file);
        for (size_t i = 0; i < n; i++)
            if (line[i] == '\0')
                line[i] = ' ';
        line[n] = '\0';
        count += strstr(line, word) != NULL;
    }
    closedir(dir);
    return count;
}

static bool none_left(const char *word)
{
    for (int i = 0; i < 1000 && processes_with(word) > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return processes_with(word) == 0;
}

Test(exec, all_processes_die_with_a_killed_agent)
{
    char word[32], command[128];
    const char *inputs[1] = {command};
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1});

    snprintf(word, sizeof(word), "1000.%d", (int)getpid());
    snprintf(command, sizeof(command), "sleep %s; sleep %s", word, word); /* the sleep is a grandchild */
    bench_strings(&bench, 1, "sh", inputs, 1);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    for (int i = 0; i < 1000 && processes_with(word) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_expect_gt(processes_with(word), 0);
    kill(bench.agent, SIGKILL);
    cr_expect_eq(fake_wait(bench.agent), 128 + SIGKILL);
    cr_expect(none_left(word), "a process outlived its agent");
    fake_free(bench.broker);
}

static uint32_t descriptors(pid_t pid)
{
    char path[64];
    uint32_t count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

Test(exec, nothing_leaks_over_hundreds_of_processes)
{
    const char *inputs[100];
    struct bench bench = bench_start((struct belt_agent_options){.slots = 2});
    uint32_t before = 0;

    for (uint32_t i = 0; i < 100; i++)
        inputs[i] = i % 10 == 9 ? "crash" : "a";
    for (uint64_t round = 0; round < 3; round++) {
        bench_strings(&bench, 2 * round + 1, "act", inputs, 100);
        bench_strings(&bench, 2 * round + 2, "sh", inputs, 100);
        cr_assert(fake_until(bench.broker, fake_results, 200 * (round + 1)));
        fake_strings(bench.broker, &(struct fake_dispatch){.job = 100 + round, .function = "act"}, inputs, 2);
        if (round == 0)
            before = descriptors(bench.agent);
    }
    cr_assert(fake_until(bench.broker, fake_results, 606));
    cr_expect_leq(descriptors(bench.agent), before + 6, "%u, then %u", before, descriptors(bench.agent));
    bench_stop(&bench);
}

Test(exec, a_spent_slot_is_replaced)
{
    const char *inputs[20];
    struct bench bench = bench_start((struct belt_agent_options){.slots = 1, .max_tasks_per_slot = 3});

    for (uint32_t i = 0; i < 20; i++)
        inputs[i] = "a";
    bench_strings(&bench, 1, "act", inputs, 20);
    cr_assert(fake_until(bench.broker, fake_results, 20));
    for (uint32_t i = 0; i < 20; i++)
        cr_expect_eq(bench_one(&bench, 1, i)->code, BELT_OK);
    bench_stop(&bench);
}

Test(exec, a_broker_that_is_not_there_is_told)
{
    char error[512];
    struct belt_agent_options options = {.broker = "tcp://127.0.0.1:9",
                                         .functions = bench_functions,
                                         .function_count = 1,
                                         .slots = 1,
                                         .connect_timeout_ms = 200,
                                         .quiet = true};

    cr_expect_eq(belt_agent_run(&options, error, sizeof(error)), BELT_NO_BROKER);
    cr_expect_not_null(strstr(error, "tcp://127.0.0.1:9"), "%s", error);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
}

Test(exec, the_children_of_the_program_are_its_own)
{
    struct belt_agent_options options = {.broker = "tcp://127.0.0.1:9",
                                         .functions = bench_functions,
                                         .function_count = 1,
                                         .slots = 1,
                                         .connect_timeout_ms = 400,
                                         .quiet = true};
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        _exit(7);
    }
    cr_expect_eq(belt_agent_run(&options, NULL, 0), BELT_NO_BROKER);
    cr_assert_eq(waitpid(pid, &status, 0), pid, "somebody else took it");
    cr_expect_eq(WEXITSTATUS(status), 7);
}

Test(exec, the_end_of_the_lifeline_ends_the_agent)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    struct belt_agent_options options = {
        .functions = bench_functions, .function_count = 1, .slots = 1, .lifeline_fd = ends[0]};
    pid_t pid;
    struct fake_broker *broker = fake_new(options, ends[1], &pid);
    close(ends[0]);
    cr_assert(fake_until(broker, fake_ready, 0));
    close(ends[1]);
    cr_expect_eq(fake_wait(pid), 0);
    fake_free(broker);
}
