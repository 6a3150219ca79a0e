/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables for people. Pure.
 */
#include "cli/grid.h"

#include "proto/terminal_text.h"

#include <stdlib.h>
#include <string.h>

#define GAP 2

void grid_init(struct grid *grid, const char *const *heads, uint32_t columns)
{
    *grid = (struct grid){.heads = heads, .columns = columns};
}

static bool to_left(const struct grid *grid, uint32_t column)
{
    return grid->heads[column][0] == '<';
}

static const char *head_of(const struct grid *grid, uint32_t column)
{
    return grid->heads[column] + to_left(grid, column);
}

void grid_add(struct grid *grid, const char *text, enum grid_colour colour)
{
    size_t len = strlen(text), copy_room = TERMINAL_TEXT_ROOM(len);
    char *copy = malloc(copy_room);

    if (grid->count == grid->room) {
        uint32_t room = grid->room ? grid->room * 2 : 64;
        struct grid_cell *grown = realloc(grid->cells, room * sizeof(*grown));
        if (!grown) {
            grid->failed = true;
            free(copy);
            return;
        }
        grid->cells = grown;
        grid->room = room;
    }
    if (copy)
        terminal_text(copy, copy_room, text, len, 0);
    grid->failed |= !copy;
    grid->cells[grid->count++] = (struct grid_cell){.text = copy, .colour = colour};
}

static void add_blanks(struct bytes *out, size_t count)
{
    while (count--)
        bytes_text(out, " ");
}

void grid_paint(struct bytes *out, const char *text, enum grid_colour colour, bool colours)
{
    static const char *const codes[] = {"", "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[2m"};

    if (!colours || colour == GRID_PLAIN) {
        bytes_shown(out, text, strlen(text), 0);
        return;
    }
    bytes_text(out, codes[colour]);
    bytes_shown(out, text, strlen(text), 0);
    bytes_text(out, "\033[0m");
}

static void add_cell(const struct grid *grid, uint32_t column, size_t width, const char *text, enum grid_colour colour,
                     bool colours, struct bytes *out)
{
    size_t blanks = width - terminal_text_width(text);

    if (column)
        add_blanks(out, GAP);
    if (!to_left(grid, column))
        add_blanks(out, blanks);
    grid_paint(out, text, colour, colours);
    if (to_left(grid, column) && column + 1 < grid->columns)
        add_blanks(out, blanks);
    if (column + 1 == grid->columns)
        bytes_text(out, "\n");
}

void grid_write(const struct grid *grid, bool colours, struct bytes *out)
{
    size_t widths[GRID_COLUMNS];

    out->failed |= grid->failed;
    if (grid->failed)
        return;
    for (uint32_t i = 0; i < grid->columns; i++)
        widths[i] = terminal_text_width(head_of(grid, i));
    for (uint32_t i = 0; i < grid->count; i++) {
        size_t width = terminal_text_width(grid->cells[i].text);
        if (width > widths[i % grid->columns])
            widths[i % grid->columns] = width;
    }
    for (uint32_t i = 0; i < grid->columns; i++)
        add_cell(grid, i, widths[i], head_of(grid, i), GRID_BOLD, colours, out);
    for (uint32_t i = 0; i < grid->count; i++)
        add_cell(grid, i % grid->columns, widths[i % grid->columns], grid->cells[i].text, grid->cells[i].colour,
                 colours, out);
}

void grid_free(struct grid *grid)
{
    for (uint32_t i = 0; i < grid->count; i++)
        free(grid->cells[i].text);
    free(grid->cells);
    *grid = (struct grid){0};
}
