/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent of agent_bench.h, and what its functions do.
 */
#include "tests/unit/agent_bench.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

/* The input says what to do. */
static int act(belt_task *task, const void *data, size_t len, void *ctx)
{
    char word[64] = "";
    size_t argument_len;
    const char *argument = belt_task_argument(task, &argument_len);
    char text[160];

    (void)ctx;
    memcpy(word, data, len < sizeof(word) ? len : sizeof(word) - 1);
    if (strcmp(word, "fail") == 0)
        return belt_task_fail(task, "as asked");
    if (strcmp(word, "return") == 0)
        return 3;
    if (strcmp(word, "crash") == 0)
        raise(SIGKILL);
    if (strcmp(word, "exit") == 0)
        _exit(5);
    if (strcmp(word, "print") == 0) {
        puts("on stdout");
        fputs("on stderr", stderr);
    }
    if (strcmp(word, "large") == 0) {
        char *large = calloc(1, 2u << 20);
        int rc = belt_task_reply(task, large, 2u << 20);
        free(large);
        return rc == BELT_RESULT_TOO_LARGE ? 0 : 1;
    }
    if (strcmp(word, "wait") == 0) {
        belt_task_progress(task, 1, 4);
        while (!belt_task_cancelled(task))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (strcmp(word, "hang") == 0)
        for (;;)
            pause();
    snprintf(text, sizeof(text), "%s %llu %u %.*s", word, (unsigned long long)belt_task_index(task),
             belt_task_attempt(task), (int)argument_len, argument ? argument : "");
    return belt_task_reply(task, text, strlen(text));
}

const struct belt_agent_function bench_functions[] = {
    {.name = "echo", .runner = BELT_RUN_C, .function = echo},
    {.name = "act", .runner = BELT_RUN_C, .function = act},
    {.name = "shout", .runner = BELT_RUN_COMMAND, .command = "printf '<%s>' {} | tr a-z A-Z"},
    {.name = "count", .runner = BELT_RUN_COMMAND, .command = "wc -c"},
    {.name = "sh", .runner = BELT_RUN_COMMAND, .command = "exec sh"},
    {.name = "exec", .runner = BELT_RUN_EXEC},
};

struct bench bench_start(struct belt_agent_options options)
{
    struct bench bench;

    if (!options.functions) {
        options.functions = bench_functions;
        options.function_count = sizeof(bench_functions) / sizeof(*bench_functions);
    }
    if (options.slots == 0)
        options.slots = 2;
    if (options.kill_ms == 0)
        options.kill_ms = 400;
    bench.broker = fake_new(options, -1, &bench.agent);
    cr_assert(fake_until(bench.broker, fake_ready, 0), "the agent did not say hello");
    return bench;
}

void bench_stop(struct bench *bench)
{
    kill(bench->agent, SIGTERM);
    cr_expect(fake_until(bench->broker, fake_gone, 0), "no BYE");
    cr_expect_eq(fake_wait(bench->agent), 0);
    fake_free(bench->broker);
}

const struct fake_result *bench_one(struct bench *bench, uint64_t job, uint64_t index)
{
    const struct fake_result *r = fake_result(bench->broker, job, index);

    cr_assert_not_null(r, "no result %llu.%llu", (unsigned long long)job, (unsigned long long)index);
    return r;
}

void bench_expect(const struct fake_result *r, const char *data)
{
    cr_expect(r->code == 0 && r->len == strlen(data) && memcmp(r->data, data, r->len) == 0,
              "task %llu: code %u, '%.*s' (%s), expected '%s'", (unsigned long long)r->index, r->code, (int)r->len,
              r->data, r->text, data);
}

void bench_strings(struct bench *bench, uint64_t job, const char *function, const char *const *inputs, uint32_t count)
{
    struct fake_dispatch d = {.job = job, .function = function};

    fake_strings(bench->broker, &d, inputs, count);
}
