/* SPDX-License-Identifier: Apache-2.0
 *
 * The access file of a command: where the broker is when nobody says, and the keys of the connection.
 */
#ifndef BELT_CLI_ACCESS_H
#define BELT_CLI_ACCESS_H

#include "cli/commands.h"
#include "cli/endpoint.h"

#include "proto/access.h"

/**
 * Reads the access file that the values name, or the user's own. 0, also when there is none (`access` has no brokers
 * then), or an exit code with a message said. Wipe it after use.
 */
int access_read(const struct broker_values *values, struct belt_access *access);
/** The address of a broker for clients, or for workers, into `endpoint`: what was asked for, else the access file's
 * first, else `fallback`; NULL and no other: "". 0, or an exit code with a message said. */
int access_endpoint(const struct broker_values *values, const struct belt_access *access, bool workers,
                    const char *fallback, char endpoint[ENDPOINT_MAX]);
/** Both of it, for a command that hands the file's name on. From now on this process leaves no core dump: it will hold
 * the keys. */
int access_find_broker(const struct broker_values *values, bool workers, const char *fallback,
                       char endpoint[ENDPOINT_MAX]);

#endif
