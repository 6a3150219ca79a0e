/* SPDX-License-Identifier: Apache-2.0
 *
 * Long error texts made short enough for a message. Pure. See text_cut.h.
 */
#include "text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
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
    /* A character has at most three bytes after its first: text that is not UTF-8 does not move the cut far. */
    for (int i = 0; i < 3 && head > 0 && continues(text.data[head]); i++)
        head--;
    for (int i = 0; i < 3 && tail > 0 && continues(text.data[text.len - tail]); i++)
        tail--;
    len = (size_t)snprintf(between, sizeof(between), "\n[%zu bytes left out]\n", text.len - head - tail);
    memcpy(to, text.data, head);
    memcpy(to + head, between, len);
    memcpy(to + head + len, text.data + text.len - tail, tail);
    return head + len + tail;
}
