/* SPDX-License-Identifier: Apache-2.0
 *
 * Text from outside (names, inputs, error texts, what tasks write) made fit for a terminal, or for a line of a log:
 * it cannot move the cursor, change colours, begin a line of its own, hide, or turn the direction of what stands
 * beside it. Pure.
 */
#ifndef BELT_TERMINAL_TEXT_H
#define BELT_TERMINAL_TEXT_H

#include <stddef.h>

/* What stays as it is besides printable characters. */
#define TERMINAL_TEXT_LINES 1u /* newlines */
#define TERMINAL_TEXT_TABS  2u
/* The text is JSON, and stays it: what would be changed stands in a string, and becomes \u001b there. */
#define TERMINAL_TEXT_JSON 4u

/* Room that `len` bytes need at most, NUL included: a byte becomes \xNN, or \u00NN in JSON. */
#define TERMINAL_TEXT_ROOM(len)      (4 * (len) + 1)
#define TERMINAL_TEXT_JSON_ROOM(len) (6 * (len) + 1)

/**
 * Writes `text` to `to` and a NUL behind it, and returns the length without that. Printable characters of UTF-8 stay;
 * control characters become \n, \t, \r or \x1b, invisible and direction-changing ones \u202e, bytes that are no UTF-8
 * \xff. What does not fit into `room` (at least 1) is left out from the first character on that does not.
 */
size_t terminal_text(char *to, size_t room, const void *text, size_t len, unsigned keep);

/** Columns that a text takes which terminal_text() has made fit: wide characters take two, combining ones none. */
size_t terminal_text_width(const char *text);

#endif
