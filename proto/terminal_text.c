/* SPDX-License-Identifier: Apache-2.0
 *
 * Text made fit for a terminal. Pure. See terminal_text.h.
 */
#include "proto/terminal_text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

/* Characters that show nothing, or change how others are shown. */
static const struct range hidden[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f}, {0x061c, 0x061c}, {0x115f, 0x1160},
    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
    {0xfe00, 0xfe0d},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};

/* Characters that are drawn over the one before. */
static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x05bf, 0x05bf}, {0x05c1, 0x05c2},
    {0x05c4, 0x05c5}, {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0670, 0x0670}, {0x06d6, 0x06dc},
    {0x06df, 0x06e4}, {0x0900, 0x0902}, {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d},
    {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
    {0x20d0, 0x20ff}, {0x302a, 0x302d}, {0x3099, 0x309a}, {0xfe0e, 0xfe0f}, {0xfe20, 0xfe2f}};

/* Characters of East Asia and pictures: two columns. */
static const struct range wide[] = {
    {0x1100, 0x115e},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x23f0, 0x23f0},   {0x23f3, 0x23f3},
    {0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},
    {0x26a1, 0x26a1},   {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},   {0x26ce, 0x26ce},
    {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},   {0x26fa, 0x26fa},
    {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},
    {0x274e, 0x274e},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27b0, 0x27b0},
    {0x27bf, 0x27bf},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},   {0x2e80, 0x303e},
    {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6},
    {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e},
    {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393},
    {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4}, {0x1f3f8, 0x1f43e},
    {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567},
    {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5},
    {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6d7}, {0x1f6dc, 0x1f6df}, {0x1f6eb, 0x1f6ec},
    {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7eb}, {0x1f7f0, 0x1f7f0}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945},
    {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};

#define IN(table, point) in(table, sizeof(table) / sizeof(*table), point)

static bool in(const struct range *table, size_t count, uint32_t point)
{
    for (size_t i = 0; i < count && table[i].first <= point; i++)
        if (point <= table[i].last)
            return true;
    return false;
}

/* The character at `at` and how many bytes it has; 0: no UTF-8, which is one byte. */
static size_t decode(const uint8_t *at, size_t left, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;

    if (len == 0 || len > left)
        return 0;
    *point = len == 1 ? at[0] : at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (at[i] & 0x3fu);
    }
    if (*point < least[len] || *point > 0x10ffff || (*point >= 0xd800 && *point <= 0xdfff))
        return 0;
    return len;
}

/* How one character is shown that is not shown as it is. */
static int escape(char *to, size_t size, uint32_t point, unsigned keep)
{
    if (keep & TERMINAL_TEXT_JSON && point > 0xffff)
        return snprintf(to, size, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (point >> 10)),
                        (unsigned)(0xdc00 + (point & 0x3ff)));
    if (keep & TERMINAL_TEXT_JSON)
        return snprintf(to, size, "\\u%04x", (unsigned)point);
    if (point == '\n' || point == '\t' || point == '\r')
        return snprintf(to, size, "\\%c", point == '\n' ? 'n' : point == '\t' ? 't' : 'r');
    return snprintf(to, size, point < 0x80 ? "\\x%02x" : point <= 0xffff ? "\\u%04x" : "\\U%06x", (unsigned)point);
}

static bool stays(uint32_t point, unsigned keep)
{
    if (point == '\n')
        return keep & TERMINAL_TEXT_LINES;
    if (point == '\t')
        return keep & TERMINAL_TEXT_TABS;
    return !IN(hidden, point);
}

size_t terminal_text(char *to, size_t room, const void *text, size_t len, unsigned keep)
{
    const uint8_t *at = text, *end = at + len;
    size_t out = 0;

    assert(room > 0);
    while (at < end) {
        char shown[16];
        uint32_t point = *at;
        size_t bytes = decode(at, (size_t)(end - at), &point);
        const char *part = shown;
        size_t part_len;
        if (bytes && stays(point, keep)) {
            part = (const char *)at;
            part_len = bytes;
        } else {
            part_len = (size_t)(bytes ? escape(shown, sizeof(shown), point, keep)
                                      : snprintf(shown, sizeof(shown), "\\x%02x", (unsigned)*at));
        }
        if (part_len >= room - out)
            break;
        memcpy(to + out, part, part_len);
        out += part_len;
        at += bytes ? bytes : 1;
    }
    to[out] = '\0';
    return out;
}

size_t terminal_text_width(const char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    size_t width = 0;

    while (at < end) {
        uint32_t point = 0;
        size_t bytes = decode(at, (size_t)(end - at), &point);
        width += !bytes ? 1u : IN(wide, point) ? 2u : IN(combining, point) ? 0u : 1u;
        at += bytes ? bytes : 1;
    }
    return width;
}
