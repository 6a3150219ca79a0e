/* SPDX-License-Identifier: Apache-2.0
 *
 * Payloads of all sizes through a private pool: what lies in memory that agent and slot share comes out as it went in,
 * whatever part of it is the answer, and however the slot ends.
 */
#include <belt/belt.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 60000

static const size_t sizes[] = {0, 1, 100, 31 << 10, 32 << 10, (32 << 10) + 1, 100000, 1 << 20, 1 << 20, (3 << 20) + 7};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static size_t size_of(uint64_t index)
{
    return index % 50 == 7 ? 16 << 20 : sizes[index * 2654435761u / 65536 % SIZES];
}

static uint8_t byte_of(uint64_t index, size_t i)
{
    return (uint8_t)(index * 37 + i + i / 251 * 3);
}

static bool right(uint64_t index, size_t from, const uint8_t *data, size_t len, uint8_t turned)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != (byte_of(index, from + i) ^ turned))
            return false;
    return true;
}

enum { ECHO, PART, COPY, EARLY, DIES, DIES_LATE, WAYS };

/* The answer comes first, and its input is read after it. */
static int early(belt_task *task, const void *data, size_t len)
{
    int rc = belt_task_reply(task, data, len);

    usleep(3000);
    if (!right(belt_task_index(task), 0, data, len, 0))
        abort();
    return rc;
}

static int copy(belt_task *task, const uint8_t *data, size_t len)
{
    uint8_t *bytes = malloc(len + 1);

    if (!bytes)
        return -1;
    for (size_t i = 0; i < len; i++)
        bytes[i] = data[i] ^ 0x55;
    int rc = belt_task_reply(task, bytes, len);
    memset(bytes, 0, len);
    free(bytes);
    return rc;
}

static int work(belt_task *task, const void *data, size_t len, void *ctx)
{
    uint64_t way = belt_task_index(task) % WAYS;
    bool first = belt_task_attempt(task) == 1;
    (void)ctx;

    if (!right(belt_task_index(task), 0, data, len, 0))
        return belt_task_fail_final(task, "the input is not what was sent");
    if (way == DIES && first)
        raise(SIGKILL);
    if (way == EARLY)
        return early(task, data, len);
    if (way == COPY)
        return copy(task, data, len);
    int rc = belt_task_reply(task, (const uint8_t *)data + (way == PART ? len / 4 : 0), way == PART ? len / 2 : len);
    if (way == DIES_LATE && first && belt_task_index(task) % 4 == 1)
        raise(SIGKILL);
    return rc;
}

struct source {
    uint64_t next, count;
    uint8_t *bytes;
};

static int source_next(void *ctx, belt_input *input)
{
    struct source *source = ctx;
    size_t len = size_of(source->next);

    if (source->next == source->count)
        return BELT_INPUT_END;
    for (size_t i = 0; i < len; i++)
        source->bytes[i] = byte_of(source->next, i);
    input->data = source->bytes;
    input->len = len;
    source->next++;
    return BELT_INPUT_READY;
}

static void expect(const belt_result *result)
{
    size_t len = size_of(result->index), from = result->index % WAYS == PART ? len / 4 : 0;

    cr_assert_eq(result->code, BELT_OK, "%llu: %s", (unsigned long long)result->index, result->text);
    cr_assert_eq(result->len, result->index % WAYS == PART ? len / 2 : len, "%llu", (unsigned long long)result->index);
    cr_assert(right(result->index, from, result->data, result->len, result->index % WAYS == COPY ? 0x55 : 0),
              "%llu has other bytes", (unsigned long long)result->index);
}

static void all_sizes(int slots, uint64_t count, bool ordered)
{
    struct source source = {.count = count, .bytes = malloc(16 << 20)};
    belt_pool_options options;
    belt_job_options job;
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    belt_result *result;

    belt_function_register("work", work, NULL);
    belt_pool_options_init(&options);
    options.slots = slots;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    belt_job_options_init(&job);
    job.max_attempts = 20;
    cr_assert_eq(
        (ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, "work", source_next, &source, &job, &stream),
        BELT_OK);
    for (uint64_t i = 0; i < count; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert(!ordered || result->index == i);
        expect(result);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    free(source.bytes);
}

Test(large, come_out_as_they_went_in, .timeout = 240)
{
    all_sizes(2, 300, false);
}

Test(large, come_out_in_order, .timeout = 240)
{
    all_sizes(1, 150, true);
}
