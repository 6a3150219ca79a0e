/* SPDX-License-Identifier: Apache-2.0
 *
 * A moment as people write it. Knows the time zone of this machine, and asks no clock.
 */
#ifndef BELT_CLI_MOMENT_H
#define BELT_CLI_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#define MOMENT_EXPECTED                                                                                                \
    "a time: HH:MM (the next one), YYYY-MM-DD HH:MM, with :SS if wanted and Z for UTC, or @SECONDS since 1970"

/** ms since 1970 into `*ms`; a time without a day is the next one after `now`, in the zone of this machine as all that
 * has no Z. False when the text is none of MOMENT_EXPECTED. */
bool moment_parse(const char *text, uint64_t now, uint64_t *ms);

#endif
