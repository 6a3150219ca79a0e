/* SPDX-License-Identifier: Apache-2.0
 *
 * Long error texts made short enough for a message. Pure.
 */
#ifndef BELT_TEXT_CUT_H
#define BELT_TEXT_CUT_H

#include "proto/message.h"

#include <stdarg.h>
#include <string.h>

/**
 * Copies `text` to `to`, which has room for `size` bytes (at least 200 when the text is longer), and returns the
 * length. A text that is longer keeps its beginning and its end, where programs say what happened and why, with a line
 * between the two that says how many bytes were left out. No UTF-8 character is cut.
 */
size_t text_cut(uint8_t *to, size_t size, struct belt_bytes text);

/**
 * The length of the longest beginning of `text` that has at most `most` bytes and ends with a whole character. Bytes
 * that are no UTF-8 count as characters.
 */
size_t text_cut_at(const void *text, size_t len, size_t most);

/* For "%.*s": as much of a string as has at most `most` bytes. */
#define TEXT_UP_TO(text, most) (int)text_cut_at(text, strlen(text), most), (text)

/* The same of bytes. */
#define TEXT_BYTES_UP_TO(bytes, most) (int)text_cut_at((bytes).data, (bytes).len, most), (const char *)(bytes).data

/** vsnprintf() into `size` bytes that ends with a whole character when not all fits. Returns the length of what does.
 */
size_t text_format(char *to, size_t size, const char *format, va_list list) __attribute__((format(printf, 3, 0)));
/** The same as snprintf() is called: for whatever holds text that may be longer than the room for it. */
size_t text_print(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
