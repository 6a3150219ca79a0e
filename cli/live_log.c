/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that shows the standard error of local tasks. See live_log.h.
 */
#include "cli/live_log.h"

#include "cli/say.h"

#include "proto/terminal_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void add_line(struct live_log *log, uint64_t index, const uint8_t *line, size_t len)
{
    if (index == LOG_NO_TASK)
        bytes_text(&log->text, "[-] ");
    else
        bytes_format(&log->text, "[%llu] ", (unsigned long long)joblog_input(log->skip, index));
    if (log->terminal)
        bytes_shown(&log->text, line, len, TERMINAL_TEXT_TABS);
    else
        bytes_add(&log->text, line, len);
    bytes_text(&log->text, "\n");
}

static void add_record(struct live_log *log, const struct log_record *record)
{
    const uint8_t *at = record->data, *end = at + record->len;

    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        add_line(log, record->index, at, len);
        at += len + 1;
    }
}

/* Shows what one read brings. The read's length; 0: the end; -1: nothing there. */
static ssize_t show(struct live_log *log)
{
    struct log_record record;
    size_t at = 0, size;
    ssize_t n;

    do
        n = read(log->ends[0], log->records + log->len, sizeof(log->records) - log->len);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n;
    log->len += (size_t)n;
    while ((size = log_lines_read(log->records + at, log->len - at, &record)) > 0) {
        add_record(log, &record);
        at += size;
    }
    memmove(log->records, log->records + at, log->len - at);
    log->len -= at;
    say_bytes(log->text.data, log->text.len);
    bytes_reset(&log->text);
    return n;
}

/* One read, unless somebody waits for his turn. False: the end. */
static bool show_in_turn(struct live_log *log)
{
    ssize_t n;

    pthread_mutex_lock(&log->lock);
    while (atomic_load(&log->waiting))
        pthread_cond_wait(&log->turn, &log->lock);
    n = show(log);
    pthread_mutex_unlock(&log->lock);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static void *run(void *ctx)
{
    struct live_log *log = ctx;
    struct pollfd fds[2] = {{.fd = log->ends[0], .events = POLLIN}, {.fd = log->stop, .events = POLLIN}};

    do {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
    } while (!(fds[1].revents & POLLIN) && show_in_turn(log));
    while (show(log) > 0) /* the owner waits for this thread: nobody else shows anything */
        continue;
    return NULL;
}

int live_log_open(struct live_log *log)
{
    if (pipe2(log->ends, O_CLOEXEC | O_NONBLOCK)) {
        log->ends[0] = log->ends[1] = -1;
        return errno;
    }
    return 0;
}

int live_log_start(struct live_log *log, const struct joblog_skip *skip)
{
    sigset_t all, before;
    int error;

    close_fd(&log->ends[1]);
    log->skip = skip;
    log->terminal = isatty(STDERR_FILENO);
    log->stop = eventfd(0, EFD_CLOEXEC);
    if (log->stop < 0)
        return errno;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->turn, NULL);
    sigfillset(&all); /* they are for the main thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    log->runs = !error;
    return error;
}

void live_log_catch_up(struct live_log *log)
{
    int there = 0;
    ssize_t n;

    if (!log->runs)
        return;
    atomic_fetch_add(&log->waiting, 1); /* or a thread that always has something to show would keep the lock */
    pthread_mutex_lock(&log->lock);
    ioctl(log->ends[0], FIONREAD, &there);
    while (there > 0 && (n = show(log)) > 0)
        there -= (int)n;
    atomic_fetch_sub(&log->waiting, 1);
    pthread_cond_signal(&log->turn);
    pthread_mutex_unlock(&log->lock);
}

void live_log_close(struct live_log *log)
{
    if (log->runs) {
        eventfd_write(log->stop, 1);
        pthread_join(log->thread, NULL);
        pthread_mutex_destroy(&log->lock);
        pthread_cond_destroy(&log->turn);
    }
    log->runs = false;
    bytes_free(&log->text);
    close_fd(&log->stop);
    close_fd(&log->ends[0]);
    close_fd(&log->ends[1]);
}
