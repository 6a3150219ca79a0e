/* SPDX-License-Identifier: Apache-2.0
 *
 * From the command line to the options of a job, for `belt map` and `belt submit`.
 */
#ifndef BELT_CLI_JOB_OPTIONS_H
#define BELT_CLI_JOB_OPTIONS_H

#include "cli/bytes.h"
#include "cli/commands.h"

#include <belt/belt.h>

/** Fills `job`, which borrows from `values` and from `argument` (the caller frees it). 0, or an exit code with a
 * message said. */
int job_options_fill(const struct options *options, const struct map_values *values, belt_job_options *job,
                     struct bytes *argument);
/** The FUNCTION of the command line, or the one that runs commands. */
const char *job_function(const struct options *options);

#endif
