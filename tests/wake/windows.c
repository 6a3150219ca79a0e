/* SPDX-License-Identifier: Apache-2.0
 *
 * Meets for certain the few instructions between which a wake-up can be lost in the library. The functions that the
 * library calls there are defined here: they hold a thread until the other one has done its part, or do what a signal
 * does. Nothing is measured: a thread that goes to sleep with work is seen when it does.
 *
 *   windows hand-over|interrupted|accepted|room
 *
 * Ends with 0, with 1 when a wake-up was lost, and with 77 when the window was not met often enough: then the library
 * goes another way, and the test says nothing.
 */
#include "client/wake.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define ROUNDS       20
#define TRIES        200
#define HOLD_MS      500 /* the other thread does its part sooner, or not at all */
#define SETTLE_US    20000
#define WAIT_MS      20000
#define INCONCLUSIVE 77

/* What one try has come to. */
enum stage { OFF, ARMED, HELD, MET, MET_AND_OVER, MISSED };
enum window { NONE, HAND_OVER, INTERRUPTED, ACCEPTED, ROOM };

static enum window window;
static atomic_int stage;
static atomic_uint slept; /* a thread went to sleep with work */
static pthread_t user;
static belt_pool *pool;
static belt_stream *stream;

static bool is_user(void)
{
    return window != NONE && pthread_equal(pthread_self(), user);
}

static void pause_ms(void)
{
    usleep(1000);
}

/* ---- what the library calls ---- */

/* The I/O thread is about to look for the word of work: until the reader has fed a task, wants the helm and sleeps. */
static void hold_io_thread(void)
{
    bool fed = false;

    atomic_store(&stage, HELD);
    for (int i = 0; i < HOLD_MS && !fed; i++) {
        pause_ms();
        fed = client_wake_helm(pool).wanted != 0 && !__atomic_load_n(&stream->unkicked, __ATOMIC_SEQ_CST);
    }
    usleep(SETTLE_US); /* it is about to sleep on its mail's condition, which nobody can look at */
    fed = fed && client_wake_helm(pool).wanted != 0 && client_wake_helm(pool).work && atomic_load(&pool->queue);
    atomic_store(&stage, fed ? MET : MISSED);
}

typedef int socket_option(void *, int, void *, size_t *);

/* The reader asks after it has sent its task: once the answer is there the question takes its word from the
 * descriptor, and a signal interrupts it. */
static int interrupt(socket_option *real, void *socket, int option, void *value, size_t *size)
{
    struct pollfd item = {.events = POLLIN};
    size_t fd_size = sizeof(item.fd);
    int told, rc;

    real(socket, ZMQ_FD, &item.fd, &fd_size);
    told = poll(&item, 1, HOLD_MS);
    rc = real(socket, option, value, size);
    if (told != 1 || rc != 0 || (*(int *)value & ZMQ_POLLIN) == 0)
        return rc;
    atomic_store(&stage, MET);
    errno = EINTR;
    return -1;
}

int zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    socket_option *real = (socket_option *)dlsym(RTLD_NEXT, __func__);

    if (window == HAND_OVER && option == ZMQ_FD && !is_user() && atomic_load(&stage) == ARMED)
        hold_io_thread();
    if (window == INTERRUPTED && option == ZMQ_EVENTS && is_user() && atomic_load(&stage) == ARMED &&
        !atomic_load(&pool->queue))
        return interrupt(real, socket, option, value, size);
    return real(socket, option, value, size);
}

/* Then it was not slept through. */
int zmq_msg_recv(zmq_msg_t *msg, void *socket, int flags)
{
    int (*real)(zmq_msg_t *, void *, int) = (int (*)(zmq_msg_t *, void *, int))dlsym(RTLD_NEXT, __func__);

    if (window == INTERRUPTED && is_user() && atomic_load(&stage) == MET)
        atomic_store(&stage, MET_AND_OVER);
    return real(msg, socket, flags);
}

int poll(struct pollfd *items, nfds_t count, int timeout)
{
    int (*real)(struct pollfd *, nfds_t, int) = (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, __func__);

    if (is_user() && timeout != 0 && atomic_load(&stage) == MET &&
        (window == INTERRUPTED || (atomic_load(&pool->queue) && !client_wake_helm(pool).work)))
        atomic_fetch_add(&slept, 1);
    return real(items, count, timeout);
}

typedef int lock_mutex(pthread_mutex_t *);

/* The user has let go of his mail to wake the I/O thread and will look at it again: until the broker has answered. */
static void hold_user(lock_mutex *real)
{
    const struct client_mail *mail = &stream->mail;
    bool done = false;

    for (int i = 0; i < HOLD_MS && !done; i++) {
        real(&stream->mail.lock);
        done = window == ACCEPTED ? mail->end_known : mail->accepted == stream->window.drawn;
        pthread_mutex_unlock(&stream->mail.lock);
        if (done)
            atomic_store(&stage, i > 0 ? MET : MISSED);
        else
            pause_ms();
    }
}

int pthread_mutex_lock(pthread_mutex_t *lock)
{
    static lock_mutex *real;

    if (!real)
        real = (lock_mutex *)dlsym(RTLD_NEXT, __func__);
    if ((window == ACCEPTED || window == ROOM) && is_user() && atomic_load(&stage) == ARMED &&
        lock == &stream->mail.lock && (stream->mail.waiting_accepted || stream->mail.feeders > 0))
        hold_user(real);
    return real(lock);
}

/* ---- the user ---- */

static void check(int rc, const char *what)
{
    if (rc == BELT_OK)
        return;
    fprintf(stderr, "windows: %s: %s\n", what, belt_error_text());
    exit(1);
}

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

static void round_trip(void)
{
    belt_result *result = NULL;

    check(belt_stream_feed(stream, "x", 1, WAIT_MS), "belt_stream_feed");
    check(belt_stream_next(stream, WAIT_MS, &result), "belt_stream_next");
    belt_result_free(&result);
}

static void arm(void)
{
    atomic_store(&stage, ARMED);
}

static void try_hand_over(void)
{
    usleep(SETTLE_US); /* no message of the round trip before may come and wake the reader */
    arm();
    for (int i = 0; i < HOLD_MS && atomic_load(&stage) == ARMED; i++) {
        if (client_wake_helm(pool).driver != CLIENT_HELM_NOBODY) /* by the I/O thread: it takes another turn */
            client_wake(pool, true);
        pause_ms();
    }
    stream->woke_ms = client_now_ms(); /* as after a result a moment ago: it would like to be at the helm */
    round_trip();
}

static void try_interrupted(void)
{
    round_trip(); /* it comes back soon, and so is at the helm for the next one */
    arm();
    round_trip();
}

static void open_job(belt_job_options *options)
{
    check(belt_pool_submit_open(pool, "echo", NULL, NULL, options, &stream), "belt_pool_submit_open");
    check(belt_stream_feed(stream, "x", 1, WAIT_MS), "belt_stream_feed");
}

static void try_accepted(void)
{
    open_job(NULL);
    check(belt_stream_flush(stream, WAIT_MS), "belt_stream_flush");
    arm();
    check(belt_stream_end(stream), "belt_stream_end");
    check(belt_stream_flush(stream, WAIT_MS), "belt_stream_flush, with the end accepted meanwhile");
    belt_stream_close(&stream);
}

static void try_room(void)
{
    belt_job_options options;

    belt_job_options_init(&options);
    options.buffersize = 1;
    open_job(&options);
    arm();
    check(belt_stream_feed(stream, "y", 1, WAIT_MS), "belt_stream_feed, with the task before accepted meanwhile");
    atomic_store(&stage, atomic_load(&stage) == ARMED ? MISSED : atomic_load(&stage));
    check(belt_stream_end(stream), "belt_stream_end");
    belt_stream_close(&stream);
}

static enum window window_of(const char *name)
{
    static const char *const names[] = {
        [HAND_OVER] = "hand-over", [INTERRUPTED] = "interrupted", [ACCEPTED] = "accepted", [ROOM] = "room"};

    for (enum window i = HAND_OVER; i <= ROOM; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    fprintf(stderr, "usage: windows hand-over|interrupted|accepted|room\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static void (*const tries[])(void) = {
        [HAND_OVER] = try_hand_over, [INTERRUPTED] = try_interrupted, [ACCEPTED] = try_accepted, [ROOM] = try_room};
    enum window wanted = window_of(argc == 2 ? argv[1] : "");
    unsigned met = 0, tried = 0;
    belt_pool_options options;

    belt_pool_options_init(&options);
    options.slots = 1;
    check(belt_function_register("echo", echo, NULL), "belt_function_register");
    check(belt_pool_open(NULL, &options, &pool), "belt_pool_open");
    if (wanted == HAND_OVER || wanted == INTERRUPTED) {
        check(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &stream), "belt_pool_imap");
        round_trip();
    }
    user = pthread_self();
    window = wanted;
    for (; tried < TRIES && met < ROUNDS; tried++) {
        tries[window]();

        enum stage came_to = (enum stage)atomic_exchange(&stage, OFF);

        met += came_to == MET || came_to == MET_AND_OVER;
    }
    belt_stream_close(&stream);
    printf("%s: the window was met %u times in %u, and %u times somebody went to sleep with work\n", argv[1], met,
           tried, atomic_load(&slept));
    window = NONE;
    belt_pool_close(&pool);
    if (atomic_load(&slept) > 0)
        return 1;
    return met < ROUNDS ? INCONCLUSIVE : 0;
}
