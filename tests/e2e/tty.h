/* SPDX-License-Identifier: Apache-2.0
 *
 * A program on a terminal of its own, and all that arrives there.
 */
#ifndef BELT_TEST_TTY_H
#define BELT_TEST_TTY_H

#include <stdbool.h>
#include <sys/types.h>

struct tty;

/** Starts argv[0] (a path) with its output on a new terminal, without colours; `env` (NAME=VALUE … NULL, may be NULL)
 * is added to the test's. Fails the test when that is impossible. */
struct tty *tty_start(const char *const *argv, const char *const *env);
/** Waits until `text` has arrived. */
bool tty_wait(struct tty *tty, const char *text, int timeout_ms);
void tty_signal(struct tty *tty, int signal);
/** Waits until the program and all others have left the terminal; what arrived is valid until tty_free(). NULL: they
 * have not within the time. */
const char *tty_end(struct tty *tty, int timeout_ms);
/** Exit status; -N when it was killed by signal N. After tty_end(). */
int tty_status(const struct tty *tty);
/** Kills it when it runs. */
void tty_free(struct tty *tty);

/** Why this text should not have reached a terminal: NULL, or the place that does something to one (control characters
 * but newline and tab, characters that change direction, bytes that are no UTF-8). */
const char *tty_unfit(const char *text);

#endif
