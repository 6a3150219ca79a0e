/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of a job. See job_options.h.
 */
#include "job_options.h"

#include "command_line.h"
#include "exit.h"
#include "say.h"

#include "../client/private.h"

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
    job->deadline_ms = values->deadline;
    job->final_statuses = values->final_statuses;
    job->priority = (int)values->priority;
    job->durability = values->volatile_job ? BELT_VOLATILE : BELT_DURABLE_IF_KEPT;
    job->key = values->key;
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
