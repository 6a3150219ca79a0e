/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs that are handed in, left and read elsewhere, on a broker with a state
 * directory: readers, submitters and the broker are killed at random moments,
 * and what the readers wrote is put together and checked.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUND_MS 60000
#define TASKS    1200u
/* A broker that has just begun waits two heartbeats for what its agents still hold. */
#define BROKER_ROUNDS 30
#define ARGV(...)     ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

/* A millisecond or two for each task: a job lasts long enough to be disturbed. */
#define SLOW "slow=while read -r x; do sleep 0.002; echo $x; done"

static char clients[64], workers[64], state[64];
static const char *env[] = {clients, workers, "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60", NULL};
static struct process *broker, *worker;
static unsigned seed;

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

static void set_up(void)
{
    const char *given = getenv("BELT_TEST_SEED");

    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)process_now_ms();
    fprintf(stderr, "BELT_TEST_SEED=%u\n", seed);
    snprintf(clients, sizeof(clients), "BELT_BROKER=127.0.0.1:%d", process_free_port());
    snprintf(workers, sizeof(workers), "BELT_WORKER_BROKER=127.0.0.1:%d", process_free_port());
    snprintf(state, sizeof(state), "/tmp/belt-readers-XXXXXX");
    cr_assert_not_null(mkdtemp(state));
    worker = NULL;
    start_broker();
}

static void start_worker(void)
{
    worker = start(
        ARGV("worker", "-j2", "--filter", SLOW, "--command", "same=echo {}", "--command", "odd=test {} != 2"), NULL);
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
}

static void tear_down(void)
{
    char command[128];

    process_free(worker);
    process_free(broker);
    snprintf(command, sizeof(command), "rm -rf %s", state);
    cr_assert_eq(system(command), 0);
}

TestSuite(cli_readers, .init = set_up, .fini = tear_down);

static struct process *run(const char *const *argv, const char *input, int status)
{
    struct process *process = start(argv, input);

    cr_assert(process_wait(process, BOUND_MS), "it does not end: %s", process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    return process;
}

static void prints(const char *const *argv, const char *input, int status, const char *expected)
{
    struct process *process = run(argv, input, status);

    cr_assert_str_eq(process_out(process), expected);
    process_free(process);
}

static void pause_at_random(unsigned most_ms)
{
    usleep((useconds_t)((unsigned)rand_r(&seed) % (most_ms * 1000)));
}

static char *numbers(unsigned count)
{
    char *text = calloc(count, 12), *at = text;

    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%u\n", i);
    return text;
}

/* Hands in 0 … TASKS-1; `id` becomes the job's. */
static void submit(const char *function, char id[32])
{
    char *input = numbers(TASKS);
    struct process *process = run(ARGV("submit", function), input, 0);

    snprintf(id, 32, "%s", process_out(process));
    id[strcspn(id, "\n")] = '\0';
    process_free(process);
    free(input);
}

/* ---- what a reader has written, over all of its lives ---- */

struct book {
    const char *mode, *reader;
    bool asks;      /* for what is behind its own output (--from) */
    uint64_t next;  /* number of the next result */
    uint64_t again; /* results that were written twice */
    bool seen[TASKS];
    unsigned kills;
    bool complete;
};

static void note(struct book *book, const char *line)
{
    json_t *result = json_loads(line, 0, NULL);
    uint64_t number, index;

    cr_assert_not_null(result, "no JSON: %s", line);
    number = (uint64_t)json_integer_value(json_object_get(result, "number"));
    index = (uint64_t)json_integer_value(json_object_get(result, "index"));
    cr_assert_leq(number, book->next, "%s: a gap: %llu comes, %llu is next", book->mode, (unsigned long long)number,
                  (unsigned long long)book->next);
    if (number == book->next) {
        cr_assert_lt(index, TASKS);
        cr_assert_not(book->seen[index], "%s: index %llu comes twice", book->mode, (unsigned long long)index);
        cr_assert(strcmp(book->mode, "--ordered") != 0 || index == number);
        cr_assert_eq(strtoul(json_string_value(json_object_get(result, "payload")), NULL, 10), index);
        book->seen[index] = true;
        book->next++;
    } else {
        cr_assert(!book->asks, "%s: %llu comes again", book->mode, (unsigned long long)number);
        book->again++;
    }
    json_decref(result);
}

/* Complete lines only: what was cut off does not count as read. */
static void note_all(struct book *book, const char *text)
{
    for (const char *stop; (stop = strchr(text, '\n')); text = stop + 1) {
        char *line = strndup(text, (size_t)(stop - text));
        note(book, line);
        free(line);
    }
}

/* One life of a reader, which `most_ms` may end early. */
static struct process *start_reader(const struct book *book, const char *id)
{
    char from[32];

    snprintf(from, sizeof(from), "%llu", (unsigned long long)book->next);
    if (book->asks)
        return start(ARGV("results", id, "--follow", book->mode, "--reader", book->reader, "--results-json",
                          "--buffersize", "32", "--from", from),
                     NULL);
    return start(
        ARGV("results", id, "--follow", book->mode, "--reader", book->reader, "--results-json", "--buffersize", "32"),
        NULL);
}

static void end_reader(struct book *book, struct process *process, bool by_force)
{
    if (by_force)
        process_signal(process, SIGKILL);
    if (!process_wait(process, BOUND_MS)) {
        struct process *jobs = run(ARGV("jobs"), NULL, 0), *agents = run(ARGV("workers"), NULL, 0);
        cr_assert_fail("%s hangs at %llu: %s\n%s\n%s", book->mode, (unsigned long long)book->next, process_err(process),
                       process_out(jobs), process_out(agents));
    }
    note_all(book, process_out(process));
    book->kills += process_status(process) == -SIGKILL;
    cr_assert(process_status(process) == 0 || process_status(process) == -SIGKILL, "exit %d: %s",
              process_status(process), process_err(process));
    book->complete = process_status(process) == 0;
    process_free(process);
}

static void check(const struct book *book)
{
    cr_assert_eq(book->next, TASKS);
    fprintf(stderr, "%s: killed %u times, %llu results written again\n", book->mode, book->kills,
            (unsigned long long)book->again);
}

/* Two readers in different modes, at the same time; `broker_too`: it is killed now and then. */
static void disturb(bool asks, bool broker_too)
{
    struct book books[2] = {{.mode = "--ordered", .reader = "o", .asks = asks},
                            {.mode = "--unordered", .reader = "u", .asks = asks}};
    char id[32];

    submit("slow", id);
    for (int i = 0; i < 2; i++) /* both have come before anything is released */
        prints(ARGV("results", id, books[i].mode, "--reader", books[i].reader), NULL, 5, "");
    start_worker();
    for (unsigned round = 0; !books[0].complete || !books[1].complete; round++) {
        struct process *lives[2] = {NULL, NULL};
        for (int i = 0; i < 2; i++)
            if (!books[i].complete)
                lives[i] = start_reader(&books[i], id);
        pause_at_random(150);
        if (broker_too && round % BROKER_ROUNDS == 7)
            kill_broker();
        pause_at_random(50);
        for (int i = 0; i < 2; i++)
            if (lives[i])
                end_reader(&books[i], lives[i], round < 300);
    }
    check(&books[0]);
    check(&books[1]);
}

Test(cli_readers, killed_readers_that_ask_for_what_they_lack_see_everything_once, .timeout = 200)
{
    disturb(true, false);
}

Test(cli_readers, killed_readers_go_on_behind_what_they_acknowledged, .timeout = 200)
{
    disturb(false, false);
}

Test(cli_readers, readers_and_broker_killed_see_everything_once, .timeout = 200)
{
    disturb(true, true);
}

Test(cli_readers, a_submit_that_is_killed_is_repeated_with_its_key)
{
    char *input = numbers(TASKS);
    struct book book = {.mode = "--ordered", .reader = "r", .asks = true};
    struct process *process;

    start_worker();
    for (unsigned round = 0; round < 12; round++) {
        process = process_start(
            &(struct process_options){.argv = ARGV("submit", "--key", "k", "same"), .env = env, .stdin_open = true});
        for (unsigned sent = 0; sent < (round + 1) * TASKS / 16; sent++) {
            char line[16];
            snprintf(line, sizeof(line), "%u\n", sent);
            process_write(process, line);
        }
        pause_at_random(60);
        if (round % 4 == 3)
            kill_broker();
        process_signal(process, SIGKILL);
        cr_assert(process_wait(process, BOUND_MS));
        process_free(process);
    }
    process = run(ARGV("submit", "--key", "k", "same"), input, 0);
    prints(ARGV("submit", "--key", "k", "same"), input, 0, process_out(process));
    process_free(process);
    free(input);
    end_reader(&book, start_reader(&book, "k"), false);
    check(&book);
}

Test(cli_readers, a_map_that_is_killed_is_repeated_with_its_key, .timeout = 200)
{
    struct book book = {.mode = "--ordered", .reader = "", .asks = false};
    char *input = numbers(TASKS);

    start_worker();
    for (unsigned round = 0; !book.complete; round++) {
        struct process *map = start(ARGV("map", "--key", "m", "--results-json", "--buffersize", "32", "slow"), input);
        pause_at_random(200);
        if (round % BROKER_ROUNDS == 7)
            kill_broker();
        end_reader(&book, map, round < 300);
    }
    check(&book);
    free(input);
}

Test(cli_readers, a_job_waits_for_its_readers)
{
    struct process *process;

    start_worker();
    process = run(ARGV("submit", "--json", "--key", "x", "--keep", "1h", "same", ":::", "a", "b", "c"), NULL, 0);
    cr_assert_not_null(
        strstr(process_out(process), "{\"schema\":\"belt.submit/1\",\"job\":1,\"key\":\"x\",\"tasks\":3}"));
    process_free(process);
    prints(ARGV("wait", "x"), NULL, 0, "job 1 is complete: 3 done, 0 failed\n");
    process = run(ARGV("jobs", "1"), NULL, 0);
    for (long long end = process_now_ms() + BOUND_MS; /* the broker may hear later that the submitter has gone */
         strstr(process_out(process), "while somebody is connected") && process_now_ms() < end; usleep(50000)) {
        process_free(process);
        process = run(ARGV("jobs", "1"), NULL, 0);
    }
    cr_assert_not_null(strstr(process_out(process), "job 1 is kept: 3 results wait to be read; no reader has come yet; "
                                                    "given up in 60 min"),
                       "%s", process_out(process));
    process_free(process);
    prints(ARGV("results", "1", "--from", "4"), NULL, 7, "");
    kill_broker();
    prints(ARGV("results", "1"), NULL, 0, "a\nb\nc\n");
    prints(ARGV("results", "1", "--from", "2"), NULL, 7, "");
    process = run(ARGV("results", "1"), NULL, 0);
    cr_assert_not_null(strstr(process_err(process), "all 3 results were read before"), "%s", process_err(process));
    process_free(process);
}

Test(cli_readers, who_has_read_how_far)
{
    struct process *process;

    start_worker();
    prints(ARGV("submit", "same", ":::", "a", "b", "c"), NULL, 0, "1\n");
    prints(ARGV("wait", "1", "-q"), NULL, 0, "");
    process_free(run(ARGV("results", "1", "-u", "--reader", "log"), NULL, 0));
    process = run(ARGV("jobs", "1", "--json"), NULL, 0);
    json_t *object = json_loads(process_out(process), 0, NULL), *readers = json_object_get(object, "readers");
    const char *name, *mode;
    int job, connected, acknowledged, unread;
    cr_assert_eq(json_array_size(readers), 1, "%s", process_out(process));
    cr_assert_eq(json_unpack(json_array_get(readers, 0), "{s:i, s:s, s:s, s:b, s:i, s:i}", "job", &job, "reader", &name,
                             "mode", &mode, "connected", &connected, "acknowledged", &acknowledged, "unread", &unread),
                 0);
    cr_assert(job == 1 && !strcmp(name, "log") && !strcmp(mode, "unordered") && acknowledged == 3 && unread == 0);
    json_decref(object);
    process_free(process);
    process = run(ARGV("jobs", "1"), NULL, 0);
    cr_assert(strstr(process_out(process), "ACKNOWLEDGED") && strstr(process_out(process), "unordered"), "%s",
              process_out(process));
    process_free(process);
}

Test(cli_readers, a_job_that_is_over_says_why)
{
    prints(ARGV("submit", "--keep", "100ms", "--key", "short", "nobody", ":::", "1"), NULL, 0, "1\n");
    for (bool over = false; !over;) {
        struct process *jobs = run(ARGV("jobs"), NULL, 0);
        over = strstr(process_out(jobs), "is over: given up: nobody came for it");
        process_free(jobs);
        usleep(100000);
    }
}

Test(cli_readers, exit_codes)
{
    char id[32] = "", cancelled[64];
    start_worker();
    prints(ARGV("submit", "odd", ":::", "1", "2", "3"), NULL, 0, "1\n");
    prints(ARGV("results", "1", "--follow", "--quiet"), NULL, 1, "\n\n");
    struct process *submit = run(ARGV("submit", "--volatile", "nobody", ":::", "1"), NULL, 0);
    cr_assert_eq(sscanf(process_out(submit), "%31s", id), 1);
    process_free(submit);
    snprintf(cancelled, sizeof(cancelled), "job %s is cancelled\n", id);
    prints(ARGV("results", id), NULL, 5, "");
    prints(ARGV("cancel", id), NULL, 0, cancelled);
    prints(ARGV("results", "424242"), NULL, 7, "");
    prints(ARGV("submit", "--key", "k", "same", ":::", "1", "2"), NULL, 0, "2\n");
    prints(ARGV("submit", "--key", "k", "same", ":::", "1"), NULL, 7, "");
    prints(ARGV("submit", "--key", "k", "same", ":::", "1", "2", "3"), NULL, 7, "");
    prints(ARGV("submit"), NULL, 2, "");
    prints(ARGV("submit", "--durable", "--volatile", "same"), NULL, 2, "");
    prints(ARGV("submit", "--max-input", "4", "same"), "12345\n", 6, "");
    prints(ARGV("results", "--ordered", "-u", "2"), NULL, 2, "");
    prints(ARGV("map", "--broker", "local", "--key", "k", "--", "echo"), NULL, 2, "");
}

Test(cli_readers, a_second_reader_of_one_name_takes_over_when_it_is_told_to)
{
    struct process *first, *second;

    prints(ARGV("submit", "nobody", ":::", "1"), NULL, 0, "1\n");
    first = start(ARGV("results", "1", "--follow"), NULL);
    for (const char *found = NULL; !found;) {
        struct process *jobs = run(ARGV("jobs", "1", "--json"), NULL, 0);
        found = strstr(process_out(jobs), "\"readers\":1");
        process_free(jobs);
    }
    prints(ARGV("results", "1", "--follow"), NULL, 7, "");
    second = start(ARGV("results", "1", "--follow", "--take-over"), NULL);
    cr_assert(process_wait(first, BOUND_MS), "it is not told");
    cr_assert_eq(process_status(first), 7, "%s", process_err(first));
    cr_assert_not_null(strstr(process_err(first), "taken over"), "%s", process_err(first));
    process_signal(second, SIGINT);
    cr_assert(process_wait(second, BOUND_MS));
    cr_assert_eq(process_status(second), 130);
    process_free(first);
    process_free(second);
}

Test(cli_readers, readers_are_listed_and_removed, .timeout = 120)
{
    prints(ARGV("readers", "list"), NULL, 0, "no reader has come\n");
    process_free(run(ARGV("submit", "--key", "k", "unserved"), "a\nb\n", 0));
    struct process *reading = start(ARGV("results", "--reader", "old", "--follow", "k"), NULL), *list;
    for (unsigned waited = 0, there = 0; !there; waited += 20) {
        list = run(ARGV("readers", "list", "k"), NULL, 0);
        there = strstr(process_out(list), "connected") != NULL;
        process_free(list);
        cr_assert_lt(waited, BOUND_MS);
        usleep(20000);
    }
    list = run(ARGV("readers", "list", "--json"), NULL, 0);
    json_t *object = json_loads(process_out(list), 0, NULL);
    const char *name = NULL;
    cr_assert_eq(json_unpack(object, "{s:[{s:s}]}", "readers", "reader", &name), 0, "%s", process_out(list));
    cr_assert_str_eq(name, "old");
    json_decref(object);
    process_free(list);

    process_free(run(ARGV("readers", "remove", "k", "nobody"), NULL, 7));
    struct process *some = run(ARGV("readers", "remove", "k", "nobody", "old"), NULL, 8);
    cr_assert_str_eq(process_out(some), "reader 'old' of job 1 is removed\n");
    process_free(some);
    cr_assert(process_wait(reading, BOUND_MS), "it does not read any more");
    cr_assert_neq(process_status(reading), 0);
    process_free(reading);
    prints(ARGV("readers", "list", "k"), NULL, 0, "no reader has come\n");
    kill_broker();
    prints(ARGV("readers", "list", "k"), NULL, 0, "no reader has come\n");
    process_free(run(ARGV("readers"), NULL, 2));
    process_free(run(ARGV("readers", "remove", "k"), NULL, 2));
}
