/* SPDX-License-Identifier: Apache-2.0
 *
 * What is refused of a command line before anything runs: what looks like a part of it and would be taken literally.
 */
#ifndef BELT_CLI_COMMAND_CHECK_H
#define BELT_CLI_COMMAND_CHECK_H

#include "cli/options.h"

/** False when the command after '--', or the inputs after ':::', hold something that Belt would not do as it looks;
 * `error` (BELT_CHECK_ERROR bytes) says what, and what to write instead. Pure. */
bool command_line_check(const struct options *options, char *error);

/** The same of what `option` ("--filter", "--coproc") keeps running: it gets its inputs otherwise, and in its line
 * nothing is replaced. Pure. */
bool program_check(const char *option, const char *command, char *error);

#define BELT_CHECK_ERROR 400

#endif
