/* SPDX-License-Identifier: Apache-2.0
 *
 * From codes of libbelt to exit codes of the program. Pure.
 */
#include "cli/exit.h"

#include <belt/codes.h>

int exit_of_code(int code)
{
    switch (code) {
    case BELT_OK:
    case BELT_END:
        return EXIT_OK;
    case BELT_INVALID:
        return EXIT_USAGE;
    case BELT_NO_BROKER:
    case BELT_LOST_BROKER:
    case BELT_SYNC_LOST:
        return EXIT_BROKER;
    case BELT_JOB_CANCELLED:
    case BELT_TASK_CANCELLED:
        return EXIT_CANCELLED;
    case BELT_AGAIN:
        return EXIT_TIMEOUT;
    case BELT_SYSTEM:
        return EXIT_IO;
    case BELT_INTERRUPTED:
        return EXIT_INTERRUPTED;
    case BELT_NO_MEMORY:
    case BELT_CLOSED:
    case BELT_WINDOW_FULL:
        return EXIT_INTERNAL;
    default:
        return code >= 32 && code < 64 ? EXIT_REFUSED : EXIT_FAILED;
    }
}
