/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that mean nothing to a daemon, but would end it: SIGHUP of a terminal that goes, SIGUSR1 of somebody who
 * means another program, and their like. Where the program that runs the daemon has a handler, or ignores one, it stays
 * so.
 */
#ifndef BELT_PROTO_SIGNALS_H
#define BELT_PROTO_SIGNALS_H

#include <signal.h>

/** What was ignored by belt_signals_spare(). */
struct belt_signals {
    sigset_t ignored;
};

/** Ignores those that are at their default. Asynchronous-signal-safe. */
void belt_signals_spare(struct belt_signals *signals);
/** Undoes it. */
void belt_signals_restore(const struct belt_signals *signals);
/** In a child that runs somebody else's code: all signals are at their default again. Asynchronous-signal-safe. */
void belt_signals_default(void);
/** Whether whoever started this process has told it to ignore the signal (nohup, trap ''). */
int belt_signal_ignored(int number);

#endif
