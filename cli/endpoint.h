/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as people write them. Pure.
 */
#ifndef BELT_CLI_ENDPOINT_H
#define BELT_CLI_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#define ENDPOINT_CLIENTS_PORT 7878
#define ENDPOINT_WORKERS_PORT 7879
#define ENDPOINT_MAX          512
/* The longest path of a Unix socket, without its NUL. */
#define ENDPOINT_IPC_PATH_MAX 107

/**
 * "host", "host:port", "tcp://host" and "[::1]" become "tcp://host:port", with `port` where none is given, so one
 * BELT_BROKER serves clients and workers; "ipc://…" and "tcp://host:port" stay. False when it is no address.
 */
bool endpoint_normal(const char *text, int port, char out[ENDPOINT_MAX]);

#endif
