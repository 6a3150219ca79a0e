/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking for room for threads, processes and descriptors (proto/shortage.h), and a context of ZeroMQ where there is
 * none: libzmq would abort.
 */
#include "proto/link.h"
#include "proto/shortage.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>
#include <zmq.h>

#define UNPRIVILEGED 47110u

/* How many threads pthread_create() still starts; below 0: the real one decides. */
static int threads_left = -1;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left -= threads_left > 0;
    return __real_pthread_create(thread, attributes, run, argument);
}

/* The entries of a directory of /proc/self. */
static unsigned count(const char *path)
{
    DIR *directory = opendir(path);
    unsigned entries = 0;
    cr_assert_not_null(directory);
    while (readdir(directory))
        entries++;
    closedir(directory);
    return entries;
}

/* The room of this process in its limit of processes; root has none, and becomes a user who has no other process. */
static void limit_processes(rlim_t most)
{
    struct rlimit limit = {most, most};
    cr_assert_eq(setrlimit(RLIMIT_NPROC, &limit), 0, "%s", strerror(errno));
    if (geteuid() == 0)
        cr_assert_eq(setuid(UNPRIVILEGED), 0, "%s", strerror(errno));
}

Test(shortage, threads_that_were_tried_are_gone)
{
    unsigned before = count("/proc/self/task");
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(belt_shortage_threads(2), 0);
        cr_assert_eq(count("/proc/self/task"), before, "a thread is still counted");
    }
}

Test(shortage, each_missing_thread_is_told_and_the_others_end)
{
    unsigned before = count("/proc/self/task");
    for (threads_left = 0; threads_left < 3;) {
        int room = threads_left;
        cr_assert_eq(belt_shortage_threads(3), EAGAIN, "with room for %d", room);
        cr_assert_eq(count("/proc/self/task"), before);
        threads_left = room + 1;
    }
    cr_assert_eq(belt_shortage_threads(3), 0);
}

Test(shortage, no_context_where_a_thread_is_missing)
{
    for (int room = 0; room < 2; room++) {
        threads_left = room;
        errno = 0;
        cr_assert_null(belt_link_context(), "with room for %d threads", room);
        cr_assert_eq(errno, EAGAIN);
    }
}

Test(shortage, a_limit_of_processes_that_leaves_no_room)
{
    int error = 0;
    limit_processes(1);
    errno = 0;
    cr_assert_null(belt_link_context());
    cr_assert_eq(errno, EAGAIN);
    cr_assert_eq(belt_shortage_processes(3, &error), 0u);
    cr_assert_eq(error, EAGAIN);
}

Test(shortage, processes_are_counted_and_leave_no_thread_and_no_child)
{
    int error = -1;
    cr_assert_eq(belt_shortage_processes(20, &error), 20u);
    cr_assert_eq(error, 0);
    cr_assert_eq(belt_shortage_processes(0, &error), 0u);
    cr_assert_eq(error, 0);
    threads_left = 5; /* in the process that tries, which is one of them itself */
    cr_assert_eq(belt_shortage_processes(20, &error), 6u);
    cr_assert_eq(error, EAGAIN);
}

Test(shortage, no_context_where_a_descriptor_is_missing)
{
    unsigned open = count("/proc/self/fd"); /* with ".", ".." and its own */
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned room = 0; room < 7; room++) {
        limit.rlim_cur = (rlim_t)dup(0) + room; /* the lowest that is free */
        close((int)(limit.rlim_cur - room));
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        errno = 0;
        cr_assert_null(belt_link_context(), "with room for %u descriptors", room);
        cr_assert_eq(errno, EMFILE);
    }
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(count("/proc/self/fd"), open, "a descriptor is left open");
    void *context = belt_link_context();
    cr_assert_not_null(context);
    zmq_ctx_term(context);
}

Test(shortage, says_what_to_do)
{
    cr_assert_not_null(strstr(belt_shortage_text(EMFILE), "Too many open files; raise the limit of open files"));
    cr_assert_not_null(strstr(belt_shortage_text(EAGAIN), "ulimit -u"));
    cr_assert_not_null(strstr(belt_shortage_text(ENFILE), "fs.file-max"));
    cr_assert_not_null(strstr(belt_shortage_text(ENOMEM), "free memory"));
    cr_assert_str_eq(belt_shortage_text(ENOENT), "No such file or directory");
    cr_assert_null(belt_shortage_advice(ENOENT));
}
