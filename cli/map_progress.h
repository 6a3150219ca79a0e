/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows how far a map is: a line on a terminal, JSON lines for programs, and
 * the notice that nobody serves the function.
 */
#ifndef BELT_CLI_MAP_PROGRESS_H
#define BELT_CLI_MAP_PROGRESS_H

#include "cli/commands.h"
#include "cli/progress.h"

#include <belt/belt.h>

struct map_progress {
    struct progress progress;
    bool line;                            /* on the terminal */
    int json_fd;                          /* -1: none */
    uint64_t line_at, json_at, notice_at; /* when each is due, ms */
    bool noticed;
    const char *function;
    uint64_t slots;
};

void map_progress_init(struct map_progress *shown, const struct map_values *values, uint64_t now);
/** Shows what is due. `taken_done` and `taken_failed` are what was printed. */
void map_progress_show(struct map_progress *shown, const belt_stream *stream, uint64_t now, uint64_t taken_done,
                       uint64_t taken_failed, bool last);
/** When map_progress_show() has something to do, ms. */
uint64_t map_progress_due(const struct map_progress *shown);

#endif
