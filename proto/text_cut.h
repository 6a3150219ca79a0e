/* SPDX-License-Identifier: Apache-2.0
 *
 * Long error texts made short enough for a message. Pure.
 */
#ifndef BELT_TEXT_CUT_H
#define BELT_TEXT_CUT_H

#include "message.h"

/**
 * Copies `text` to `to`, which has room for `size` bytes (at least 200 when the text is longer), and returns the
 * length. A text that is longer keeps its beginning and its end, where programs say what happened and why, with a line
 * between the two that says how many bytes were left out. No UTF-8 character is cut.
 */
size_t text_cut(uint8_t *to, size_t size, struct belt_bytes text);

#endif
