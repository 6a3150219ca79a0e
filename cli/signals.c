/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that ask a command to stop. See signals.h.
 */
#include "signals.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

static atomic_int stop;
static _Atomic(belt_stream *) watched;
static int wake[2] = {-1, -1};
static pid_t parent;
static bool hangup_ignored;

static void ask(int number)
{
    belt_stream *stream = atomic_load(&watched);
    ssize_t ignored;

    atomic_store(&stop, number);
    ignored = write(wake[1], "", 1);
    (void)ignored;
    if (stream)
        belt_interrupt(stream);
}

static void on_stop(int number)
{
    int saved = errno;

    if (atomic_load(&stop))
        _exit(EXIT_INTERRUPTED);
    ask(number);
    errno = saved;
}

/* A handler and not SIG_IGN: exec gives programs that we start the default back. */
static void on_pipe(int number)
{
    (void)number;
}

void signals_install(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_stop}, old;

    parent = getppid();
    if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK))
        wake[0] = wake[1] = -1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i] == SIGHUP && !sigaction(SIGHUP, NULL, &old) && old.sa_handler == SIG_IGN) {
            hangup_ignored = true;
            continue;
        }
        sigaction(numbers[i], &action, NULL);
    }
    action.sa_handler = on_pipe;
    sigaction(SIGPIPE, &action, NULL);
}

int signals_stop(void)
{
    return atomic_load(&stop);
}

void signals_interrupt(belt_stream *stream)
{
    atomic_store(&watched, stream);
}

int signals_fd(void)
{
    return wake[0];
}

void signals_check_parent(void)
{
    if (!hangup_ignored && !atomic_load(&stop) && getppid() != parent)
        ask(SIGHUP);
}
