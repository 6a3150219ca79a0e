/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job's key stands for: one function with the options that its results
 * depend on (PROTOCOL.md §7.1).
 */
#include "broker/core/events/key.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"

#include <string.h>

static bool same_bytes(struct belt_bytes a, const void *data, size_t len)
{
    return a.len == len && (!len || !memcmp(a.data, data, len));
}

/* A moment that OPEN names relative to itself, or by the wall clock. The job keeps the latter of both (expire.c). */
static bool same_time(uint64_t wanted_ms, uint64_t wanted_at, uint64_t is_at, uint64_t opened_at)
{
    if (wanted_at || !wanted_ms)
        return wanted_at == is_at;
    return is_at >= opened_at && is_at - opened_at == wanted_ms;
}

/* What was asked for must hold; more than that does no harm. */
static const char *promise_differs(const struct belt_open_options *is, const struct belt_open_options *wanted)
{
    if (wanted->detail && !is->detail)
        return "detail of results (it has no hosts and times)";
    if (wanted->durable && !is->durable)
        return "durability (it is not on disk)";
    if (wanted->never_durable && is->durable)
        return "durability (it is on disk)";
    return NULL;
}

/* §7.1: what OPEN says that the results of the job of this key do not come from, or NULL. */
static const char *key_differs(const struct job *job, const struct belt_msg_open *msg)
{
    const struct belt_open_options *is = &job->options, *wanted = &msg->options;
    const char *function = job->queue->function;

    if (!same_bytes(msg->function, function, strlen(function)))
        return "function";
    if (!same_bytes(wanted->argument, is->argument.data, is->argument.len))
        return "argument or command";
    if (wanted->retries != is->retries)
        return "number of retries";
    if ((wanted->max_attempts ? wanted->max_attempts : BELT_MAX_ATTEMPTS_DEFAULT) != is->max_attempts)
        return "number of attempts";
    if (wanted->timeout_ms != is->timeout_ms)
        return "time-out of a task";
    if (memcmp(wanted->final_status, is->final_status, sizeof(is->final_status)) != 0)
        return "list of final exit statuses";
    if (!same_time(wanted->after_ms, wanted->after_at, is->after_at, job->times.opened_at))
        return "start";
    if (!same_time(wanted->deadline_ms, wanted->deadline_at, is->deadline_at, job->times.opened_at))
        return "deadline";
    return promise_differs(is, wanted);
}

bool key_refused(struct core *core, struct session *from, const struct belt_msg_open *msg, const struct job *job)
{
    const char *what = key_differs(job, msg);
    if (!what)
        return false;
    update_error(core, from, msg->ref, 0, BELT_BAD_OPTION,
                 update_text(core,
                             "job %llu has this key and another %s: use another key, or the same function and options",
                             (unsigned long long)job->id, what));
    return true;
}
