/* SPDX-License-Identifier: Apache-2.0
 *
 * Which addresses a broker may listen on. Pure: looks at text only.
 */
#ifndef BELT_BROKER_ENDPOINT_H
#define BELT_BROKER_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

/** The longest path of a Unix socket, without its NUL. */
#define BROKER_IPC_PATH_MAX 107u

/**
 * "tcp://HOST:PORT" on loopback, or anywhere when it is `allowed` (with keys, or in plaintext that somebody asked for),
 * or "ipc://PATH". PORT may be `*` (any free one). Returns BELT_OK, or BELT_INVALID with the reason and the remedy in
 * `error`.
 */
int broker_endpoint_check(const char *endpoint, bool allowed, char *error, size_t size);

/** The path of an ipc endpoint that is a file; NULL for every other one. */
const char *broker_endpoint_path(const char *endpoint);

#endif
