/* SPDX-License-Identifier: Apache-2.0
 *
 * Who drives a pool's connection is one word (helm.h) that all threads change, each by a whole step; with it, and with
 * two bells, they wake each other. Nothing here waits.
 */
#ifndef BELT_CLIENT_WAKE_H
#define BELT_CLIENT_WAKE_H

#include "client/pool.h"

/** There is work. `urgent`: at once; else the driver may finish its nap of a millisecond. Async-signal-safe. */
void client_wake(belt_pool *pool, bool urgent);
/** This stream wants attention. Async-signal-safe; wake afterwards. */
void client_wake_touch(struct belt_stream *stream);

/** Who drives, at this moment. */
struct client_helm client_wake_helm(const belt_pool *pool);
/** Makes a step. One that changes nothing only looks: what its caller has put in its place before is seen by whoever
 * makes the next step that does. */
uint32_t client_wake_step(belt_pool *pool, client_helm_step *make, uint32_t argument);
/** Rings as a step has answered. */
void client_wake_ring(belt_pool *pool, uint32_t rings);
/** Makes an eventfd readable. */
void client_wake_raise(int fd);

#endif
