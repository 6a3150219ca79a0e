/* SPDX-License-Identifier: Apache-2.0
 *
 * A state directory on a small disk that durable jobs alone have filled, with
 * results that nobody has read or with tasks that nobody has run. New durable
 * work is refused, volatile work goes on, and reading makes the room for the
 * rest: across a broker that is killed then, and without anybody's help.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUND_MS  120000
#define DISK      "size=12m"
#define TASKS     240u
#define LARGE     100000u /* bytes: twice the disk in all */
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char directory[64], state[80], clients[128], workers[128], in[96];
static const char *env[] = {clients, workers, "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60", NULL};
static struct process *broker, *worker;

static struct process *start(const char *const *argv, const char *stdin_path)
{
    return process_start(&(struct process_options){.argv = argv, .env = env, .stdin_path = stdin_path});
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

/* In a mount namespace of this test's own: the disk goes with it. */
static void open_disk(void)
{
    snprintf(directory, sizeof(directory), "/tmp/belt-full-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(state, sizeof(state), "%s/state", directory);
    cr_assert_eq(mkdir(state, 0700), 0);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", state, "tmpfs", 0, DISK) != 0) {
        rmdir(state);
        rmdir(directory);
        cr_skip_test("no mounts are permitted here: a disk that durable jobs fill was not tested");
    }
    snprintf(clients, sizeof(clients), "BELT_BROKER=ipc://%s/c", directory);
    snprintf(workers, sizeof(workers), "BELT_WORKER_BROKER=ipc://%s/w", directory);
    snprintf(in, sizeof(in), "%s/in", directory);
    start_broker();
}

static void start_worker(void)
{
    worker = start(ARGV("worker", "-j2", "--command", "large=head -c 100000 /dev/zero | tr '\\0' x; echo {}",
                        "--command", "first=head -c 9; echo"),
                   NULL);
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
}

static void close_disk(void)
{
    char command[128];

    process_free(worker);
    process_free(broker);
    worker = broker = NULL;
    umount(state);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(full_disk, .fini = close_disk);

/* Each line is its number, and `len` bytes more. */
static void write_input(unsigned len)
{
    FILE *file = fopen(in, "w");

    cr_assert_not_null(file);
    for (unsigned i = 0; i < TASKS; i++) {
        fprintf(file, "%08u ", i);
        for (unsigned b = 0; b < len; b++)
            fputc('y', file);
        fputc('\n', file);
    }
    cr_assert_eq(fclose(file), 0);
}

static struct process *run(const char *const *argv, const char *stdin_path, int status)
{
    struct process *process = start(argv, stdin_path);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    return process;
}

static void refuses_durable_work(void)
{
    struct process *process = run(ARGV("submit", "first"), in, 7);

    cr_assert(strstr(process_err(process), "full") && strstr(process_err(process), "results"), "%s",
              process_err(process));
    process_free(process);
}

/* The broker takes durable jobs again, soon after there is room. */
static void takes_durable_work(void)
{
    long long until = process_now_ms() + BOUND_MS;
    int status = 7;

    write_input(0);
    while (status == 7 && process_now_ms() < until) {
        struct process *process = start(ARGV("submit", "first"), in);
        cr_assert(process_wait(process, BOUND_MS));
        status = process_status(process);
        process_free(process);
        poll(NULL, 0, 50);
    }
    cr_assert_eq(status, 0, "exit %d", status);
}

/* All results are there, once and in order; `large`: each ends in its number. */
static void read_all(const char *key, bool large)
{
    struct process *reader = run(ARGV("results", "--follow", key), NULL, 0);
    const char *at = process_out(reader);
    char number[16];

    for (unsigned i = 0; i < TASKS; i++) {
        const char *end = strchr(at, '\n');
        snprintf(number, sizeof(number), "%08u", i);
        cr_assert_not_null(end, "result %u is missing", i);
        cr_assert_eq((size_t)(end - at), large ? LARGE + 9 : 9, "result %u has %zu bytes", i, (size_t)(end - at));
        cr_assert(memcmp(large ? end - 9 : at, number, 8) == 0, "result %u is another", i);
        at = end + 1;
    }
    cr_assert_eq(*at, 0, "there is more: %.40s", at);
    process_free(reader);
}

Test(full_disk, results_that_fill_the_disk_are_read_and_make_room, .timeout = 290)
{
    open_disk();
    start_worker();
    write_input(0);
    process_free(run(ARGV("submit", "--key", "fills", "large"), in, 0));
    cr_assert(process_wait_err(broker, "durable jobs take no new tasks", BOUND_MS), "%s", process_err(broker));
    refuses_durable_work();
    process_free(run(ARGV("map", "--volatile", "first"), in, 0));
    kill_broker();
    refuses_durable_work();
    read_all("fills", true);
    cr_assert(process_wait_err(broker, "works again", BOUND_MS), "%s", process_err(broker));
    takes_durable_work();
}

/* Somebody else's file takes all there is, and after the restart nobody hands in or reads anything. */
Test(full_disk, a_broker_that_starts_on_a_full_disk_finds_the_room_that_others_make, .timeout = 290)
{
    char others[96], command[192];

    open_disk();
    snprintf(others, sizeof(others), "%s/others", state);
    snprintf(command, sizeof(command), "head -c 20000000 /dev/zero >%s 2>/dev/null", others);
    (void)!system(command);
    write_input(LARGE);
    struct process *submit = start(ARGV("submit", "first"), in);
    cr_assert(process_wait_err(broker, "durable jobs take no new tasks", BOUND_MS), "%s", process_err(broker));
    process_free(submit);
    (void)!system(command); /* the reserve, too */
    kill_broker();
    cr_assert(process_wait_err(broker, "durable jobs take no new tasks", BOUND_MS), "%s", process_err(broker));
    cr_assert_eq(unlink(others), 0);
    cr_assert(process_wait_err(broker, "works again", BOUND_MS), "%s", process_err(broker));
    takes_durable_work();
}

Test(full_disk, tasks_that_fill_the_disk_are_run_and_make_room, .timeout = 290)
{
    open_disk();
    write_input(LARGE);
    struct process *submit = start(ARGV("submit", "--key", "fills", "first"), in);
    cr_assert(process_wait_err(broker, "durable jobs take no new tasks", BOUND_MS), "%s", process_err(broker));
    kill_broker();
    start_worker();
    read_all("fills", false);
    cr_assert(process_wait(submit, BOUND_MS) && process_status(submit) == 0, "%s", process_err(submit));
    process_free(submit);
    cr_assert(process_wait_err(broker, "works again", BOUND_MS), "%s", process_err(broker));
    takes_durable_work();
}
