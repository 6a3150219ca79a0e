/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold when somebody trips: real processes, over TCP and over local sockets.
 */
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One body, a test for each transport. */
#define BOTH(name)                                                                                                     \
    static void name(enum stage_transport transport);                                                                  \
    Test(faults, name##_over_tcp)                                                                                      \
    {                                                                                                                  \
        name(STAGE_TCP);                                                                                               \
    }                                                                                                                  \
    Test(faults, name##_over_ipc)                                                                                      \
    {                                                                                                                  \
        name(STAGE_IPC);                                                                                               \
    }                                                                                                                  \
    static void name(enum stage_transport transport)

static struct process *map_numbers(const struct stage *stage, unsigned count, const char *suffix,
                                   const char *const *words)
{
    char *input = stage_numbers(count, suffix);
    struct process *map = stage_belt(stage, input, words);

    free(input);
    return map;
}

static void expect_all(struct process *map, unsigned count, bool ordered)
{
    cr_assert(process_wait(map, BOUND_MS), "the stream is stuck: %s", process_err(map));
    cr_assert_eq(process_status(map), 0, "exit %d: %s", process_status(map), process_err(map));
    stage_expect(process_out(map), count, ordered);
    process_free(map);
}

/* Something has come out: more lines than `lines`. */
static void wait_lines(struct process *map, unsigned lines)
{
    for (long long end = process_now_ms() + BOUND_MS;;) {
        unsigned there = 0;
        for (const char *at = process_out(map); (at = strchr(at, '\n')); at++)
            there++;
        if (there >= lines)
            return;
        cr_assert_lt(process_now_ms(), end, "no more than %u results: %s", there, process_err(map));
        process_wait_out(map, "\x01", 10); /* reads for 10 ms */
    }
}

BOTH(a_slot_that_is_killed_costs_no_result)
{
    struct stage stage;

    stage_open(&stage, transport, false, NULL);
    for (int kind = 0; kind < STAGE_KINDS; kind++) {
        struct process *worker = stage_worker(&stage, (enum stage_kind)kind, "2");
        struct process *map = map_numbers(&stage, 40, ":100", WORDS("map", "--max-attempts", "50", "-q", "f"));

        for (unsigned killed = 0; killed < 5;) {
            pid_t slots[4];
            unsigned count;

            wait_lines(map, 5 * killed + 1);
            count = stage_slots(worker, slots, 4);
            if (count > 0 && kill(slots[killed % count], SIGKILL) == 0)
                killed++;
            cr_assert_null(strstr(process_out(map), "\n40\n"), "only %u slots were killed", killed);
        }
        expect_all(map, 40, true);
        stage_stop_worker(worker);
    }
    stage_close(&stage);
}

BOTH(an_agent_that_is_killed_costs_no_result)
{
    struct stage stage;
    struct process *one, *two, *map;

    stage_open(&stage, transport, false, NULL);
    one = stage_worker(&stage, STAGE_C, "2");
    two = stage_worker(&stage, STAGE_COPROC, "2");
    map = map_numbers(&stage, 60, "", WORDS("map", "--unordered", "f"));
    wait_lines(map, 5);
    process_signal(one, SIGKILL);
    expect_all(map, 60, false);
    process_free(one);
    stage_stop_worker(two);
    stage_close(&stage);
}

BOTH(late_results_of_a_stopped_agent_change_nothing)
{
    struct stage stage;
    struct process *one, *two, *map;

    stage_open(&stage, transport, false, NULL);
    one = stage_worker(&stage, STAGE_C, "2");
    map = map_numbers(&stage, 8, ":400", WORDS("map", "f"));
    stage_wait_number(&stage, "queues", "running", 2);
    process_signal(one, SIGSTOP);
    two = stage_worker(&stage, STAGE_COMMAND, "4");
    expect_all(map, 8, true);
    process_signal(one, SIGCONT);
    /* Its results come late, and are refused (core_workers), or the broker has them dropped before they are sent. */
    stage_wait_number(&stage, "broker", "workers", 2);
    cr_assert_eq(stage_number(&stage, "broker", "done"), 8);
    stage_stop_worker(two);
    expect_all(map_numbers(&stage, 20, "", WORDS("map", "f")), 20, true);
    stage_stop_worker(one);
    stage_close(&stage);
}

BOTH(streams_outlive_a_broker_that_is_killed)
{
    struct stage stage;
    struct process *worker, *ordered, *unordered;

    stage_open(&stage, transport, true, NULL);
    worker = stage_worker(&stage, STAGE_C, "2");
    ordered = map_numbers(&stage, 150, "", WORDS("map", "f"));
    unordered = map_numbers(&stage, 150, "", WORDS("map", "--unordered", "f"));
    for (unsigned i = 0; i < 3; i++) {
        wait_lines(ordered, 10 + 30 * i);
        wait_lines(unordered, 10 + 30 * i);
        process_signal(stage.broker, SIGKILL);
        cr_assert(process_wait(stage.broker, BOUND_MS));
        stage_start_broker(&stage);
    }
    expect_all(ordered, 150, true);
    expect_all(unordered, 150, false);
    stage_stop_worker(worker);
    stage_close(&stage);
}

BOTH(a_task_over_its_timeout_is_killed_and_frees_its_slot)
{
    struct stage stage;
    static const char input[] = "1\n2:600000\n3\n";

    stage_open(&stage, transport, false, NULL);
    for (int kind = 0; kind < STAGE_KINDS; kind++) {
        struct process *worker = stage_worker(&stage, (enum stage_kind)kind, "1");
        struct process *map = stage_run(&stage, input, 1, WORDS("map", "--timeout", "500ms", "f"));

        cr_assert_str_eq(process_out(map), "1\n3\n");
        cr_assert_not_null(strstr(process_err(map), "time-out"), "%s", process_err(map));
        process_free(map);
        stage_stop_worker(worker);
    }
    stage_close(&stage);
}

BOTH(a_poison_task_becomes_an_error_and_the_job_goes_on)
{
    struct stage stage;

    stage_open(&stage, transport, false, NULL);
    for (int kind = 0; kind < STAGE_KINDS; kind++) {
        struct process *worker = stage_worker(&stage, (enum stage_kind)kind, "2");
        struct process *map = stage_run(&stage, "1\ndie\n3\n4\n", 1, WORDS("map", "--results-json", "f"));

        cr_assert_not_null(strstr(process_out(map), "TASK_LOST"), "%s", process_out(map));
        cr_assert_not_null(strstr(process_out(map), "\"attempt\":3"), "%s", process_out(map));
        cr_assert_not_null(strstr(process_out(map), "\"index\":3"), "%s", process_out(map));
        process_free(map);
        stage_stop_worker(worker);
    }
    stage_close(&stage);
}

BOTH(a_reader_that_stalls_stalls_only_its_own_job)
{
    struct stage stage;
    struct process *worker, *stalled;
    char *input = stage_numbers(60000, ":0");

    stage_open(&stage, transport, false, NULL);
    worker = stage_worker(&stage, STAGE_C, "2");
    stalled = stage_belt(&stage, input, WORDS("map", "f"));
    free(input);
    stage_wait_number(&stage, "queues", "done", 1000); /* and from here on nobody reads it for a while */
    expect_all(map_numbers(&stage, 100, ":1", WORDS("map", "f")), 100, true);
    expect_all(map_numbers(&stage, 100, ":1", WORDS("map", "--unordered", "f")), 100, false);
    expect_all(stalled, 60000, true);
    stage_stop_worker(worker);
    stage_close(&stage);
}

BOTH(a_small_job_does_not_wait_for_a_large_one)
{
    struct stage stage;
    struct process *worker, *large;

    stage_open(&stage, transport, false, NULL);
    worker = stage_worker(&stage, STAGE_C, "2");
    large = map_numbers(&stage, 1500, ":10", WORDS("map", "--buffersize", "1000", "f"));
    wait_lines(large, 1);
    expect_all(map_numbers(&stage, 10, ":10", WORDS("map", "f")), 10, true);
    wait_lines(large, 1);
    cr_assert_null(strstr(process_out(large), "\n1500\n"), "the small job waited for the large one");
    expect_all(large, 1500, true);
    stage_stop_worker(worker);
    stage_close(&stage);
}

BOTH(workers_come_and_leave_while_the_stream_flows)
{
    struct stage stage;
    struct process *one, *two, *map;

    stage_open(&stage, transport, false, NULL);
    map = map_numbers(&stage, 100, "", WORDS("map", "f"));
    cr_assert(process_wait_err(map, "no connected worker serves function 'f'", BOUND_MS), "%s", process_err(map));
    one = stage_worker(&stage, STAGE_C, "1");
    wait_lines(map, 10);
    two = stage_worker(&stage, STAGE_COPROC, "2");
    stage_stop_worker(one); /* drains: what it ran is finished, what it held goes to the other */
    expect_all(map, 100, true);
    cr_assert_eq(stage_number(&stage, "broker", "done"), 100);
    cr_assert_eq(stage_number(&stage, "broker", "stale"), 0);
    cr_assert_gt(stage_number(&stage, "workers", "done"), 10);
    stage_stop_worker(two);
    stage_close(&stage);
}

BOTH(a_broker_that_is_told_to_end_lets_running_jobs_finish)
{
    struct stage stage;
    struct process *worker, *map, *refused;

    stage_open(&stage, transport, false, WORDS("--drain", "30s"));
    worker = stage_worker(&stage, STAGE_C, "2");
    map = map_numbers(&stage, 60, "", WORDS("map", "f"));
    stage_wait_number(&stage, "queues", "done", 5);
    process_signal(stage.broker, SIGTERM);
    cr_assert(process_wait_err(stage.broker, "draining", BOUND_MS));
    refused = stage_run(&stage, "1\n", 7, WORDS("map", "f"));
    cr_assert_not_null(strstr(process_err(refused), "shutting down"), "%s", process_err(refused));
    process_free(refused);
    expect_all(map, 60, true);
    cr_assert(process_wait(stage.broker, BOUND_MS));
    cr_assert_eq(process_status(stage.broker), 0);
    stage_start_broker(&stage); /* the worker finds it again */
    expect_all(map_numbers(&stage, 5, "", WORDS("map", "f")), 5, true);
    stage_stop_worker(worker);
    stage_close(&stage);
}
