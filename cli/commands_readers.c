/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of `belt readers`. Pure data.
 */
#include "cli/option_rows.h"

/* clang-format off */
static void defaults(void *memory)
{
    struct readers_values *values = memory;

    *values = (struct readers_values){.common.connect_timeout = CONNECT_TIMEOUT_DEFAULT_MS};
}

static const struct option_def readers_options[] = {
    JSON_ROW(struct readers_values),
    ADMIN_ROWS,
};

const struct command commands_readers = {
    .name = "readers",
    .verbs = "list remove",
    .usage = "list [OPTIONS] [JOB]\n"
             "       belt readers remove [OPTIONS] JOB READER…",
    .summary = "List the readers of jobs, or remove some.",
    .details =
        JOB_NAMES " A result is kept until every reader of its job has acknowledged it, so one that nobody needs any more makes "
        "the job stand still when its window is full. remove ends it, whoever reads as it: what it alone held back is released.",
    .options = readers_options,
    .option_count = COUNT_OF(readers_options),
    .values_size = sizeof(struct readers_values),
    .defaults = defaults,
};
