/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt store salvage`: whatever bytes of a store are damaged, the new store is one that a broker takes, and the jobs
 * in it can be read to their end: each result is right, or the error of a task that was lost.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUND_MS  60000
#define TASKS     600u
#define DAMAGES   12u
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char directory[64], state[96], broken[96], saved[96], clients[128], workers[128], in[96];
static const char *env[] = {clients, workers, "BELT_CONFIG=/dev/null", NULL};

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

static struct process *start(const char *const *argv, const char *input)
{
    return process_start(&(struct process_options){.argv = argv, .env = env, .stdin_path = input});
}

static struct process *run(const char *const *argv, const char *input, int status)
{
    struct process *process = start(argv, input);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert(status < 0 || process_status(process) == status, "exit %d: %s", process_status(process),
              process_err(process));
    return process;
}

static struct process *start_broker(const char *where)
{
    struct process *broker =
        start(ARGV("broker", "--clients", clients + 12, "--workers", workers + 19, "--state", where), NULL);

    cr_assert(process_wait_err(broker, "listening", BOUND_MS), "%s", process_err(broker));
    return broker;
}

static struct process *start_worker(void)
{
    struct process *worker = start(ARGV("worker", "-j2", "--filter", "echo=cat"), NULL);

    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    return worker;
}

static void stop(struct process *process, int signal)
{
    process_signal(process, signal);
    cr_assert(process_wait(process, BOUND_MS));
    process_free(process);
}

/* A store with a job whose results are there, one that waits, and one that was read in part. */
static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/belt-salvage-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(state, sizeof(state), "%s/state", directory);
    snprintf(broken, sizeof(broken), "%s/broken", directory);
    snprintf(saved, sizeof(saved), "%s/saved", directory);
    snprintf(in, sizeof(in), "%s/in", directory);
    snprintf(clients, sizeof(clients), "BELT_BROKER=ipc://%s/c", directory);
    snprintf(workers, sizeof(workers), "BELT_WORKER_BROKER=ipc://%s/w", directory);
    shell("i=0; while [ $i -lt %u ]; do printf 'input-%%04d-%%0500d\\n' $i 0; i=$((i+1)); done >%s", TASKS, in);
    struct process *broker = start_broker(state), *worker = start_worker();
    process_free(run(ARGV("submit", "--key", "done", "echo"), in, 0));
    process_free(run(ARGV("wait", "done"), NULL, 0));
    process_free(run(ARGV("submit", "--key", "waits", "nobody"), in, 0));
    stop(worker, SIGTERM);
    stop(broker, SIGTERM);
}

static void teardown(void)
{
    shell("rm -rf %s", directory);
}

TestSuite(salvage, .init = setup, .fini = teardown);

/* `times` bytes of the database become others, behind its first pages. */
static void damage(unsigned seed, unsigned times)
{
    char path[128];
    struct stat status;
    uint8_t byte;

    shell("rm -rf %s %s; cp -r %s %s", broken, saved, state, broken);
    snprintf(path, sizeof(path), "%s/belt.sqlite", broken);
    int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 40960);
    for (unsigned i = 0; i < times; i++) {
        off_t at = 32768 + (off_t)rand_r(&seed) % (status.st_size - 32768);
        cr_assert_eq(pread(fd, &byte, 1, at), 1);
        byte ^= (uint8_t)(1 + rand_r(&seed) % 255);
        cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

/* The results of the job that was done: right, or lost; in order, each once. Returns how many are right;
 * `*passed` is whether the reader said that results before its first were read. */
static unsigned read_done(bool *passed)
{
    struct process *reader = run(ARGV("results", "done"), NULL, -1);
    const char *at = process_out(reader);
    unsigned right = 0;
    int last = -1, index;

    for (; sscanf(at, "input-%d-", &index) == 1; right++) {
        cr_assert(index > last && index < (int)TASKS, "%d after %d", index, last);
        last = index;
        at = strchr(at, '\n');
        cr_assert_not_null(at);
        at++;
    }
    cr_assert_eq(*at, 0, "%.60s", at);
    /* The place up to which a job was read, and how many of its tasks failed, are numbers in the store too: a byte of
     * them may be the damaged one. What is passed over then is said, and totals that do not agree are an error. */
    *passed = strstr(process_err(reader), "goes on with result number") != NULL;
    int status = process_status(reader);
    cr_assert(status >= 0 && status < 128 && (status == 0 || *process_err(reader)), "exit %d: %s", status,
              process_err(reader));
    cr_assert(right == TASKS || *passed || status == 1, "exit %d: %s", status, process_err(reader));
    process_free(reader);
    return right;
}

Test(salvage, a_damaged_store_gives_what_it_still_holds, .timeout = 290)
{
    unsigned whole = 0, parts = 0;

    for (unsigned seed = 1; seed <= DAMAGES; seed++) {
        damage(seed, 1 + seed / 3);
        process_free(run(ARGV("store", "check", "--state", broken), NULL, -1));
        struct process *process = run(ARGV("store", "salvage", "--state", broken, saved), NULL, 0);
        process_free(run(ARGV("store", "check", "--state", saved), NULL, 0));
        struct process *broker = start_broker(saved);
        struct process *jobs = run(ARGV("jobs"), NULL, 0);
        if (strstr(process_out(jobs), "done")) {
            bool passed;
            unsigned right = read_done(&passed);
            whole += right == TASKS;
            parts += right < TASKS;
            cr_expect(right == TASKS || passed || strstr(process_err(process), "key done"), "not told: %s",
                      process_err(process));
        } else {
            cr_expect_not_null(strstr(process_err(process), "lost"), "%s", process_err(process));
        }
        process_free(jobs);
        process_free(process);
        stop(broker, SIGKILL);
    }
    cr_expect_gt(whole + parts, 0, "no job of any damaged store came over");
}

Test(salvage, a_whole_store_comes_over_as_it_is, .timeout = 120)
{
    struct process *process = run(ARGV("store", "salvage", "--state", state, saved), NULL, 0);

    cr_expect_not_null(strstr(process_err(process), "0 with tasks that were lost, 0 were lost; 0 places"), "%s",
                       process_err(process));
    process_free(process);
    struct process *broker = start_broker(saved), *worker = start(ARGV("worker", "--filter", "nobody=cat"), NULL);
    bool passed;
    cr_expect_eq(read_done(&passed), TASKS);
    struct process *reader = run(ARGV("results", "--follow", "waits"), NULL, 0);
    cr_expect_eq(process_out_len(reader), TASKS * 512u);
    process_free(reader);
    process_free(run(ARGV("submit", "--key", "new", "nobody"), in, 0));
    stop(worker, SIGTERM);
    stop(broker, SIGTERM);
}

Test(salvage, what_cannot_be_salvaged_is_said, .timeout = 120)
{
    struct process *process;

    shell("mkdir %s", saved);
    process = run(ARGV("store", "salvage", "--state", state, saved), NULL, 6);
    cr_expect_not_null(strstr(process_err(process), "not there yet"), "%s", process_err(process));
    process_free(process);
    shell("rmdir %s; cp -r %s %s; head -c 4000 /dev/zero | dd of=%s/belt.sqlite conv=notrunc 2>/dev/null", saved, state,
          broken, broken);
    process = run(ARGV("store", "salvage", "--state", broken, saved), NULL, 6);
    cr_expect(*process_err(process) != '\0');
    process_free(process);
}
