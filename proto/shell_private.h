/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of a line and of words have in common. Only for shell_line.c and shell_argv.c. Pure.
 */
#ifndef BELT_SHELL_PRIVATE_H
#define BELT_SHELL_PRIVATE_H

#include "proto/shell_line.h"

#define PLACE "{}"
#define RUNS_INPUT                                                                                                     \
    "where the script of a shell stands, which would run the input as code",                                           \
        "if that is what you want, leave it out: the shell then reads the input from its standard input"

/** -1, always. */
int shell_refuse(struct shell_line *out, const char *where, const char *instead);

/** 0; -1 when out of memory. */
int shell_add(struct shell_line *out, const void *bytes, size_t len);

/** `line` has `len` characters; a copy of it with its end is read, and added to `out`. */
int shell_read_line(struct shell_line *out, const char *line, size_t len);

/** 0; -1: `text` has what looks like a placeholder of another program or, in a line, a source of inputs. */
int shell_check_foreign(struct shell_line *out, const char *text, bool line);

#endif
