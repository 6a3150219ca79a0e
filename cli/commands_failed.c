/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of `belt failed` and `belt retry`. Pure data.
 */
#include "cli/option_rows.h"

/* clang-format off */
static void defaults(void *memory)
{
    struct failed_values *values = memory;

    *values = (struct failed_values){.common.connect_timeout = CONNECT_TIMEOUT_DEFAULT_MS};
}

static const struct option_def failed_options[] = {
    {.name = "all", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, .offset = offsetof(struct failed_values, all),
     .help = "retry and drop take all failed tasks, or all of QUEUE."},
    {.name = "input", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, .offset = offsetof(struct failed_values, input),
     .help = "show writes the inputs alone, as they are."},
    {.name = "function", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "NAME",
     .offset = offsetof(struct failed_values, function), .check = commands_check_given, .expects = "a name",
     .help = "list shows only failed tasks of this function, as QUEUE does."},
    {.name = "job", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "JOB",
     .offset = offsetof(struct failed_values, job), .check = commands_check_given, .expects = "the id or key of a job",
     .help = "list shows only those of this job."},
    {.name = "limit", .letter = 'l', .type = OPTION_COUNT, .scope = OPTION_FLAG_ONLY, .arg = "N",
     .offset = offsetof(struct failed_values, limit),
     .help = "list shows N at the most (0: all); the last line says how many there are."},
    JSON_ROW(struct failed_values),
    ADMIN_ROWS,
};

const struct command commands_failed = {
    .name = "failed",
    .verbs = "list show retry drop",
    .usage = "list [OPTIONS] [QUEUE]\n"
             "       belt failed show [OPTIONS] ID…\n"
             "       belt failed retry|drop [OPTIONS] ID… | --all [QUEUE]",
    .summary = "List, show, run again or drop failed tasks.",
    .details =
        "A task that ended as an error is kept with its input, also when its job was read and is forgotten. ID is JOB.INDEX, as "
        "list shows it, or JOB for all of a job. retry runs the inputs again as a new job, which belongs to nobody: "
        "'belt results' reads it. The broker keeps a bounded number for each function and lets the oldest go.",
    .options = failed_options,
    .option_count = COUNT_OF(failed_options),
    .values_size = sizeof(struct failed_values),
    .defaults = defaults,
};

static const struct option_def retry_options[] = {
    {.name = "failed", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, .offset = offsetof(struct failed_values, failed),
     .help = "Run the failed tasks again: what there is to run again, and said so that it is read."},
    JSON_ROW(struct failed_values),
    ADMIN_ROWS,
};

const struct command commands_retry = {
    .name = "retry",
    .usage = "[OPTIONS] JOB --failed",
    .summary = "Run the failed tasks of a job again, as a new job.",
    .details = JOB_NAMES " The new job belongs to nobody: 'belt results' reads it. See also 'belt failed'.",
    .options = retry_options,
    .option_count = COUNT_OF(retry_options),
    .values_size = sizeof(struct failed_values),
    .defaults = defaults,
};
