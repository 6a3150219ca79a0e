/* SPDX-License-Identifier: Apache-2.0
 *
 * A string of bytes that grows. Pure.
 */
#include "cli/bytes.h"

#include "proto/terminal_text.h"
#include "proto/text_cut.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES (256u << 10)

static bool make_room(struct bytes *bytes, size_t len)
{
    if (bytes->failed || len > SIZE_MAX / 2 - bytes->len) {
        bytes->failed = true;
        return false;
    }
    if (bytes->len + len + 1 > bytes->room) {
        size_t room = (bytes->len + len + 1) * 3 / 2 + 64;
        char *grown = realloc(bytes->data, room);
        if (!grown) {
            bytes->failed = true;
            return false;
        }
        bytes->data = grown;
        bytes->room = room;
    }
    return true;
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    if (!make_room(bytes, len))
        return;
    if (len)
        memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

void bytes_shown(struct bytes *bytes, const void *data, size_t len, unsigned keep)
{
    if (!make_room(bytes, TERMINAL_TEXT_ROOM(len)))
        return;
    bytes->len += terminal_text(bytes->data + bytes->len, TERMINAL_TEXT_ROOM(len), len ? data : "", len, keep);
}

void bytes_json(struct bytes *bytes, const char *text)
{
    enum { PART = 4096 };

    for (size_t left = strlen(text), len; left > 0; text += len, left -= len) {
        len = text_cut_at(text, left, PART);
        if (!make_room(bytes, TERMINAL_TEXT_JSON_ROOM(len)))
            return;
        bytes->len +=
            terminal_text(bytes->data + bytes->len, TERMINAL_TEXT_JSON_ROOM(len), text, len, TERMINAL_TEXT_JSON);
    }
}

void bytes_fit(struct bytes *bytes)
{
    struct bytes fit = {.failed = bytes->failed};

    bytes_shown(&fit, bytes->data, bytes->len, TERMINAL_TEXT_LINES | TERMINAL_TEXT_TABS);
    bytes_free(bytes);
    *bytes = fit;
}

void bytes_text(struct bytes *bytes, const char *text)
{
    bytes_add(bytes, text, strlen(text));
}

void bytes_format(struct bytes *bytes, const char *format, ...)
{
    va_list args, again;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && make_room(bytes, (size_t)len)) {
        vsnprintf(bytes->data + bytes->len, (size_t)len + 1, format, again);
        bytes->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void bytes_reset(struct bytes *bytes)
{
    if (bytes->room > KEEP_BYTES) {
        free(bytes->data);
        bytes->data = NULL;
        bytes->room = 0;
    }
    bytes->len = 0;
    bytes->failed = false;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}
