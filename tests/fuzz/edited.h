/* SPDX-License-Identifier: Apache-2.0
 *
 * For fuzz targets that read text and have a main of their own: a good text with a few bytes changed, removed or
 * repeated, from a seed. The bytes that mean something in the text come more often than others.
 */
#ifndef BELT_TESTS_EDITED_H
#define BELT_TESTS_EDITED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct edited {
    uint64_t state;      /* of the generator: the seed */
    const char *special; /* `special_count` bytes that mean something */
    uint32_t special_count;
};

static inline uint32_t edited_draw(struct edited *edited, uint32_t below)
{
    edited->state = edited->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(edited->state >> 33) % below;
}

/** Edits `text` in place, up to five times; returns its new length, which is not larger. */
static inline size_t edited_text(struct edited *edited, char *text, size_t len)
{
    for (uint32_t edits = edited_draw(edited, 6); edits && len > 8; edits--) {
        size_t at = edited_draw(edited, (uint32_t)len - 4), cut = 1 + at % 3;
        switch (edited_draw(edited, 4)) {
        case 0:
            text[at] = edited->special[edited_draw(edited, edited->special_count)];
            break;
        case 1:
            text[at] = (char)edited_draw(edited, 256);
            break;
        case 2:
            memmove(text + at, text + at + cut, len - at - cut);
            len -= cut;
            break;
        default:
            memcpy(text + at, text + edited_draw(edited, (uint32_t)len - 4), 4);
        }
    }
    return len;
}

#endif
