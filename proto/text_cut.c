/* SPDX-License-Identifier: Apache-2.0
 *
 * Long error texts made short enough for a message. Pure. See text_cut.h.
 */
#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t text_cut_at(const void *text, size_t len, size_t most)
{
    const uint8_t *bytes = text;
    size_t at = most;

    if (len <= most)
        return len;
    /* A character has at most three bytes after its first: text that is not UTF-8 does not move the cut far. */
    for (int i = 0; i < 3 && at > 0 && continues(bytes[at]); i++)
        at--;
    return continues(bytes[at]) ? most : at;
}

size_t text_format(char *to, size_t size, const char *format, va_list list)
{
    int len = vsnprintf(to, size, format, list);
    size_t cut;

    if (len >= 0 && (size_t)len < size)
        return (size_t)len;
    if (len < 0) {
        to[0] = '\0';
        return 0;
    }
    /* vsnprintf() has put a NUL where the next byte was: only the beginning of a character can be told. */
    cut = size - 1;
    for (size_t back = 1; back <= 3 && back <= cut; back++) {
        uint8_t byte = (uint8_t)to[cut - back];
        size_t whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if (continues(byte))
            continue;
        cut -= whole > back ? back : 0;
        break;
    }
    to[cut] = '\0';
    return cut;
}

size_t text_print(char *to, size_t size, const char *format, ...)
{
    va_list list;
    size_t len;

    va_start(list, format);
    len = text_format(to, size, format, list);
    va_end(list);
    return len;
}

size_t text_cut(uint8_t *to, size_t size, struct belt_bytes text)
{
    char between[64];
    size_t head, tail, len;

    if (text.len <= size) {
        if (text.len > 0)
            memcpy(to, text.data, text.len);
        return text.len;
    }
    assert(size >= 200); /* room for the line between, and for some of the text */
    head = size / 4;
    tail = size - head - sizeof(between);
    head = text_cut_at(text.data, text.len, head);
    for (int i = 0; i < 3 && tail > 0 && continues(text.data[text.len - tail]); i++)
        tail--;
    len = (size_t)snprintf(between, sizeof(between), "\n[%zu bytes left out]\n", text.len - head - tail);
    memcpy(to, text.data, head);
    memcpy(to + head, between, len);
    memcpy(to + head + len, text.data + text.len - tail, tail);
    return head + len + tail;
}
