/* SPDX-License-Identifier: Apache-2.0
 *
 * "[NAME=]COMMAND" as `belt worker` is given it. Pure.
 */
#ifndef BELT_CLI_FUNCTIONS_H
#define BELT_CLI_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define FUNCTIONS_DEFAULT "default"
#define FUNCTIONS_NAME    129

/** Whether a function may have this name (PROTOCOL.md §4). */
bool functions_is_name(const char *text);
/** Takes it apart; `*command` points into `text`. `*named` tells whether it had a name. False: the name or the command
 * is not valid. */
bool functions_split(const char *text, char name[FUNCTIONS_NAME], const char **command, bool *named);

#endif
