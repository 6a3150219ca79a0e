/* SPDX-License-Identifier: Apache-2.0
 *
 * Help texts, made from the tables of options and exit codes. Pure.
 */
#ifndef BELT_CLI_HELP_H
#define BELT_CLI_HELP_H

#include "cli/commands.h"

#include <stdio.h>

/** All commands in short, and the exit codes. */
void help_program(FILE *out);
/** One command in full. */
void help_command(const struct command *command, FILE *out);

#endif
