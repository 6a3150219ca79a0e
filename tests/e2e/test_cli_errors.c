/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes wrong is said: what failed, where, what to do; and the exit code
 * is that of the table.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static void fails(const char *const *argv, int status, const char *message)
{
    struct process *process = process_spawn("1\n", argv);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d, not %d: %s", process_status(process), status,
                 process_err(process));
    cr_assert_not_null(strstr(process_err(process), message), "got: %s", process_err(process));
    process_free(process);
}

static void fails_with(const char *variable, const char *const *argv, int status, const char *message)
{
    const char *env[] = {variable, NULL};
    struct process *process = process_start(&(struct process_options){.argv = argv, .env = env, .input = ""});

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    cr_assert_not_null(strstr(process_err(process), message), "got: %s", process_err(process));
    process_free(process);
}

Test(cli_errors, usage)
{
    fails(ARGV("mpa"), 2, "unknown command 'mpa'; did you mean 'map'?");
    fails(ARGV("map", "--unorderd", "--", "true"), 2, "did you mean '--unordered'?");
    fails(ARGV("map"), 2, "nothing to run");
    fails(ARGV("map", "--"), 2, "a command is missing after '--'");
    fails(ARGV("map", "echo"), 2, "a command goes after '--': belt map -- echo");
    fails(ARGV("map", "--resume", "--", "true"), 2, "need --joblog");
    fails(ARGV("map", "--filter", "cat", "--", "true"), 2, "too much");
    fails(ARGV("map", "--halt", "later", "--", "true"), 2, "'later' is not valid: expected 'never'");
    fails(ARGV("map", "--broker", "x", "-j3", "f"), 2, "--slots sizes a private pool");
    fails(ARGV("map", "--keep", "1", "--", "true"), 2, "--keep is for a job of a cluster");
    fails(ARGV("worker"), 2, "nothing to serve");
    fails(ARGV("worker", "--filter", "a=cat", "--coproc", "a=cat"), 2, "'a' is given twice");
    fails(ARGV("cancel"), 2, "a job is missing");
    fails(ARGV("help", "mapp"), 2, "there is no command 'mapp'");
    fails(ARGV("completion", "tcsh"), 2, "bash, zsh or fish");
}

/* `belt jobs -- $JOB` with JOB not set must not mean all jobs. */
Test(cli_errors, nothing_behind_dashes)
{
    static const char *const commands[] = {"broker", "worker", "status",  "workers", "jobs",      "ping",
                                           "cancel", "forget", "wait",    "results", "failed",    "retry",
                                           "store",  "bench",  "version", "help",    "completion"};

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        fails(ARGV(commands[i], "--"), 2, "nothing stands behind '--'");
    fails(ARGV("worker", "--command", "f=cat", "--"), 2, "nothing stands behind '--'");
    fails(ARGV("map", "--filter", "cat", "--"), 2, "a command is missing after '--'");
    fails(ARGV("map", "--", ":::", "a"), 2, "a command is missing after '--'");
    fails(ARGV("submit", "--"), 2, "a command is missing after '--'");
    fails(ARGV("submit", "--", ":::", "a"), 2, "a command is missing after '--'");
}

Test(cli_errors, empty_names_commands_and_options)
{
    fails(ARGV("map", "--", ""), 2, "the command after '--' is empty");
    fails(ARGV("map", "--", " ", ":::", "a"), 2, "the command after '--' is empty");
    fails(ARGV("submit", "--", ""), 2, "the command after '--' is empty");
    fails(ARGV("map", "--filter", "", ":::", "a"), 2, "option '--filter': it is empty");
    fails(ARGV("map", "--coproc", "  ", ":::", "a"), 2, "--coproc: the command is empty");
    fails(ARGV("worker", "--command", "=x"), 2, "'=x' is not valid: expected NAME=COMMAND");
    fails(ARGV("worker", "--filter", "=x"), 2, "'=x' is not valid: expected NAME=COMMAND");
    fails(ARGV("worker", "--coproc", "f="), 2, "'f=' is not valid");
    fails(ARGV("worker", "--name", "", "--command", "f=cat"), 2, "option '--name': it is empty");
    fails(ARGV("broker", "--state", ""), 2, "option '--state': it is empty");
    fails(ARGV("map", "-b", "localhost:1", "", ":::", "a"), 2, "the name of the function is empty");
    fails(ARGV("map", "-b", "localhost:1", "a b", ":::", "a"), 2, "'a b' is no function's name");
    fails(ARGV("submit", "-b", "localhost:1", "", ":::", "a"), 2, "the name of the function is empty");
    fails(ARGV("map", "-b", "localhost:1", "--key", "", "f"), 2, "option '--key': it is empty");
    fails(ARGV("submit", "-b", "localhost:1", "--key", "", "f"), 2, "option '--key': it is empty");
    fails(ARGV("results", "-b", "localhost:1", "--reader", "", "1"), 2, "option '--reader': it is empty");
    fails(ARGV("map", "--joblog", "", "--", "true"), 2, "option '--joblog': it is empty");
    fails(ARGV("map", "--arg-file", "", "--", "true"), 2, "option '--arg-file': it is empty");
    fails(ARGV("map", "--config", "", "--", "true"), 2, "option '--config': it is empty");
}

Test(cli_errors, in_the_commands_of_filters_and_coprocesses_nothing_is_replaced)
{
    static const char *const options[] = {"--filter", "--coproc"};
    struct process *process;

    for (size_t i = 0; i < 2; i++) {
        fails(ARGV("map", options[i], "sed -u s/{}/x/", ":::", "a"), 2, "nothing replaces {} in its command");
        fails(ARGV("map", options[i], "sed -u s/{.}/x/", ":::", "a"), 2, "write \"{\"\".}\" to mean");
        fails(ARGV("map", options[i], "cat ::: a"), 2, "is no source of inputs");
        fails(ARGV("worker", options[i], "f=run {}"), 2, "nothing replaces {} in its command");
        fails(ARGV("worker", options[i], "f=run '{/}'"), 2, "nothing replaces {/} in its command");
    }
    process = process_spawn("", ARGV("map", "--filter", "sed -u s/x/\"{\"\"}\"/", ":::", "axa"));
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_str_eq(process_out(process), "a{}a\n", "%s", process_err(process));
    process_free(process);
}

static void is_too_long(size_t len, const char *const *argv, const char *message)
{
    char *input = malloc(len + 1);

    memset(input, 'a', len);
    input[len] = '\0';
    struct process *process = process_spawn(input, argv);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 1, "%.1000s", process_err(process));
    cr_assert_not_null(strstr(process_err(process), message), "%.1000s", process_err(process));
    cr_assert_not_null(strstr(process_err(process), "on standard input, or name a file"), "%.1000s",
                       process_err(process));
    process_free(process);
    free(input);
}

#define FOUR(word)    word, word, word, word
#define SIXTEEN(word) FOUR(word), FOUR(word), FOUR(word), FOUR(word)

Test(cli_errors, an_input_that_is_too_long_for_an_argument_is_told_with_its_size)
{
    is_too_long(200000, ARGV("map", "--", "wc", "-c", "{}"),
                "the input has 200000 bytes, and the system takes at most 131071");
    is_too_long(200000, ARGV("map", "--", "wc -c {}"), "the input has 200000 bytes");
    is_too_long(131065, ARGV("map", "--", "wc -c {}"), "as the variable BELT_INPUT has 131076 bytes");
    is_too_long(131065, ARGV("map", "--", "wc", "-c", "1234567{}"), "with the input in it has 131072 bytes");
    is_too_long(131000, ARGV("map", "--", "true", SIXTEEN("{}"), SIXTEEN("{}"), SIXTEEN("{}")),
                "the command line with the input has 62"); /* more than any system takes */
    is_too_long(131000,
                ((const char *const[]){"sh", "-c", "ulimit -s 8192; exec \"$@\"", "sh", process_belt(), "map", "--",
                                       "true", SIXTEEN("{}"), SIXTEEN("{}"), NULL}),
                "and the system takes at most 2097152, environment included");
}

Test(cli_errors, environment_and_configuration)
{
    char path[] = "/tmp/belt-test-XXXXXX", variable[64], message[256];
    int fd = mkstemp(path);

    cr_assert_eq(write(fd, "[map]\nchunksiez = 3\n", 20), 20);
    close(fd);
    snprintf(variable, sizeof(variable), "BELT_CONFIG=%s", path);
    snprintf(message, sizeof(message), "unknown key 'chunksiez' in %s:2; did you mean 'chunksize'?", path);
    fails_with(variable, ARGV("map", "--", "true"), 2, message);
    fails_with(variable, ARGV("ping"), 2, message);
    unlink(path);
    fails_with(variable, ARGV("ping"), 2, "cannot read the configuration");
    fails_with("BELT_MAP_CHUNKSIZE=many", ARGV("map", "--", "true"), 2,
               "environment variable BELT_MAP_CHUNKSIZE: 'many' is not valid");
    fails_with("BELT_MAP_CHUNKSIEZ=1", ARGV("map", "--", "true"), 2, "did you mean BELT_MAP_CHUNKSIZE?");
}

Test(cli_errors, input)
{
    fails(ARGV("map", "-a", "/nonexistent/inputs", "--", "true"), 6,
          "cannot read the inputs from /nonexistent/inputs: No such file");
    fails(ARGV("map", "-a", "/tmp", "--", "true"), 6, "Is a directory");
    fails(ARGV("map", "--joblog", "/nonexistent/log", "--", "true"), 6, "cannot write the joblog /nonexistent/log");
}

Test(cli_errors, an_input_over_the_limit_is_an_error_in_its_place)
{
    struct process *process =
        process_spawn("aa\nbbbbbbbbbb\ncc\n", ARGV("map", "--max-input", "4", "--", "echo", "{}"));

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 1);
    cr_assert_str_eq(process_out(process), "aa\ncc\n");
    cr_assert_not_null(strstr(process_err(process), "task 1 failed: the input is longer than 4B; raise --max-input"),
                       "%s", process_err(process));
    process_free(process);
}

Test(cli_errors, a_record_that_is_cut)
{
    struct process *process = process_start(&(struct process_options){
        .argv = ARGV("map", "--records", "--", "cat"), .input = "\0\0\0\1a\0\0\0\7b", .input_len = 10});

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 6);
    cr_assert_not_null(strstr(process_err(process), "standard input ends in the middle of a record"), "%s",
                       process_err(process));
    cr_assert_geq(process_out_len(process), 5);
    cr_assert_eq(memcmp(process_out(process), "\0\0\0\1a", 5), 0);
    process_free(process);
}

Test(cli_errors, a_command_that_does_not_exist)
{
    fails(ARGV("map", "--", "no-such-command", "{}"), 1, "no-such-command");
    fails(ARGV("map", "--", "exit 9"), 1, "task 0 failed: exit status 9 (input: 1)");
    fails(ARGV("map", "--", "kill -9 $$"), 1, "task 0 failed");
}

Test(cli_errors, a_slot_that_cannot_start)
{
    fails(ARGV("map", "--coproc", "echo no licence >&2; exit 3"), 1,
          "task 0 failed: the slot cannot start: exit status 3: no licence");
    fails(ARGV("map", "--coproc", "printf 'unable 10\\nno licence'; exit 3"), 1, "task 0 failed: no licence");
    fails(ARGV("map", "-j1", "--start-timeout", "0.05", "--coproc", "exec sleep 1000"), 1, "the slot cannot start");
    fails(ARGV("map", "--start-timeout", "0", "--coproc", "cat"), 2, "--start-timeout");
    fails(ARGV("map", "--coproc", "exit 3"), 1, "warning: the slots of 'exit 3' cannot start: exit status 3");
}

Test(cli_errors, output_that_is_closed)
{
    fails((const char *const[]){"sh", "-c", "exec \"$0\" map -- echo {} >&-", process_belt(), NULL}, 6,
          "standard output is closed");
    fails((const char *const[]){"sh", "-c", "exec \"$0\" map -- echo {} <&-", process_belt(), NULL}, 6,
          "cannot read the inputs from standard input");
    fails((const char *const[]){"sh", "-c", "exec \"$0\" map -- echo {} >/dev/full", process_belt(), NULL}, 6,
          "No space left on device");
    fails((const char *const[]){"sh", "-c", "exec \"$0\" help >/dev/full", process_belt(), NULL}, 6,
          "No space left on device");
}

Test(cli_errors, no_broker)
{
    char address[64], message[128];

    snprintf(address, sizeof(address), "127.0.0.1:%d", process_free_port());
    snprintf(message, sizeof(message), "tcp://%s", address);
    fails(ARGV("map", "--broker", address, "--connect-timeout", "300ms", "f"), 3, message);
    fails(ARGV("status", "--broker", address, "--connect-timeout", "300ms"), 3, message);
    fails(ARGV("worker", "--broker", address, "--connect-timeout", "300ms", "--filter", "a=cat"), 3, message);
    fails(ARGV("ping", "--broker", "ftp://x"), 2, "expected an address");
}

Test(cli_errors, listeners)
{
    char address[64];

    fails(ARGV("broker", "--clients", "0.0.0.0:*", "--workers", "127.0.0.1:*"), 2, "--insecure-plaintext");
    fails(ARGV("broker", "--lease", "1", "--heartbeat", "2"), 2, "--lease must be longer");
    fails(ARGV("broker", "--max-payload", "2G"), 2, "over 1 GiB");
    fails(ARGV("map", "--max-payload", "2G", "--", "true"), 2, "over 1 GiB");
    fails(ARGV("map", "--memory", "1000", "--", "true"), 2, "at least 1 MiB");
    fails(ARGV("map", "--broker", "127.0.0.1", "--memory", "1G", "f"), 2, "of a private pool");
    fails(ARGV("map", "--max-payload", "20", "--", "echo", "{}", ":::", "aaaaaaaaaaaaaaaaaaaaaaaa"), 1,
          "limit of 20: give a larger --max-payload");
    fails(ARGV("map", "--max-payload", "20", "--", "echo", "{}{}", ":::", "elevenchars"), 1,
          "; raise --max-payload, or write it");
    fails(ARGV("broker", "--max-payload", "1G", "--state", "/tmp/belt-test-no-state"), 2, "a store takes");
    fails(ARGV("broker", "--clients", "ipc:///nonexistent/dir/socket", "--workers", "127.0.0.1:*"), 6,
          "/nonexistent/dir/socket");
    snprintf(address, sizeof(address), "127.0.0.1:%d", process_free_port());
    fails(ARGV("broker", "--clients", address, "--workers", address), 6, "in use");
}

static void fails_with_few_files(const char *limit, const char *command, const char *message)
{
    char line[512];

    snprintf(line, sizeof(line), "ulimit -n %s; exec %s %s", limit, process_belt(), command);
    fails((const char *const[]){"sh", "-c", line, NULL}, 6, message);
}

Test(cli_errors, no_descriptors_left)
{
    fails_with_few_files("100", "broker --clients ipc:///tmp/belt-test.c --workers ipc:///tmp/belt-test.w",
                         "the limit of open files is 100");
    fails_with_few_files("40", "map -j2 -- echo {}", "the limit of open files is 40");
}

/* Prints 1 to 50, with less room than 64 slots want. */
static void maps_with_few_files(const char *limit)
{
    char line[512];
    struct process *process;

    snprintf(line, sizeof(line), "ulimit -n %s; seq 50 | %s map -j64 -- echo {}", limit, process_belt());
    process = process_spawn("", (const char *const[]){"sh", "-c", line, NULL});
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%s", process_err(process));
    cr_assert_not_null(strstr(process_err(process), "64 slots do not fit into the limit of"), "%s",
                       process_err(process));
    cr_assert_eq(strncmp(process_out(process), "1\n2\n3\n", 6), 0);
    cr_assert_not_null(strstr(process_out(process), "\n50\n"));
    process_free(process);
}

Test(cli_errors, few_descriptors_are_fewer_slots)
{
    maps_with_few_files("64");
    maps_with_few_files("128");
}

Test(cli_errors, help_and_version_always_work)
{
    const char *env[] = {"BELT_CONFIG=/nonexistent", NULL};
    struct process *process =
        process_start(&(struct process_options){.argv = ARGV("map", "--help"), .env = env, .input = ""});

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0);
    cr_assert_not_null(strstr(process_out(process), "--chunksize N|auto"));
    process_free(process);
    process = process_spawn("", ARGV("--version"));
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0);
    cr_assert_eq(strncmp(process_out(process), "belt ", 5), 0);
    process_free(process);
}

/* What only looks like a part of a command is not taken literally, and nothing runs. */
Test(cli_errors, what_looks_like_another_programs_words_is_refused)
{
    const char *const *const commands[] = {
        ARGV("map", "--", "gzip", "-v", ":::", "f"),
        ARGV("map", "--", "echo", "{.}", ":::", "a"),
        ARGV("map", "--", "echo", "{}", ":::", "a", ":::", "b"),
        ARGV("map", "--", "echo", "{}", "::::", "f"),
        ARGV("map", "--", "echo {/}", ":::", "a"),
        ARGV("submit", "-b", "127.0.0.1:1", "--", "eval {}"),
        ARGV("worker", "-b", "127.0.0.1:1", "--command", "f=eval {}"),
    };
    static const char *const why[] = {"has no {}",
                                      "{.} is not a placeholder",
                                      "more than one ':::'",
                                      "not a source of inputs",
                                      "{/} is not a placeholder",
                                      "evaluated",
                                      "evaluated"};

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        fails(commands[i], 2, why[i]);
}
