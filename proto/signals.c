/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that mean nothing to a daemon. See signals.h.
 */
#include "proto/signals.h"

#include <stddef.h>

/* Their default is to end the process. SIGQUIT and those of program errors leave a core: they are somebody's wish. */
static const int spared[] = {SIGHUP,  SIGUSR1, SIGUSR2, SIGALRM,   SIGVTALRM,
                             SIGPROF, SIGPOLL, SIGPWR,  SIGSTKFLT, SIGPIPE};
#define SPARED (sizeof(spared) / sizeof(*spared))

static void spare(struct belt_signals *signals, int number)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;

    if (sigaction(number, NULL, &old) != 0 || old.sa_handler != SIG_DFL)
        return;
    sigaction(number, &ignore, NULL);
    sigaddset(&signals->ignored, number);
}

void belt_signals_spare(struct belt_signals *signals)
{
    sigemptyset(&signals->ignored);
    for (size_t i = 0; i < SPARED; i++)
        spare(signals, spared[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        spare(signals, number);
}

void belt_signals_restore(const struct belt_signals *signals)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};

    for (int number = 1; number < NSIG; number++)
        if (sigismember(&signals->ignored, number) == 1)
            sigaction(number, &plain, NULL);
}

void belt_signals_default(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};

    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            sigaction(number, &plain, NULL);
}

int belt_signal_ignored(int number)
{
    struct sigaction old;

    return sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}
