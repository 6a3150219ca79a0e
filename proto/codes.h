/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and texts of the codes in <belt/codes.h>. Pure.
 */
#ifndef BELT_CODES_TEXT_H
#define BELT_CODES_TEXT_H

#include <belt/codes.h>
#include <stdbool.h>
#include <stdint.h>

/* Part of libbelt's interface too (<belt/belt.h>), so they are visible there. */
#pragma GCC visibility push(default)
/** "TASK_FAILED" for 1; "UNKNOWN" for a number outside the table. */
const char *belt_code_name(unsigned code);
/** "the task failed" for 1. */
const char *belt_code_text(unsigned code);
/** What the caller can do about it. */
const char *belt_code_advice(unsigned code);
#pragma GCC visibility pop

#endif
