/* SPDX-License-Identifier: Apache-2.0
 *
 * Which command lines the shell may replace itself by (SLOTS.md, "The shell"). Pure.
 */
#ifndef BELT_WORKER_AGENT_SIMPLE_COMMAND_H
#define BELT_WORKER_AGENT_SIMPLE_COMMAND_H

#include <stdbool.h>

/**
 * Whether `line` is one simple command of a program, with arguments and redirections only, so that `exec LINE` in a
 * shell does the same with one process less. False when in doubt: for lists, pipes, background commands, assignments,
 * reserved words, built-in commands of the shell and program names that the shell would have to compute.
 */
bool command_is_simple(const char *line);

#endif
