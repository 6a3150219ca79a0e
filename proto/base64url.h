/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes as text of letters, digits, '-' and '_' (RFC 4648 section 5, without padding), which no shell, file format or
 * command line has to quote. Pure.
 */
#ifndef BELT_BASE64URL_H
#define BELT_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that `bytes` bytes become, without the NUL. */
#define BASE64URL_LEN(bytes) (((bytes) * 4u + 2u) / 3u)

/** Writes BASE64URL_LEN(len) characters and a NUL. */
void base64url_write(char *out, const uint8_t *bytes, size_t len);
/**
 * Reads `text_len` characters into at most `room` bytes, and says in `*len` how many they are. False when a character,
 * the length or the unused bits at the end are not what base64url_write() writes: one value has one text.
 */
bool base64url_read(const char *text, size_t text_len, uint8_t *out, size_t room, size_t *len);

#endif
