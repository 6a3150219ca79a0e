/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that ask a command to stop. The first is a request; the second ends
 * the process at once (whatever it started notices and goes too).
 */
#ifndef BELT_CLI_SIGNALS_H
#define BELT_CLI_SIGNALS_H

#include <belt/belt.h>

/** SIGINT, SIGTERM and, where it is not ignored, SIGHUP; SIGPIPE becomes an error of write(). Once. */
void signals_install(void);
/** The signal that came, 0: none. Losing the parent counts as SIGHUP (see signals_check_parent). */
int signals_stop(void);
/** A call of belt_next() on this stream ends when a signal comes. NULL: none any more. */
void signals_interrupt(belt_stream *stream);
/** A descriptor that becomes readable when a signal comes. */
int signals_fd(void);
/** Call now and then: asks to stop when the process that started this one is gone, unless SIGHUP is ignored (nohup). */
void signals_check_parent(void);

#endif
