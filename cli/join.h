/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt worker --join`: gets this node a key of its own by a token (PROTOCOL.md §17.4).
 */
#ifndef BELT_CLI_JOIN_H
#define BELT_CLI_JOIN_H

#include "cli/commands.h"

/**
 * `token` is the token, "-" for standard input, or the name of a file that holds it. Makes the access file that the
 * values name, or the user's own; one that is there and knows the same broker is enough. `path` gets its name. 0, or an
 * exit code with a message said.
 */
int join_broker(const struct broker_values *values, const char *token, char *path, size_t room);

#endif
