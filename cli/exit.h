/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of exit codes: every command uses these, help prints them, the
 * man pages describe them.
 *
 *   X(NAME, number, "meaning")
 */
#ifndef BELT_CLI_EXIT_H
#define BELT_CLI_EXIT_H

#define BELT_EXITS(X)                                                                                                  \
    X(OK, 0, "success; every task succeeded")                                                                          \
    X(FAILED, 1, "some task failed")                                                                                   \
    X(USAGE, 2, "wrong usage, environment or configuration")                                                           \
    X(BROKER, 3, "the broker cannot be reached, or was lost")                                                          \
    X(CANCELLED, 4, "the job was cancelled, or --halt stopped it")                                                     \
    X(TIMEOUT, 5, "the time given to 'belt wait' was over, or 'belt results' found the job not complete")              \
    X(IO, 6, "local input or output failed (input unreadable, output closed, address in use)")                         \
    X(REFUSED, 7, "the broker refused the request")                                                                    \
    X(PARTIAL, 8, "not all was done: some of what was named could not be, or is not there any more")                   \
    X(INTERNAL, 70, "an internal error, or out of memory")                                                             \
    X(INTERRUPTED, 130, "stopped by a signal: 128 and its number (129 SIGHUP, 130 SIGINT, 143 SIGTERM)")

enum exit_code {
#define BELT_EXIT_ENUM(name, number, text) EXIT_##name = (number),
    BELT_EXITS(BELT_EXIT_ENUM)
#undef BELT_EXIT_ENUM
};

/** The exit code for what a call of libbelt returned (codes 32 and up). Pure. */
int exit_of_code(int code);

#endif
