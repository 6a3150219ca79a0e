/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader's half of a stream. See window.h.
 */
#include "client/window.h"

#include <stdlib.h>
#include <string.h>

void client_window_init(struct client_window *window, enum belt_mode mode, uint64_t size, uint64_t bytes)
{
    memset(window, 0, sizeof(*window));
    window->mode = mode;
    window->automatic = size == 0;
    window->size = size == 0 ? CLIENT_WINDOW_FIRST : size;
    window->bytes = bytes;
}

void client_window_fini(struct client_window *window)
{
    free(window->gaps);
    window->gaps = NULL;
    window->gap_count = window->gap_capacity = 0;
}

bool client_window_open(const struct client_window *window, uint64_t granted_bytes)
{
    uint64_t bytes = granted_bytes > window->bytes ? granted_bytes : window->bytes;
    uint64_t tasks = window->drawn - window->failures;

    if (tasks < window->known) /* what is compared is not kept, nor are results on their way */
        return !window->ended && tasks < window->compared + CLIENT_WINDOW_COMPARED &&
               window->drawn_bytes < window->compared_bytes + window->bytes;
    return !window->ended && window->drawn < window->taken + window->size && window->drawn_bytes < bytes;
}

void client_window_draw(struct client_window *window, uint64_t len)
{
    window->drawn++;
    window->drawn_bytes += len;
}

static bool gap_add(struct client_window *window, uint64_t from)
{
    if (window->gap_count > 0 && window->gaps[window->gap_count - 1].from == from) {
        window->gaps[window->gap_count - 1].failures++;
        return true;
    }
    if (window->gap_count == window->gap_capacity) {
        size_t capacity = window->gap_capacity == 0 ? 8 : 2 * window->gap_capacity;
        struct client_gap *gaps = realloc(window->gaps, capacity * sizeof(*gaps));

        if (!gaps)
            return false;
        window->gaps = gaps;
        window->gap_capacity = capacity;
    }
    window->gaps[window->gap_count++] = (struct client_gap){.from = from, .failures = window->failures + 1};
    return true;
}

bool client_window_fail(struct client_window *window, uint64_t *index)
{
    if (window->mode == BELT_UNORDERED && !gap_add(window, window->drawn - window->failures))
        return false;
    *index = window->drawn++;
    window->failures++;
    return true;
}

void client_window_start(struct client_window *window, uint64_t cursor)
{
    if (cursor > window->taken)
        window->taken = window->lap_taken = cursor;
}

bool client_window_due(const struct client_window *window, uint64_t index)
{
    return window->mode == BELT_UNORDERED || index <= window->taken;
}

uint64_t client_window_index(const struct client_window *window, uint64_t task)
{
    size_t low = 0, high = window->gap_count;

    if (window->mode == BELT_ORDERED)
        return window->taken;
    while (low < high) { /* the gaps at or below `task` */
        size_t middle = low + (high - low) / 2;

        if (window->gaps[middle].from <= task)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? task : task + window->gaps[low - 1].failures;
}

bool client_window_task(const struct client_window *window, uint64_t index, uint64_t after, uint64_t *task)
{
    size_t low = 0, high = window->gap_count;

    if (window->mode == BELT_ORDERED) {
        *task = index - (window->failures - after);
        return index >= window->taken;
    }
    while (low < high) { /* the gaps whose first task stands at or before `index` */
        size_t middle = low + (high - low) / 2;

        if (window->gaps[middle].from + window->gaps[middle].failures <= index)
            low = middle + 1;
        else
            high = middle;
    }
    *task = low == 0 ? index : index - window->gaps[low - 1].failures;
    return low == window->gap_count || *task < window->gaps[low].from;
}

void client_window_compare(struct client_window *window, uint64_t known, uint64_t compared, uint64_t compared_bytes)
{
    window->known = known;
    window->compared = compared;
    window->compared_bytes = compared_bytes;
}

void client_window_accept(struct client_window *window, uint64_t accepted)
{
    if (accepted > window->taken)
        window->taken = accepted;
}

bool client_window_take(struct client_window *window)
{
    window->taken++;
    return window->automatic && window->size < CLIENT_WINDOW_LAST &&
           (!window->lap_started || window->taken - window->lap_taken >= window->size);
}

void client_window_lap(struct client_window *window, uint64_t now)
{
    if (window->lap_started && window->taken - window->lap_taken >= window->size &&
        now - window->lap_ms < CLIENT_WINDOW_LAP_MS)
        window->size = 2 * window->size < CLIENT_WINDOW_LAST ? 2 * window->size : CLIENT_WINDOW_LAST;
    window->lap_started = true;
    window->lap_ms = now;
    window->lap_taken = window->taken;
}

bool client_window_over(const struct client_window *window)
{
    return window->ended && window->taken >= window->drawn;
}
