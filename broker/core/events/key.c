/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job's key stands for: one function with the options that its results
 * depend on (PROTOCOL.md §7.1).
 */
#include "key.h"
#include "../model/table.h"
#include "../model/update.h"

#include <string.h>

static bool same_bytes(struct belt_bytes a, const void *data, size_t len)
{
    return a.len == len && (!len || !memcmp(a.data, data, len));
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
    if (memcmp(wanted->final_status, is->final_status, sizeof is->final_status) != 0)
        return "list of final exit statuses";
    return NULL;
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
