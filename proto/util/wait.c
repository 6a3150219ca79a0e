/* SPDX-License-Identifier: Apache-2.0
 *
 * Sleeping until something is told. See wait.h.
 */
#include "proto/util/wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A sleep without an end has one all the same: the system starts one that has none again behind a signal handler. */
#define FOR_EVER_S (1ll << 32)

static _Thread_local bool signalled;

void wait_lock_init(pthread_mutex_t *lock, struct wait_cond *cond)
{
    pthread_mutex_init(lock, NULL);
    atomic_init(&cond->told, 0);
    cond->sleepers = 0;
}

void wait_tell(struct wait_cond *cond)
{
    atomic_fetch_add(&cond->told, 1);
    if (cond->sleepers > 0)
        syscall(SYS_futex, &cond->told, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool wait_sleep(struct wait_cond *cond, pthread_mutex_t *lock, uint64_t deadline)
{
    unsigned told = atomic_load(&cond->told);
    struct timespec until = {.tv_sec = FOR_EVER_S};
    int error = 0;

    if (deadline != UINT64_MAX)
        until = (struct timespec){.tv_sec = (time_t)(deadline / 1000), .tv_nsec = (long)(deadline % 1000) * 1000000};
    cond->sleepers++;
    pthread_mutex_unlock(lock);
    if (syscall(SYS_futex, &cond->told, FUTEX_WAIT_BITSET_PRIVATE, told, &until, NULL, FUTEX_BITSET_MATCH_ANY) != 0)
        error = errno;
    pthread_mutex_lock(lock);
    cond->sleepers--;
    signalled = error == EINTR;
    return error != ETIMEDOUT;
}

int wait_poll(struct pollfd *items, nfds_t count, int timeout)
{
    int ready = poll(items, count, timeout);

    signalled = ready < 0 && errno == EINTR;
    return ready;
}

bool wait_signalled(void)
{
    bool was = signalled;

    signalled = false;
    return was;
}
