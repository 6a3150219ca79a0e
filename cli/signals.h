/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that ask a command to stop. The first is a request; the second ends the process at once, and with it what it
 * had started. A signal that was ignored when the command started stays ignored.
 */
#ifndef BELT_CLI_SIGNALS_H
#define BELT_CLI_SIGNALS_H

#include <belt/belt.h>

/** Remembers the process that started this one, which may end at any time: when the program begins. */
void signals_know_parent(void);
/** SIGINT, SIGTERM and SIGHUP; SIGPIPE becomes an error of write(). Once. */
void signals_install(void);
/** The signal that came, 0: none. Losing the parent counts as SIGHUP (see signals_check_parent). */
int signals_stop(void);
/** The exit code of a command that a signal has stopped: 128 and its number. */
int signals_exit(void);
/** A call of belt_stream_next() on this stream ends when a signal comes. NULL: none any more. */
void signals_interrupt(belt_stream *stream);
/** The second signal ends the tasks of this private pool at once; SIGTSTP (Ctrl-Z) stops them too, and SIGCONT lets
 * them go on. Before signals_install(). NULL: it is closed. */
void signals_pool(const belt_pool *pool);
/** A descriptor that becomes readable when a signal comes. */
int signals_fd(void);
/** Call now and then: asks to stop when the process that started this one is gone. */
void signals_check_parent(void);

#endif
