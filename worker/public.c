/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker's part of <belt/belt.h>: functions by name, belt_worker_run().
 * (belt_task_* is task.c.)
 */
#include "worker/agent.h"
#include "proto/error.h"
#include "proto/name.h"
#include "proto/options.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct belt_agent_function registered[BELT_MAX_FUNCTIONS];
static uint32_t registered_count;

BELT_API int belt_function_register(const char *name, belt_function function, void *ctx)
{
    uint32_t at = 0;

    if (!belt_name_valid(name) || !function)
        return belt_error_set(BELT_INVALID,
                              "a function needs a name of letters, digits, '.', '_' and '-', and an address");
    while (at < registered_count && strcmp(registered[at].name, name) != 0)
        at++;
    if (at == BELT_MAX_FUNCTIONS)
        return belt_error_set(BELT_LIMIT, "%u functions are registered: that is the limit", at);
    if (at == registered_count) {
        char *copy = strdup(name);
        if (!copy)
            return belt_error_set(BELT_NO_MEMORY, "out of memory");
        registered[at] = (struct belt_agent_function){.name = copy};
        registered_count++;
    }
    registered[at].runner = BELT_RUN_C;
    registered[at].function = function;
    registered[at].ctx = ctx;
    return BELT_OK;
}

const struct belt_agent_function *belt_function_list(uint32_t *count)
{
    *count = registered_count;
    return registered;
}

BELT_API int belt_worker_run(const char *broker, const belt_worker_options *options)
{
    belt_worker_options o = BELT_WORKER_OPTIONS_INIT;
    char error[512];

    int rc = belt_options_read(&o, sizeof(o), options, "BELT_WORKER_OPTIONS_INIT");
    if (rc != BELT_OK)
        return rc;
    if (o.slots < 0)
        return belt_error_set(BELT_INVALID, "%d slots: give a positive number, or 0 for one per processor", o.slots);
    if (o.lifeline_fd < 0 || (o.lifeline_fd > 0 && fcntl(o.lifeline_fd, F_GETFD) < 0))
        return belt_error_set(BELT_INVALID, "lifeline_fd is %d, which is no open descriptor", o.lifeline_fd);
    if (o.log_bytes < 0 || o.log_bytes > (int64_t)BELT_LOG_BYTES_MAX)
        return belt_error_set(BELT_INVALID, "log_bytes is %lld: give 0 to %u", (long long)o.log_bytes,
                              BELT_LOG_BYTES_MAX);
    if (o.kill_after_ms < 0)
        return belt_error_set(BELT_INVALID, "kill_after_ms is negative: give a time, or 0 for at once");
    const struct belt_agent_options agent = {
        .broker = broker,
        .access = o.access,
        .name = o.name,
        .slots = (uint32_t)o.slots,
        .functions = registered,
        .function_count = registered_count,
        .drain_ms = o.drain_ms,
        .start_ms = o.start_timeout_ms,
        .kill_ms = belt_agent_kill_ms((uint64_t)o.kill_after_ms),
        .log_bytes = belt_agent_log_bytes((uint64_t)o.log_bytes),
        .max_tasks_per_slot = o.max_tasks_per_slot,
        .inherit_output = o.inherit_output,
        .lifeline_fd = o.lifeline_fd,
        .alone = o.only_worker,
        .quiet = o.quiet,
        .slot_init = o.slot_init,
        .slot_exit = o.slot_exit,
        .slot_ctx = o.slot_ctx,
    };
    rc = belt_agent_run(&agent, error, sizeof(error));
    return rc == BELT_OK ? BELT_OK : belt_error_set(rc, "%s", error);
}
