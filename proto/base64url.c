/* SPDX-License-Identifier: Apache-2.0
 *
 * See base64url.h.
 */
#include "proto/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_write(char *out, const uint8_t *bytes, size_t len)
{
    uint32_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = alphabet[held >> (bits - 6) & 63];
    }
    if (bits)
        *out++ = alphabet[held << (6 - bits) & 63];
    *out = '\0';
}

/* The value of a character; -1: it is none of the alphabet. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_read(const char *text, size_t text_len, uint8_t *out, size_t room, size_t *len)
{
    uint32_t held = 0;
    unsigned bits = 0;
    *len = 0;
    if (text_len % 4 == 1)
        return false;
    for (size_t i = 0; i < text_len; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return false;
        held = held << 6 | (uint32_t)value;
        bits += 6;
        if (bits < 8)
            continue;
        if (*len == room)
            return false;
        bits -= 8;
        out[(*len)++] = (uint8_t)(held >> bits);
    }
    return (held & ((1u << bits) - 1)) == 0;
}
