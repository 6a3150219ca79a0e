/* SPDX-License-Identifier: Apache-2.0
 *
 * The joblog as a file.
 */
#ifndef BELT_CLI_MAP_JOBLOG_H
#define BELT_CLI_MAP_JOBLOG_H

#include "cli/commands.h"
#include "cli/joblog.h"

/** Opens the log that `values` names, reads what a resumed run skips. The descriptor, or minus an exit code with a
 * message said. */
int map_joblog_open(const struct map_values *values, struct joblog_skip *skip);

#endif
