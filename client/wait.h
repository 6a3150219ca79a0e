/* SPDX-License-Identifier: Apache-2.0
 *
 * Sleeping until something is told. Like a condition variable, but a sleep also ends when the thread has run a signal
 * handler, which the ones of POSIX do not tell.
 */
#ifndef BELT_CLIENT_WAIT_H
#define BELT_CLIENT_WAIT_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** All of it is used with the lock that client_wait() is given. */
struct client_cond {
    atomic_uint told; /* how often; a sleep begins only while it is what it was under the lock */
    unsigned sleepers;
};

void client_lock_init(pthread_mutex_t *lock, struct client_cond *cond);
/** Wakes all that sleep on it. With the lock. */
void client_tell(struct client_cond *cond);
/** Sleeps without the lock until it is told, until a signal handler has run, or until `deadline` (client_now_ms); false
 * when that has passed. */
bool client_wait(struct client_cond *cond, pthread_mutex_t *lock, uint64_t deadline);
/** poll(), for the question below. */
int client_poll(struct pollfd *items, nfds_t count, int timeout);
/** Whether a signal handler has ended the last client_wait() or client_poll() of this thread; true once. */
bool client_signalled(void);

#endif
