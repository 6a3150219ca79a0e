/* SPDX-License-Identifier: Apache-2.0
 *
 * Failed tasks as text and as JSON. Pure.
 */
#ifndef BELT_CLI_SHOW_FAILED_H
#define BELT_CLI_SHOW_FAILED_H

#include "cli/bytes.h"
#include "cli/grid.h"

#include "proto/message.h"

#include <jansson.h>

/** An empty table. */
void show_failed_init(struct grid *grid);
/** A row of it. `now` is the wall clock, in ms since 1970. */
void show_failed_row(const struct belt_letter *letter, uint64_t now, struct grid *grid);
/** All of one task for people, its input at the end. */
void show_failed_whole(const struct belt_letter *letter, uint64_t now, struct bytes *out);
/** *Gives* an object; with the input and the log when `whole`. */
json_t *show_failed_json(const struct belt_letter *letter, bool whole);

#endif
