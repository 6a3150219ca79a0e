/* SPDX-License-Identifier: Apache-2.0
 *
 * Completion scripts, made from the tables of options. Pure.
 */
#ifndef BELT_CLI_COMPLETION_H
#define BELT_CLI_COMPLETION_H

#include <stdio.h>

/** 0, or -1 when there is none for this shell. */
int completion_write(const char *shell, FILE *out);

#endif
