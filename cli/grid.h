/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables for people: columns as wide as their widest cell. Pure.
 */
#ifndef BELT_CLI_GRID_H
#define BELT_CLI_GRID_H

#include "cli/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define GRID_COLUMNS 16

enum grid_colour { GRID_PLAIN, GRID_BOLD, GRID_RED, GRID_GREEN, GRID_YELLOW, GRID_DIM };

struct grid_cell {
    char *text;
    enum grid_colour colour;
};

struct grid {
    const char *const *heads; /* borrowed; a name that begins with '<' is aligned to the left */
    uint32_t columns;
    struct grid_cell *cells;
    uint32_t count, room;
    bool failed; /* out of memory */
};

void grid_init(struct grid *grid, const char *const *heads, uint32_t columns);
/** The next cell, row by row; *copies*. The text is made fit for a terminal. */
void grid_add(struct grid *grid, const char *text, enum grid_colour colour);
/** Adds the whole table, with escapes for colours if wanted. */
void grid_write(const struct grid *grid, bool colours, struct bytes *out);
void grid_free(struct grid *grid);

/** The text, made fit for a terminal, between escapes for a colour, if wanted. */
void grid_paint(struct bytes *out, const char *text, enum grid_colour colour, bool colours);

#endif
