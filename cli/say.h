/* SPDX-License-Identifier: Apache-2.0
 *
 * All that the program says on standard error, around one status line at the
 * bottom of a terminal. From any thread: what one call says stands together. Decides nothing.
 */
#ifndef BELT_CLI_SAY_H
#define BELT_CLI_SAY_H

#include <stddef.h>

/** Messages begin with "belt COMMAND: " from now on. */
void say_as(const char *command);
/** One line, with a newline added, and made fit for a terminal whatever it holds. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/** Bytes as they are. */
void say_bytes(const char *data, size_t len);
/** Draws the status line; an empty one clears it. Only on a terminal. */
void say_status(const char *line);
/** Clears the status line before something else is written to the same terminal. */
void say_status_clear(void);
/** Nobody else says anything, and there is no status line, until say_release(): for standard output on the same
 * terminal. */
void say_hold(void);
void say_release(void);
/** Columns of the terminal, 80 when unknown. */
size_t say_width(int fd);

#endif
