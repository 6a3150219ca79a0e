/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of a job. See job_options.h.
 */
#include "cli/job_options.h"

#include "cli/command_line.h"
#include "cli/exit.h"
#include "cli/moment.h"
#include "cli/say.h"

#include "client/open.h"
#include "worker/agent.h"

#include <time.h>

/* --at, which is a moment to come. */
static int fill_start(const struct map_values *values, belt_job_options *job)
{
    struct timespec now;
    uint64_t now_ms;

    clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (values->after) {
        say("--at and --after exclude each other: each says when the job starts");
        return EXIT_USAGE;
    }
    if (!moment_parse(values->at, now_ms, &job->after_at)) {
        say("'%s' is no time: --at wants " MOMENT_EXPECTED, values->at);
        return EXIT_USAGE;
    }
    if (job->after_at <= now_ms) {
        say("'%s' is over: --at wants a time to come", values->at);
        return EXIT_USAGE;
    }
    if (job->after_at - now_ms > BELT_MAX_WAIT_MS) {
        say("'%s' is more than ten years away, the most a job waits", values->at);
        return EXIT_USAGE;
    }
    if (values->deadline && values->deadline <= job->after_at - now_ms) {
        say("--deadline is not after the start that --at says");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

int job_options_fill(const struct options *options, const struct map_values *values, belt_job_options *job,
                     struct bytes *argument)
{
    belt_job_options_init(job);
    job->chunksize = (uint32_t)values->chunksize;
    job->buffersize = values->buffersize;
    job->buffer_bytes = values->buffer_bytes;
    job->retries = (uint32_t)values->retries;
    job->max_attempts = (uint32_t)values->max_attempts;
    job->timeout_ms = values->timeout;
    job->backoff_ms = values->backoff == UINT64_MAX ? 0 : values->backoff ? (int64_t)values->backoff : -1;
    job->after_ms = values->after;
    job->keep_ms = values->keep;
    job->remember_ms = values->remember ? (int64_t)values->remember : -1;
    if (values->at && fill_start(values, job))
        return EXIT_USAGE;
    job->deadline_ms = values->deadline;
    job->final_statuses = values->final_statuses;
    job->priority = (int)values->priority;
    job->durability = values->volatile_job ? BELT_VOLATILE : BELT_DURABLE_IF_KEPT;
    job->key = values->key;
    job->take_over = values->take_over != 0;
    if (options->dashes && !command_encode(options->rest, options->rest_count, argument)) {
        say("the command is longer than 64 KiB; put it into a script");
        return EXIT_USAGE;
    }
    job->argument = argument->data;
    job->argument_len = argument->len;
    return EXIT_OK;
}

const char *job_function(const struct options *options)
{
    return options->dashes ? BELT_EXEC_FUNCTION : options->words[0];
}
