/* SPDX-License-Identifier: Apache-2.0
 *
 * What tasks write to standard error: of a private pool at once, and of a cluster with the result.
 */
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAP(...) WORDS(process_belt(), "map", __VA_ARGS__)

static struct process *map(const char *const *argv, int status)
{
    struct process *process = process_spawn("", argv);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d: %.500s", process_status(process), process_err(process));
    return process;
}

/* A name in the temporary directory that nobody has. */
static void name_file(char path[32])
{
    strcpy(path, "/tmp/belt-test-XXXXXX");
    close(mkstemp(path));
    unlink(path);
}

static void make_file(const char *path)
{
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* Standard error is there while its task still runs: the task ends when that was seen. */
static void is_shown_while_it_runs(const char *const *how)
{
    char path[32], command[160];
    const char *argv[16] = {process_belt(), "map", "-j1"};
    int at = 3;

    name_file(path);
    snprintf(command, sizeof(command), how[1], path);
    if (how[0])
        argv[at++] = how[0];
    argv[at++] = command;
    argv[at++] = ":::";
    argv[at++] = "a";
    argv[at++] = "b";
    struct process *process = process_spawn("", argv);
    cr_assert(process_wait_err(process, "[0] early a\n", BOUND_MS), "%s: %s", command, process_err(process));
    cr_assert_str_eq(process_out(process), "");
    make_file(path);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%s", process_err(process));
    cr_assert_str_eq(process_out(process), "a\nb\n");
    cr_assert_str_eq(process_err(process), "[0] early a\n[0] late a\n[1] early b\n[1] late b\n", "%s", command);
    process_free(process);
    unlink(path);
}

Test(cli_log, of_a_private_pool_it_is_shown_while_the_task_runs)
{
    static const char *const ways[][2] = {
        {"--", "echo early {} >&2; until test -e %s; do sleep 0.02; done; echo late {} >&2; echo {}"},
        {"--filter", "while read a; do echo early $a >&2; until test -e %s; do sleep 0.02; done; echo late $a >&2; "
                     "echo $a; done"},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        is_shown_while_it_runs(ways[i]);
}

Test(cli_log, words_of_a_coprocess_that_has_no_task)
{
    struct process *process =
        map(MAP("-j1", "--coproc",
                "echo loading >&2; echo belt-slot 1; while read t id f n al pl; do head -c $pl >/dev/null; "
                "echo work >&2; printf 'ok 2 id=%s\\nok' $id; done; echo bye >&2",
                ":::", "x"),
            0);

    cr_assert_str_eq(process_err(process), "[-] loading\n[0] work\n[-] bye\n");
    cr_assert_str_eq(process_out(process), "ok\n");
    process_free(process);
}

/* What a task said stands before what is said of it, and each thing once; the next task may be heard before. */
Test(cli_log, failures_come_behind_what_their_tasks_wrote)
{
    struct process *process = map(MAP("-j1", "--", "echo from {} >&2; printf end >&2; exit 3", ":::", "a", "b"), 1);
    static const char *const told[2][3] = {
        {"[0] from a\n", "[0] end\n", "belt map: task 0 failed: exit status 3 (input: a)\n"},
        {"[1] from b\n", "[1] end\n", "belt map: task 1 failed: exit status 3 (input: b)\n"}};
    size_t len = 0;

    for (int task = 0; task < 2; task++) {
        const char *at = process_err(process);
        for (int i = 0; i < 3; i++) {
            cr_assert_not_null(at = strstr(at, told[task][i]), "%s", process_err(process));
            at += strlen(told[task][i]);
            len += strlen(told[task][i]);
        }
    }
    cr_assert_eq(strlen(process_err(process)), len, "%s", process_err(process));
    process_free(process);
    process = map(MAP("-q", "--", "echo hidden >&2; exit {}", ":::", "3"), 1);
    cr_assert_str_eq(process_err(process), "");
    process_free(process);
}

Test(cli_log, a_resumed_run_counts_inputs)
{
    char path[32];

    name_file(path);
    process_free(map(MAP("-j1", "--joblog", path, "--", "test {} != b", ":::", "a", "b", "c"), 1));
    struct process *process =
        map(MAP("-j1", "--joblog", path, "--resume-failed", "--", "echo {} >&2", ":::", "a", "b", "c", "d"), 0);
    cr_assert_str_eq(process_err(process), "[1] b\n[3] d\n");
    process_free(process);
    unlink(path);
}

/* All of it, however much, though a result carries the end only. */
Test(cli_log, nothing_is_left_out_of_what_is_shown)
{
    struct process *process =
        map(MAP("-j1", "--results-json", "--log-bytes", "100", "--", "seq 100000 199999 >&2; : {}", ":::", "x"), 0);
    const char *at = process_err(process);

    for (unsigned i = 100000; i < 200000; i++) {
        char line[16];
        size_t len = (size_t)snprintf(line, sizeof(line), "[0] %u\n", i);
        cr_assert_eq(strncmp(at, line, len), 0, "%.40s and not %s", at, line);
        at += len;
    }
    cr_assert_str_eq(at, "");
    cr_assert_not_null(
        strstr(process_out(process), "\"log\":\"[699902 bytes of standard error are left out]\\n199986\\n"), "%s",
        process_out(process));
    process_free(process);
    process = map(MAP("-j1", "--results-json", "--log-bytes", "0", "--", "echo {} >&2", ":::", "x"), 0);
    cr_assert_not_null(strstr(process_out(process), "\"log\":\"[2 bytes of standard error are left out]\\n\""), "%s",
                       process_out(process));
    process_free(process);
    process = map(MAP("--log-bytes", "257k", "--", "echo {}", ":::", "x"), 2);
    cr_assert_not_null(strstr(process_err(process), "256k"));
    process_free(process);
}

/* A reader of standard error that stalls stops the tasks; none of their lines is lost, cut or mixed. */
Test(cli_log, a_reader_that_stalls_stops_tasks_and_loses_nothing)
{
    struct process *process = process_spawn(
        "", MAP("-j3", "--", "seq -f 'line %.0f of the task {}' 20000 >&2; echo {}", ":::", "0", "1", "2", "3", "4"));
    unsigned next[5] = {1, 1, 1, 1, 1}, task, number, again;
    int len;

    usleep(300000); /* nobody reads */
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_str_eq(process_out(process), "0\n1\n2\n3\n4\n");
    for (const char *at = process_err(process); *at; at += len) {
        cr_assert_eq(sscanf(at, "[%1u] line %u of the task %1u%n", &task, &number, &again, &len), 3, "%.60s", at);
        cr_assert_eq(at[len++], '\n', "%.60s", at);
        cr_assert(task < 5 && again == task && number == next[task]++, "%.60s", at);
    }
    for (task = 0; task < 5; task++)
        cr_assert_eq(next[task], 20001, "task %u", task);
    process_free(process);
}

static long agent_rss_kib(const struct process *process)
{
    char path[64], text[4096] = "";
    long most = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)process_pid(process), (int)process_pid(process));
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file);
    cr_assert(fgets(text, sizeof(text), file));
    fclose(file);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        long pages = 0;
        snprintf(path, sizeof(path), "/proc/%s/statm", word);
        file = fopen(path, "re");
        if (!file || fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        if (file)
            fclose(file);
        if (pages * 4 > most)
            most = pages * 4;
    }
    return most;
}

/* 64 MiB without a newline go through, in pieces, and stay nowhere. */
Test(cli_log, a_line_without_an_end_is_shown_in_flat_memory)
{
    char path[32], command[160];

    name_file(path);
    snprintf(command, sizeof(command), "head -c 64M /dev/zero | tr '\\0' x >&2; touch %s; sleep 100; : {}", path);
    struct process *process = process_start(&(struct process_options){
        .argv = WORDS("sh", "-c", "exec \"$0\" map -j1 -- \"$1\" ::: a 2>/dev/null", process_belt(), command)});
    for (int i = 0; access(path, F_OK) != 0 && i < BOUND_MS / 10; i++)
        usleep(10000);
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_lt(process_rss_kib(process), 48 * 1024);
    cr_assert_lt(agent_rss_kib(process), 48 * 1024);
    process_signal(process, SIGTERM);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 128 + SIGTERM);
    process_free(process);
    unlink(path);
}

/* What is written while a task is stopped is shown as well. */
Test(cli_log, last_words_of_a_task_that_is_stopped)
{
    struct process *process = process_spawn(
        "", MAP("-j1", "--", "trap 'echo last >&2; exit 1' TERM; echo ready {} >&2; while :; do sleep 0.05; done",
                ":::", "x"));

    cr_assert(process_wait_err(process, "[0] ready x\n", BOUND_MS));
    process_signal(process, SIGINT);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 128 + SIGINT);
    cr_assert_not_null(strstr(process_err(process), "[0] last\n"), "%s", process_err(process));
    process_free(process);
}

/* Of a cluster's task it comes with the result. */
Test(cli_log, a_clusters_worker_says_how_much_is_missing)
{
    struct stage stage;
    unsigned long long cut = 0;
    unsigned first = 0;

    stage_open(&stage, STAGE_IPC, false, NULL);
    struct process *worker =
        process_spawn(NULL, WORDS(process_belt(), "worker", "--broker", stage.workers, "--log-bytes", "1000",
                                  "--command", "f=seq 100000 199999 >&2; echo end >&2"));
    struct process *shown = stage_run(&stage, "x", 0, WORDS("map", "f"));
    const char *err = process_err(shown);
    cr_assert_eq(sscanf(err, "[0] [%llu bytes of standard error are left out]\n[0] %6u\n", &cut, &first), 2, "%.200s",
                 err);
    cr_assert_eq(cut, 7ull * (first - 100000), "%.200s", err);
    cr_assert_geq(cut, 700004 - 1000);
    cr_assert_str_eq(err + strlen(err) - 8, "[0] end\n");
    process_free(shown);
    shown = stage_run(&stage, "x", 2, WORDS("map", "--log-bytes", "9", "f"));
    cr_assert_not_null(strstr(process_err(shown), "belt worker"), "%s", process_err(shown));
    process_free(shown);
    stage_stop_worker(worker);
    stage_close(&stage);
}
