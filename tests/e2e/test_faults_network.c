/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent in a network namespace of its own whose network is cut and healed. The namespace belongs to the agent's
 * process and the link to the namespace, so nothing is left however the test ends. Needs root, ip and nsenter; says so
 * and is skipped where that is not permitted.
 */
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TASKS   40u
#define ORDERED "--no-quiet" /* there is no word for the default */

struct far {
    struct stage stage;
    char near_end[16], far_end[16], net[16];
    struct process *agent;
};

static bool shell(const char *format, ...)
{
    char command[500];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return system(command) == 0;
}

static bool permitted(const char *cut)
{
    return shell("unshare -n sh -c 'ip link add belt0 type veth peer name belt1 && %s' >/dev/null 2>&1",
                 strstr(cut, "iptables") ? "iptables -w -A INPUT -j DROP" : "ip link set belt0 up");
}

/* The agent waits in its namespace for the link and then becomes what it is. */
static void start_agent(struct far *far)
{
    char script[500];

    snprintf(script, sizeof(script),
             "until ip addr add %s.2/30 dev %s 2>/dev/null; do sleep 0.05; done; ip link set lo up; ip link set %s up; "
             "exec '%s' tcp://%s.1:%s 2",
             far->net, far->far_end, far->far_end, FAULT_FUNCTIONS, far->net, strrchr(far->stage.workers, ':') + 1);
    far->agent = process_start(&(struct process_options){.argv = WORDS("unshare", "-n", "sh", "-c", script)});
    /* Until the child is in its new namespace the link cannot be given to it. */
    for (long long end = process_now_ms() + BOUND_MS;
         shell("[ \"$(readlink /proc/%d/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ]", (int)process_pid(far->agent));
         usleep(10000))
        cr_assert_lt(process_now_ms(), end);
    cr_assert(shell("ip link add %s type veth peer name %s netns %d && ip addr add %s.1/30 dev %s && ip link set %s up",
                    far->near_end, far->far_end, (int)process_pid(far->agent), far->net, far->near_end, far->near_end));
}

/* A broker that listens on all addresses, and an agent behind a link. */
static void far_open(struct far *far)
{
    int unique = getpid() % 250;
    char any[32];

    memset(far, 0, sizeof(*far));
    snprintf(far->near_end, sizeof(far->near_end), "beltn%d", unique);
    snprintf(far->far_end, sizeof(far->far_end), "beltf%d", unique);
    snprintf(far->net, sizeof(far->net), "10.213.%d", unique);
    snprintf(any, sizeof(any), "tcp://0.0.0.0:%d", process_free_port());
    stage_open(&far->stage, STAGE_TCP, false, WORDS("--insecure-plaintext", "--workers", any));
    snprintf(far->stage.workers, sizeof(far->stage.workers), "tcp://127.0.0.1:%s", strrchr(any, ':') + 1);
    start_agent(far);
    cr_assert(process_wait_err(far->agent, "connected", BOUND_MS), "%s", process_err(far->agent));
}

static struct process *map_slow(const struct far *far, const char *order)
{
    char *input = stage_numbers(TASKS, ":100");
    struct process *map = stage_belt(&far->stage, input, WORDS("map", order, "f"));

    free(input);
    return map;
}

static void expect_all(struct process *map, bool ordered)
{
    cr_assert(process_wait(map, BOUND_MS), "the stream is stuck: %s", process_err(map));
    cr_assert_eq(process_status(map), 0, "exit %d: %s", process_status(map), process_err(map));
    stage_expect(process_out(map), TASKS, ordered);
    process_free(map);
}

/* `cut` and `heal` run in the agent's namespace; %s is its end of the link. */
static void cut_and_heal(const char *cut, const char *heal)
{
    struct far far;
    struct process *near, *ordered, *unordered;
    char command[300];

    if (!permitted(cut))
        cr_skip_test("no network namespaces (or no %.8s) here: the network is not cut", cut);
    far_open(&far);
    ordered = map_slow(&far, ORDERED);
    unordered = map_slow(&far, "--unordered");
    stage_wait_number(&far.stage, "queues", "running", 2);
    stage_wait_number(&far.stage, "queues", "done", 4);
    snprintf(command, sizeof(command), cut, far.far_end, far.far_end);
    cr_assert(shell("nsenter -n -t %d sh -c '%s'", (int)process_pid(far.agent), command));
    near = stage_worker(&far.stage, STAGE_C, "4");
    expect_all(ordered, true);
    expect_all(unordered, false);
    cr_assert_eq(stage_number(&far.stage, "broker", "done"), 2 * TASKS);
    cr_assert_eq(stage_number(&far.stage, "broker", "workers"), 1, "the cut cuts");
    snprintf(command, sizeof(command), heal, far.far_end, far.far_end);
    cr_assert(shell("nsenter -n -t %d sh -c '%s'", (int)process_pid(far.agent), command));
    stage_wait_number(&far.stage, "broker", "workers", 2);
    stage_stop_worker(near); /* the one that was away does it alone */
    expect_all(map_slow(&far, "--unordered"), false);
    cr_assert_eq(stage_number(&far.stage, "broker", "done"), 3 * TASKS, "late results change nothing");
    stage_stop_worker(far.agent);
    stage_close(&far.stage);
}

Test(faults_network, packets_are_dropped)
{
    cut_and_heal("iptables -w -A INPUT -i %s -j DROP; iptables -w -A OUTPUT -o %s -j DROP",
                 "iptables -w -D INPUT -i %s -j DROP; iptables -w -D OUTPUT -o %s -j DROP");
}

Test(faults_network, one_direction_is_silent)
{
    cut_and_heal("iptables -w -A OUTPUT -o %s -j DROP", "iptables -w -D OUTPUT -o %s -j DROP");
}

Test(faults_network, the_link_is_down)
{
    cut_and_heal("ip link set %s down", "ip link set %s up");
}
