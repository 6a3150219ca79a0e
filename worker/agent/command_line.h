/* SPDX-License-Identifier: Apache-2.0
 *
 * From a task to the words of its command. Pure.
 */
#ifndef BELT_WORKER_AGENT_COMMAND_LINE_H
#define BELT_WORKER_AGENT_COMMAND_LINE_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct command_line {
    char **argv;     /* ends with NULL */
    char *variable;  /* NAME=VALUE for its environment: the input, to which the command refers; NULL: it does not */
    bool input;      /* the payload goes to standard input */
    char error[320]; /* why it cannot be run */
};

/* The kernel takes no longer word, nor a longer variable, with its NUL (MAX_ARG_STRLEN). */
#define COMMAND_LINE_WORD (128u << 10)
/* Nor longer words and environment in all, whatever the limits are (three quarters of the stack's usual limit). */
#define COMMAND_LINE_BYTES (6u << 20)

/** A command for /bin/sh -c: each {} becomes a reference to the payload (shell_line.h); without any the payload goes to
 * standard input. 0; -1: `error` says why. */
int command_line_shell(struct command_line *line, const char *command, struct belt_bytes payload);
/** The command of an `exec` job, from the job's argument (agent.h). 0; -1: `error` says why. */
int command_line_exec(struct command_line *line, struct belt_bytes argument, struct belt_bytes payload);
/** The system has refused to start it because it is too long (E2BIG); `env` is what it was started with, `most` what
 * the system takes in all. Fills `error`. */
void command_line_too_long(struct command_line *line, char *const *env, size_t most);
/** Accepts a zeroed struct. */
void command_line_free(struct command_line *line);

#endif
