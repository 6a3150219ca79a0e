/* SPDX-License-Identifier: Apache-2.0
 *
 * Belt as the first process of a container (PID 1): it reaps what has no parent left, and ends when it is told to.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS 60000
#define NOT_HERE "no PID namespace may be made here: 'unshare -Urpf --mount-proc true' fails"

/* A shell line as PID 1 of a namespace; NULL: this system does not let the test make one. */
static struct process *as_first(const char *line)
{
    static const char *const probe[] = {"unshare", "-Urpf", "--mount-proc", "true", NULL};
    struct process *process = process_spawn("", probe);
    bool may = process_wait(process, BOUND_MS) && process_status(process) == 0;

    process_free(process);
    if (!may)
        return NULL;
    return process_spawn(
        "x\n", (const char *const[]){"unshare", "-Urpf", "--mount-proc", "--kill-child", "sh", "-c", line, NULL});
}

/* A task that ends when nothing is left of process 2 of its namespace, which the shell that became PID 1 has left
 * behind. It would be a zombie for as long as nobody reaps it. */
#define TASK "for i in $(seq 3000); do [ -e /proc/2 ] || exit 0; sleep 0.02; done; exit 3"

Test(first_process, map_reaps_orphans, .timeout = 240)
{
    char line[1024];

    snprintf(line, sizeof(line), "sleep 0.2 & exec %s map -j1 -- sh -c '" TASK "'", process_belt());
    struct process *process = as_first(line);
    if (!process)
        cr_skip_test(NOT_HERE);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), 0, "%s%s", process_out(process), process_err(process));
    process_free(process);
}

/* The first process in the namespace of `unshare`, by its number outside. */
static pid_t first_of(struct process *unshare)
{
    char path[64], text[64] = "";
    int pid = process_pid(unshare);

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(text, sizeof(text), file), "unshare has no child");
    fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

Test(first_process, worker_reaps_orphans_and_ends_when_told, .timeout = 240)
{
    char directory[] = "/tmp/belt-first-XXXXXX", clients[64], workers[64], line[1024];

    cr_assert_not_null(mkdtemp(directory));
    snprintf(clients, sizeof(clients), "ipc://%s/clients", directory);
    snprintf(workers, sizeof(workers), "ipc://%s/workers", directory);
    snprintf(line, sizeof(line), "sleep 0.2 & exec %s worker -b %s -j1 --command 'wait=" TASK "'", process_belt(),
             workers);
    struct process *worker = as_first(line);
    if (!worker) {
        rmdir(directory);
        cr_skip_test(NOT_HERE);
    }
    struct process *broker = process_spawn(
        "", (const char *const[]){process_belt(), "broker", "-q", "--clients", clients, "--workers", workers, NULL});
    struct process *map =
        process_spawn("x\n", (const char *const[]){process_belt(), "map", "-b", clients, "wait", NULL});
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_eq(process_status(map), 0, "%s%s", process_out(map), process_err(map));
    kill(first_of(worker), SIGTERM);
    cr_assert(process_wait(worker, BOUND_MS), "SIGTERM to PID 1 is not handed on");
    cr_assert_eq(process_status(worker), 0, "%s", process_err(worker));
    process_signal(broker, SIGTERM);
    cr_assert(process_wait(broker, BOUND_MS));
    process_free(map);
    process_free(worker);
    process_free(broker);
    rmdir(directory);
}
