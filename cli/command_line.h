/* SPDX-License-Identifier: Apache-2.0
 *
 * The command of `belt map -- COMMAND…`: how it travels to the slots, and how
 * it looks to people. Pure.
 */
#ifndef BELT_CLI_COMMAND_LINE_H
#define BELT_CLI_COMMAND_LINE_H

#include "cli/bytes.h"

#include <stdint.h>

/** The argument of a job of `exec` (worker/agent.h). False when it is longer than BELT_MAX_ARGUMENT or out of
 * memory.
 */
bool command_encode(const char *const *words, uint32_t count, struct bytes *out);
/** One word with blanks or shell characters (beside {}) is a line for the shell. */
bool command_is_shell(const char *const *words, uint32_t count);
/** Some word holds {}: the input is an argument. Otherwise it goes to standard input. */
bool command_has_place(const char *const *words, uint32_t count);
/** The command for one input as a shell would take it. */
void command_show(const char *const *words, uint32_t count, const char *input, size_t len, struct bytes *out);
/** False when the command is refused whatever its input; `error` (256 bytes) says why and what to write instead. */
bool command_check_line(const char *line, char *error);
bool command_check(const char *const *words, uint32_t count, char *error);
/** Quotes for the shell where it is needed. */
void command_quote(const char *text, size_t len, struct bytes *out);

#endif
