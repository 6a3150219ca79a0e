/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that write over the memory which their slot shares with the agent, and functions whose forked processes
 * come back from them. The agent lives, other slots are not touched, and no task gets the result of another.
 */
#include "tests/unit/agent_bench.h"
#include "worker/agent/keeper.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 60u

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

/* ---- writing where nothing is to be written ---- */

struct region {
    uint8_t *at;
    size_t len;
};

/* Memory that this process shares with others and may write to. */
static size_t shared_regions(struct region *regions, size_t most)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], access[8];
    unsigned long from, to;
    size_t count = 0;

    while (maps && count < most && fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &to, access) == 3 && strcmp(access, "rw-s") == 0)
            regions[count++] = (struct region){(uint8_t *)from, to - from};
    if (maps)
        fclose(maps);
    return count;
}

static size_t shared_bytes(void)
{
    struct region regions[16];
    size_t bytes = 0;

    for (size_t count = shared_regions(regions, 16); count > 0; count--)
        bytes += regions[count - 1].len;
    return bytes;
}

static void write_anywhere(unsigned seed)
{
    struct region regions[16];
    size_t count = shared_regions(regions, 16);

    for (unsigned n = 1 + (unsigned)rand_r(&seed) % 64u; count > 0 && n > 0; n--) {
        const struct region *region = &regions[(unsigned)rand_r(&seed) % count];
        /* The first page and the rings' own numbers are hit more often than their bytes. */
        size_t offset = ((size_t)rand_r(&seed) % (rand_r(&seed) % 2 ? 256 : region->len)) & ~(size_t)7;
        uint64_t value = rand_r(&seed) % 3 ? (uint64_t)rand_r(&seed) % 300 : (uint64_t)rand_r(&seed) << 33;
        memcpy(region->at + offset, &value, sizeof(value));
    }
}

/* "w7" writes anywhere, by seed 7, before it replies; "pid" replies with the slot's process, and "bytes" with
 * how much shared memory it can write to. */
static int wild(belt_task *task, const void *data, size_t len, void *ctx)
{
    char text[32] = "";

    (void)ctx;
    memcpy(text, data, len < sizeof(text) ? len : sizeof(text) - 1);
    if (text[0] == 'w')
        write_anywhere((unsigned)strtoul(text + 1, NULL, 10));
    if (strcmp(text, "pid") == 0) {
        snprintf(text, sizeof(text), "%d", (int)getpid());
        return belt_task_reply(task, text, strlen(text));
    }
    if (strcmp(text, "bytes") == 0) {
        snprintf(text, sizeof(text), "%zu", shared_bytes());
        return belt_task_reply(task, text, strlen(text));
    }
    return belt_task_reply(task, data, len);
}

static const struct belt_agent_function wild_functions[] = {
    {.name = "wild", .runner = BELT_RUN_C, .function = wild},
    {.name = "echo", .runner = BELT_RUN_C, .function = echo},
};

static int slot_pid(struct bench *bench, uint64_t job)
{
    static const char *const inputs[] = {"pid"};
    uint32_t before = bench->broker->result_count;

    bench_strings(bench, job, "wild", inputs, 1);
    cr_assert(fake_until(bench->broker, fake_results, before + 1));
    return atoi((const char *)bench_one(bench, job, 0)->data);
}

Test(exec_wild, what_a_slot_writes_harms_itself_only)
{
    static char texts[8][16];
    const char *inputs[8];
    struct bench bench =
        bench_start((struct belt_agent_options){.functions = wild_functions, .function_count = 2, .slots = 2});
    int first = slot_pid(&bench, 1), changes = 0;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 8; i++) {
            snprintf(texts[i], sizeof(texts[i]), "%s%u", i % 4 == 1 ? "w" : "n", (unsigned)round * 8 + i);
            inputs[i] = texts[i];
        }
        bench_strings(&bench, 10 + round, "wild", inputs, 8);
        cr_assert(fake_until(bench.broker, fake_results, 1 + 9 * (uint32_t)round + 8), "round %u", (unsigned)round);
        for (unsigned i = 0; i < 8; i++) {
            const struct fake_result *r = bench_one(&bench, 10 + round, i);
            /* A task in the same slot may find its input overwritten; nobody gets the answer to another one. */
            for (unsigned other = 0; r->code == BELT_OK && other < 8; other++)
                cr_expect(other == i || r->len != strlen(texts[other]) || memcmp(r->data, texts[other], r->len) != 0,
                          "task %u has the result of task %u", i, other);
            cr_expect(r->code == BELT_OK || r->code == BELT_TASK_LOST || r->code == BELT_TASK_FAILED, "code %u: %s",
                      r->code, r->text);
        }
        int now = slot_pid(&bench, 1000 + round);
        changes += now != first;
        first = now;
    }
    cr_expect_gt(changes, 0, "no slot was harmed: this test writes nowhere");
    bench_stop(&bench);
}

Test(exec_wild, a_slot_has_its_own_shared_memory_only)
{
    static const char *const inputs[] = {"bytes"};
    struct bench bench =
        bench_start((struct belt_agent_options){.functions = wild_functions, .function_count = 2, .slots = 5});
    char expected[32];

    snprintf(expected, sizeof(expected), "%zu", sizeof(struct slot_memory) + arena_size(arena_units(5)));
    bench_strings(&bench, 1, "wild", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 1));
    bench_expect(bench_one(&bench, 1, 0), expected);
    bench_stop(&bench);
}

/* ---- coming back twice ---- */

static int forks(belt_task *task, const void *data, size_t len, void *ctx)
{
    pid_t child = fork();

    (void)ctx;
    if (child == 0) {
        char mine[] = "of the child";
        if (len > 0 && *(const char *)data == 'r')
            belt_task_reply(task, mine, sizeof(mine) - 1);
        return 0; /* it forgets to end itself */
    }
    waitpid(child, NULL, 0);
    return belt_task_reply(task, data, len);
}

static const struct belt_agent_function fork_functions[] = {
    {.name = "forks", .runner = BELT_RUN_C, .function = forks},
};

Test(exec_wild, a_forked_process_that_returns_answers_nothing)
{
    static const char *const inputs[] = {"a", "r1", "b", "r2", "c", "d"};
    struct bench bench =
        bench_start((struct belt_agent_options){.functions = fork_functions, .function_count = 1, .slots = 1});

    bench_strings(&bench, 1, "forks", inputs, 6);
    cr_assert(fake_until(bench.broker, fake_results, 6));
    for (uint64_t i = 0; i < 6; i++) {
        bench_expect(bench_one(&bench, 1, i), inputs[i]);
        cr_expect_not_null(strstr(bench_one(&bench, 1, i)->log, "end it with _exit()"));
    }
    bench_stop(&bench);
}
