/* SPDX-License-Identifier: Apache-2.0
 *
 * A string of bytes that grows. Out of memory is remembered and found out at
 * the end (`failed`), so that a text can be put together without a check at
 * every step. Pure.
 */
#ifndef BELT_CLI_BYTES_H
#define BELT_CLI_BYTES_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *data; /* NUL-terminated once something was added */
    size_t len, room;
    bool failed;
};

void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_text(struct bytes *bytes, const char *text);
__attribute__((format(printf, 2, 3))) void bytes_format(struct bytes *bytes, const char *format, ...);
/** Text from outside, made fit for a terminal; `keep` as for terminal_text(). */
void bytes_shown(struct bytes *bytes, const void *data, size_t len, unsigned keep);
/** A JSON text that is valid, without what would do something to a terminal: the same values, wherever it is shown. */
void bytes_json(struct bytes *bytes, const char *text);
/** Makes all of it fit for a terminal, lines and tabs apart. */
void bytes_fit(struct bytes *bytes);
/** Empties it, and gives memory back that only one large content needed. */
void bytes_reset(struct bytes *bytes);
void bytes_free(struct bytes *bytes);

#endif
