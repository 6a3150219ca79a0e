/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that ask a command to stop. See signals.h.
 */
#include "cli/signals.h"

#include "client/open.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

static atomic_int stop;
static _Atomic(belt_stream *) watched;
static atomic_int agent; /* of the private pool, 0: none */
static int wake[2] = {-1, -1};
static pid_t parent;

static void ask(int number)
{
    belt_stream *stream = atomic_load(&watched);
    ssize_t ignored;

    atomic_store(&stop, number);
    ignored = write(wake[1], "", 1);
    (void)ignored;
    if (stream)
        belt_stream_interrupt(stream);
}

static void tell_agent(int number)
{
    pid_t pid = atomic_load(&agent);

    if (pid > 0)
        kill(pid, number);
}

/* The agent's keeper kills the tasks when the agent is gone. */
static void on_stop(int number)
{
    int saved = errno;

    if (atomic_load(&stop)) {
        tell_agent(SIGKILL);
        _exit(128 + number);
    }
    ask(number);
    errno = saved;
}

/* The tasks are in sessions of their own, which the terminal's Ctrl-Z does not reach. */
static void on_pause(int number)
{
    int saved = errno;

    (void)number;
    tell_agent(SIGTSTP);
    raise(SIGSTOP);
    errno = saved;
}

static void on_continue(int number)
{
    int saved = errno;

    (void)number;
    tell_agent(SIGCONT);
    errno = saved;
}

/* A handler and not SIG_IGN: exec gives programs that we start the default back. */
static void on_pipe(int number)
{
    (void)number;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, old;

    if (!sigaction(number, NULL, &old) && old.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void signals_know_parent(void)
{
    parent = getppid();
}

void signals_install(void)
{
    struct sigaction action = {.sa_handler = on_pipe};

    if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK))
        wake[0] = wake[1] = -1;
    handle(SIGINT, on_stop, 0);
    handle(SIGTERM, on_stop, 0);
    handle(SIGHUP, on_stop, 0);
    if (atomic_load(&agent) > 0) {
        handle(SIGTSTP, on_pause, SA_RESTART);
        handle(SIGCONT, on_continue, SA_RESTART);
    }
    sigaction(SIGPIPE, &action, NULL);
}

int signals_stop(void)
{
    return atomic_load(&stop);
}

int signals_exit(void)
{
    return 128 + atomic_load(&stop);
}

void signals_interrupt(belt_stream *stream)
{
    atomic_store(&watched, stream);
}

void signals_pool(const belt_pool *pool)
{
    atomic_store(&agent, pool ? belt_pool_agent(pool) : 0);
}

int signals_fd(void)
{
    return wake[0];
}

void signals_check_parent(void)
{
    if (!atomic_load(&stop) && getppid() != parent)
        ask(SIGHUP);
}
