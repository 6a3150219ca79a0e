/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker, workers and everything that asks them, as commands on loopback
 * and on local sockets.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char clients[64], workers[64];
static const char *env[] = {clients, workers, "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60", NULL};
static struct process *broker;

static struct process *start(const char *const *argv, const char *input)
{
    return process_start(&(struct process_options){.argv = argv, .env = env, .input = input});
}

static void start_broker(void)
{
    int port = process_free_port(), other = process_free_port();

    snprintf(clients, sizeof(clients), "BELT_BROKER=127.0.0.1:%d", port);
    snprintf(workers, sizeof(workers), "BELT_WORKER_BROKER=127.0.0.1:%d", other);
    broker = start(ARGV("broker", "--clients", clients + 12, "--workers", workers + 19), NULL);
    cr_assert(process_wait_err(broker, "listening", BOUND_MS), "%s", process_err(broker));
}

static void stop_broker(void)
{
    process_signal(broker, SIGTERM);
    cr_assert(process_wait(broker, BOUND_MS));
    cr_assert_eq(process_status(broker), 0, "%s", process_err(broker));
    process_free(broker);
}

TestSuite(cli_cluster, .init = start_broker, .fini = stop_broker);

static struct process *start_worker(const char *const *argv)
{
    struct process *worker = start(argv, NULL);

    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    return worker;
}

/* SIGTERM drains: it ends well. */
static void stop_worker(struct process *worker)
{
    process_signal(worker, SIGTERM);
    cr_assert(process_wait(worker, BOUND_MS));
    cr_assert_eq(process_status(worker), 0, "%s", process_err(worker));
    process_free(worker);
}

static struct process *run(const char *const *argv, const char *input, int status)
{
    struct process *process = start(argv, input);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    return process;
}

static void prints(const char *const *argv, const char *input, const char *expected)
{
    struct process *process = run(argv, input, 0);

    cr_assert_str_eq(process_out(process), expected);
    process_free(process);
}

static json_t *ask(const char *const *argv, const char *schema)
{
    struct process *process = run(argv, NULL, 0);
    json_t *answer = json_loads(process_out(process), 0, NULL);

    cr_assert_not_null(answer, "no JSON: %s", process_out(process));
    cr_assert_str_eq(json_string_value(json_object_get(answer, "schema")), schema);
    process_free(process);
    return answer;
}

static json_int_t number(const json_t *object, const char *key)
{
    cr_assert(json_is_integer(json_object_get(object, key)), "%s is missing", key);
    return json_integer_value(json_object_get(object, key));
}

/* Waits for a job in this state and gives its id. */
static void find_job(const char *state, char id[32])
{
    for (long long end = process_now_ms() + BOUND_MS; process_now_ms() < end; usleep(50000)) {
        json_t *answer = ask(ARGV("jobs", "--json"), "belt.jobs/1"), *row;
        size_t i;
        json_array_foreach (json_object_get(answer, "jobs"), i, row)
            if (!strcmp(json_string_value(json_object_get(row, "state")), state)) {
                snprintf(id, 32, "%lld", (long long)number(row, "job"));
                json_decref(answer);
                return;
            }
        json_decref(answer);
    }
    cr_assert_fail("no job is %s", state);
}

Test(cli_cluster, a_slot_of_a_worker_has_the_time_to_start_that_was_asked_for)
{
    struct process *worker = start_worker(
        ARGV("worker", "-j1", "--start-timeout", "25.5", "--coproc",
             "time=echo belt-slot 1; while read -r word id function attempt argument payload; do head -c $payload "
             ">/dev/null; printf 'ok %d\\n%s' ${#BELT_SLOT_START_MS} $BELT_SLOT_START_MS; done"));

    prints(ARGV("map", "time"), "1\n", "25500\n");
    stop_worker(worker);
}

/* Without --keep the broker's grace of 90 s would count, which is longer than this test waits. */
Test(cli_cluster, keep_says_how_long_a_job_waits_for_its_client)
{
    struct process *map = start(ARGV("map", "--keep", "0.2", "nobody"), "1\n");
    char id[32];

    find_job("ended", id);
    process_signal(map, SIGKILL);
    cr_assert(process_wait(map, BOUND_MS));
    process_free(map);
    find_job("cancelled", id);
}

Test(cli_cluster, functions_filters_and_commands_on_two_workers)
{
    struct process *one =
        start_worker(ARGV("worker", "-j2", "--command", "twice=echo {}{}", "--allow-commands", "--insecure-plaintext"));
    struct process *two =
        start_worker(ARGV("worker", "-j2", "--filter", "upper=sed -u y/abc/ABC/", "--command", "twice=echo {}{}"));

    prints(ARGV("map", "twice"), "1\n2\n3\n", "11\n22\n33\n");
    prints(ARGV("map", "upper", ":::", "abc", ""), NULL, "ABC\n\n");
    prints(ARGV("map", "--", "echo", "<{}>"), "a b\n", "<a b>\n");
    prints(ARGV("map", "--broker", "local", "--", "echo", "{}"), "here\n", "here\n");
    stop_worker(one);
    stop_worker(two);
}

Test(cli_cluster, a_coprocess_in_shell)
{
    static const char slot[] = "default=printf 'belt-slot 1\\n'; while read -r w id f a al pl; do "
                               "p=$(dd bs=1 count=$pl 2>/dev/null); printf 'ok %d\\n%s!' $((pl + 1)) \"$p\"; done";
    struct process *worker = start_worker(ARGV("worker", "-j1", "--coproc", slot));

    prints(ARGV("map", "default"), "a\nbb\n", "a!\nbb!\n");
    stop_worker(worker);
}

Test(cli_cluster, a_function_nobody_serves_waits_and_says_so)
{
    struct process *map = start(ARGV("map", "late"), "1\n2\n"), *worker, *status;
    json_t *answer, *row;
    char id[32];

    cr_assert(process_wait_err(map, "no connected worker serves function 'late'; waiting\n", BOUND_MS));
    find_job("ended", id);
    status = run(ARGV("status"), NULL, 0);
    cr_assert_not_null(strstr(process_out(status), "queue late waits: no connected worker serves it"), "%s",
                       process_out(status));
    process_free(status);
    status = run(ARGV("jobs", id), NULL, 0);
    cr_assert_not_null(strstr(process_out(status), "does not move: "));
    process_free(status);
    answer = ask(ARGV("status", "late", "--json"), "belt.status/1");
    row = json_array_get(json_object_get(answer, "queues"), 0);
    cr_assert_eq(number(row, "waiting"), 2);
    cr_assert_eq(number(row, "workers"), 0);
    json_decref(answer);
    worker = start_worker(ARGV("worker", "--name", "w1", "--command", "late=echo did {}"));
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_eq(process_status(map), 0);
    cr_assert_str_eq(process_out(map), "did 1\ndid 2\n");
    answer = ask(ARGV("workers", "--json"), "belt.workers/1");
    row = json_array_get(json_object_get(answer, "workers"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(row, "worker")), "w1");
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(row, "functions"), 0)), "late");
    cr_assert_eq(number(row, "done"), 2);
    json_decref(answer);
    process_free(map);
    stop_worker(worker);
}

Test(cli_cluster, cancel_and_wait)
{
    struct process *worker = start_worker(ARGV("worker", "-j2", "--command", "nap=sleep 60"));
    struct process *map = start(ARGV("map", "nap"), "1\n2\n3\n"), *waiting;
    char id[32];

    find_job("ended", id);
    process_free(run(ARGV("wait", id, "--timeout", "200ms"), NULL, 5));
    waiting = start(ARGV("wait", id, "--json"), NULL);
    process_free(run(ARGV("cancel", id), NULL, 0));
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_eq(process_status(map), 4);
    cr_assert_not_null(strstr(process_err(map), "cancelled by somebody else"));
    cr_assert(process_wait(waiting, BOUND_MS));
    cr_assert_eq(process_status(waiting), 4);
    cr_assert_not_null(strstr(process_out(waiting), "\"state\":\"cancelled\""));
    process_free(waiting);
    process_free(map);
    stop_worker(worker);
}

Test(cli_cluster, wait_tells_how_a_job_ended)
{
    struct process *worker = start_worker(ARGV("worker", "--command", "test=test {} = 1"));
    char id[32];

    process_free(run(ARGV("map", "test"), "1\n", 0));
    find_job("complete", id);
    process_free(run(ARGV("wait", id), NULL, 0));
    stop_worker(worker);
}

Test(cli_cluster, ping_status_and_what_does_not_exist)
{
    struct process *process = run(ARGV("ping", "-c2", "-i", "10ms"), NULL, 0);
    json_t *answer;

    cr_assert_not_null(strstr(process_out(process), "pong 1: "));
    cr_assert_not_null(strstr(process_out(process), "pong 2: "));
    process_free(process);
    answer = ask(ARGV("ping", "--json"), "belt.ping/1");
    cr_assert_geq(number(answer, "us"), 0);
    json_decref(answer);
    answer = ask(ARGV("status", "--json"), "belt.status/1");
    cr_assert_eq(number(json_object_get(answer, "broker"), "workers"), 0);
    json_decref(answer);
    process_free(run(ARGV("cancel", "424242"), NULL, 7));
    process_free(run(ARGV("wait", "424242"), NULL, 7));
    process_free(run(ARGV("jobs", "nothing"), NULL, 7));
    process = run(ARGV("status", "--broker", workers + 19), NULL, 7);
    cr_assert_not_null(strstr(process_err(process), "endpoint"), "%s", process_err(process));
    process_free(process);
    process = run(ARGV("broker", "--clients", clients + 12, "--workers", "127.0.0.1:*"), NULL, 6);
    cr_assert_not_null(strstr(process_err(process), "Address already in use"));
    process_free(process);
}

Test(cli_cluster, watch_goes_on_until_interrupted)
{
    struct process *process = start(ARGV("workers", "--watch=50ms", "--json"), NULL);

    cr_assert(process_wait_out(process, "}\n{\"schema\":\"belt.workers/1\"", BOUND_MS));
    process_signal(process, SIGINT);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0);
    process_free(process);
}

Test(cli_cluster, a_worker_that_is_killed_costs_no_result)
{
    struct process *one = start_worker(ARGV("worker", "-j1", "--command", "f=sleep 0.3; echo {}"));
    struct process *two = start_worker(ARGV("worker", "-j1", "--command", "f=sleep 0.3; echo {}"));
    struct process *map = start(ARGV("map", "f"), "1\n2\n3\n4\n5\n6\n");

    cr_assert(process_wait_out(map, "1\n", BOUND_MS));
    process_signal(one, SIGKILL);
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_str_eq(process_out(map), "1\n2\n3\n4\n5\n6\n");
    cr_assert_eq(process_status(map), 0, "%s", process_err(map));
    process_free(map);
    process_free(one);
    stop_worker(two);
}

Test(cli_cluster, a_broker_that_is_lost)
{
    struct process *worker = start_worker(ARGV("worker", "-j1", "--command", "f=sleep 30"));
    struct process *map = start(ARGV("map", "--lost-timeout", "500ms", "f"), "1\n");
    char id[32];

    find_job("ended", id);
    process_signal(broker, SIGKILL);
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_eq(process_status(map), 3, "%d: %s", process_status(map), process_err(map));
    cr_assert_not_null(strstr(process_err(map), "belt map: "));
    process_free(map);
    process_free(worker);
    process_free(broker);
    broker = start(ARGV("broker", "--clients", clients + 12, "--workers", workers + 19), NULL);
    cr_assert(process_wait_err(broker, "listening", BOUND_MS), "%s", process_err(broker));
}

Test(cli_cluster, a_client_that_is_interrupted_takes_its_job_along)
{
    struct process *map = start(ARGV("map", "nobody"), "1\n");
    char id[32];

    find_job("ended", id);
    process_signal(map, SIGINT);
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_eq(process_status(map), 130);
    process_free(map);
    find_job("cancelled", id);
}
