/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt map` with a private pool, as a user runs it.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), "map", __VA_ARGS__, NULL})

static struct process *map(const char *input, const char *const *argv, int status)
{
    struct process *process = process_spawn(input, argv);

    cr_assert(process_wait(process, BOUND_MS), "it does not end; standard error: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d; standard error: %s", process_status(process),
                 process_err(process));
    return process;
}

static void prints(const char *input, const char *const *argv, const char *expected)
{
    struct process *process = map(input, argv, 0);

    cr_assert_str_eq(process_out(process), expected);
    cr_assert_str_eq(process_err(process), "");
    process_free(process);
}

Test(cli_map, a_command_per_line_in_order)
{
    prints("1\n2\n3\n4\n5\n", ARGV("-j4", "--", "echo", "hello", "{}"),
           "hello 1\nhello 2\nhello 3\nhello 4\nhello 5\n");
}

/* A coprocess that answers with the time that it had to start. */
#define START_TIME                                                                                                     \
    "echo belt-slot 1; while read -r word id function attempt argument payload; do "                                   \
    "head -c $payload >/dev/null; printf 'ok %d\\n%s' ${#BELT_SLOT_START_MS} $BELT_SLOT_START_MS; done"

Test(cli_map, a_slot_has_the_time_to_start_that_was_asked_for)
{
    prints("1\n", ARGV("-j1", "--coproc", START_TIME), "10000\n");
    prints("1\n", ARGV("-j1", "--start-timeout", "25.5", "--coproc", START_TIME), "25500\n");
}

Test(cli_map, order_is_kept_though_the_first_is_the_last)
{
    prints("3\n1\n0\n", ARGV("-j3", "--", "sleep 0.{}; echo {}"), "3\n1\n0\n");
}

Test(cli_map, unordered_prints_what_is_done)
{
    char path[] = "/tmp/belt-test-XXXXXX", command[160];

    /* The first task ends when the second has been printed. */
    close(mkstemp(path));
    snprintf(command, sizeof(command), "if [ {} = a ]; then while [ -e %s ]; do sleep 0.02; done; fi; echo {}", path);
    struct process *process = process_spawn("a\nb\n", ARGV("-j2", "--unordered", "--", command));
    cr_assert(process_wait_out(process, "b\n", BOUND_MS), "%s", process_err(process));
    unlink(path);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_str_eq(process_out(process), "b\na\n");
    process_free(process);
}

Test(cli_map, without_braces_the_input_is_standard_input)
{
    prints("one\ntwo\n", ARGV("--", "tr", "a-z", "A-Z"), "ONE\nTWO\n");
    prints("one\ntwo\n", ARGV("--", "cat; echo !"), "one!\ntwo!\n");
}

Test(cli_map, words_are_not_split_and_the_shell_line_quotes)
{
    prints("a b\n$(date)\n'\n", ARGV("--", "printf", "<%s>\n", "{}"), "<a b>\n<$(date)>\n<'>\n");
    prints("a b\n$(date)\n'\n", ARGV("--", "printf '<%s>\n' {}"), "<a b>\n<$(date)>\n<'>\n");
}

Test(cli_map, inputs_of_the_command_line_and_of_a_file)
{
    char path[] = "/tmp/belt-test-XXXXXX";
    int fd = mkstemp(path);

    cr_assert_eq(write(fd, "x\ny", 3), 3);
    close(fd);
    prints(NULL, ARGV("--", "echo", "{}", ":::", "a", "b c"), "a\nb c\n");
    prints(NULL, ARGV("-a", path, "--", "echo", "{}"), "x\ny\n");
    unlink(path);
}

Test(cli_map, a_newline_is_added_where_it_lacks)
{
    prints("a\n", ARGV("--", "printf", "{}"), "a\n");
    prints("a\nb\n", ARGV("--no-newline", "--", "printf", "{}"), "ab");
    prints("a\nb\n", ARGV("--", "true"), "");
    prints("\nb\n", ARGV("--filter", "cat"), "\nb\n");
}

Test(cli_map, nul_and_records)
{
    const char *const argv[] = {process_belt(), "map", "--records", "--", "cat", NULL};
    struct process *process;

    process =
        process_start(&(struct process_options){.argv = ARGV("-0", "--", "cat"), .input = "a\nb\0c\0", .input_len = 6});
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_out_len(process), 6);
    cr_assert_eq(memcmp(process_out(process), "a\nb\0c", 6), 0);
    process_free(process);
    process = process_start(
        &(struct process_options){.argv = argv, .input = "\0\0\0\2\n\0\0\0\0\0\0\0\0\1x", .input_len = 15});
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0);
    cr_assert_eq(process_out_len(process), 15);
    cr_assert_eq(memcmp(process_out(process), "\0\0\0\2\n\0\0\0\0\0\0\0\0\1x", 15), 0);
    process_free(process);
}

Test(cli_map, failures_are_told_and_all_tasks_run)
{
    static const char *const told[] = {"[0] note\n", "[1] note\n", "[2] note\n",
                                       "belt map: task 1 failed: exit status 3 (input: 2)\n"};
    struct process *process = map("1\n2\n3\n", ARGV("--", "echo {}; echo note >&2; test {} != 2 || exit 3"), 1);

    cr_assert_str_eq(process_out(process), "1\n2\n3\n");
    for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
        cr_assert_not_null(strstr(process_err(process), told[i]), "%s", process_err(process));
    cr_assert_lt(strstr(process_err(process), told[1]), strstr(process_err(process), told[3]));
    process_free(process);
}

Test(cli_map, retries_and_time_out)
{
    char file[] = "/tmp/belt-test-XXXXXX", command[128];
    int fd = mkstemp(file);
    struct process *process;

    close(fd);
    snprintf(command, sizeof(command), "echo x >> %s; test $(wc -l < %s) -ge 3 && echo done", file, file);
    prints("1\n", ARGV("--retries", "2", "--", command), "done\n");
    unlink(file);
    process = map("1\n", ARGV("--timeout", "200ms", "--", "sleep", "60"), 1);
    cr_assert_not_null(strstr(process_err(process), "task 0 failed"));
    process_free(process);
}

Test(cli_map, results_come_while_the_input_stalls)
{
    struct process *process =
        process_start(&(struct process_options){.argv = ARGV("--", "echo", "got", "{}"), .stdin_open = true});

    process_write(process, "1\n");
    cr_assert(process_wait_out(process, "got 1\n", BOUND_MS));
    process_write(process, "2\n");
    cr_assert(process_wait_out(process, "got 2\n", BOUND_MS));
    process_close_stdin(process);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0);
    process_free(process);
}

Test(cli_map, halt_and_keep_going)
{
    struct process *process = map(
        NULL, ARGV("-j1", "--buffersize", "1", "--halt", "now,fail=1", "--", "echo {}; exit {}", ":::", "0", "1", "0"),
        4);

    /* It stops when the failed result arrives, printed or not. */
    cr_assert(!strncmp(process_out(process), "0\n", 2) && !strstr(process_out(process), "1\n0"), "%s",
              process_out(process));
    process_free(process);
    process =
        map(NULL, ARGV("--halt", "now,fail=1", "--keep-going", "--", "echo {}; exit {}", ":::", "0", "1", "0"), 1);
    cr_assert_str_eq(process_out(process), "0\n1\n0\n");
    process_free(process);
    process = map(NULL,
                  ARGV("-j1", "--buffersize", "1", "--halt", "soon,success=1", "--", "echo", "{}", ":::", "a", "b", "c",
                       "d", "e"),
                  0);
    cr_assert_eq(strncmp(process_out(process), "a\n", 2), 0);
    cr_assert_null(strstr(process_out(process), "e\n"));
    process_free(process);
}

/* The shell does not wait for a process substitution. A machine may be so busy that the output does not come in the
 * time that is promised; then that is said, and the test tries again. */
Test(cli_map, output_behind_the_end_of_a_command_is_taken)
{
    for (int tries = 0; tries < 100; tries++) {
        struct process *process = map(NULL, ARGV("--", "bash", "-c", "seq 3 > >(sleep 0.1; cat); : {}", ":::", "x"), 0);
        bool late = strstr(process_err(process), "still holds its output") != NULL;

        if (!late)
            cr_assert_str_eq(process_out(process), "1\n2\n3\n");
        process_free(process);
        if (!late)
            return;
    }
    cr_skip_test("a hundred times the machine was too busy");
}

Test(cli_map, output_that_is_held_for_long_is_told_once)
{
    struct process *process =
        map(NULL, ARGV("-j1", "--", "sh", "-c", "sleep 1000 & echo $!; : {}", ":::", "x", "y"), 0);
    const char *err = process_err(process), *said = strstr(err, "still holds its output");
    char *end;

    cr_assert_not_null(said, "%s", err);
    cr_assert_null(strstr(said + 1, "still holds its output"), "%s", err);
    for (const char *at = process_out(process); *at; at = *end ? end + 1 : end)
        kill((pid_t)strtol(at, &end, 10), SIGKILL);
    process_free(process);
}

Test(cli_map, a_joblog_is_resumed)
{
    char path[] = "/tmp/belt-test-XXXXXX", text[1024] = "";
    FILE *file;

    close(mkstemp(path));
    process_free(map(NULL, ARGV("--joblog", path, "--", "test", "{}", "!=", "b", ":::", "a", "b"), 1));
    prints(NULL, ARGV("--joblog", path, "--resume", "--", "echo", "{}", ":::", "a", "b", "c"), "c\n");
    prints(NULL, ARGV("--joblog", path, "--resume-failed", "--", "echo", "{}", ":::", "a", "b", "c"), "b\n");
    prints(NULL, ARGV("--joblog", path, "--resume-failed", "--", "echo", "{}", ":::", "a", "b", "c"), "");
    file = fopen(path, "re");
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    unlink(path);
    cr_assert_eq(strstr(text, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n1\t:\t"),
                 text, "%s", text);
    cr_assert_not_null(strstr(text, "\t1\t0\ttest b '!=' b\n"), "%s", text);
}

Test(cli_map, tags_json_and_dry_run)
{
    struct process *process;

    prints("a\nb\n", ARGV("--tag", "--", "printf '1\n2\n'"), "a\t1\na\t2\nb\t1\nb\t2\n");
    prints("a b\n", ARGV("--dry-run", "--", "echo", "{}"), "echo 'a b'\n");
    process = map("a\n", ARGV("--results-json", "--quiet", "--", "printf '\\377'; exit 7"), 1);
    cr_assert_not_null(strstr(process_out(process), "{\"schema\":\"belt.result/1\",\"index\":0,\"ok\":false"));
    cr_assert_not_null(strstr(process_out(process), "\"exit_status\":7"));
    cr_assert_not_null(strstr(process_out(process), "\"payload_base64\":\"/w==\""));
    cr_assert_str_eq(process_err(process), "");
    process_free(process);
    process = map("a\n", ARGV("--progress-json", "--", "true"), 0);
    cr_assert_not_null(strstr(process_err(process), "\"total\":1"));
    cr_assert_not_null(strstr(process_err(process), "\"last\":true"));
    process_free(process);
}

Test(cli_map, no_progress_line_where_there_is_no_terminal)
{
    prints("1\n2\n", ARGV("--progress", "--", "sleep 0.5; echo {}"), "1\n2\n");
}

Test(cli_map, settings_come_from_file_and_environment)
{
    char path[] = "/tmp/belt-test-XXXXXX", config[64];
    int fd = mkstemp(path);
    const char *env[] = {config, "BELT_MAP_FILTER=sed -u s/a/b/", NULL};
    struct process *process;

    cr_assert_eq(write(fd, "[map]\ntag = yes\n", 16), 16);
    close(fd);
    snprintf(config, sizeof(config), "BELT_CONFIG=%s", path);
    process = process_start(&(struct process_options){.argv = ARGV("-j1"), .env = env, .input = "a\n"});
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_str_eq(process_out(process), "a\tb\n", "%s", process_err(process));
    process_free(process);
    unlink(path);
}

/* A window of 10 inputs, and what two pipes and two buffers hold: never the whole input. */
Test(cli_map, a_reader_that_stalls_stops_the_input)
{
    char path[] = "/tmp/belt-test-XXXXXX", name[64], line[64] = "";
    int fd = mkstemp(path);
    struct process *process;
    FILE *file = fdopen(fd, "w");
    long long position = -1, before;

    for (int i = 0; i < 60000; i++)
        fprintf(file, "%06d\n", i);
    fclose(file);
    process = process_start(
        &(struct process_options){.argv = ARGV("-j2", "--buffersize", "10", "--filter", "cat"), .stdin_path = path});
    cr_assert(process_wait_out(process, "000000\n", BOUND_MS));
    snprintf(name, sizeof(name), "/proc/%d/fdinfo/0", (int)process_pid(process));
    /* Nobody reads now: the position in the file comes to rest. */
    do {
        before = position;
        usleep(300000);
        file = fopen(name, "re");
        cr_assert_not_null(file);
        cr_assert_not_null(fgets(line, sizeof(line), file));
        fclose(file);
        position = atoll(line + 4);
    } while (position != before);
    cr_assert_lt(position, 300000, "%lld bytes of 420000 were read", position);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_out_len(process), 420000);
    process_free(process);
    unlink(path);
}

Test(cli_map, many_small_tasks_in_flat_memory)
{
    char *input = malloc(200000 * 7 + 1), *at = input;
    struct process *process;
    long rss;

    for (int i = 0; i < 200000; i++)
        at += sprintf(at, "%06d\n", i);
    process = process_start(&(struct process_options){.argv = ARGV("-j2", "--filter", "cat"), .input = input});
    cr_assert(process_wait_out(process, "150000\n", BOUND_MS), "%s", process_err(process));
    rss = process_rss_kib(process);
    cr_assert_lt(rss, 64 * 1024);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_str_eq(process_out(process), input);
    process_free(process);
    free(input);
}

Test(cli_map, bench_measures_a_private_pool)
{
    struct process *process =
        process_spawn(NULL, (const char *const[]){process_belt(), "bench", "-j2", "--tasks", "500", "--json", NULL});

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%s", process_err(process));
    cr_assert(
        strstr(process_out(process), "\"schema\":\"belt.bench/1\",\"slots\":2,\"size\":16,\"tasks\":500,\"failed\":0,"),
        "%s", process_out(process));
    process_free(process);
}
