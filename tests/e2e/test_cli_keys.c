/* SPDX-License-Identifier: Apache-2.0
 *
 * A key names one job of one function with one input, and exit status 0 of a command that reads a job means that the
 * broker knows how far it was read.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ROUNDS    6u
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char directory[64], state[80], clients[128], workers[128];
static const char *env[] = {clients, workers, "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60", NULL};
static struct process *broker, *worker;

static struct process *start(const char *const *argv, const char *input)
{
    return process_start(&(struct process_options){.argv = argv, .env = env, .input = input});
}

static void start_broker(void)
{
    broker = start(ARGV("broker", "--clients", clients + 12, "--workers", workers + 19, "--state", state), NULL);
    cr_assert(process_wait_err(broker, "listening", BOUND_MS), "%s", process_err(broker));
}

static void kill_broker(void)
{
    process_signal(broker, SIGKILL);
    cr_assert(process_wait(broker, BOUND_MS));
    process_free(broker);
    start_broker();
}

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/belt-keys-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(state, sizeof(state), "%s/state", directory);
    snprintf(clients, sizeof(clients), "BELT_BROKER=ipc://%s/c", directory);
    snprintf(workers, sizeof(workers), "BELT_WORKER_BROKER=ipc://%s/w", directory);
    start_broker();
    worker = start(ARGV("worker", "-j2", "--filter", "same=cat", "--filter", "other=cat", "--filter",
                        "hold=while read line; do sleep 1000; done"),
                   NULL);
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
}

static void teardown(void)
{
    char command[96];

    process_free(worker);
    process_free(broker);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(cli_keys, .init = setup, .fini = teardown);

static void tells(const char *const *argv, const char *input, int status, const char *out, const char *err)
{
    struct process *process = start(argv, input);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_expect_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    cr_expect_str_eq(process_out(process), out);
    cr_expect(strstr(process_err(process), err), "'%s' is not in: %s", err, process_err(process));
    process_free(process);
}

Test(cli_keys, the_same_again_prints_nothing_and_all_else_is_refused, .timeout = 120)
{
    for (unsigned again = 0; again < 2; again++) {
        tells(ARGV("map", "--key", "k", "same"), "1\n2\n3\n", 0, again ? "" : "1\n2\n3\n",
              again ? "all 3 results under the key 'k' were printed before" : "");
        tells(ARGV("map", "--key", "k", "same"), "1\n2\n3\n4\n", 7, "", "has 3 ");
        tells(ARGV("map", "--key", "k", "same"), "1\n2\n", 7, "", "has 3 ");
        tells(ARGV("map", "--key", "k", "other"), "1\n2\n3\n", 7, "", "another function");
        tells(ARGV("map", "--key", "k", "--retries", "1", "same"), "1\n2\n3\n", 7, "", "number of retries");
        tells(ARGV("map", "--key", "k", "same"), "1\n2\n3\n", 0, "", "were printed before");
        kill_broker();
    }
    tells(ARGV("forget", "k"), NULL, 0, "job 1 is forgotten\n", "");
    tells(ARGV("map", "--key", "k", "other"), "5\n", 0, "5\n", "");
}

/* The first `count` lines of "line 0 with some text", of which line `odd` is another one. */
static char *lines(unsigned count, unsigned odd)
{
    char *text = malloc(40u * count + 1), *at = text;

    cr_assert_not_null(text);
    *at = '\0';
    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "line %u with %s text\n", i, i == odd ? "other" : "some");
    return text;
}

Test(cli_keys, other_inputs_under_a_key_are_refused, .timeout = 120)
{
    for (unsigned again = 0; again < 2; again++) {
        tells(ARGV("map", "--key", "k", "same"), "1\n2\n3\n", 0, again ? "" : "1\n2\n3\n", "");
        tells(ARGV("map", "--key", "k", "same"), "1\n2\n4\n", 7, "", "differ within the first 3");
        tells(ARGV("map", "--key", "k", "same"), "12\n\n3\n", 7, "", "differ within the first 3");
        tells(ARGV("submit", "--key", "k", "same"), "1\n2\n4\n", 7, "", "differ within the first 3");
        tells(ARGV("submit", "--key", "k", "same"), "1\n2\n3\n", 0, "1\n", "");
        tells(ARGV("submit", "--key", "waits", "nobody"), "1\n2\n3\n", 0, "2\n", "");
        tells(ARGV("submit", "--key", "waits", "nobody"), "2\n1\n3\n", 7, "", "differ within the first 3");
        kill_broker();
    }
}

/* Killed in the middle, with more inputs than any window: what was printed before and after is all, and once. */
Test(cli_keys, a_killed_map_goes_on_with_its_input_and_with_no_other, .timeout = 120)
{
    enum { COUNT = 20000 };
    char *right = lines(COUNT, COUNT), *wrong = lines(COUNT, 3);
    struct process *process = start(ARGV("map", "--key", "k", "same"), right);

    cr_assert(process_wait_out(process, "line 900 with", BOUND_MS));
    process_signal(process, SIGKILL);
    cr_assert(process_wait(process, BOUND_MS));
    process_free(process);
    tells(ARGV("map", "--key", "k", "same"), wrong, 7, "", "differ within the first");
    kill_broker();
    tells(ARGV("map", "--key", "k", "same"), wrong, 7, "", "differ within the first");
    process = start(ARGV("map", "--key", "k", "same"), right);
    cr_assert(process_wait(process, BOUND_MS));
    cr_expect_eq(process_status(process), 0, "exit %d: %s", process_status(process), process_err(process));
    size_t len = strlen(process_out(process));
    cr_expect(len > 0 && len < strlen(right) && !strcmp(right + strlen(right) - len, process_out(process)),
              "it goes on, to the end");
    process_free(process);
    free(right);
    free(wrong);
}

Test(cli_keys, options_that_change_what_is_seen_are_compared, .timeout = 120)
{
    tells(ARGV("map", "--key", "k", "--deadline", "60", "same"), "1\n", 0, "1\n", "");
    tells(ARGV("map", "--key", "k", "--deadline", "60", "same"), "1\n", 0, "", "printed before");
    tells(ARGV("map", "--key", "k", "--deadline", "61", "same"), "1\n", 7, "", "another deadline");
    tells(ARGV("map", "--key", "k", "same"), "1\n", 7, "", "another deadline");
    tells(ARGV("map", "--key", "k", "--deadline", "60", "--after", "1", "same"), "1\n", 7, "", "another start");
    tells(ARGV("map", "--key", "k", "--deadline", "60", "--results-json", "same"), "1\n", 7, "", "another detail");
    tells(ARGV("map", "--key", "k", "--deadline", "60", "--volatile", "same"), "1\n", 7, "", "another durability");
    tells(ARGV("map", "--key", "k", "--deadline", "60", "--unordered", "same"), "1\n", 7, "", "in the order of the");
    tells(ARGV("results", "--reader", "map", "--unordered", "k"), NULL, 7, "", "in the order of the inputs");
}

/* Reads its input from a pipe that stays open: it lives until it is told to end. */
static struct process *start_open(const char *const *argv, const char *input, const char *out)
{
    struct process *process = process_start(&(struct process_options){.argv = argv, .env = env, .stdin_open = true});

    process_write(process, input);
    cr_assert(process_wait_out(process, out, BOUND_MS), "%s", process_err(process));
    return process;
}

static void ends(struct process *process, int status, const char *err)
{
    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_expect_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    cr_expect(strstr(process_err(process), err), "'%s' is not in: %s", err, process_err(process));
    process_free(process);
}

Test(cli_keys, who_feeds_and_lives_is_ousted_only_by_take_over, .timeout = 120)
{
    struct process *first = start_open(ARGV("map", "--key", "k", "same"), "1\n", "1\n"), *second;

    tells(ARGV("map", "--key", "k", "same"), "1\n2\n", 7, "", "which has fed it for");
    tells(ARGV("submit", "--key", "k", "same"), "1\n2\n", 7, "", "--take-over");
    process_write(first, "2\n");
    cr_assert(process_wait_out(first, "1\n2\n", BOUND_MS), "%s", process_err(first));
    second = start(ARGV("map", "--key", "k", "--take-over", "same"), "1\n2\n3\n");
    cr_assert(process_wait_out(second, "3\n", BOUND_MS), "%s", process_err(second));
    ends(second, 0, "");
    process_close_stdin(first);
    ends(first, 7, "");
}

Test(cli_keys, who_was_killed_is_replaced_by_the_same_command, .timeout = 120)
{
    struct process *first = start_open(ARGV("map", "--key", "k", "same"), "1\n", "1\n");

    process_signal(first, SIGKILL);
    cr_assert(process_wait(first, BOUND_MS));
    process_free(first);
    struct process *second = start(ARGV("map", "--key", "k", "same"), "1\n2\n");
    cr_assert(process_wait_out(second, "2\n", BOUND_MS), "%s", process_err(second));
    ends(second, 0, "");
}

/* Until the job has a reader that is connected. */
static void wait_reader(const char *job)
{
    for (unsigned i = 0; i < BOUND_MS / 20; i++) {
        struct process *jobs = start(ARGV("jobs", "--json", job), NULL);
        cr_assert(process_wait(jobs, BOUND_MS));
        bool there =
            strstr(process_out(jobs), "\"connected\": true") || strstr(process_out(jobs), "\"connected\":true");
        process_free(jobs);
        if (there)
            return;
        usleep(20000);
    }
    cr_assert(false, "nobody reads job %s", job);
}

Test(cli_keys, who_reads_and_lives_is_ousted_only_by_take_over, .timeout = 120)
{
    tells(ARGV("submit", "hold"), "1\n", 0, "1\n", "");
    struct process *first = start(ARGV("results", "--follow", "1"), NULL), *second;

    wait_reader("1");
    tells(ARGV("results", "1"), NULL, 7, "", "as reader 'ordered' for");
    second = start(ARGV("results", "--follow", "--take-over", "1"), NULL);
    ends(first, 7, "has taken over");
    wait_reader("1");
    process_signal(second, SIGKILL);
    cr_assert(process_wait(second, BOUND_MS));
    process_free(second);
    tells(ARGV("results", "1"), NULL, 5, "", "not complete");
    tells(ARGV("map", "--take-over", "same"), "1\n", 2, "", "--take-over needs --key");
    tells(ARGV("submit", "--take-over", "same"), "1\n", 2, "", "--take-over needs --key");
}

/* Whatever the broker had not written to disk is shown again after a kill: not when the command has said 0. */
Test(cli_keys, nothing_is_shown_again_after_exit_0, .timeout = 120)
{
    char key[16], id[16];

    for (unsigned round = 0; round < ROUNDS; round++) {
        snprintf(key, sizeof(key), "k%u", round);
        tells(ARGV("map", "--key", key, "same"), "1\n2\n3\n", 0, "1\n2\n3\n", "");
        kill_broker();
        tells(ARGV("map", "--key", key, "same"), "1\n2\n3\n", 0, "", "");
        snprintf(key, sizeof(key), "s%u", round);
        struct process *submit = start(ARGV("submit", "--key", key, "same"), "1\n2\n3\n");
        cr_assert(process_wait(submit, BOUND_MS) && sscanf(process_out(submit), "%15s", id) == 1);
        process_free(submit);
        tells(ARGV("results", "--follow", id), NULL, 0, "1\n2\n3\n", "");
        kill_broker();
        tells(ARGV("results", id), NULL, 0, "", "");
    }
}

/* A broker that does not answer for a while has not said that the job is not complete. */
Test(cli_keys, results_waits_for_the_brokers_word, .timeout = 120)
{
    char id[16];
    struct process *submit = start(ARGV("submit", "same"), "1\n2\n3\n"), *results;

    cr_assert(process_wait(submit, BOUND_MS) && sscanf(process_out(submit), "%15s", id) == 1);
    process_free(submit);
    tells(ARGV("wait", id), NULL, 0, "job 1 is complete: 3 done, 0 failed\n", "");
    results = start(ARGV("results", "--buffersize", "1", id), NULL);
    cr_assert(process_wait_out(results, "1\n", BOUND_MS));
    process_signal(broker, SIGSTOP);
    usleep(1500000); /* longer than anything that asks once */
    process_signal(broker, SIGCONT);
    cr_assert(process_wait(results, BOUND_MS));
    cr_expect_eq(process_status(results), 0, "exit %d: %s", process_status(results), process_err(results));
    cr_expect_str_eq(process_out(results), "1\n2\n3\n");
    process_free(results);
}
