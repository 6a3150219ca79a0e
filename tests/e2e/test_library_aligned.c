/* SPDX-License-Identifier: Apache-2.0
 *
 * Payloads are aligned, whichever way they take: within a batch or as a frame of their own, through a ring or through
 * shared memory, as input, as argument, as result. They are read as structs here, which UBSan watches.
 */
#include <belt/belt.h>
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000
#define LARGE   (3u << 20)

/* As much alignment as a type of the language has. */
struct number {
    _Alignas(BELT_ALIGNMENT) int64_t value;
    long double half;
};

static bool is_aligned(const void *data)
{
    return data && (uintptr_t)data % BELT_ALIGNMENT == 0;
}

/* The input is a number and any bytes behind it; so is the result, with one byte more and the number doubled. */
static int twice(belt_task *task, const void *data, size_t len, void *ctx)
{
    size_t argument_len;
    const struct number *number = data, *argument = belt_task_argument(task, &argument_len);
    struct number *result;
    int rc;

    (void)ctx;
    if (!is_aligned(data) || !is_aligned(argument))
        return belt_task_fail(task, "the input or the argument is not aligned");
    if (len == 0)
        return 0;
    if (argument_len != sizeof(*argument) + 5 || number->half * 2 != (long double)number->value)
        return belt_task_fail(task, "the input or the argument is another one");
    result = calloc(1, len + 1);
    *result = (struct number){number->value * argument->value, (long double)number->value};
    rc = belt_task_reply(task, result, len + 1);
    free(result);
    return rc;
}

/* The result lies in the input. */
static int same(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (!is_aligned(data))
        return belt_task_fail(task, "the input is not aligned");
    return belt_task_reply(task, len > 16 ? (const char *)data + 8 : data, len > 16 ? len - 8 : len);
}

static const size_t sizes[] = {0,     32,     33, 39, 47, 64, 100, 1000, 4095, 4097, 16383, 16385, 32767, 32769,
                               65537, 300001, 40, 36, 35, 34, 41,  42,   43,   44,   45,    46,    48,    LARGE};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct source {
    unsigned next, count;
    struct number *input;
};

static int next_input(void *ctx, belt_input *input)
{
    struct source *source = ctx;

    if (source->next == source->count)
        return BELT_INPUT_END;
    *source->input = (struct number){source->next * 2, (long double)source->next};
    input->data = source->input;
    input->len = sizes[source->next++ % SIZES];
    return BELT_INPUT_READY;
}

static belt_pool *pool;

static void set_up(void)
{
    belt_pool_options options;

    belt_function_register("twice", twice, NULL);
    belt_function_register("same", same, NULL);
    belt_pool_options_init(&options);
    options.slots = 2;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
}

static void tear_down(void)
{
    belt_pool_close(&pool);
}

TestSuite(aligned, .init = set_up, .fini = tear_down, .timeout = 100);

static void run(const char *function, bool ordered, unsigned count)
{
    _Alignas(BELT_ALIGNMENT) unsigned char argument[sizeof(struct number) + 5] = {0};
    struct source source = {.count = count, .input = calloc(1, LARGE)};
    belt_job_options options;
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    unsigned got = 0;

    ((struct number *)(void *)argument)->value = 2;
    belt_job_options_init(&options);
    options.argument = argument;
    options.argument_len = sizeof(argument);
    cr_assert_eq(
        (ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, function, next_input, &source, &options, &stream),
        BELT_OK);
    while (belt_stream_next(stream, WAIT_MS, &result) == BELT_OK) {
        size_t size = sizes[result->index % SIZES];
        const struct number *number = result->data;

        cr_assert_eq(result->code, BELT_OK, "input of %zu bytes: %s", size, result->text);
        cr_assert(is_aligned(result->data), "result %llu of %zu bytes", (unsigned long long)result->index, result->len);
        if (function[0] == 't' && size > 0) {
            cr_assert_eq(result->len, size + 1);
            cr_assert_eq(number->value, (int64_t)result->index * 4);
            cr_assert_eq(number->half, (long double)(result->index * 2));
        } else {
            cr_assert_eq(result->len, size > 16 ? size - 8 : size);
        }
        got++;
        belt_result_free(&result);
    }
    cr_assert_eq(got, count, "%s", belt_error_text());
    belt_stream_close(&stream);
    free(source.input);
}

Test(aligned, inputs_arguments_and_results)
{
    run("twice", true, 4 * SIZES);
    run("twice", false, 4 * SIZES);
}

Test(aligned, results_that_lie_in_their_input)
{
    run("same", true, 4 * SIZES);
}
