/* SPDX-License-Identifier: Apache-2.0
 *
 * Sleeping until something is told. Like a condition variable, but a sleep also ends when the thread has run a signal
 * handler, which the ones of POSIX do not tell.
 */
#ifndef BELT_PROTO_UTIL_WAIT_H
#define BELT_PROTO_UTIL_WAIT_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** All of it is used with the lock that wait_sleep() is given. */
struct wait_cond {
    atomic_uint told; /* how often; a sleep begins only while it is what it was under the lock */
    unsigned sleepers;
};

void wait_lock_init(pthread_mutex_t *lock, struct wait_cond *cond);
/** Wakes all that sleep on it. With the lock. */
void wait_tell(struct wait_cond *cond);
/** Sleeps without the lock until it is told, until a signal handler has run, or until `deadline` (client_now_ms); false
 * when that has passed. */
bool wait_sleep(struct wait_cond *cond, pthread_mutex_t *lock, uint64_t deadline);
/** poll(), for the question below. */
int wait_poll(struct pollfd *items, nfds_t count, int timeout);
/** Whether a signal handler has ended the last wait_sleep() or wait_poll() of this thread; true once. */
bool wait_signalled(void);

#endif
