/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that answer with their input (echo.h).
 */
#include "cli/echo.h"

#include <errno.h>
#include <time.h>

/* The kernel wakes a sleeper some 50 us late: shorter work is computed. */
#define SLEEP_US 1000u

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void work(uint32_t us)
{
    uint64_t end = now_ns() + (uint64_t)us * 1000u;
    struct timespec until = {.tv_sec = (time_t)(end / 1000000000u), .tv_nsec = (long)(end % 1000000000u)};

    if (us >= SLEEP_US)
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
            continue;
    while (now_ns() < end)
        continue;
}

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    belt_task_reply(task, data, len);
    return 0;
}

static int echo_work(belt_task *task, const void *data, size_t len, void *ctx)
{
    const uint8_t *bytes = data;

    if (len >= 4)
        work((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
    return echo(task, data, len, ctx);
}

const struct belt_agent_function echo_functions[ECHO_FUNCTIONS] = {
    {.name = ECHO_FUNCTION, .runner = BELT_RUN_C, .function = echo},
    {.name = ECHO_WORK_FUNCTION, .runner = BELT_RUN_C, .function = echo_work},
};
