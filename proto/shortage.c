/* SPDX-License-Identifier: Apache-2.0
 *
 * What is short, and whether it is (shortage.h).
 */
#include "proto/shortage.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a thread that only waits takes of its stack, beside what the C library does. */
#define SMALL_STACK_BYTES 16384u

const char *belt_shortage_advice(int error)
{
    switch (error) {
    case EMFILE:
        return "raise the limit of open files (ulimit -n, LimitNOFILE=)";
    case ENFILE:
        return "the system's limit of open files (fs.file-max) is reached: raise it, or close files";
    case EAGAIN:
        return "raise the limit of processes and threads (ulimit -u, TasksMax=, or that of the container)";
    case ENOMEM:
        return "free memory, or raise its limit (ulimit -v, MemoryMax=)";
    default:
        return NULL;
    }
}

const char *belt_shortage_text(int error)
{
    static _Thread_local char text[256];
    const char *advice = belt_shortage_advice(error);
    snprintf(text, sizeof(text), "%s%s%s", strerror(error), advice ? "; " : "", advice ? advice : "");
    return text;
}

struct gathering {
    pthread_mutex_t lock;
    pthread_cond_t over; /* signalled when `done` becomes true */
    bool done;
};

struct member {
    struct gathering *gathering;
    pthread_t thread;
    pid_t id; /* written by the thread itself before it waits */
};

static void *attend(void *argument)
{
    struct member *member = argument;
    struct gathering *gathering = member->gathering;
    member->id = gettid();
    pthread_mutex_lock(&gathering->lock);
    while (!gathering->done)
        pthread_cond_wait(&gathering->over, &gathering->lock);
    pthread_mutex_unlock(&gathering->lock);
    return NULL;
}

/* pthread_join() returns before the kernel has taken an ended thread off the user's count, and a thread that is started
 * in between would fail. The kernel lowers the count, and then frees the id. The wait has a bound, since another thread
 * of this process may be given the id. */
static void await_uncounted(pid_t id)
{
    const struct timespec moment = {.tv_nsec = 100000};
    pid_t self = getpid();
    for (int i = 0; i < 10000 && tgkill(self, id, 0) == 0; i++)
        nanosleep(&moment, NULL);
}

static void end_members(struct gathering *gathering, struct member *members, unsigned count)
{
    pthread_mutex_lock(&gathering->lock);
    gathering->done = true;
    pthread_cond_broadcast(&gathering->over);
    pthread_mutex_unlock(&gathering->lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(members[i].thread, NULL);
    for (unsigned i = 0; i < count; i++)
        await_uncounted(members[i].id);
}

int belt_shortage_threads(unsigned count)
{
    struct gathering gathering = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
    struct member members[BELT_SHORTAGE_THREADS];
    sigset_t all, before;
    unsigned started = 0;
    int rc = 0;
    assert(count <= BELT_SHORTAGE_THREADS);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < count && rc == 0) {
        members[started].gathering = &gathering;
        rc = pthread_create(&members[started].thread, NULL, attend, &members[started]);
        started += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    end_members(&gathering, members, started);
    return rc;
}

/* What a process that tries says. */
struct tried {
    unsigned room;
    int error;
};

static void *rest(void *argument)
{
    for (;;)
        pause();
    return argument;
}

/* In a process of its own, which is one of those that are counted, and ends its threads when it ends. */
static void try_processes(unsigned wanted, struct tried *tried)
{
    pthread_attr_t small; /* it is their number that counts */
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, (size_t)sysconf(_SC_THREAD_STACK_MIN) + SMALL_STACK_BYTES);
    for (tried->room = 1; tried->room < wanted; tried->room++) {
        pthread_t thread;
        tried->error = pthread_create(&thread, &small, rest, NULL);
        if (tried->error != 0)
            return;
    }
}

unsigned belt_shortage_processes(unsigned wanted, int *error)
{
    struct tried *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct tried tried = {0};
    sigset_t all, before;
    if (wanted == 0 || shared == MAP_FAILED) { /* without memory for a page, whoever starts something will say so */
        *error = 0;
        return wanted;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        try_processes(wanted, shared);
        _exit(0);
    }
    if (child < 0)
        tried.error = errno;
    else if (waitpid(child, NULL, 0) == child) /* all signals are blocked: nothing interrupts */
        tried = *shared;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(shared, sizeof(*shared));
    *error = tried.error;
    return tried.room;
}

int belt_shortage_descriptors(unsigned count)
{
    int fds[BELT_SHORTAGE_DESCRIPTORS], rc = 0;
    unsigned opened = 0;
    assert(count <= BELT_SHORTAGE_DESCRIPTORS);
    while (opened < count && rc == 0) {
        fds[opened] = eventfd(0, EFD_CLOEXEC);
        if (fds[opened] < 0)
            rc = errno;
        else
            opened++;
    }
    while (opened > 0)
        close(fds[--opened]);
    return rc;
}
