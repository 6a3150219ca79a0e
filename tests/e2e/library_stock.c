/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool, its functions and the numbers of library_stock.h.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- functions ---- */

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

/* Fails for the input "5". */
static int picky(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 1 && memcmp(data, "5", 1) == 0)
        return belt_task_fail(task, "five is right out");
    return belt_task_reply(task, data, len);
}

static int deadly(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 1 && memcmp(data, "3", 1) == 0)
        kill(getpid(), SIGKILL);
    return belt_task_reply(task, data, len);
}

/* The input "1500" kills its slot, each time it runs. */
static int deadly_late(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 4 && memcmp(data, "1500", 4) == 0)
        kill(getpid(), SIGKILL);
    return belt_task_reply(task, data, len);
}

/* The input "1500" goes on until it is stopped. */
static int endless_late(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    while (len == 4 && memcmp(data, "1500", 4) == 0 && !belt_task_cancelled(task))
        usleep(1000);
    return belt_task_reply(task, data, len);
}

static int endless(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)data, (void)len, (void)ctx;
    while (!belt_task_cancelled(task))
        usleep(1000);
    return belt_task_reply(task, "stopped", 7);
}

/* In memory that the slots share with the test. */
static atomic_bool *late_may_end;

static int late(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    while (len == 1 && memcmp(data, "0", 1) == 0 && !atomic_load(late_may_end) && !belt_task_cancelled(task))
        usleep(1000);
    return belt_task_reply(task, data, len);
}

void stock_end_late(void)
{
    atomic_store(late_may_end, true);
}

/* ---- helpers ---- */

void stock_functions(void)
{
    belt_function_register("echo", echo, NULL);
    belt_function_register("picky", picky, NULL);
    belt_function_register("deadly", deadly, NULL);
    belt_function_register("deadly_late", deadly_late, NULL);
    belt_function_register("endless_late", endless_late, NULL);
    belt_function_register("endless", endless, NULL);
    late_may_end = mmap(NULL, sizeof(*late_may_end), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)late_may_end, MAP_FAILED);
    belt_function_register("late", late, NULL);
}

belt_pool *stock_pool(int slots)
{
    belt_pool_options options;
    belt_pool *pool = NULL;

    stock_functions();
    belt_pool_options_init(&options);
    options.slots = slots;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

int stock_next(void *ctx, belt_input *input)
{
    struct numbers *numbers = ctx;
    uint64_t n = numbers->next;

    if (n == numbers->count)
        return BELT_INPUT_END;
    if (n == numbers->pause_at) {
        numbers->pause_at = UINT64_MAX;
        return BELT_INPUT_LATER;
    }
    numbers->next++;
    if (n == numbers->fail_at) {
        input->data = "no such line";
        input->len = 12;
        return BELT_INPUT_FAILED;
    }
    input->len = (size_t)snprintf(numbers->text, sizeof(numbers->text), "%llu", (unsigned long long)n);
    input->data = numbers->text;
    return BELT_INPUT_READY;
}

void stock_home(char path[64])
{
    strcpy(path, "/tmp/belt_test_XXXXXX");
    cr_assert_not_null(mkdtemp(path));
    setenv("XDG_RUNTIME_DIR", path, 1);
}

void stock_endpoint(const char *home, char endpoint[160])
{
    DIR *dir = opendir(home);
    struct dirent *entry;

    cr_assert_not_null(dir);
    endpoint[0] = '\0';
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "belt-", 5) == 0)
            snprintf(endpoint, 160, "ipc://%.64s/%.32s/clients", home, entry->d_name);
    closedir(dir);
    cr_assert(endpoint[0] != '\0');
}

struct numbers stock_numbers(uint64_t count)
{
    return (struct numbers){.count = count, .fail_at = UINT64_MAX, .pause_at = UINT64_MAX};
}

bool stock_says_number(const belt_result *result)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)result->index);

    return result->len == (size_t)n && memcmp(result->data, text, result->len) == 0;
}

belt_job_options stock_options(uint32_t chunksize, uint64_t buffersize)
{
    belt_job_options options;

    belt_job_options_init(&options);
    options.chunksize = chunksize;
    options.buffersize = buffersize;
    return options;
}

int stock_start(belt_pool *pool, bool ordered, const char *function, struct numbers *numbers,
                const belt_job_options *options, belt_stream **stream)
{
    return ordered ? belt_pool_imap(pool, function, stock_next, numbers, options, stream)
                   : belt_pool_imap_unordered(pool, function, stock_next, numbers, options, stream);
}
