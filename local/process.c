/* SPDX-License-Identifier: Apache-2.0
 *
 * What the library has once in a process. See process.h.
 *
 * A fork is noticed twice: by a page that the kernel empties in the new process, whichever way it was made, and by
 * fork()'s own handlers, which also keep the lock whole.
 */
#include "local/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t fallback; /* where there is no such page: fork()'s handler empties it */
static atomic_uint_fast64_t *page = &fallback;
static uint64_t last; /* the mark given last, here or in a parent */

static pthread_mutex_t lock;
static pthread_cond_t cond;
static struct local_own_fd *owned;

static void make_lock(void)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_cond_init(&cond, NULL);
}

/* A new process, which has this one thread. */
static void adopt(void)
{
    make_lock();
    for (; owned; owned = owned->next) {
        close(owned->fd);
        owned->fd = -1;
    }
    atomic_store(page, ++last);
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void init(void)
{
    void *memory = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory != MAP_FAILED && madvise(memory, sizeof(*page), MADV_WIPEONFORK) == 0)
        page = memory;
    adopt();
    pthread_atfork(before_fork, after_fork, adopt);
}

uint64_t local_process_mark(void)
{
    pthread_once(&once, init);
    if (atomic_load(page) == 0) /* the child of a fork that ran no handlers */
        adopt();
    return atomic_load(page);
}

bool local_process_is(uint64_t mark)
{
    return atomic_load_explicit(page, memory_order_relaxed) == mark;
}

void local_process_lock(void)
{
    (void)local_process_mark();
    pthread_mutex_lock(&lock);
}

void local_process_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void local_process_wait(void)
{
    pthread_cond_wait(&cond, &lock);
}

void local_process_tell(void)
{
    pthread_cond_broadcast(&cond);
}

void local_process_own(struct local_own_fd *own)
{
    own->next = owned;
    owned = own;
}

void local_process_close(struct local_own_fd *own)
{
    struct local_own_fd **at = &owned;

    if (own->fd < 0)
        return;
    local_process_lock();
    while (*at && *at != own)
        at = &(*at)->next;
    if (*at)
        *at = own->next;
    close(own->fd);
    own->fd = -1;
    local_process_unlock();
}
