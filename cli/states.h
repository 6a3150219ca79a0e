/* SPDX-License-Identifier: Apache-2.0
 *
 * States of jobs as people write them: "open,ended". Pure.
 */
#ifndef BELT_CLI_STATES_H
#define BELT_CLI_STATES_H

#include <belt/belt.h>
#include <stdbool.h>

#define STATES_EXPECTED "wants one or more of open, ended, complete, cancelled, separated by commas"

/** Some of enum belt_job_states. False when a word is none of them. */
bool states_parse(const char *text, unsigned *states);
/** The same, to look at only. */
bool states_check(const char *text);

#endif
