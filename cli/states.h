/* SPDX-License-Identifier: Apache-2.0
 *
 * States of jobs as people write them: "open,ended". Pure.
 */
#ifndef BELT_CLI_STATES_H
#define BELT_CLI_STATES_H

#include <stdbool.h>

enum { STATE_OPEN = 1, STATE_ENDED = 2, STATE_COMPLETE = 4, STATE_CANCELLED = 8 };

#define STATES_EXPECTED "wants one or more of open, ended, complete, cancelled, separated by commas"

/** The bits of belt_status_options. False when a word is none of them. */
bool states_parse(const char *text, unsigned *states);
/** The same, to look at only. */
bool states_check(const char *text);

#endif
