/* SPDX-License-Identifier: Apache-2.0
 *
 * See zap_answer.h.
 */
#include "broker/zap_answer.h"

#include "proto/link.h"

#include <string.h>

enum { VERSION, ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS };

static bool is(struct zap_frame frame, const char *text)
{
    return frame.len == strlen(text) && memcmp(frame.data, text, frame.len) == 0;
}

bool zap_question(const struct zap_frame *frames, size_t count, uint8_t key[BELT_KEY_BYTES])
{
    if (count != ZAP_FRAMES || !is(frames[VERSION], "1.0") || !is(frames[DOMAIN], BELT_LINK_DOMAIN) ||
        !is(frames[MECHANISM], "CURVE") || frames[CREDENTIALS].len != BELT_KEY_BYTES)
        return false;
    memcpy(key, frames[CREDENTIALS].data, BELT_KEY_BYTES);
    return true;
}
