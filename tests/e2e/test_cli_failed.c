/* SPDX-License-Identifier: Apache-2.0
 *
 * Failed tasks, tries and times as a user meets them: `belt failed`, `belt retry`,
 * --backoff, --final-status, --after, --deadline, on a broker with a store that is killed.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char clients[64], workers[64], directory[64];
static const char *env[] = {clients, workers, "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60", NULL};
static struct process *broker, *worker;

static struct process *start(const char *const *argv)
{
    return process_start(&(struct process_options){.argv = argv, .env = env, .input = ""});
}

static void start_broker(void)
{
    broker = start(ARGV("broker", "--clients", clients + 12, "--workers", workers + 19, "--state", directory));
    cr_assert(process_wait_err(broker, "listening", BOUND_MS), "%s", process_err(broker));
}

static void setup(void)
{
    snprintf(clients, sizeof(clients), "BELT_BROKER=127.0.0.1:%d", process_free_port());
    snprintf(workers, sizeof(workers), "BELT_WORKER_BROKER=127.0.0.1:%d", process_free_port());
    snprintf(directory, sizeof(directory), "/tmp/belt-failed-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    start_broker();
    worker = start(ARGV("worker", "--allow-commands", "--insecure-plaintext", "--slots", "2"));
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
}

static void teardown(void)
{
    char command[128];

    process_free(worker);
    process_free(broker);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(cli_failed, .init = setup, .fini = teardown);

static struct process *run(const char *const *argv, int status)
{
    struct process *process = start(argv);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    return process;
}

static void prints(const char *const *argv, int status, const char *expected)
{
    struct process *process = run(argv, status);

    cr_assert_str_eq(process_out(process), expected);
    process_free(process);
}

static void tells(const char *const *argv, int status, const char *out, const char *err)
{
    struct process *process = run(argv, status);

    cr_assert_not_null(strstr(process_out(process), out), "'%s' is not in: %s", out, process_out(process));
    cr_assert_not_null(strstr(process_err(process), err), "'%s' is not in: %s", err, process_err(process));
    process_free(process);
}

/* The job of the failed task that `belt failed list` shows in this line, from 1. */
static unsigned long job_in_line(int line)
{
    struct process *list = run(ARGV("failed", "list"), 0);
    const char *at = process_out(list);
    for (; line && at; line--)
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    cr_assert_not_null(at, "%s", process_out(list));
    unsigned long job = strtoul(at, NULL, 10);
    cr_assert_gt(job, 0, "%s", process_out(list));
    process_free(list);
    return job;
}

/* Several texts, so that a command line may hold some. */
static const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *text(const char *format, ...)
{
    static char texts[16][256];
    static unsigned next;
    char *to = texts[next++ % 16];
    va_list args;
    va_start(args, format);
    vsnprintf(to, sizeof(texts[0]), format, args);
    va_end(args);
    return to;
}

static void list_is(const char *const *argv, const char *first, const char *last)
{
    struct process *list = run(argv, 0);
    size_t len = strlen(process_out(list)), end = strlen(last);

    cr_assert_not_null(strstr(process_out(list), first), "'%s' is not in: %s", first, process_out(list));
    cr_assert(len >= end && !strcmp(process_out(list) + len - end, last), "it does not end with '%s': %s", last,
              process_out(list));
    process_free(list);
}

Test(cli_failed, a_list_is_filtered_and_says_how_many_there_are)
{
    prints(ARGV("map", "--quiet", "--", "exit {}", ":::", "1", "2", "3"), 1, "");
    unsigned long job = job_in_line(1);
    prints(ARGV("map", "--quiet", "--", "exit {}", ":::", "1"), 1, "");
    list_is(ARGV("failed", "list"), text("%lu.0  exec", job), "\n4 failed tasks\n");
    list_is(ARGV("failed", "list", "--limit", "2"), "TASK_FAILED", "\n2 of 4 failed tasks are shown\n");
    list_is(ARGV("failed", "list", "--job", text("%lu", job)), text("%lu.2  exec", job), "\n3 failed tasks\n");
    list_is(ARGV("failed", "list", "--job", text("#%lu", job), "-l1"), text("\n%lu.", job),
            "\n1 of 3 failed tasks are shown\n");
    list_is(ARGV("failed", "list", "--function", "exec", "--limit", "4"), "exec", "\n4 failed tasks\n");
    list_is(ARGV("failed", "list", "--job", text("%lu", job + 1)), text("%lu.0  exec", job + 1), "\n1 failed task\n");
    prints(ARGV("failed", "list", "--function", "other"), 0, "no failed tasks are kept\n");
    tells(ARGV("failed", "list", "--json", "--limit", "1"), 0, "\"total\":4", "");
    tells(ARGV("failed", "list", "--job", "nothing"), 7, "", "nothing");
    tells(ARGV("failed", "list", "--function", "exec", "exec"), 2, "", "say the same");
    tells(ARGV("failed", "show", "--job", "1", "1"), 2, "", "belong to 'list'");
}

Test(cli_failed, failed_tasks_outlive_job_and_broker)
{
    char marker[96], command[256];

    snprintf(marker, sizeof(marker), "%s/well", directory);
    snprintf(command, sizeof(command), "test {} -lt 3 -o -e %s && echo {} || exit 7", marker);
    prints(ARGV("map", "--quiet", "--", command, ":::", "1", "2", "3", "4"), 1, "1\n2\n");
    unsigned long job = job_in_line(1);
    tells(ARGV("failed", "list"), 0, text("%lu.3  exec", job), "");
    process_signal(broker, SIGKILL);
    cr_assert(process_wait(broker, BOUND_MS));
    process_free(broker);
    start_broker();
    cr_assert(process_wait_err(worker, "connected", BOUND_MS));
    prints(ARGV("failed", "show", "--input", text("%lu.2", job), text("%lu.3", job)), 0, "34");
    tells(ARGV("failed", "show", text("%lu.2", job)), 0, "status   7", "");
    tells(ARGV("failed", "show", "--json", text("%lu", job)), 0, "\"input\":\"4\"", "");
    process_free(run((const char *const[]){"touch", marker, NULL}, 0));
    struct process *retry = run(ARGV("retry", text("%lu", job), "--failed"), 0);
    unsigned long again = 0, of = 0;
    cr_assert_eq(sscanf(process_out(retry), "job %lu runs 2 failed tasks of job %lu again", &again, &of), 2, "%s",
                 process_out(retry));
    cr_assert_eq(of, job);
    process_free(retry);
    snprintf(command, sizeof(command), "%lu", again);
    prints(ARGV("results", "--follow", command), 0, "3\n4\n");
    prints(ARGV("failed", "list"), 0, "no failed tasks are kept\n");
    tells(ARGV("retry", text("%lu", job), "--failed"), 7, "", text("no such failed task of job %lu is kept", job));
}

/* Runs the command, which starts one job; its id. */
static unsigned long retried(const char *const *argv)
{
    struct process *process = run(argv, 0);
    unsigned long job = 0;
    cr_assert_eq(sscanf(process_out(process), "job %lu runs 1 failed tasks", &job), 1, "%s", process_out(process));
    process_free(process);
    return job;
}

Test(cli_failed, they_are_dropped_and_tried_again_by_name)
{
    prints(ARGV("map", "--quiet", "--", "exit {}", ":::", "1", "2", "3"), 1, "");
    unsigned long job = job_in_line(1);
    prints(ARGV("failed", "drop", text("%lu.1", job)), 0, "1 failed tasks are dropped\n");
    tells(ARGV("failed", "drop", text("%lu.1", job)), 7, "", "no failed task");
    unsigned long again = retried(ARGV("failed", "retry", text("%lu.0", job)));
    tells(ARGV("wait", text("%lu", again)), 1, "is complete: 0 done, 1 failed", "");
    prints(ARGV("failed", "show", "--input", text("%lu", job), text("%lu", again)), 0, "31");
    struct process *all = run(ARGV("failed", "retry", "--all"), 0);
    unsigned long jobs[2] = {0};
    cr_assert_eq(
        sscanf(process_out(all), "job %lu runs 1 failed tasks of job %*u again\njob %lu runs", &jobs[0], &jobs[1]), 2,
        "%s", process_out(all));
    process_free(all);
    process_free(run(ARGV("wait", text("%lu", jobs[0])), 1));
    process_free(run(ARGV("wait", text("%lu", jobs[1])), 1));
    prints(ARGV("failed", "drop", "--all", "exec"), 0, "2 failed tasks are dropped\n");
    prints(ARGV("failed", "list"), 0, "no failed tasks are kept\n");
}

Test(cli_failed, wrong_words_are_told)
{
    tells(ARGV("failed"), 2, "", "say one of list, show, retry, drop");
    tells(ARGV("failed", "drop"), 2, "", "name the failed tasks, or say --all");
    tells(ARGV("failed", "show", "one"), 7, "", "there is no job 'one'");
    tells(ARGV("retry", "1"), 2, "", "say --failed");
    tells(ARGV("map", "--final-status", "2,x", "--", "true", "{}", ":::", "1"), 2, "", "no list of exit statuses");
    tells(ARGV("map", "--after", "2", "--deadline", "1", "--", "true", "{}", ":::", "1"), 2, "",
          "is not after its start");
}

Test(cli_failed, tries_and_their_end)
{
    tells(ARGV("map", "--retries", "3", "--backoff", "1ms", "--", "exit {}", ":::", "1"), 1, "", "in run 4");
    struct process *final =
        run(ARGV("map", "--retries", "3", "--final-status", "2,64-78", "--", "exit {}", ":::", "65"), 1);
    cr_assert_null(strstr(process_err(final), "in run"), "%s", process_err(final));
    process_free(final);
}

Test(cli_failed, a_deadline_stops_what_runs)
{
    tells(ARGV("map", "--deadline", "500ms", "--", "sleep {}; echo {}", ":::", "0", "600", "601", "602"), 1, "0\n",
          "the deadline passed");
    tells(ARGV("failed", "list"), 0, "TASK_EXPIRED", "");
}

Test(cli_failed, a_start_is_waited_for)
{
    struct process *submit = run(ARGV("submit", "--after", "1h", "--", "echo {}", ":::", "1"), 0);
    tells(ARGV("jobs"), 0, "it starts in ", "");
    process_free(run(ARGV("cancel", text("%lu", strtoul(process_out(submit), NULL, 10))), 0));
    process_free(submit);
}
